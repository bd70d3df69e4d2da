# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds whose rules are keys with values in a configuration file."""

from __future__ import annotations

import json
import re
import typing as t

from ....module_utils._collect.settings import AUDITD, LOGIN_DEFS, PAM, PWQUALITY, SYSTEMD, USERADD
from ..combinations import alone, counted, homes, less_credits, locks_root, remembered, stores_all, written
from ..constraint import text
from ..daemon import Daemon
from ..pam_tools import TOOLS
from .base import Check, Demand, Desired, Evidence, Kind, Platform, Rule, Ruling, RunningDaemon
from .matchers import checks, checks_on, literal

MARK = "# Managed by unified.deploy."


def set_key(content: str, key: str, value: str | None, *, separator: str, section: str = "") -> str:
    """Give KEY one value in a file's text: the first live line is replaced, others go, a new one is added.

    A None value removes the key. A key that has no value (``enforce_for_root``) is written bare.

    Args:
        section: the ini section in which the line must stand; what stands outside is ignored by the program, and goes.
    """
    mine = re.compile(rf"^\s*{re.escape(key)}(?:[\s=]|$)")
    line = None if value is None else key if value == "" else f"{key}{separator}{value}"
    header = f"[{section}]" if section else ""
    lines: list[str] = []
    here, placed = "", False
    for old in content.splitlines():
        if section and old.lstrip().startswith("["):
            here = old.strip()
        if not mine.match(old):
            lines.append(old)
        elif line is not None and not placed and here == header:
            lines.append(line)
            placed = True
    if line is not None and not placed:
        if header and header not in [one.strip() for one in lines]:
            lines.append(header)
        place = [one.strip() for one in lines].index(header) + 1 if header else len(lines)
        lines.insert(place, line)
    return "\n".join(lines) + "\n"


def put_line(content: str, pattern: str, line: str) -> str:
    """The text with LINE in place of the first line that PATTERN matches at its beginning, the others gone; else at its end."""
    lines: list[str] = []
    for old in content.splitlines() or [MARK]:
        if not re.match(pattern, old):
            lines.append(old)
        elif line not in lines:
            lines.append(line)
    return "\n".join(lines if line in lines else [*lines, line]) + "\n"


def add_lines(content: str, lines: t.Iterable[str]) -> str:
    """The text with those LINES appended that it does not have."""
    content = content or f"{MARK}\n"
    return content + "".join(f"{line}\n" for line in lines if line not in content.splitlines())


class Place(t.NamedTuple):
    """A value that is in force somewhere: ``service`` names the PAM service whose line gives it, empty for a file; ``because`` which other
    setting makes it another value than what stands there.
    """

    value: str | None
    source: str
    service: str = ""
    because: str = ""


class Settings(Kind):
    """A program's settings. Only what a file or an argument sets counts: a program's own default may change with it.

    Args:
        name: the kind, and the section of ``settings`` in the evidence.
        path: the file that is written: a drop-in of ours, or the program's own where it has no drop-ins that win.
        separator: between key and value.
        section: ini section.
        daemon: the platform's name of the unit that reads the file when it starts.
        module: the PAM module that reads the file, whose arguments win over it.
        bare: keys that are flags: written alone to switch on.
    """

    def __init__(
        self,
        name: str,
        path: str,
        *,
        separator: str = "=",
        section: str = "",
        daemon: str = "",
        module: str = "",
        bare: frozenset[str] = frozenset(),
        mode: str = "0644",
    ) -> None:
        self.name = name  # type: ignore[misc]  # one class, many kinds
        self.sections = ("settings", "text", "pam") if module else ("settings", "text")  # type: ignore[misc]  # the same
        self.path, self.separator, self.section, self.mode = path, separator, section, mode
        self.daemon_name, self.module, self.bare = daemon, module, bare

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        units = [platform.unit(self.daemon_name)] if self.daemon_name else []
        profiles = TOOLS[platform.tool("pam")].texts() if self.module else []
        return {"text": [self.path, *profiles], "settings": [unit for unit in units if unit]}

    def concerns(self, demand: Demand, section: str, item: str) -> bool:
        if section == "text":
            return item == self.path
        return section != "settings" or item.split(" ", 1)[0] == self.name

    def places(self, demand: Demand, evidence: Evidence) -> list[Place]:
        """Every value that is in force: what each PAM line has, where a module reads the file, else what the file has."""
        return self._places(demand.key, evidence)

    def _places(self, key: str, evidence: Evidence) -> list[Place]:
        setting = evidence["settings"][self.name].get(key)
        file = Place(setting["value"], setting["source"]) if setting else Place(None, "")
        if not self.module:
            return [file]
        lines = [
            (service, line["args"])
            for service, stack in evidence["pam"].items()
            for line in stack
            # An account line only looks at what the other lines have counted.
            if line["module"] == self.module and line["type"] != "account"
        ]
        return [self._argument(key, service, arguments, file) for service, arguments in lines] or [file]

    def _argument(self, key: str, service: str, arguments: list[str], file: Place) -> Place:
        values = dict(argument.partition("=")[::2] for argument in arguments)
        if key in values:
            argument = f"{key}={values[key]}" if values[key] else key
            return Place(values[key] or "yes", f"/etc/pam.d/{service} ({self.module} {argument})", service)
        if values.get("conf", self.path) != self.path:
            return Place(None, f"/etc/pam.d/{service} ({self.module} conf={values['conf']})", service)
        return file

    def deciding(self, demand: Demand, evidence: Evidence) -> Place:
        """The place that breaks the rule, or the last one where none does."""
        places = self.places(demand, evidence)
        return next((place for place in places if not demand.value.holds(place.value)), places[-1])

    def daemon(self, evidence: Evidence) -> Daemon | None:
        if not self.daemon_name:
            return None
        unit = evidence.platform.unit(self.daemon_name)
        return Daemon(unit, evidence, "settings", ("daemons", unit), ("changed", self.name))

    def running_daemon(self, evidence: Evidence) -> RunningDaemon | None:
        daemon = self.daemon(evidence) if evidence.get("settings") else None
        if daemon is None or daemon.started is None:
            return None
        return RunningDaemon(daemon.unit, frozenset(daemon.changed), fresh=not daemon.stale)

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        place, daemon = self.deciding(demand, evidence), self.daemon(evidence)
        shown = "not set" if place.value is None else place.value
        if place.service:
            shown += f" in {place.source}"
        if place.because:
            shown += f" because of {place.because}"
        if not demand.value.holds(place.value):
            return Ruling("fail", shown, demand.value.describe())
        if daemon and daemon.stale:
            return Ruling("fail", f"{shown}, but {daemon.complaint()}", demand.value.describe())
        return Ruling("pass", shown, demand.value.describe())

    def reads_file(self, evidence: Evidence) -> bool:
        """Whether the installed PAM module knows its file."""
        return self.name not in evidence["settings"].get("unread", ())

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        if self.reads_file(evidence):
            return ""
        tool = TOOLS[evidence.platform.tool("pam")]
        if not tool.takes_arguments(self.module):
            return f"the installed {self.module} reads no {self.path}: give it the argument '{demand.key}' in its PAM profile"
        return tool.obstacle(demand.rule.id, evidence)

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        daemon = self.daemon(evidence)
        setting = evidence["settings"][self.name].get(demand.key)
        current = setting["value"] if setting else None
        if not demand.value.holds(current):
            target = demand.value.target(current)
            value = None if target is None else "" if demand.key in self.bare else text(target)
            if isinstance(target, list):
                value = " ".join(text(item) for item in target)
            if not self.reads_file(evidence):
                TOOLS[evidence.platform.tool("pam")].set_argument(
                    self.module, demand.key, value or "", evidence, desired
                )
                return
            start = desired.text(self.path, evidence) or f"{MARK}\n"
            content = set_key(start, demand.key, value, separator=self.separator, section=self.section)
            desired.file(self.path, content, mode=self.mode, restart=self._restarts(evidence))
        if daemon:
            daemon.refresh(desired)

    def _restarts(self, evidence: Evidence) -> list[str]:
        daemon = self.daemon(evidence)
        return [daemon.unit] if daemon else []

    def winner(self, demand: Demand, evidence: Evidence) -> str:
        place = self.deciding(demand, evidence)
        return place.source if place.source != self.path else ""

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        setting = evidence["settings"][self.name].get(demand.key)
        places = self.places(demand, evidence)
        made: list[Check] = []
        if any(not place.service for place in places):
            made += checks(demand.value, "settings", self.name, demand.key, "value")
        if setting and setting["source"].startswith("/"):
            made.append(
                Check(
                    "file", {"path": setting["source"], "exists": True, "contents": [self._line(demand.key, setting)]}
                )
            )
        for place in (place for place in places if place.service):
            made += checks_on(demand.value, json.dumps(place.value or ""))
        for source in self._stack_files(evidence, {place.service for place in places}):
            argument = f"!/^[^#]*{literal(self.module)}\\s(.*\\s)?\\[?({literal(demand.key)}\\b|conf=)/"
            made.append(Check("file", {"path": source, "exists": True, "contents": [argument]}))
        daemon = self.daemon(evidence)
        return made + (daemon.asserts() if daemon else [])

    def _stack_files(self, evidence: Evidence, overriding: t.Collection[str]) -> list[str]:
        """Files with lines of this kind's PAM module, which must not give the setting another value."""
        stacks = evidence["pam"].items() if self.module else ()
        return sorted(
            {
                line["source"]
                for service, stack in stacks
                if service not in overriding
                for line in stack
                if line["module"] == self.module
            }
        )

    def _line(self, key: str, setting: t.Mapping[str, str]) -> str:
        between = r"\s+" if self.separator.isspace() else r"\s*=?\s*"
        value = literal(setting.get("written", setting["value"]))
        return f'/(?i)^\\s*{literal(key)}({between}"?{value}"?)?\\s*(#.*)?$/'


class Bearing(t.NamedTuple):
    """Keys that bear on another one, and what is in force of that, given its own value and theirs (`combinations`)."""

    keys: tuple[str, ...]
    combine: t.Callable[[str | None, t.Sequence[str | None]], str | None]


class Combined(Settings):
    """Settings of which some mean nothing without others of the same program.

    Args:
        others: by key, the keys that bear on it, and the value that is in force, given the key's own and those of the others in their
            order (None where not set).
        harmless: what a key that bears on others is set to where it makes a rule fail; None takes its line away.
        meanings: by key and word, the values that the program takes the word for.
    """

    def __init__(
        self,
        name: str,
        path: str,
        *,
        others: t.Mapping[str, Bearing],
        harmless: str | None = None,
        meanings: t.Mapping[tuple[str, str], tuple[str, ...]] | None = None,
        **options: t.Any,
    ) -> None:
        super().__init__(name, path, **options)
        self.others, self.harmless, self.meanings = others, harmless, meanings or {}

    def _meant(self, demand: Demand, place: Place) -> Place:
        """A place with what its word means, where that satisfies the rule and the word as it stands does not."""
        words = self.meanings.get((demand.key, (place.value or "").lower()), ())
        value = next((one for one in (place.value, *words) if demand.value.holds(one)), place.value)
        return place if value == place.value else place._replace(value=value, because=f"{demand.key} {place.value}")

    def places(self, demand: Demand, evidence: Evidence) -> list[Place]:
        own = [self._meant(demand, place) for place in self._places(demand.key, evidence)]
        if demand.key not in self.others:
            return own
        keys, combine = self.others[demand.key]
        beside = [self._places(key, evidence) for key in keys]
        made = []
        for place, *rest in zip(own, *beside):
            value = combine(place.value, [one.value for one in rest])
            set_ = [one for one in rest if one.value is not None]
            if value == place.value:
                made.append(place)
                continue
            because = ", ".join(f"{key} {one.value}" for key, one in zip(keys, rest) if one in set_)
            # What overrides is the other setting, where that stands elsewhere than in our file.
            source = next((one.source for one in set_ if one.source != self.path), place.source)
            made.append(place._replace(value=value, because=because, source=source))
        return made

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        values = evidence["settings"][self.name]
        own = values[demand.key]["value"] if demand.key in values else None
        keys, combine = self.others.get(demand.key, Bearing((), alone))
        # What spoils the value that is to be set must go with the same run, though it changes nothing about the one that is there.
        future = own if demand.value.holds(own) else text(demand.value.target(own))
        in_force = combine(future, [values[key]["value"] if key in values else None for key in keys])
        spoilt = any(place.because and not demand.value.holds(place.value) for place in self.places(demand, evidence))
        for index, key in enumerate(keys):
            setting = values.get(key)
            only = [setting["value"] if setting and number == index else None for number in range(len(keys))]
            if combine(future, only) == future or (demand.value.holds(in_force) and not spoilt):
                continue
            start = desired.text(self.path, evidence) or f"{MARK}\n"
            here = re.findall(rf"^\s*{re.escape(key)}[\s=]+(\S+)", start, re.MULTILINE)
            # Another rule may have planned a value for it already.
            if setting and here[-1:] in ([], [setting.get("written", setting["value"])]):
                content = set_key(start, key, self.harmless, separator=self.separator, section=self.section)
                desired.file(self.path, content, mode=self.mode, restart=self._restarts(evidence))
        if self._meant(demand, Place(own, self.path)).value == own:
            super().want(demand, evidence, desired)

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        places = self.places(demand, evidence)
        if not any(place.because for place in places):
            return super().asserts(demand, evidence)
        daemon = self.daemon(evidence)
        made = [check for place in places for check in checks_on(demand.value, json.dumps(place.value or ""))]
        return made + (daemon.asserts() if daemon else [])


def _drop_in(name: str, daemon: str = "") -> Settings:
    file, section = SYSTEMD[name]
    return Settings(name, f"/etc/systemd/{file}.d/zz-unified.conf", section=section, daemon=daemon)


KINDS = (
    Combined(
        "journald",
        "/etc/systemd/journald.conf.d/zz-unified.conf",
        section=SYSTEMD["journald"][1],
        daemon="journald",
        others={"Storage": Bearing(("MaxLevelStore",), stores_all)},
        harmless="debug",
    ),
    _drop_in("coredump"),
    _drop_in("timesyncd", "timesyncd"),
    Combined(
        "pwquality",
        PWQUALITY,
        others={"minlen": Bearing(("dcredit", "ucredit", "lcredit", "ocredit"), less_credits)},
        harmless="0",
        separator=" = ",
        module="pam_pwquality.so",
        bare=frozenset({"enforce_for_root"}),
    ),
    Combined(
        "faillock",
        PAM["faillock"],
        others={"deny": Bearing(("dir",), counted), "even_deny_root": Bearing(("root_unlock_time",), locks_root)},
        # faillock.conf(5): "never", which is 0, is longer than the longest time that it takes, a week.
        meanings={("unlock_time", "0"): ("604800",), ("unlock_time", "never"): ("0", "604800")},
        separator=" = ",
        module="pam_faillock.so",
        bare=frozenset({"audit", "even_deny_root", "silent"}),
    ),
    Combined(
        "pwhistory",
        PAM["pwhistory"],
        others={"remember": Bearing(("file",), remembered)},
        separator=" = ",
        module="pam_pwhistory.so",
        bare=frozenset({"enforce_for_root"}),
    ),
    Settings("aide_default", "/etc/default/aide"),
    Combined("login_defs", LOGIN_DEFS, others={"UMASK": Bearing(("HOME_MODE",), homes)}, separator="\t"),
    Settings("useradd", USERADD),
    Combined(
        "auditd",
        AUDITD,
        others={"max_log_file_action": Bearing(("write_logs", "log_format", "local_events"), written)},
        separator=" = ",
        mode="0640",
        daemon="auditd",
    ),
)

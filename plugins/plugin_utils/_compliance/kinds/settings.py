# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds whose rules are keys with values in a configuration file."""

from __future__ import annotations

import re
import typing as t

from ..constraint import text
from .base import Check, Demand, Desired, Evidence, Kind, Platform, Rule, Ruling, ruling
from .matchers import checks, checks_on_default, literal

MARK = "# Managed by unified.deploy."


def set_key(content: str, key: str, value: str | None, *, separator: str, section: str = "") -> str:
    """Give KEY one value in a file's text: the first live line is replaced, others go, a new one is appended.

    A None value removes the key. A key that has no value (``enforce_for_root``) is written bare.
    """
    splitter = r"\s+|\s*$" if separator.isspace() else r"\s*(=|$)"
    mine = re.compile(rf"^\s*{re.escape(key)}(?:{splitter})", re.MULTILINE)
    line = None if value is None else key if value == "" else f"{key}{separator}{value}"
    lines, placed = [], False
    for old in content.splitlines():
        if not mine.match(old):
            lines.append(old)
        elif line is not None and not placed:
            lines.append(line)
            placed = True
    if line is not None and not placed:
        header = f"[{section}]"
        if section and header not in lines:
            lines += [header]
        lines.append(line)
    return "\n".join(lines) + "\n"


def put_line(content: str, pattern: str, line: str) -> str:
    """The text with LINE at its end, in place of the lines that PATTERN matches at their beginning."""
    kept = [old for old in content.splitlines() if not re.match(pattern, old)] or [MARK]
    return "\n".join([*kept, line]) + "\n"


def add_lines(content: str, lines: t.Iterable[str]) -> str:
    """The text with those LINES appended that it does not have."""
    content = content or f"{MARK}\n"
    return content + "".join(f"{line}\n" for line in lines if line not in content.splitlines())


class Settings(Kind):
    """A program's settings.

    Args:
        name: the kind, and the section of ``config`` in the evidence.
        path: the file that is written: a drop-in of ours, or the program's own where it has no drop-ins that win.
        separator: between key and value.
        section: ini section for new files.
        defaults: values that hold while a key is not set (the program's manual page).
        restart: unit to restart when the file has changed.
        bare: keys that are flags: written alone to switch on.
    """

    sections = ("settings", "text")

    def __init__(
        self,
        name: str,
        path: str,
        *,
        separator: str = "=",
        section: str = "",
        defaults: t.Mapping[str, str] | None = None,
        restart: str = "",
        bare: frozenset[str] = frozenset(),
        mode: str = "0644",
    ) -> None:
        self.name = name  # type: ignore[misc]  # one class, many kinds
        self.path, self.separator, self.section, self.mode = path, separator, section, mode
        self.defaults, self.restart, self.bare = defaults or {}, restart, bare

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {"text": [self.path]}

    def actual(self, demand: Demand, evidence: Evidence) -> tuple[str | None, str]:
        """The value that holds and the file it comes from ('' for the program's own default)."""
        found = evidence["settings"][self.name].get(demand.key)
        if found:
            return found["value"], found["source"]
        return self.defaults.get(demand.key), ""

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        value, _source = self.actual(demand, evidence)
        return ruling(demand.value.holds(value), value, demand.value.describe())

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        target = demand.value.target(self.actual(demand, evidence)[0])
        value = None if target is None else "" if demand.key in self.bare else text(target)
        if isinstance(target, list):
            value = " ".join(text(item) for item in target)
        start = desired.text(self.path, evidence) or f"{MARK}\n"
        content = set_key(start, demand.key, value, separator=self.separator, section=self.section)
        desired.file(self.path, content, mode=self.mode, restart=[self.restart] if self.restart else ())

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        value, source = self.actual(demand, evidence)
        if not source:
            return checks_on_default(demand.value, value)
        found = checks(demand.value, "settings", self.name, demand.key, "value")
        key = literal(demand.key)
        between = r"\s+" if self.separator.isspace() else r"\s*=?\s*"
        line = f'/^\\s*{key}({between}"?{literal(value)}"?)?\\s*(#.*)?$/'
        return [*found, Check("file", {"path": source, "exists": True, "contents": [line]})]


KINDS = (
    Settings(
        "journald",
        "/etc/systemd/journald.conf.d/zz-unified.conf",
        section="Journal",
        defaults={"Compress": "yes", "ForwardToSyslog": "no", "Storage": "auto"},
        restart="systemd-journald.service",
    ),
    Settings(
        "coredump", "/etc/systemd/coredump.conf.d/zz-unified.conf", section="Coredump", defaults={"Storage": "external"}
    ),
    Settings(
        "timesyncd",
        "/etc/systemd/timesyncd.conf.d/zz-unified.conf",
        section="Time",
        restart="systemd-timesyncd.service",
    ),
    # pwquality.conf is read after its drop-ins, so only the main file is sure to win.
    Settings(
        "pwquality",
        "/etc/security/pwquality.conf",
        separator=" = ",
        defaults={
            "dictcheck": "1",
            "difok": "1",
            "enforcing": "1",
            "maxrepeat": "0",
            "maxsequence": "0",
            "minclass": "0",
            "minlen": "8",
        },
        bare=frozenset({"enforce_for_root"}),
    ),
    Settings(
        "faillock",
        "/etc/security/faillock.conf",
        separator=" = ",
        defaults={"deny": "3", "unlock_time": "600"},
        bare=frozenset({"audit", "even_deny_root", "silent"}),
    ),
    Settings(
        "pwhistory",
        "/etc/security/pwhistory.conf",
        separator=" = ",
        defaults={"remember": "10"},
        bare=frozenset({"enforce_for_root"}),
    ),
    Settings("login_defs", "/etc/login.defs", separator="\t"),
    Settings("auditd", "/etc/audit/auditd.conf", separator=" = ", mode="0640", restart="auditd.service"),
)

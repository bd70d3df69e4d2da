# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `sshd`."""

from __future__ import annotations

import datetime
import fnmatch
import posixpath
import re
import typing as t

from ....module_utils._collect.sshd_config import include_directories, split
from ....module_utils._logins import refusal
from ..constraint import items, text
from ..logins import administrators, groups_of
from .base import Check, Connection, Demand, Desired, Evidence, Kind, Platform, Rule, Ruling, RunningDaemon, ruling
from .matchers import Template, checks, literal, lookup, matching
from .settings import MARK

MAIN = "/etc/ssh/sshd_config"
# sshd takes the first value it reads; cloud images bring 50-cloud-init.conf.
DROP_IN = "/etc/ssh/sshd_config.d/00-unified.conf"
# Where the drop-ins are not read first: of its own, for an Include may stand inside a Match block.
APART = "/etc/ssh/sshd_unified.conf"
# What sshd would read once the staged file is in place: its first value wins, so the file goes before all others.
MERGED = ("sh", "-c", f'{{ cat "$1"; cat {MAIN}; }} | sshd -t -f /dev/stdin', "sh", "%s")
ACCESS_LISTS = ("allowusers", "allowgroups", "denyusers", "denygroups")
# A pattern that every name matches, from wherever (ssh_config(5), PATTERNS).
EVERYBODY = re.compile(r"[*?]+(@[*?]+)?")
ALGORITHMS = ("ciphers", "kexalgorithms", "macs")
# A process starts some time after the clock tick that the kernel notes for it.
TICK = 0.02


class Sshd(Kind):
    """Settings of the SSH daemon: with the arguments it runs with, for everybody, and inside every Match block."""

    name = "sshd"
    sections = ("sshd", "text")

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {"account": None, "sshd": [platform.unit("ssh_server")], "sudo": None, "text": [DROP_IN, APART, MAIN]}

    @staticmethod
    def readings(key: str, evidence: Evidence) -> list[tuple[str, str | None, tuple[str | int, ...]]]:
        """Every value that KEY has: for whom (empty for everybody), the value, and its place in the evidence."""
        sshd = evidence["sshd"]
        values: list[tuple[str, str | None, tuple[str | int, ...]]] = [
            ("", sshd["effective"].get(key), ("effective", key))
        ]
        for index, variant in enumerate(sshd["variants"]):
            if key in variant["differs"]:
                shown = f"{variant['name']} with the arguments '{' '.join(variant['arguments'])}'"
                values.append((shown, variant["differs"][key] or None, ("variants", index, "differs", key)))
        for index, case in enumerate(sshd["cases"]):
            if key in case["differs"]:
                values.append((_block(case), case["differs"][key] or None, ("cases", index, "differs", key)))
        return values

    @staticmethod
    def comparable(key: str, value: str | None) -> str | None:
        if not value or not key.startswith(("allow", "deny")):
            return value
        # A list that lets everybody in is none.
        everybody = key.startswith("allow") and any(EVERYBODY.fullmatch(one) for one in value.split())
        return None if everybody else value.replace(" ", ",")

    @staticmethod
    def any_list(demand: Demand) -> bool:
        """Whether the rule asks for no more than some restriction: the site has not said whom it lets in."""
        return demand.key == "AllowGroups" and demand.rule.remediate == "manual"

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        held = self._judge_lists(evidence) if self.any_list(demand) else self._judge_value(demand, evidence)
        daemon = stale(evidence)
        return Ruling("fail", daemon, "the configuration on disk") if held.verdict == "pass" and daemon else held

    @classmethod
    def _judge_lists(cls, evidence: Evidence) -> Ruling:
        sshd, expected = evidence["sshd"], "users or groups are listed"
        shown = [f"{n} {sshd['effective'][n]}" for n in ACCESS_LISTS if cls.comparable(n, sshd["effective"].get(n))]
        lifted = [
            _block(case) for case in sshd["cases"] if not cls._restricts({**sshd["effective"], **case["differs"]})
        ]
        if shown and lifted:
            return Ruling("fail", f"everybody may log in by {lifted[0]}", expected)
        return ruling(bool(shown), ", ".join(shown) or "everybody may log in", expected)

    @classmethod
    def _restricts(cls, settings: t.Mapping[str, str]) -> bool:
        return any(cls.comparable(name, settings.get(name)) for name in ACCESS_LISTS)

    def _judge_value(self, demand: Demand, evidence: Evidence) -> Ruling:
        key = demand.key.lower()
        (_all, value, _path), *others = self.readings(key, evidence)
        weaker = [
            f"{other or 'absent'} for {where}"
            for where, other, _path in others
            if not demand.value.holds(self.comparable(key, other))
        ]
        value = self.comparable(key, value)
        if weaker and demand.value.holds(value):
            return Ruling("fail", "; ".join(weaker), demand.value.describe())
        return ruling(demand.value.holds(value), value, demand.value.describe())

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        daemons = evidence["sshd"]["daemons"]
        for daemon in daemons:
            if "-f" in daemon["arguments"]:
                path = daemon["arguments"][daemon["arguments"].index("-f") + 1]
                return f"sshd {daemon['pid']} reads {path} instead of {MAIN}: mend it there"
        by_hand = [d for d in daemons if d["unit"] not in evidence.platform.unit_names("ssh_server")]
        if by_hand and stale(evidence):
            return f"sshd {by_hand[0]['pid']} was started by {by_hand[0]['unit'] or 'hand'}: restart it there"
        winner = self._earlier(demand, evidence)
        return f"{winner} overrides what this collection writes: mend it there" if winner else ""

    def would_lock_out(self, demand: Demand, evidence: Evidence, connection: Connection) -> str:
        if evidence.get("account") is None or evidence.get("sudo") is None:
            return "accounts or sudo's rules were not read: whom it would lock out cannot be foreseen"
        effective = evidence["sshd"]["effective"]
        refused = self._not_loaded(evidence, connection)
        if refused:
            return refused
        if demand.key == "PermitRootLogin":
            if connection.user == "root":
                return "the run is connected as root: it would lock itself out; connect as another user with sudo"
            if not [name for name in administrators(evidence) if name != "root"]:
                return (
                    "nobody but root can log in and become root: it would lock everybody out; make an account with sudo"
                )
        if demand.key == "AllowGroups":
            return self._cut_by_groups(demand, evidence, connection)
        if demand.key == "UsePAM" and demand.value.eq == "no":
            return "without PAM, accounts with locked passwords cannot log in"
        if demand.key == "DisableForwarding" and (behind := connection.reached_through()):
            more = f" and {len(behind) - 3} more" if len(behind) > 3 else ""
            return (
                f"{', '.join(behind[:3])}{more} of the inventory would be cut off: their logins go through this host (ProxyJump); "
                "waive the rule for it, or reach them another way"
            )
        if demand.key == "MaxAuthTries" and connection.identities >= int(text(demand.value.target(effective))):
            return (
                f"the agent offers {connection.identities} keys, more than the change allows tries: "
                "set IdentitiesOnly and IdentityFile for this host"
            )
        return self._no_common_algorithm(demand, evidence, connection)

    @staticmethod
    def _not_loaded(evidence: Evidence, connection: Connection) -> str:
        """Why the configuration on disk refuses a login that the running daemon let in: a restart would load it."""
        session = evidence["sshd"]["session"]
        user = connection.user or (session or {}).get("user", "")
        if not user or user not in [one["name"] for one in evidence["account"]["users"]]:
            return ""
        effective = {**evidence["sshd"]["effective"], **(session or {}).get("differs", {})}
        refused = refusal(user, (session or {}).get("address", ""), effective, groups_of(user, evidence))
        return f"{refused} in the configuration on disk: its daemon would lock {user} out" if refused else ""

    def _cut_by_groups(self, demand: Demand, evidence: Evidence, connection: Connection) -> str:
        now = evidence["sshd"]["effective"]
        allowed = items(demand.value.target(self.comparable("allowgroups", now.get("allowgroups"))))
        after = {**now, "allowgroups": " ".join(allowed)}
        if connection.user and refusal(connection.user, "", after, groups_of(connection.user, evidence)):
            return f"{connection.user} is in none of the groups {', '.join(sorted(allowed))}: it would lock itself out"
        others = [name for name in administrators(evidence) if name not in ("root", connection.user)]
        groups = {one: groups_of(one, evidence) for one in others}
        cut = [one for one in others if refusal(one, "", after, groups[one]) and not refusal(one, "", now, groups[one])]
        if cut:
            return (
                f"{', '.join(cut)} can log in today and {'are' if len(cut) > 1 else 'is'} in none of the groups "
                f"{', '.join(sorted(allowed))}: add their group, or take their keys away"
            )
        return ""

    def _no_common_algorithm(self, demand: Demand, evidence: Evidence, connection: Connection) -> str:
        """Why this client could not come in again, by what the daemon would offer after a restart."""
        for name, client in connection.algorithms.items():
            offered = items(evidence["sshd"]["effective"].get(name, ""))
            if name == demand.key.lower():
                written = self.written(demand, evidence)
                gone = items(written[1:]) if written[:1] == "-" else []
                client = tuple(one for one in client if one not in gone)
                # Taken from sshd's own list; where the site's list stands in its place, what that is only sshd knows.
                own = [] if self._listed_by_site(name, evidence) else offered
                offered = [one for one in own if one not in gone] if gone else items(written)
            if not client or (offered and not set(offered) & set(client)):
                return f"this client knows none of the {name} that would be offered: it would lock itself out"
        return ""

    def written(self, demand: Demand, evidence: Evidence) -> str:
        """The value that the drop-in gets."""
        key = demand.key.lower()
        actual = self.comparable(key, evidence["sshd"]["effective"].get(key))
        if demand.value.none_of is not None and demand.value.subset_of is None:
            left = [one for one in items(actual or "") if one not in demand.value.none_of]
            # sshd_config(5): all of sshd's own list but these. What is left of a list that was all weak could be
            # an algorithm that the operator's client does not have.
            return (
                ",".join(left) if self._listed_by_site(key, evidence) and left else f"-{','.join(demand.value.none_of)}"
            )
        target = demand.value.target(actual)
        separator = " " if key.startswith(("allow", "deny")) else ","
        return separator.join(items(target)) if isinstance(target, list) else text(target)

    @staticmethod
    def _listed_by_site(key: str, evidence: Evidence) -> bool:
        return any(
            line["keyword"] == key and not line["match"] and line["value"][:1] not in "+-^"
            for line in evidence["sshd"]["directives"]
        )

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        restart = [evidence.platform.unit("ssh_server")]
        # On SIGHUP sshd executes itself anew and reads everything (sshd(8)). Debian's unit checks the whole configuration first and
        # keeps the daemon where it does not hold; a restart that fails leaves none.
        desired.add("reloadable", restart)
        if stale(evidence):
            desired.add("stale", restart)
            if self._holds(demand, evidence):
                return
        path = DROP_IN if reads_drop_ins_first(evidence) else APART
        content = desired.text(path, evidence) or f"{MARK}\n"
        content = put(content, demand.key, self.written(demand, evidence))
        desired.file(path, content, mode="0600", validate=MERGED, restart=restart)
        main, include = desired.text(MAIN, evidence), f"Include {APART}\n"
        if path == APART:
            if not main.startswith(include):
                desired.file(MAIN, include + main, mode="0600", validate=["sshd", "-t", "-f", "%s"], restart=restart)
            if desired.text(DROP_IN, evidence):
                desired.file(DROP_IN, None, restart=restart)

    def running_daemon(self, evidence: Evidence) -> RunningDaemon | None:
        sshd = evidence.get("sshd")
        unit = evidence.platform.unit("ssh_server")
        if not sshd or unit not in [daemon["unit"] for daemon in sshd.get("daemons", ())]:
            return None
        lines = sshd["directives"]
        files = {MAIN, *(line["source"] for line in lines), *include_directories(lines)}
        return RunningDaemon(unit, frozenset(files), fresh=not stale(evidence), reloads=True)

    def _holds(self, demand: Demand, evidence: Evidence) -> bool:
        judged = self._judge_lists(evidence) if self.any_list(demand) else self._judge_value(demand, evidence)
        return judged.verdict == "pass"

    def winner(self, demand: Demand, evidence: Evidence) -> str:
        key = demand.key.lower()
        weaker = [
            where
            for where, value, _path in self.readings(key, evidence)
            if where and not demand.value.holds(self.comparable(key, value))
        ]
        # One connection can be in several blocks: that which has the line comes first.
        own = {line["match"] for line in evidence["sshd"]["directives"] if line["keyword"] == key}
        blocks = [_block(case) for case in evidence["sshd"]["cases"] if case["criteria"] in own]
        weaker.sort(key=lambda where: where not in blocks)
        # A block for everybody is no case of its own: its values are what sshd shows as its settings.
        weaker += [
            f"'Match all' in {line['source']}:{line['line']}"
            for line in evidence["sshd"]["directives"]
            if line["keyword"] == key and line["match"] == "all"
        ]
        return self._earlier(demand, evidence) or (weaker[0] if weaker else "")

    @staticmethod
    def _earlier(demand: Demand, evidence: Evidence) -> str:
        """What sets the key for everybody before our file could: the daemon's arguments, or a file that is read first."""
        key, sshd = demand.key.lower(), evidence["sshd"]
        for name, options in _argument_lists(sshd):
            if key in [_overridden(flag, option) for flag, option in zip(options, options[1:])]:
                return f"{name} with the arguments '{' '.join(options)}'"
        right = demand.value.holds(Sshd.comparable(key, sshd["effective"].get(key)))
        if right or not reads_drop_ins_first(evidence):
            return ""
        return next(
            (f"{line['source']}:{line['line']}" for line in _ahead(sshd["directives"]) if line["keyword"] == key), ""
        )

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        fresh = matching(Template(_STALE), {"match-regexp": "^$"})
        if self.any_list(demand):
            # Who may log in by which block is followed by the planner alone; this looks at what holds for everybody.
            values = " ".join(f'{{{{ {lookup("sshd", "effective", name)} | default "" }}}}' for name in ACCESS_LISTS)
            lifted = len(
                [
                    case
                    for case in evidence["sshd"]["cases"]
                    if not self._restricts({**evidence["sshd"]["effective"], **case["differs"]})
                ]
            )
            return [
                matching(Template(f'"{values}"'), {"match-regexp": "[^\\s*?@]"}),
                matching(Template(f'"{lifted}"'), "0"),
                fresh,
            ]
        key = demand.key.lower()
        made = [fresh]
        for _where, _value, path in self.readings(key, evidence):
            made += checks(demand.value, "sshd", *path)
            if key.startswith("allow"):
                # A list that lets everybody in is none.
                shown = f'"{{{{ {lookup("sshd", *path)} | default "" }}}}"'
                made.append(matching(Template(shown), {"not": {"match-regexp": f"(^|\\s){EVERYBODY.pattern}(\\s|$)"}}))
        return [*made, *self._on_disk(key, evidence)]

    @staticmethod
    def _on_disk(key: str, evidence: Evidence) -> list[Check]:
        """The line that wins where it stands; where none does, that no file has one."""
        sshd = evidence["sshd"]
        if any(options for _name, options in _argument_lists(sshd)):
            return []
        lines = [line for line in sshd["directives"] if line["keyword"] == key]
        everywhere = [line for line in lines if line["match"] in ("", "all")]
        keyword = rf'(?i)^\s*"?{key}"?(\s*=\s*|\s+)'
        if everywhere:
            words = r"[\s\"']+".join(literal(word) for word in everywhere[0]["value"].split())
            attributes = {"path": everywhere[0]["source"], "exists": True, "contents": [f"/{keyword}[\"']?{words}/"]}
            return [Check("file", attributes)]
        if lines:
            return []
        sources = dict.fromkeys([MAIN, *(line["source"] for line in sshd["directives"])])
        return [Check("file", {"path": path, "exists": True, "contents": [f"!/{keyword}/"]}) for path in sources]


_STALE = (
    '"{{ range .Vars.sections.sshd.items.daemons }}'
    f"{{{{ if lt (addf (float64 .loaded) {TICK}) (float64 $.Vars.sections.sshd.items.newest.modified) }}}}{{{{ .pid }}}} {{{{ end }}}}"
    '{{ end }}"'
)


def stale(evidence: Evidence) -> str:
    """Which daemon runs with an older configuration than the disk has; empty where none does."""
    newest = evidence["sshd"]["newest"]
    for daemon in evidence["sshd"]["daemons"]:
        if daemon["loaded"] + TICK < newest["modified"]:
            since, changed = (_shown(moment) for moment in (daemon["loaded"], newest["modified"]))
            return (
                f"sshd {daemon['pid']} has its configuration since {since}, and {newest['path']} changed at {changed}"
            )
    return ""


def _shown(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _ahead(lines: t.Iterable[t.Mapping[str, t.Any]]) -> t.Iterator[t.Mapping[str, t.Any]]:
    """Settings for everybody that are read before our drop-in, by files whose names sort before its."""
    place = ""
    for index, line in enumerate(lines):
        if line["source"].startswith(f"{posixpath.dirname(DROP_IN)}/"):
            place = line["source"]
        # The main file goes on behind its Include, which is its first line.
        if place >= DROP_IN or (index and line["source"] == MAIN):
            return
        if index and not line["match"]:
            yield line


def put(content: str, key: str, value: str) -> str:
    """The text with one line for KEY: its first one is replaced, others go; keywords have no case."""
    lines = content.splitlines()
    mine = [index for index, line in enumerate(lines) if split(line)[0] == key.lower()]
    for index in reversed(mine[1:]):
        del lines[index]
    if mine:
        lines[mine[0]] = f"{key} {value}"
    else:
        lines.append(f"{key} {value}")
    return "\n".join(lines) + "\n"


def _block(case: t.Mapping[str, t.Any]) -> str:
    return f"'Match {case['criteria']}' in {case['source']}:{case['line']}"


def _overridden(flag: str, option: str) -> str:
    """The setting that an argument of the daemon decides on (sshd(8)); empty for others."""
    if flag == "-E":
        return "loglevel"
    return option.replace("=", " ").strip().partition(" ")[0].lower() if flag == "-o" else ""


def _argument_lists(sshd: t.Mapping[str, t.Any]) -> list[tuple[str, list[str]]]:
    running = [(f"sshd {daemon['pid']}", daemon["arguments"]) for daemon in sshd["daemons"]]
    return [*running, *((variant["name"], variant["arguments"]) for variant in sshd["variants"])]


def reads_drop_ins_first(evidence: Evidence) -> bool:
    """Whether the main file begins with an Include that reads our drop-in, before any other setting."""
    first = next(iter(evidence["sshd"]["directives"]), None)
    if first is None or first["keyword"] != "include" or first["source"] != MAIN:
        return False
    patterns = [one if one.startswith("/") else f"/etc/ssh/{one}" for one in first["value"].split()]
    return fnmatch.fnmatch(DROP_IN, patterns[0])


KINDS = (Sshd(),)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `pam`: what PAM stacks let happen, changed through the platform's own tool."""

from __future__ import annotations

import re
import typing as t

from ....module_utils._collect.section import WHOLE
from ..pam_stack import AUTHENTICATING, ROOT_ONLY, Line, avoidable, of_type, opens_to_all, outcomes, unmet
from ..pam_tools import TOOLS, Tool
from .base import TEXTS, Check, Connection, Demand, Desired, Evidence, Kind, Platform, Rule, Ruling, offenders
from .matchers import Template, literal, matching

SU = "/etc/pam.d/su"
SU_GROUP = "unified-su"
# Services that ask who somebody is, in every distribution; `other` stands for those without a file (pam.conf(5)).
DOORS = ("login", "other", "polkit-1", "sshd", "su", "su-l", "sudo", "sudo-i")
# sudo's settings that name its services (sudoers(5)).
SUDO_SERVICES = ("pam_service", "pam_login_service", "pam_askpass_service")
# Services of setuid programs that keep the number of who called them, so that pam_rootok knows root from the others (su(1),
# runuser(1), chfn(1), chsh(1), consolehelper(8), shadow's tools for root); of sudo it is root's own.
CALLERS = frozenset(
    ("su", "su-l", "runuser", "runuser-l", "chfn", "chsh", "chpasswd", "chgpasswd", "newusers", "passwd", "chage", "groupadd", "groupdel",
     "groupmems", "groupmod", "useradd", "userdel", "usermod", "config-util", "halt", "poweroff", "reboot")
)  # fmt: skip


class Problem(t.NamedTuple):
    """What is wrong with a stack, and in which file."""

    text: str
    source: str


class Pam(Kind):
    """A module does its work in every service that asks for passwords.

    ``stacks`` lists what must stand where: ``<type> [argument...]``; an argument may be ``this|that``. It is looked for
    in the stacks that the platform's tool writes, or in those of `services`. ``guards`` names the types in which no
    password may be accepted without the module, in any service; ``forbid`` lists arguments that no line may have. With
    ``last`` the last line of the module decides, in every service that has one: each line overrides those before it.
    """

    name = "pam"
    sections = ("pam", "authselect", "text")
    constrained = ()
    required = ("module",)
    fields: t.ClassVar = {
        "module": {"type": "string", "pattern": "\\.so$"},
        "stacks": TEXTS,
        "services": TEXTS,
        "guards": TEXTS,
        "forbid": TEXTS,
        "empty_group": {"type": "boolean"},
        "last": {"type": "boolean"},
    }

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {
            "text": [*TOOLS[platform.tool("pam")].texts(), SU],
            **({"account": None} if {"empty_group", "last"} & rule.spec.keys() else {}),
            **({"account": None, "sshd": [platform.unit("ssh_server")], "sudo": None} if _asks_for_doors(rule) else {}),
        }

    @staticmethod
    def tool(evidence: Evidence) -> Tool:
        return TOOLS[evidence.platform.tool("pam")]

    def problems(self, demand: Demand, evidence: Evidence) -> list[Problem]:
        made = [
            *self._lacking(demand, evidence),
            *self._forbidden(demand, evidence),
            *self._passed_by(demand, evidence),
            *self._members(demand, evidence),
            *self._own(demand, evidence),
        ]
        return list(dict.fromkeys(made))

    def _bases(self, demand: Demand, kind: str, evidence: Evidence) -> tuple[str, ...]:
        return tuple(demand.rule.spec.get("services", ())) or self.tool(evidence).base[kind]

    def _concerned(self, demand: Demand, kind: str, evidence: Evidence) -> list[str]:
        """The base stacks, and where the last line decides every service that has one of its own."""
        bases = self._bases(demand, kind, evidence)
        if not demand.rule.spec.get("last"):
            # Another name of the same service: missing on some platforms, and often no more than an include of the first.
            others = demand.rule.spec.get("services", ())[1:]
            stacks = {one: of_type(evidence["pam"].get(one, ()), kind) for one in others}
            return [
                one
                for one in bases
                if one not in others or (stacks[one] and not any(line["source"] == SU for line in stacks[one]))
            ]
        return [
            *bases,
            *(s for s, lines in evidence["pam"].items() if s not in bases and _of_module(demand, kind, lines)),
        ]

    def _lacking(self, demand: Demand, evidence: Evidence) -> t.Iterator[Problem]:
        module = demand.rule.spec["module"]
        for entry in demand.rule.spec.get("stacks", ()):
            kind, *arguments = entry.split()
            for service in self._concerned(demand, kind, evidence):
                lines = _of_module(demand, kind, evidence["pam"].get(service, ()))
                right = [line for line in lines if _has(line["args"], arguments)]
                if not lines:
                    yield Problem(f"{module} is not in {service} ({kind})", f"/etc/pam.d/{service}")
                elif not right:
                    yield Problem(
                        f"{service}: '{' '.join(lines[0]['args'])}' lacks {' '.join(arguments)}", lines[0]["source"]
                    )
                elif not any(line["installed"] for line in right):
                    yield Problem(f"{module} stands in {service}, but is not installed", lines[0]["source"])
                elif demand.rule.spec.get("last") and _passes_by_last(evidence["pam"][service], kind, lines[-1]):
                    yield Problem(f"{service} ({kind}): can pass by {module}", lines[-1]["source"])

    def _forbidden(self, demand: Demand, evidence: Evidence) -> t.Iterator[Problem]:
        for argument in demand.rule.spec.get("forbid", ()):
            for lines in evidence["pam"].values():
                for line in lines:
                    if line["module"] == demand.rule.spec["module"] and argument in [
                        a.split("=")[0] for a in line["args"]
                    ]:
                        yield Problem(f"{line['source']}: {argument}", line["source"])

    def _passed_by(self, demand: Demand, evidence: Evidence) -> t.Iterator[Problem]:
        """Services that accept a password without the module."""
        module = demand.rule.spec["module"]
        entrances = doors(evidence) if _asks_for_doors(demand.rule) else frozenset()
        groups = _members_of_groups(evidence) if _asks_for_doors(demand.rule) else None
        for name in sorted(name for name in entrances if "/" in name):
            yield Problem(f"the PAM service '{name}' of sshd or sudo is none of /etc/pam.d: nobody looked at it", name)
        for kind in demand.rule.spec.get("guards", ()):
            known: set[str] = set()
            common = {f"/etc/pam.d/{name}" for name in self._bases(demand, kind, evidence)}
            # The common stacks first: a service that only includes them has no problem of its own.
            names = sorted(evidence["pam"], key=lambda name: name not in self._bases(demand, kind, evidence))
            for service in demand.rule.spec.get("services") or names:
                lines = of_type(evidence["pam"].get(service, ()), kind)
                if groups is not None:
                    lines = [{**line, "unmet": unmet(line, groups)} for line in lines]
                chosen = demand.rule.spec.get("services")
                how = bypass(
                    module, kind, lines, only_root=bool(chosen), door=service in entrances, caller=service in CALLERS
                )
                own = [
                    line["source"]
                    for line in lines
                    if (line["source"] == SU if chosen else line["module"] == "pam_unix.so")
                ]
                source = own[0] if own else f"/etc/pam.d/{service}"
                if source in common and service not in self._bases(demand, kind, evidence) and source not in known:
                    # The common stack is right: what lets in stands in the service's own lines.
                    source = next(
                        (one["source"] for one in lines if one["source"] not in common), f"/etc/pam.d/{service}"
                    )
                if how and source not in known:
                    known.add(source)
                    yield Problem(f"{service} ({kind}): {how}", source)

    @staticmethod
    def _members(demand: Demand, evidence: Evidence) -> t.Iterator[Problem]:
        """Members of the group that a line names, where that group must be empty."""
        if "empty_group" not in demand.rule.spec:
            return
        # pam_wheel counts those whose first group it is, too.
        members = _members_of_groups(evidence)
        for service in demand.rule.spec["services"]:
            for line in evidence["pam"].get(service, ()):
                for argument in line["args"] if line["module"] == demand.rule.spec["module"] else ():
                    group = argument.partition("=")[2] if argument.startswith("group=") else ""
                    if members.get(group):
                        yield Problem(f"group {group} has the members {', '.join(members[group])}", "/etc/group")

    @staticmethod
    def _own(demand: Demand, evidence: Evidence) -> t.Iterator[Problem]:
        """Accounts whose comment field has another umask than the last line may give: it wins over every line (pam_umask(8))."""
        if not demand.rule.spec.get("last"):
            return
        allowed = {word for entry in demand.rule.spec["stacks"] for words in entry.split() for word in words.split("|")}
        for name, mask in (evidence["account"] or {"umasks": {}})["umasks"].items():
            if f"umask={mask}" not in allowed:
                yield Problem(f"{name} has umask={mask} in the comment field of /etc/passwd", "/etc/passwd")

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        spec = demand.rule.spec
        expected = "; ".join([*spec.get("stacks", ()), *(f"no {name}" for name in spec.get("forbid", ()))])
        unseen = _unseen(demand.rule, evidence)
        if WHOLE in unseen:
            return Ruling("error", f"who comes in by which PAM service is not known: {unseen[WHOLE]}", "readable")
        wrong = offenders(
            [problem.text for problem in self.problems(demand, evidence)], f"{spec['module']}: {expected}"
        )
        if unseen and wrong.verdict == "pass":
            shown = "; ".join(f"{item}: {reason}" for item, reason in unseen.items())
            return Ruling("error", f"who comes in by which PAM service is not all seen: {shown}", wrong.expected)
        return wrong if wrong.verdict == "fail" else Ruling("pass", "as expected", wrong.expected)

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        mendable = {f"/etc/pam.d/{name}" for stacks in self.tool(evidence).base.values() for name in stacks}
        if demand.rule.spec.get("services"):
            mendable = {SU}
            # A line that stands is the site's own: another one beside it would refuse whom that one lets through.
            lacking = list(self._lacking(demand, evidence))
            if not [problem for problem in lacking if problem.text.startswith(demand.rule.spec["module"])]:
                return f"{self.problems(demand, evidence)[0].source} is the site's own: mend it there"
        foreign = [problem.source for problem in self.problems(demand, evidence) if problem.source not in mendable]
        if foreign:
            return f"{', '.join(dict.fromkeys(foreign))} is the site's own: mend it there"
        return "" if demand.rule.spec.get("services") else self.tool(evidence).obstacle(demand.key, evidence)

    def would_lock_out(self, demand: Demand, evidence: Evidence, connection: Connection) -> str:
        if demand.key == "pam_wheel" and connection.become_method == "su":
            return "the run becomes root by su: it would lock itself out; set ansible_become_method to sudo"
        return ""

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        if not demand.rule.spec.get("services"):
            self.tool(evidence).mend(demand.key, evidence, desired)
            return
        line = f"auth\trequired\tpam_wheel.so use_uid group={SU_GROUP}"
        content = desired.text(SU, evidence).splitlines()
        if line in content:
            return
        desired.run("groupadd", "--system", "--force", SU_GROUP)
        # After pam_rootok, which lets root itself pass.
        place = next((i + 1 for i, old in enumerate(content) if re.match(r"\s*auth\s.*pam_rootok\.so", old)), 0)
        desired.file(SU, "\n".join([*content[:place], line, *content[place:]]) + "\n")

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        spec, made = demand.rule.spec, []
        module = literal(spec["module"])
        # Where the last line decides, its result refuses nobody.
        controls = "required|requisite|sufficient" + ("|optional" if spec.get("last") else "")
        for entry in spec.get("stacks", ()):
            kind, *arguments = entry.split()
            for service in self._bases(demand, kind, evidence):
                if service not in evidence["pam"] and demand.rule.spec.get("services"):
                    continue
                # RE2 has no look-ahead: arguments of one line are asked for one by one.
                patterns = [f"/^\\s*-?{kind}\\s+(\\[[^\\]]*\\]|{controls})\\s+(\\S*/)?{module}(\\s|$)/"]
                patterns += [f"/^\\s*-?{kind}\\s.*{module}\\s.*\\b({argument})/" for argument in arguments]
                lines = _of_module(demand, kind, evidence["pam"].get(service, ()))
                sources = [line["source"] for line in lines if _has(line["args"], arguments)]
                path = sources[0] if sources else f"/etc/pam.d/{service}"
                made.append(Check("file", {"path": path, "exists": True, "contents": patterns}))
        stacks = evidence["pam"].values() if spec.get("forbid") else ()
        sources = list(dict.fromkeys(line["source"] for lines in stacks for line in lines))
        for argument in spec.get("forbid", ()):
            pattern = f"!/^[^#]*{module}\\s(.*\\s)?\\[?{argument}([]=]|\\s|$)/"
            made += [Check("file", {"path": path, "exists": True, "contents": [pattern]}) for path in sources]
        # libpam's dispatch is followed by the planner alone; this repeats its answer.
        dispatch = [*self._passed_by(demand, evidence), *self._members(demand, evidence)]
        dispatch += [*self._lacking(demand, evidence), *self._own(demand, evidence)] if spec.get("last") else []
        if spec.get("guards") or spec.get("empty_group") or spec.get("last"):
            made.append(matching(Template(f'"{len(dispatch)}"'), "0"))
        return made


def _of_module(demand: Demand, kind: str, lines: t.Iterable[Line]) -> list[Line]:
    """Lines of the rule's module, of which all count, or with ``last`` the last one."""
    mine = [line for line in of_type(lines, kind) if line["module"] == demand.rule.spec["module"]]
    return mine[-1:] if demand.rule.spec.get("last") else mine


def _asks_for_doors(rule: Rule) -> bool:
    """Whether the rule speaks of every service that people come in by, those included that ask no password."""
    return rule.spec["module"] == "pam_unix.so" and "auth" in rule.spec.get("guards", ())


def doors(evidence: Evidence) -> frozenset[str]:
    """Services that people come in by. Those of sshd and sudo may have other names, for some connections or users only
    (sshd_config(5), PAMServiceName; sudoers(5), pam_service).
    """
    sshd = evidence["sshd"]
    scopes = [sshd["effective"], *(one["differs"] for one in (*sshd.get("cases", ()), *sshd.get("variants", ())))]
    named = [scope.get("pamservicename", "") for scope in scopes]
    named += [entry["value"] for entry in evidence["sudo"]["defaults"] if entry["name"] in SUDO_SERVICES]
    # libpam looks for the name in lower case (pam_start(3)).
    return frozenset({*DOORS, *(name.lower() for name in named if name)})


def _unseen(rule: Rule, evidence: Evidence) -> dict[str, str]:
    """What is not known of how sshd and sudo name their services, and of who is in a group that is asked for, with the reasons."""
    sections = ["sshd", "sudo"] if _asks_for_doors(rule) else []
    conditions = _asks_for_doors(rule) and any(unmet(line, {}) for stack in evidence["pam"].values() for line in stack)
    if conditions or {"empty_group", "last"} & rule.spec.keys():
        sections.append("account")
    return {
        WHOLE if evidence[section] is None else item: reason
        for section in sections
        for item, reason in evidence.left_out(section).items()
    }


def _members_of_groups(evidence: Evidence) -> dict[str, list[str]]:
    """Who is in each group; nothing where that was not read, which `_unseen` says where it matters."""
    return {group["name"]: group["users"] for group in (evidence["account"] or {"groups": []})["groups"]}


def _passes_by_last(stack: t.Sequence[Line], kind: str, last: Line) -> bool:
    return avoidable(of_type(stack, kind), lambda line: line is last)


def bypass(
    module: str,
    kind: str,
    lines: t.Sequence[Line],
    *,
    only_root: bool,
    door: bool = False,
    caller: bool = False,
) -> str:
    """How a stack lets somebody in without the module's consent; empty where it does not.

    Args:
        only_root: whether everybody but root needs the module (su); else it is a password that needs it.
        door: whether people come in by this service, so that it must ask something even where it asks no password.
        caller: whether the service's program has the number of who called it, so that pam_rootok tells root from the others.
    """
    asked = {line["module"] for line in lines}
    if module == "pam_unix.so":
        authenticating = AUTHENTICATING | frozenset(ROOT_ONLY if caller else ())
        if kind == "auth" and (door or module in asked) and opens_to_all(lines, authenticating):
            return "lets in whom no module has accepted" if asked & authenticating else "lets in everybody"
        return ""
    if not only_root and "pam_unix.so" not in asked:
        return ""

    def consents(line: Line) -> bool:
        return line["module"] == module and "authfail" not in line["args"] and "authsucc" not in line["args"]

    for end in outcomes(lines, consents):
        if end.success and not end.passed and (not end.root if only_root else end.accepted):
            return f"lets in without {module}"
    if module == "pam_faillock.so" and kind == "auth":
        places = {tuple(_of_places(line)) for line in lines if line["module"] == module}
        if len(places) > 1:
            shown = " and ".join(" ".join(one) or "its default" for one in sorted(places))
            return f"{module} looks for failed logins elsewhere than it counts them: {shown}"
        for end in outcomes(lines, lambda line: line["module"] == module and "authfail" in line["args"]):
            counted = end.passed or end.refused
            if not end.success and end.denied and not end.accepted and not counted:
                return "does not count a wrong password"
    return ""


def _of_places(line: Line) -> list[str]:
    """Arguments of pam_faillock(8) that say where failed logins are counted, and where it is told so."""
    return sorted(argument for argument in line["args"] if argument.startswith(("conf=", "dir=")))


def _has(arguments: t.Sequence[str], needed: t.Sequence[str]) -> bool:
    return all(
        any(
            argument == one or (one.endswith("=") and argument.startswith(one))
            for one in names.split("|")
            for argument in arguments
        )
        for names in needed
    )


KINDS = (Pam(),)

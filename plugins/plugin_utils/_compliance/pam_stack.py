# SPDX-License-Identifier: GPL-3.0-or-later
"""What a PAM stack lets happen: libpam's own dispatch, followed over every outcome of its modules (pam.conf(5))."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

Line = t.Mapping[str, t.Any]
Test = t.Callable[[Line], bool]
# pam.conf(5): what the plain words stand for.
CONTROLS = {
    "required": {"success": "ok", "ignore": "ignore", "default": "bad"},
    "requisite": {"success": "ok", "ignore": "ignore", "default": "die"},
    "sufficient": {"success": "done", "default": "ignore"},
    "optional": {"success": "ok", "default": "ignore"},
}
ALWAYS = {"pam_permit.so": True, "pam_deny.so": False}
# These let only root in (pam_rootok(8)), as long as the program keeps the number of who called it: in a daemon they let everybody in.
ROOT_ONLY = ("pam_rootok.so",)
# Modules that answer yes only after somebody has proven who they are (their manual pages). What every other one answers says
# nothing of that: conditions (pam_succeed_if, pam_listfile, pam_access ...), scripts (pam_exec), preparations (pam_env ...).
AUTHENTICATING = frozenset(
    f"pam_{name}.so"
    for name in (
        "aad", "ccreds", "duo", "fprintd", "google_authenticator", "gss", "himmelblau", "howdy", "kanidm", "krb5", "ldap", "ldapd",
        "login_duo", "mysql", "oath", "p11", "pgsql", "pkcs11", "radius", "radius_auth", "ssh_agent_auth", "sss", "sss_gss", "systemd_home",
        "tacplus", "u2f", "unix", "unix_auth", "userdb", "usb", "winbind", "yubico",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """One way through a stack.

    Attributes:
        success: what libpam returns.
        passed, refused: what the modules that a test picks have answered on the way, if they were called.
        accepted, denied: whether pam_unix accepted a password (or stored one), and whether it refused one.
        root: whether a module that lets only root in has answered yes.
    """

    success: bool
    passed: bool
    refused: bool
    accepted: bool
    denied: bool
    root: bool


def actions(control: str) -> dict[str, str]:
    if control in CONTROLS:
        return CONTROLS[control]
    pairs = (pair.partition("=") for pair in control.strip("[]").split())
    return {name: action for name, _mark, action in pairs}


def outcomes(lines: t.Sequence[Line], picked: Test) -> set[Outcome]:
    """Every outcome of a stack of one type, as far as the lines that PICKED names and pam_unix tell it apart."""
    called = [line for line in lines if line["installed"] or not line["optional"]]
    ends: set[Outcome] = set()
    seen = set()
    todo: list[tuple[int, str, bool, bool, bool, bool, bool]] = [(0, "", False, False, False, False, False)]
    while todo:
        state = todo.pop()
        if state in seen:
            continue
        seen.add(state)
        index, impression, passed, refused, accepted, denied, root = state
        if index >= len(called):
            ends.add(Outcome(impression == "good", passed, refused, accepted, denied, root))
            continue
        line = called[index]
        if line["control"] == "substack":
            todo.append((index + 1, *state[1:]))
            continue
        for success in answers(line):
            step, judged = follow(called, index, success, impression)
            mine, unix = picked(line), line["module"] == "pam_unix.so"
            todo.append(
                (
                    step,
                    judged,
                    passed or (mine and success),
                    refused or (mine and not success),
                    accepted or (unix and success),
                    denied or (unix and not success),
                    root or (success and line["module"] in ROOT_ONLY),
                )
            )
    return ends


def avoidable(lines: t.Sequence[Line], picked: Test) -> bool:
    """Whether a stack can succeed without having called a line that PICKED names."""
    return any(end.success and not (end.passed or end.refused) for end in outcomes(lines, picked))


def unmet(line: Line, groups: t.Mapping[str, t.Collection[str]]) -> bool:
    """Whether a line says yes to nobody: it asks for members of groups that have none (pam_succeed_if(8), ``ingroup``).

    Args:
        groups: who is in each group.
    """
    words = line["args"] if line["module"] == "pam_succeed_if.so" else ()
    asked = [names for word, names in zip(words, words[1:]) if word == "ingroup"]
    return any(not any(groups.get(name) for name in names.split(":")) for names in asked)


def answers(line: Line) -> tuple[bool, ...]:
    if not line["installed"] or line.get("unmet"):
        return (False,)
    return (ALWAYS[line["module"]],) if line["module"] in ALWAYS else (True, False)


def opens_to_all(lines: t.Sequence[Line], authenticating: t.Collection[str] = AUTHENTICATING) -> bool:
    """Whether a stack can succeed though every module that authenticates somebody refuses; the others may answer either way."""
    called = [line for line in lines if line["installed"] or not line["optional"]]
    seen, todo = set(), [(0, "")]
    while todo:
        state = todo.pop()
        if state in seen:
            continue
        seen.add(state)
        index, impression = state
        if index >= len(called):
            if impression == "good":
                return True
            continue
        line = called[index]
        if line["control"] == "substack":
            todo.append((index + 1, impression))
            continue
        possible = (False,) if line["module"] in authenticating else answers(line)
        todo += [follow(called, index, success, impression) for success in possible]
    return False


def follow(lines: t.Sequence[Line], index: int, success: bool, impression: str) -> tuple[int, str]:
    """Where libpam goes after a module's answer, and what it thinks of the stack then."""
    table = actions(lines[index]["control"])
    action = table.get("success" if success else "auth_err", table.get("default", "bad"))
    level = lines[index]["level"]
    if action.isdigit():
        return jumped(lines, index, level, int(action)), impression
    if action == "reset":
        return index + 1, ""
    if action in ("ok", "done") and impression != "bad":
        impression = "good" if success else "bad"
    if action in ("bad", "die"):
        impression = "bad"
    if action == "die" or (action == "done" and impression == "good"):
        return left(lines, index, level), impression
    return index + 1, impression


def jumped(lines: t.Sequence[Line], index: int, level: int, count: int) -> int:
    """The line after COUNT more of the same level; a substack counts as one."""
    index += 1
    while count and index < len(lines) and lines[index]["level"] >= level:
        index += 1
        while index < len(lines) and lines[index]["level"] > level:
            index += 1
        count -= 1
    return index


def left(lines: t.Sequence[Line], index: int, level: int) -> int:
    """The line after the substack that INDEX stands in; the end where it stands in none."""
    if not level:
        return len(lines)
    while index < len(lines) and lines[index]["level"] >= level:
        index += 1
    return index


def of_type(lines: t.Iterable[Line], kind: str) -> list[Line]:
    return [line for line in lines if line["type"] == kind]

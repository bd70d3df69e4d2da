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
# These let only root in (pam_rootok(8)).
ROOT_ONLY = ("pam_rootok.so",)


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


def answers(line: Line) -> tuple[bool, ...]:
    if not line["installed"]:
        return (False,)
    return (ALWAYS[line["module"]],) if line["module"] in ALWAYS else (True, False)


def opens_to_all(lines: t.Sequence[Line]) -> bool:
    """Whether a stack succeeds though every module that could let somebody in refuses."""
    called = [line for line in lines if line["installed"] or not line["optional"]]
    index, impression = 0, ""
    while index < len(called):
        line = called[index]
        if line["control"] == "substack":
            index += 1
            continue
        # Modules that only prepare a login answer yes to everybody.
        decides = line["module"] == "pam_unix.so" or actions(line["control"]).get("success") not in (
            "ok",
            "ignore",
            None,
        )
        success = ALWAYS.get(line["module"], not decides)
        index, impression = follow(called, index, success and line["installed"], impression)
    return impression == "good"


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

# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom sshd lets in, by its own answers."""

from __future__ import annotations

import grp
import os
import pwd
import typing as t

from ._change import programs
from ._change.errors import ChangeError
from ._change.transaction import Check
from ._collect.sshd_config import listed

TREE = "/etc/ssh"


class Login(t.NamedTuple):
    """Attributes:
    user, address: who comes from where, as sshd's Match blocks are asked (``sshd -T -C``).
    """

    user: str
    address: str

    @property
    def argv(self) -> list[str]:
        return ["sshd", "-T", "-C", f"user={self.user},host={self.address},addr={self.address}"]


def refusal(user: str, address: str, effective: t.Mapping[str, str], groups: t.Collection[str]) -> str:
    """Which of sshd's access lists refuses a user (sshd_config(5), in its order); empty when none does."""

    def named(key: str) -> bool:
        for entry in effective.get(key, "").split():
            name, mark, host = entry.partition("@")
            if listed(user, name) and (not mark or not address or listed(address, host)):
                return True
        return False

    def member(key: str) -> bool:
        patterns = effective.get(key, "").split()
        return any(listed(group, pattern) for group in groups for pattern in patterns)

    if named("denyusers"):
        return f"DenyUsers names {user}"
    if effective.get("allowusers") and not named("allowusers"):
        return f"AllowUsers does not name {user}"
    if member("denygroups"):
        return f"DenyGroups names a group of {user}"
    if effective.get("allowgroups") and not member("allowgroups"):
        return f"AllowGroups names no group of {user}"
    if user == "root" and effective.get("permitrootlogin") == "no":
        return "PermitRootLogin is no"
    return ""


def settings(answer: str) -> dict[str, str]:
    """What ``sshd -T`` prints, by keyword; one that stands in several lines has all values, parted by blanks."""
    effective: dict[str, str] = {}
    for line in answer.splitlines():
        key, _blank, value = line.partition(" ")
        effective[key] = f"{effective[key]} {value}" if key in effective else value
    return effective


def checks(logins: t.Sequence[Login]) -> list[Check]:
    """What to ask of the new files, for judge()."""
    return [Check(tuple(login.argv), (TREE,)) for login in logins]


def judge(logins: t.Sequence[Login], answers: t.Sequence[str]) -> None:
    """Compare what sshd says of the new files with what it says of today's.

    Raises:
        ChangeError: somebody who gets in today would be refused, or sshd said nothing of somebody.
    """
    if len(answers) < len(logins) or not all(settings(answer) for answer in answers[: len(logins)]):
        raise ChangeError("sshd did not say of everybody who would get in by its new files; nothing was changed")
    shut_out = []
    for login, answer in zip(logins, answers):
        groups = _groups(login.user)
        after = refusal(login.user, login.address, settings(answer), groups)
        now = settings(programs.run(login.argv).out) if after else {}
        if after and not refusal(login.user, login.address, now, groups):
            shut_out.append(after)
    if shut_out:
        raise ChangeError(f"sshd would shut out who can log in today: {'; '.join(shut_out)}; nothing was changed")


def _groups(user: str) -> list[str]:
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        return []
    names = []
    for number in os.getgrouplist(user, entry.pw_gid):
        try:
            names.append(grp.getgrgid(number).gr_name)
        except KeyError:
            continue
    return names

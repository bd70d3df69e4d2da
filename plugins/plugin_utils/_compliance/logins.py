# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can log in to a host over SSH, by its accounts, keys and sudo's rules."""

from __future__ import annotations

from .evidence import Evidence
from .kinds.base import Connection


def groups_of(user: str, evidence: Evidence) -> set[str]:
    groups = evidence["account"]["groups"]
    own = {one["gid"] for one in evidence["account"]["users"] if one["name"] == user}
    return {group["name"] for group in groups if user in group["members"] or group["gid"] in own}


def logins(evidence: Evidence, connection: Connection) -> list[dict[str, str]]:
    """Who must still get in after a change: the connecting user, and everybody with keys or with a password and sudo."""
    session = evidence["sshd"]["session"] or {}
    user, address = connection.user or session.get("user", ""), session.get("address") or "127.0.0.1"
    others = [name for name in administrators(evidence) if name not in ("root", user)]
    return [{"user": name, "address": address} for name in ([user] if user else []) + others]


def administrators(evidence: Evidence) -> list[str]:
    """Accounts that can log in: those with keys, and those with a password and sudo."""
    names = {user["name"]: user for user in evidence["account"]["users"] if user["valid_shell"]}
    sudoers = {member for rule in evidence["sudo"]["rules"] for member in rule["users"]}
    keys = evidence["sshd"]["key_holders"]
    return [
        name
        for name, user in names.items()
        if name in keys
        or (
            user["password"] == "set"
            and (name in sudoers or {f"%{group}" for group in groups_of(name, evidence)} & sudoers)
        )
    ]

# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that change a host, and what they return.

Texts travel as UTF-8, or as base64 where they are not: JSON holds no other bytes, and a lone surrogate (Python's way to
carry them) is refused by Ansible on the way back and breaks the terminal's encoding on the way out.
"""

from __future__ import annotations

import base64
import binascii
import grp
import pwd
import re
import typing as t

from .._url import masked_urls
from .attributes import Wish, described
from .batch import Difference, Plan
from .commands import Command
from .errors import ChangeError
from .files import shown
from .transaction import Change, Check, Planned
from .units import State, Units

Entries = t.Sequence[t.Mapping[str, t.Any]]

FILES: dict[str, t.Any] = {
    "type": "list",
    "elements": "dict",
    "options": {
        "path": {"type": "path", "required": True},
        "content": {"type": "str"},
        "encoding": {"type": "str", "choices": ["utf-8", "base64"], "default": "utf-8"},
        "mode": {"type": "str", "default": "0644"},
        "owner": {"type": "str", "default": "root"},
        "group": {"type": "str", "default": "root"},
        "validate": {"type": "list", "elements": "str", "default": []},
        "digest": {"type": "str", "default": ""},
        "required": {"type": "bool", "default": True},
        "keep_times": {"type": "bool", "default": False},
    },
}
CHECKS: dict[str, t.Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "argv": {"type": "list", "elements": "str", "required": True},
        "trees": {"type": "list", "elements": "path", "required": True},
    },
}
ATTRIBUTES: dict[str, t.Any] = {
    "type": "list",
    "elements": "dict",
    "options": {
        "path": {"type": "path", "required": True},
        "mode": {"type": "str", "default": ""},
        "owner": {"type": "str", "default": ""},
        "group": {"type": "str", "default": ""},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "device": {"type": "int", "default": 0},
        "inode": {"type": "int", "default": 0},
    },
}
UNITS: dict[str, t.Any] = {
    name: {"type": "list", "elements": "str", "default": []} for name in ("enabled", "masked", "restarted", "reloaded")
}
ACCOUNTS: dict[str, t.Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "name": {"type": "str", "required": True},
        "password_expire_min": {"type": "int", "no_log": False},
        "password_expire_max": {"type": "int", "no_log": False},
        "password_expire_warn": {"type": "int", "no_log": False},
        "password_expire_account_disable": {"type": "int", "no_log": False},
        "password_lock": {"type": "bool", "no_log": False},
        "shell": {"type": "str"},
    },
}
COMMANDS: dict[str, t.Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "argv": {"type": "list", "elements": "str", "required": True},
        "undo": {"type": "list", "elements": "str", "default": []},
        "saves": {"type": "list", "elements": "str", "default": []},
        "into": {"type": "str", "default": ""},
        "keeps": {"type": "str", "default": ""},
        "required": {"type": "bool", "default": True},
    },
}
# How an fstab(5) entry carries the password of a network share.
_SECRET_OPTIONS = re.compile(r"\b((?:pass|cred|key)\w*)=[^,\s]+")

# Of the password of GRUB's menu: who has it can guess at leisure.
_HASH = re.compile(r"\bgrub\.pbkdf2\.[\w.]+")


def files(entries: Entries, *, dry: bool) -> list[Planned]:
    """Planned files of the option `files`.

    Args:
        dry: whether an owner who is not there yet is no error, for an earlier task would have made the account.

    Raises:
        ChangeError: an owner, group, mode or text is none.
    """
    return [_file(entry, dry) for entry in entries]


def _file(entry: t.Mapping[str, t.Any], dry: bool) -> Planned:
    path = entry["path"]
    try:
        mode = int(entry["mode"], 8)
    except ValueError:
        raise ChangeError(f"{path}: mode '{entry['mode']}' is not octal") from None
    owner = group = 0
    try:
        owner, group = pwd.getpwnam(entry["owner"]).pw_uid, grp.getgrnam(entry["group"]).gr_gid
    except KeyError as exc:
        if not dry:
            raise ChangeError(f"{path}: no such owner or group: {str(exc).strip(chr(34))}") from None
    content = None if entry["content"] is None else _bytes(path, entry["content"], entry["encoding"])
    return Planned(
        path,
        content,
        mode,
        owner,
        group,
        tuple(entry["validate"]),
        entry["digest"],
        entry["required"],
        entry["keep_times"],
    )


def _bytes(path: str, content: str, encoding: str) -> bytes:
    try:
        return base64.b64decode(content, validate=True) if encoding == "base64" else content.encode()
    except (binascii.Error, UnicodeEncodeError):
        raise ChangeError(f"{path}: its content is no {encoding}. Send bytes that are not UTF-8 as base64") from None


def checks(entries: Entries) -> list[Check]:
    return [Check(tuple(entry["argv"]), tuple(entry["trees"])) for entry in entries]


def wishes(entries: Entries) -> list[Wish]:
    return [Wish(**entry) for entry in entries]


def plan(options: t.Mapping[str, t.Any], *, dry: bool) -> Plan:
    """The plan of one batch, from the options of the module that makes it."""
    secrets = options.get("secrets") or {}
    entries = [
        {**entry, "content": entry["content"].replace("%s", secrets[entry["path"]])}
        if entry["path"] in secrets
        else entry
        for entry in options["files"]
    ]
    return Plan(
        name=options["name"],
        files=files(entries, dry=dry),
        checks=checks(options["checks"]),
        attributes=wishes(options["attributes"]),
        sysctls={key: str(value) for key, value in options["sysctls"].items()},
        accounts=options["accounts"],
        units=Units(**options["units"]),
        commands=[Command(**entry) for entry in options["commands"]],
    )


def diff(changes: t.Sequence[Change]) -> list[dict[str, str]]:
    """The texts before and after, without passwords of network shares and in URLs."""
    rows = []
    for change in changes:
        content = change.planned.content
        header = change.path if content is not None else "/dev/null"
        before, after = (masked_urls(shown(one)) for one in (change.before.content if change.before else None, content))
        before, after = _HASH.sub("********", before), _HASH.sub("********", after)
        if change.path == "/etc/fstab":
            before, after = _SECRET_OPTIONS.sub(r"\1=********", before), _SECRET_OPTIONS.sub(r"\1=********", after)
        rows.append({"before_header": change.path, "after_header": header, "before": before, "after": after})
    return rows


def unit_diff(before: t.Mapping[str, State], verbs: t.Mapping[str, t.Sequence[str]]) -> dict[str, str]:
    """States before, and what is done to each unit."""
    changed = list(dict.fromkeys(name for names in verbs.values() for name in names))
    rows = {name: ", ".join(verb for verb, names in verbs.items() if name in names) for name in changed}
    states = {name: f"{before[name]['file'] or before[name]['load']}, {before[name]['active']}" for name in changed}
    return {
        key: "".join(f"{n} {said}\n" for n, said in row.items()) for key, row in (("before", states), ("after", rows))
    }


def batch_diff(difference: Difference) -> list[dict[str, str]]:
    """Everything that a batch changes, as Ansible shows differences."""
    rows = diff(difference.files)
    parts = {
        "attributes": {key: "".join(described(e, key) for e in difference.attributes) for key in ("before", "after")},
        "kernel": {
            key: "".join(f"{name} = {values[key]}\n" for name, values in difference.sysctls.items())
            for key in ("before", "after")
        },
        "accounts": {
            key: "".join(_account(row["before"], row["after"], key) for row in difference.accounts)
            for key in ("before", "after")
        },
        "units": unit_diff(difference.unit_states, {**difference.verbs, **difference.waking}),
        "commands": {"before": "", "after": "".join(f"{' '.join(c.argv)}\n" for c in difference.plan.commands)},
    }
    return rows + [
        {"before_header": name, "after_header": name, **texts} for name, texts in parts.items() if any(texts.values())
    ]


def _account(before: t.Mapping[str, t.Any], after: t.Mapping[str, t.Any], which: str) -> str:
    known = {**before, "password_lock": before["password"].startswith("!")}
    said = [
        f"{key}={known[key] if which == 'before' else value}"
        for key, value in after.items()
        if value is not None and key != "name"
    ]
    return f"{before['name']} {' '.join(said)}\n"

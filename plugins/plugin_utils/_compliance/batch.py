# SPDX-License-Identifier: GPL-3.0-or-later
"""A desired state as the options of the module hardening_batch. Pure: no host, no Ansible."""

from __future__ import annotations

import base64
import typing as t

from ...module_utils._change.files import digest
from .kinds.base import Desired

Options = dict[str, t.Any]


def options(
    desired: Desired, texts: t.Mapping[str, str | None], logins: t.Sequence[t.Mapping[str, str]] = ()
) -> Options:
    """What is to change besides packages; empty for nothing. ``secrets`` has names by path, which whoever runs it replaces.

    Args:
        texts: by path, what each file was planned from; None where there was none.
        logins: who must still get in by the new files of sshd.
    """
    batch = {
        "files": [_file(entry, texts) for entry in desired.files.values()],
        "attributes": list(desired.attributes.values()),
        "sysctls": desired.sysctls,
        "accounts": list(desired.users.values()),
        "commands": [
            *(_command(argv) for argv in desired.commands),
            *({**made, "into": path} for path, made in desired.derived.items()),
        ],
    }
    units = {
        "enabled": desired.units_enabled,
        "masked": desired.units_masked,
        "restarted": desired.units_restarted,
        "reloaded": desired.units_reloaded,
    }
    if not (any(batch.values()) or any(units.values())):
        return {}
    extra = {
        "logins": list(logins),
        "secrets": {path: desired.secrets[path] for path in desired.secrets if path in desired.files},
    }
    return {**batch, "units": units, **{name: value for name, value in extra.items() if value}}


def _file(entry: t.Mapping[str, t.Any], texts: t.Mapping[str, str | None]) -> Options:
    path, content = entry["path"], entry["content"]
    shaped = dict(entry)
    if path in texts:
        text = texts[path]
        shaped["digest"] = digest(None if text is None else _bytes(text))
    if content is not None:
        try:
            content.encode()
        except UnicodeEncodeError:
            shaped.update(content=base64.b64encode(_bytes(content)).decode(), encoding="base64")
    return shaped


def _bytes(text: str) -> bytes:
    """As on the disk: bytes that are no UTF-8 are lone surrogates in texts of evidence."""
    return text.encode("utf-8", "surrogateescape")


def _command(argv: t.Sequence[str]) -> Options:
    """A command, and how its effect is taken back where the saved files alone do not."""
    command: Options = {"argv": list(argv)}
    if argv[0] == "augenrules" or (argv[0], argv[-1]) == ("firewall-cmd", "--reload"):
        command["undo"] = list(argv)
    if argv[0] == "mount" and argv[2].startswith("remount,no"):
        command["undo"] = [argv[0], "-o", argv[2].replace("remount,no", "remount,"), argv[-1]]
    if argv[0] == "touch":
        command["saves"] = [argv[-1]]
    return command

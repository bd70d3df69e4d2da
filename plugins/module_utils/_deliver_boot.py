# SPDX-License-Identifier: GPL-3.0-or-later
"""Files below /run that come back at boot: sealed copies, and a unit that opens them before any ordinary unit starts."""

from __future__ import annotations

import contextlib
import hashlib
import os
import typing as t

from ._change.files import Wanted, replace, text
from ._deliver import Credential, DeliveryError, Encryption, Item, Run

UNITS = "/etc/systemd/system"


class BootCopy(Credential):
    """The content of a file, encrypted for this host, that outlives /run."""

    kind = "boot"
    fix = "Leave at_boot off, or mend that"

    def __init__(self, set_name: str, item: Item, encryption: Encryption) -> None:
        path = item["path"]
        super().__init__({**item, "name": path, "encrypted": "always", "restart": [], "reload": []}, encryption)
        self.identifier = f"unified-{set_name}-{hashlib.sha256(path.encode()).hexdigest()[:16]}"


class BootUnit:
    """The unit of one set, which opens its copies; without any copy there is none."""

    def __init__(self, set_name: str, copies: t.Sequence[BootCopy], run: Run) -> None:
        self.name = f"unified-secrets-{set_name}.service"
        self.path = os.path.join(UNITS, self.name)
        self.link = os.path.join(UNITS, "sysinit.target.wants", self.name)
        self.content = unit_text(set_name, copies) if copies else ""
        self.run = run
        there = text(self.path) + ("\n" if os.path.exists(self.path) else "")
        self.current = there == self.content and os.path.lexists(self.link) == bool(copies)

    def settle(self) -> None:
        """Raises DeliveryError where systemd does not take the unit."""
        if self.current:
            return
        if self.content:
            replace(Wanted(self.path, self.content.encode(), 0o644))
            self._systemctl("enable", self.name)
        else:
            self._systemctl("disable", self.name)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
        self._systemctl("daemon-reload")

    def _systemctl(self, *arguments: str) -> None:
        code, _out, err = self.run(["systemctl", *arguments], b"")
        if code:
            last = err.strip().splitlines()[-1:] or [""]
            raise DeliveryError(f"'systemctl {' '.join(arguments)}' ended with {code}: {last[0]}")


def unit_text(set_name: str, copies: t.Sequence[BootCopy]) -> str:
    """A unit that is done before sysinit.target, and so before every unit with default dependencies (bootup(7))."""
    lines = [
        "[Unit]",
        f"Description=Secrets of the set {set_name} in their files below /run",
        "DefaultDependencies=no",
        "RequiresMountsFor=/etc/credstore.encrypted /var/lib/systemd",
        "After=local-fs.target systemd-tmpfiles-setup.service",
        "Before=sysinit.target shutdown.target",
        "Conflicts=shutdown.target",
        "",
        "[Service]",
        "Type=oneshot",
        "RemainAfterExit=yes",
        "UMask=0077",
    ]
    for copy in sorted(copies, key=lambda copy: copy.name):
        item = copy.item
        lines += [
            f"LoadCredentialEncrypted={copy.identifier}:{copy.path}",
            f"ExecStart=install -d -m 0755 {quoted(os.path.dirname(copy.name))}",
            f"ExecStart=install -m {item['mode']} -o {quoted(item['owner'])} -g {quoted(item['group'])} %d/{copy.identifier} {quoted(copy.name)}",
        ]
    return "\n".join([*lines, "", "[Install]", "WantedBy=sysinit.target", ""])


def quoted(word: str) -> str:
    """One word of a command line (systemd.service(5)), with nothing in it that systemd would replace."""
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "%": "%%", "$": "$$"}
    return '"' + "".join(escapes.get(character, character) for character in word) + '"'

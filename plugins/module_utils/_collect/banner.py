# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts that are shown before and after a login, with those that are shown beside them."""

from __future__ import annotations

import glob
import os

from .section import Reader, Section

# agetty(8), ISSUE FILES; pam_motd(8).
BESIDE = {
    "/etc/issue": ("/etc/issue.d/*.issue", "/run/issue.d/*.issue", "/usr/lib/issue.d/*.issue"),
    "/etc/motd": ("/etc/motd.d/*", "/run/motd.d/*", "/usr/lib/motd.d/*"),
}
LONGEST = 65536


class Banners(Reader):
    """What is shown for each path of `request`: file to text, the path itself first."""

    def read(self) -> Section:
        items: dict[str, dict[str, str]] = {}
        left_out: dict[str, str] = {}
        for name in self.request:
            beside = [path for pattern in BESIDE.get(name, ()) for path in sorted(glob.glob(pattern))]
            shown: dict[str, str] = {}
            for path in (name, *beside):
                try:
                    # A pipe or a device would hang the reader.
                    if os.path.isfile(path):
                        shown[path] = _text(path)
                except (OSError, ValueError) as exc:
                    left_out[path] = f"{exc}"
            items[name] = shown
        return Section(items, left_out)


def _text(path: str) -> str:
    with open(path, "rb") as handle:
        content = handle.read(LONGEST + 1)
    if len(content) > LONGEST:
        raise ValueError(f"longer than {LONGEST} bytes")
    return content.decode(errors="replace")

# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading /sys, /proc, /boot and /lib below a root directory, so that a recorded machine is read as a real one is."""

from __future__ import annotations

import os


class Tree:
    """The files of a host.

    Attributes:
        left_out: what could not be read, by path, with the reason. A file that does not exist is not left out.
    """

    def __init__(self, root: str = "/") -> None:
        self.root = os.path.normpath(root)
        self.left_out: dict[str, str] = {}

    def path(self, *parts: str) -> str:
        """Where the file lies. Absolute symbolic links on the way lead to places below the root."""
        if self.root == "/":
            return os.path.join("/", *parts)
        waiting = [name for part in parts for name in part.split("/") if name]
        reached, links = self.root, 0
        while waiting:
            step = os.path.join(reached, waiting.pop(0))
            target = os.readlink(step) if os.path.islink(step) else ""
            links += bool(target)
            if links > 40:  # as many as the kernel follows
                break
            if target.startswith("/"):
                reached, waiting = self.root, [name for name in target.split("/") if name] + waiting
            else:
                reached = os.path.normpath(os.path.join(os.path.dirname(step), target)) if target else step
        return reached

    def names(self, *parts: str) -> list[str]:
        """What a directory holds, sorted. Empty where there is none."""
        try:
            return sorted(os.listdir(self.path(*parts)))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as exc:
            self._left_out(parts, exc)
            return []

    def exists(self, *parts: str) -> bool:
        return os.path.exists(self.path(*parts))

    def is_directory(self, *parts: str) -> bool:
        return os.path.isdir(self.path(*parts))

    def link_name(self, *parts: str) -> str:
        """The last part of what a symbolic link points to. Empty where there is no link."""
        try:
            return os.path.basename(os.readlink(os.path.join(self.path(*parts[:-1]), parts[-1])))
        except OSError:
            return ""

    def content(self, *parts: str) -> bytes:
        """What the file holds. Empty where there is none."""
        try:
            with open(self.path(*parts), "rb") as handle:
                return handle.read()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return b""
        except OSError as exc:
            self._left_out(parts, exc)
            return b""

    def text(self, *parts: str) -> str:
        return self.content(*parts).decode("utf-8", "replace").strip()

    def number(self, *parts: str) -> int | None:
        """The decimal number in the file; None where there is none."""
        text = self.text(*parts)
        return int(text) if text.lstrip("-").isdecimal() else None

    def strings(self, *parts: str) -> list[str]:
        """The NUL-terminated strings of a device tree's property."""
        return [part.decode("utf-8", "replace") for part in self.content(*parts).split(b"\0") if part]

    def _left_out(self, parts: tuple[str, ...], exc: OSError) -> None:
        self.left_out[os.path.join("/", *parts)] = exc.strerror or str(exc)

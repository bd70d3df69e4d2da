# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration files as programs read them: drop-ins in their order, and what cannot be read noted, never raised."""

from __future__ import annotations

import os
import stat

from .paths import precedence

MOST_BYTES = 10 * 1024 * 1024


def text(path: str, left_out: dict[str, str], name: str = "") -> str | None:
    """A regular file's text, or None where there is no such file.

    A fifo or a device is not opened for reading: it could hold the collector for ever. /dev/null, to which
    administrators link what they mask, is an empty file.

    Args:
        left_out: gets the reason where the file is there and cannot be read.
        name: what the reason is filed under; the path by default.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        left_out[name or path] = exc.strerror or str(exc)
        return None
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        if stat.S_ISCHR(mode) and os.path.realpath(path) == "/dev/null":
            return ""
        left_out[name or path] = "not a regular file"
        return None
    with os.fdopen(descriptor, "rb") as handle:
        content = handle.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        left_out[name or path] = f"larger than {MOST_BYTES // 1024 // 1024} MB"
        return None
    return content.decode(errors="replace")


def texts(paths: list[str], left_out: dict[str, str], prefix: str = "") -> dict[str, str]:
    """The texts of those PATHS that are there, in order."""
    contents = {}
    for path in paths:
        content = text(path, left_out, f"{prefix}{path}")
        if content is not None:
            contents[path] = content
    return contents


def drop_ins(*directories: str, suffix: str = ".conf") -> list[str]:
    """Paths of the drop-ins of DIRECTORIES in order of their names; the first directory hides the others' namesakes."""
    return precedence(directories, suffix)


def logical_lines(content: str, comments: str = "#") -> list[str]:
    """Lines without comment and blank ones, stripped; a line that ends in a backslash goes on with the next."""
    lines: list[str] = []
    begun = ""
    for line in content.splitlines():
        stripped = line.strip()
        if stripped.startswith(tuple(comments)) or (not stripped and not begun):
            continue
        if stripped.endswith("\\"):
            begun += stripped[:-1] + " "
            continue
        lines.append((begun + stripped).strip())
        begun = ""
    return [line for line in [*lines, begun.strip()] if line]

# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator reads when a change cannot be made."""

from __future__ import annotations

import errno


class ChangeError(Exception):
    """A change cannot be made; the message names what, why, and what to do."""


class PathError(ChangeError, OSError):
    """A path is not what it must be to be changed; an OSError too, for callers that name the file and the reason."""

    def __str__(self) -> str:
        return f"{self.filename}: {self.strerror}"


def refused(path: str, reason: str) -> PathError:
    return PathError(errno.EPERM, reason, path)


class StaleError(ChangeError):
    """A file is no longer what it was planned from: plan again."""


class RunError(ChangeError):
    """A run's record is missing, damaged, another host's, or in use."""

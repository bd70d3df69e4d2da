# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator reads when a change cannot be made."""

from __future__ import annotations

import errno
import types
import typing as t


class ChangeError(Exception):
    """A change cannot be made; the message names what, why, and what to do.

    Attributes:
        details: what a module returns beside the message.
    """

    details: t.Mapping[str, t.Any] = types.MappingProxyType({})


class PathError(ChangeError, OSError):
    """A path is not what it must be to be changed; an OSError too, for callers that name the file and the reason."""

    def __str__(self) -> str:
        return f"{self.filename}: {self.strerror}"


def refused(path: str, reason: str) -> PathError:
    return PathError(errno.EPERM, reason, path)


class StaleError(ChangeError):
    """Files are no longer what they were planned from: plan again.

    Attributes:
        paths: which ones.
    """

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths
        self.details = {"stale": paths}
        super().__init__(f"{', '.join(paths)} changed since this was planned; nothing was changed. Plan again")


class RunError(ChangeError):
    """A run's record is missing, damaged, another host's, or in use."""

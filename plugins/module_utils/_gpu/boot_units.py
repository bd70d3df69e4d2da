# SPDX-License-Identifier: GPL-3.0-or-later
"""Units that bring back at a boot what GPUs forget."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError
from ansible_collections.unified.deploy.plugins.module_utils._change.files import Wanted, replace


def enable(paths: t.Sequence[str], *, start: t.Sequence[str] = ()) -> None:
    """Let systemd start units with the host, some of them now too.

    Raises:
        ChangeError: systemd refuses. The files are gone again: one that nobody enabled would look as if all were done.
    """
    try:
        programs.must(["systemctl", "daemon-reload"])
        programs.must(["systemctl", "enable", *map(os.path.basename, paths)])
        for name in start:
            programs.must(["systemctl", "start", name])
    except ChangeError:
        for path in paths:
            os.unlink(path)
        raise


def persist(path: str, content: str) -> None:
    """Write a unit that starts with the host; without content take it away.

    Raises:
        ChangeError: systemd refuses; with enable() the file is gone again, else it is still there.
    """
    if content:
        replace(Wanted(path, content.encode(), 0o644))
        enable([path])
        return
    programs.must(["systemctl", "disable", os.path.basename(path)])
    os.unlink(path)
    programs.must(["systemctl", "daemon-reload"])

# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that a program makes of others, put in place whole.

grub-mkconfig(8) writes its menu over the old one: a power cut, or a full file system, within that moment leaves a host that does not
boot (util/grub-mkconfig.in, ``cat ${grub_cfg}.new > ${grub_cfg}``).
"""

from __future__ import annotations

import os
import re
import shutil
import typing as t

from .errors import ChangeError, PathError
from .files import Wanted, read, replace
from .paths import locate, trust
from .programs import Answer, run
from .record import make_private


def derive(argv: t.Sequence[str], path: str, directory: str, *, timeout: float, keeps: str = "") -> Answer:
    """Run a program, and let the file that it made take the place, owner and mode of PATH.

    Args:
        argv: with ``%s`` where the program is told which file to write.
        directory: root's alone; the file is made below it first.
        keeps: a pattern that a line of the new file must match where one of the old file does.

    Raises:
        ChangeError: the program made nothing, or nothing that may take the place, or cannot be run; there is no room or no right.
            PATH is as it was.
    """
    with locate(path, trust()) as place:
        before = read(place)
    scratch = os.path.join(directory, "derived")
    shutil.rmtree(scratch, ignore_errors=True)  # of a run that died
    make_private(scratch)
    try:
        made = os.path.join(scratch, os.path.basename(path))
        answer = run([part.replace("%s", made) for part in argv], timeout=timeout)
        if answer.code:
            return answer
        with open(made, "rb") as handle:
            content = handle.read()
    except FileNotFoundError:
        content = b""
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if not content:
        raise ChangeError(f"'{argv[0]}' made no {path}")
    if before is None:
        wanted = Wanted(path, content)
    elif content == before.content:
        return answer
    else:
        wanted = Wanted(path, content, before.mode, before.owner, before.group)
        pattern = re.compile(keeps.encode(), re.MULTILINE)
        if pattern.search(before.content) and not pattern.search(content):
            raise ChangeError(f"{path} stays as it was: no line of what '{argv[0]}' makes now matches {keeps}")
    try:
        replace(wanted)
    except PathError:
        raise
    except OSError as exc:
        raise ChangeError(f"{path} could not be put in place: {exc.strerror}") from exc
    return answer

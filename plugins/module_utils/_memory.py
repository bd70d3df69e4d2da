# SPDX-License-Identifier: GPL-3.0-or-later
"""Private directories that are on no disk."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile

from ._change.files import process_start

SHARED = "/dev/shm"


def private_directory(otherwise: str | None = None) -> str:
    """A new directory of this process and user, below OTHERWISE where there is no shared memory. What killed processes left goes.

    Raises:
        OSError: it cannot be made.
    """
    place = SHARED if otherwise is None or os.access(SHARED, os.W_OK) else otherwise
    # Shared memory may be that of several containers, where one number means several processes.
    prefix = f"unified-{re.sub('[^0-9]', '', os.readlink('/proc/self/ns/pid'))}-"
    for name in os.listdir(place):
        owner = re.match(rf"{prefix}(\d+)-(\d+)-", name)
        if owner and process_start(int(owner[1])) != int(owner[2]):
            _remove(os.path.join(place, name))
    process = os.getpid()
    return tempfile.mkdtemp(prefix=f"{prefix}{process}-{process_start(process)}-", dir=place)


def _remove(directory: str) -> None:
    with contextlib.suppress(OSError):
        if os.lstat(directory).st_uid == os.getuid():
            shutil.rmtree(directory)

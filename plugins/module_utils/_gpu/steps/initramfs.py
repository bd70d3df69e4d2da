# SPDX-License-Identifier: GPL-3.0-or-later
"""The initramfs of every kernel that can boot, made after the file that decides which drivers load: they load from there first."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError
from ansible_collections.unified.deploy.plugins.module_utils._change.files import Wanted, replace
from ansible_collections.unified.deploy.plugins.module_utils._change.journal import BASE
from ansible_collections.unified.deploy.plugins.module_utils._change.lock import Lock
from ansible_collections.unified.deploy.plugins.module_utils._change.paths import SEARCH_PATH

from .. import kernels
from ..tree import Tree

SPEC: dict[str, t.Any] = {}
OPTIONS = "/etc/modprobe.d/unified-gpu.conf"
# It is there from before an initramfs takes the file in until one without the file is made: longer than what gpu_driver keeps below BASE.
TAKEN_IN = os.path.join(BASE, "gpu-initramfs")
# update-initramfs(8) of Debian and Ubuntu, dracut(8) of the RHEL family.
MAKERS = (("update-initramfs", "-u", "-k", "all"), ("dracut", "--regenerate-all", "--force"))
SECONDS = 1800
# FAT, which /boot may be, rounds times down to two seconds.
COARSE = 2


def images(tree: Tree) -> list[str]:
    """The initramfs of each kernel that can boot, as Debian's family and RHEL's name it."""
    names = (
        f"boot/{name % release}" for release in kernels.bootable(tree) for name in ("initrd.img-%s", "initramfs-%s.img")
    )
    return [path for path in map(tree.path, names) if os.path.exists(path)]


def older(paths: t.Iterable[str], than: float) -> list[str]:
    return [path for path in paths if os.path.getmtime(path) < than]


def due(tree: Tree, there: bool) -> list[str]:
    """The images that do not have the file as it is; none of them where no initramfs ever took it in."""
    if there:
        return older(images(tree), os.path.getmtime(tree.path(OPTIONS)))
    return images(tree) if os.path.exists(tree.path(TAKEN_IN)) else []


def act(_asked: t.Mapping[str, t.Any], dry: bool) -> dict[str, t.Any]:
    """What gpu_initramfs returns.

    Raises:
        ChangeError: an image could not be made; the next run makes it.
    """
    tree = Tree()
    there = os.path.exists(tree.path(OPTIONS))
    stale = due(tree, there)
    if stale and not dry:
        with Lock(BASE, "writing the initramfs"):
            _make(tree, there)
    return {"changed": bool(stale), "images": stale}


def _make(tree: Tree, there: bool) -> None:
    mark, begun = tree.path(TAKEN_IN), time.time()
    if there:
        replace(Wanted(mark, b"", 0o600))
    maker = next((argv for argv in MAKERS if shutil.which(argv[0], path=SEARCH_PATH)), None)
    if maker is None:
        raise ChangeError(
            f"none of {' and '.join(argv[0] for argv in MAKERS)} is there to write the initramfs anew. Install one"
        )
    answer = programs.run(maker, timeout=SECONDS)
    if answer.code:
        raise ChangeError(f"{maker[0]} ended with {answer.code}: {answer.said}. The next run tries again")
    if left := older(images(tree), begun - COARSE):
        raise ChangeError(
            f"{maker[0]} ended well, and did not write {', '.join(left)}. Is it told not to (update-initramfs.conf(5))?"
        )
    if not there:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(mark)

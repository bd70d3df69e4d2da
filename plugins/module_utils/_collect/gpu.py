# SPDX-License-Identifier: GPL-3.0-or-later
"""GPUs, and how they are."""

from __future__ import annotations

import time
import typing as t

from .._gpu import devices
from .._gpu.tree import Tree
from .child import Child, ChildTimeoutError
from .section import Reader, Section

# nvidia-smi wakes GPUs that nothing keeps awake, some seconds each; of one that is lost it may never answer.
SECONDS = 75


class Gpus(Reader):
    """Items: ``gpus``, each with ``where`` (slot, or path in the device tree), ``id`` (vendor:device, or compatible) and ``driver``; and
    ``checks``, the findings of `health.look`: ``name``, ``where``, ``state``, ``said``. A host without GPUs has none of either.
    """

    def __init__(self, request: None = None) -> None:
        super().__init__(request)
        self.tree = Tree()
        pci, boards = devices.gpus(self.tree)
        self.gpus = [{"where": one["slot"], "id": one["id"], "driver": one["driver"]} for one in pci]
        self.gpus += [{"where": one["path"], "id": one["compatible"][0], "driver": one["driver"]} for one in boards]
        self.ends = time.monotonic() + SECONDS
        self.child = Child(_look) if self.gpus else None

    def read(self) -> Section:
        checks: list[t.Any] = []
        if self.child:
            try:
                checks = self.child.next(max(0.0, self.ends - time.monotonic()))
            except ChildTimeoutError:
                said = f"the checks took longer than {SECONDS} s"
                checks = [{"name": "driver", "where": "", "state": "unread", "said": said}]
            finally:
                self.child.close()
        return Section({"gpus": self.gpus, "checks": checks}, self.tree.left_out)


def _look() -> t.Iterator[list[dict[str, str]]]:
    # Only a host with GPUs pays for what it imports.
    from .._gpu import health

    yield [one._asdict() for one in health.look()[0]]

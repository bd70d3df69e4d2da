"""Measure how long a virtual machine takes from its cached image to an SSH login, one architecture after the other; docs/machines.md."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.arch import figures
from tests.hosts import __main__ as tool
from tests.hosts import vm

NAME = "bench-machine"
# What still runs of the load average when nothing does: the average of the last minute forgets slowly.
IDLE = 0.5


def main() -> int:
    for architecture in os.environ.get("UNIFIED_ARCHITECTURES", ",".join(vm.MACHINES)).split(","):
        vm.disk("debian13", architecture)
        while os.getloadavg()[0] > IDLE:
            print(f"bench: waiting for a quiet machine (load {os.getloadavg()[0]:.2f}, wanted {IDLE})", flush=True)
            time.sleep(10)
        started = time.monotonic()
        tool.up(NAME, "vm", "debian13", architecture=architecture)
        try:
            figures.keep("boots", architecture, {"seconds": round(time.monotonic() - started, 1)})
        finally:
            tool.down([NAME])
    return 0


if __name__ == "__main__":
    sys.exit(main())

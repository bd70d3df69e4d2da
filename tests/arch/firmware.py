"""Firmware and a boot loader alone, on an emulated machine that ends as soon as it has said what is asked."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

SECONDS = 300


def console(argv: list[str], image: Path, directory: Path, until: str, *, seconds: float = SECONDS) -> str:
    """What the machine ARGV with the disk IMAGE writes to its serial console, up to what matches the pattern UNTIL."""
    log = directory / "console"
    argv = [
        *argv, "-accel", "tcg", "-m", "1024", "-display", "none", "-monitor", "none", "-net", "none",
        "-serial", f"file:{log}", "-drive", f"if=virtio,format=raw,file={image}",
    ]  # fmt: skip
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    said = ""
    try:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and child.poll() is None:
            said = log.read_text(errors="replace") if log.exists() else ""
            if re.search(until, said):
                return said
            time.sleep(0.5)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    pytest.fail(f"the machine did not come to '{until}' within {seconds:.0f} s: {said[-2000:]}")

"""Looking for planted values: in a run's output, in processes while it lasts, and in what it leaves on a host."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import threading
import typing as t
from urllib.parse import quote


def forms(value: str) -> dict[str, str]:
    """The forms in which a value may travel. This is not the code under test: the base64 is of the whole value only."""
    encoded = base64.b64encode(value.encode()).decode().rstrip("=")
    return {"plain": value, "base64": encoded, "URL": quote(value, safe=""), "JSON": json.dumps(value)[1:-1]}


def occurrences(text: str, values: t.Iterable[str]) -> list[str]:
    """What of the values stands in the text, as 'form of value'."""
    return [f"{form} of {value[:12]}..." for value in values for form, shown in forms(value).items() if shown in text]


class Sampler:
    """Calls sample() again and again while it is open."""

    every = 0.003

    def __init__(self) -> None:
        self.samples = 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> t.Self:
        self.thread.start()
        return self

    def __exit__(self, *_arguments: object) -> None:
        self.stop.set()
        self.thread.join()

    def _run(self) -> None:
        while not self.stop.is_set():
            self.sample()
            self.samples += 1
            self.stop.wait(self.every)

    def sample(self) -> None:
        raise NotImplementedError


class ArgvWatch(Sampler):
    """Samples arguments and environments of every process on this machine, those of container hosts among them, while it is open."""

    def __init__(self, values: t.Iterable[str]) -> None:
        super().__init__()
        self.needles = [shown.encode() for value in values for shown in forms(value).values()]
        self.seen: list[str] = []
        self.in_environment: list[str] = []

    def sample(self) -> None:
        for process in os.listdir("/proc"):
            if process.isdigit():
                with contextlib.suppress(OSError):
                    self._look(f"/proc/{process}")

    def _look(self, process: str) -> None:
        argv = _read(f"{process}/cmdline")
        if not argv:  # a thread of the kernel, of which a large machine has thousands
            return
        if self._secret(argv):
            self.seen.append(_shown(argv))
        if self._secret(_read(f"{process}/environ")):
            # Between the two readings it may have become another program, to which the environment belongs.
            self.in_environment.append(_shown(_read(f"{process}/cmdline") or argv))

    def _secret(self, text: bytes) -> bool:
        return any(needle in text for needle in self.needles)


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read()


def _shown(argv: bytes) -> str:
    return argv.replace(b"\0", b" ").decode(errors="replace")[:60]


# Everything that a run may leave: temporary and home directories, logs, facts, core dumps and shared memory.
PLACES = "/tmp /var/tmp /root /home /var/log /var/lib/systemd/coredump /var/lib/unified /dev/shm /etc/ansible /run/log"


def left_behind(shell: t.Callable[[str], str], values: t.Iterable[str]) -> str:
    """Files on a host that hold one of the values, and lines of its journal that do."""
    patterns = sorted({shown for value in values for shown in forms(value).values()})
    # In hexadecimal: sudo logs this script, and must not plant what is searched for.
    listed = "\n".join(patterns).encode().hex()
    script = (
        f'umask 077; python3 -c \'open("/etc/unified-needles", "wb").write(bytes.fromhex("{listed}"))\'\n'
        f"grep -rlFf /etc/unified-needles {PLACES} 2>/dev/null || true\n"
        "journalctl --no-pager -o cat 2>/dev/null | grep -Ff /etc/unified-needles || true\n"
        "rm /etc/unified-needles"
    )
    return shell(script).strip()

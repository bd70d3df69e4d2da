"""Where the tool keeps what it builds and runs, and how it runs commands."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path


class HostsError(Exception):
    """A host could not be built, started or removed; the message says why and what to do."""


CACHE = Path(os.environ.get("UNIFIED_CACHE") or Path.home() / ".cache" / "unified-deploy")
RUN = CACHE / "run"
KEY = CACHE / "id_ed25519"
ADMIN = "ansible"


def say(text: str) -> None:
    print(f"hosts: {text}", file=sys.stderr, flush=True)


def run(argv: list[str], *, why: str, env: dict[str, str] | None = None) -> str:
    """Run a command and return its stdout.

    Raises:
        HostsError: it failed; the message holds the last lines of its output.
    """
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C", **(env or {})}
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise HostsError(f"{why}: '{argv[0]}' ended with {done.returncode}\n{tail}")
    return done.stdout


def lacking(programs: dict[str, str]) -> list[str]:
    """What every kind of host needs and this machine has not."""
    lacks = [f"program {name} (package {package})" for name, package in programs.items() if not shutil.which(name)]
    return [*lacks, "root (run it with sudo)"] if os.geteuid() else lacks


def need(programs: dict[str, str]) -> None:
    """Raise when a program is missing, naming every Debian package that has one of them."""
    missing = sorted({package for program, package in programs.items() if not shutil.which(program)})
    if missing:
        raise HostsError(f"missing programs: run 'apt-get install -y {' '.join(missing)}' (or 'make setup')")


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the tool-wide lock NAME, so that two runs never build or number the same thing."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@dataclass
class Host:
    """A started host, as recorded in RUN/<name>/host.json."""

    name: str
    kind: str
    suite: str
    index: int
    root: str = ""
    """A snapshot to start from in place of the suite's root file system."""
    architecture: str = ""
    """Of a virtual machine, as Debian names it; empty for this machine's own."""
    pid: int = 0
    started: int = 0

    @property
    def directory(self) -> Path:
        return RUN / self.name

    @property
    def address(self) -> str:
        # 198.18.0.0/15 is set aside for tests of network devices (RFC 2544), so no real network is shadowed.
        return "127.0.0.1" if self.kind == "vm" else f"198.18.{self.index}.2"

    @property
    def port(self) -> int:
        """Of SSH: a virtual machine is reached through a forwarded port of this machine."""
        return 22000 + self.index if self.kind == "vm" else 22

    @property
    def slowness(self) -> int:
        """How many times longer than on this machine anything may take: an emulated login has cost 80 s on a busy machine."""
        return 20 if self.kind == "vm" else 1

    @property
    def gateway(self) -> str:
        return f"198.18.{self.index}.1"

    @property
    def link(self) -> str:
        """The machine's end of the host's veth pair."""
        return f"ud{self.index}"

    @property
    def peer(self) -> str:
        return f"ud{self.index}p"

    def save(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        # Other runs read all records at any moment, and would find half of one.
        written = self.directory / "host.json.new"
        written.write_text(json.dumps(asdict(self)))
        written.replace(self.directory / "host.json")

    def alive(self) -> bool:
        """Whether the process recorded for this host is still that process (a pid may be used again)."""
        return self.pid > 0 and process_start(self.pid) == self.started


def process_start(pid: int) -> int:
    """Start time of a process in clock ticks since boot (proc(5), field 22 of stat), 0 when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    fields = stat.rpartition(")")[2].split()
    return 0 if fields[0] == "Z" else int(fields[19])


def hosts() -> list[Host]:
    """Every host the tool has a record of, dead or alive; checkouts of other versions may note more of theirs."""
    known = {field.name for field in fields(Host)}
    records = []
    for path in sorted(RUN.glob("*/host.json")):
        with contextlib.suppress(FileNotFoundError):  # another run has just removed this host
            records.append(json.loads(path.read_text()))
    return [Host(**{name: value for name, value in record.items() if name in known}) for record in records]


def find(name: str) -> Host | None:
    return next((host for host in hosts() if host.name == name), None)


def new(name: str, kind: str, suite: str, root: str = "", architecture: str = "") -> Host:
    """Reserve a name and a network number."""
    with locked("numbers"):
        used = {host.index for host in hosts()}
        links = {link.name for link in Path("/sys/class/net").iterdir()}
        # Checkouts side by side have locks of their own: each begins elsewhere, so that two never take a number at once.
        first = zlib.crc32(str(CACHE).encode())
        numbers = ((first + offset) % 250 for offset in range(250))
        index = next(i for i in numbers if i not in used and f"ud{i}" not in links)
        host = Host(name=name, kind=kind, suite=suite, index=index, root=root, architecture=architecture)
        host.save()
    return host

"""Debian's archive, of any suite and architecture, without touching this machine's own apt."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .store import CACHE, HostsError, locked, need, run

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def download(package: str, suite: str, target: Path) -> str:
    """Unpack PACKAGE of SUITE below TARGET; returns the package's file name."""
    (deb,) = debs((package,), suite, "amd64")
    shutil.rmtree(target, ignore_errors=True)
    run(["dpkg-deb", "-x", str(deb), str(target)], why="unpack")
    return deb.name


def debs(names: tuple[str, ...], suite: str, architecture: str) -> list[Path]:
    """The packages of these names as files, downloaded once."""
    kept = CACHE / "debs" / f"{suite}-{architecture}"
    with locked(f"debs-{suite}-{architecture}"):
        kept.mkdir(parents=True, exist_ok=True)
        if missing := [name for name in names if not any(kept.glob(f"{name}_*.deb"))]:
            with _apt(suite, architecture, "main non-free-firmware") as (apt, _work):
                script = ["sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", str(kept)]
                run([*script, "apt-get", *apt, "download", *missing], why=f"download {', '.join(missing)}")
    return [next(kept.glob(f"{name}_*.deb")) for name in names]


def packages(suite: str, architecture: str) -> set[str]:
    """Names of all packages that SUITE has for an architecture (by Debian's name)."""
    with _apt(suite, architecture) as (apt, _work):
        return set(run(["apt-cache", *apt, "pkgnames"], why="list the packages").split())


@contextlib.contextmanager
def _apt(suite: str, architecture: str, components: str = "main") -> Iterator[tuple[list[str], Path]]:
    """Arguments with which apt's programs know SUITE for ARCHITECTURE and nothing else, and the directory that they work in."""
    from .rootfs import MIRROR

    need({"dpkg-deb": "dpkg"})
    if not Path(KEYRING).exists():
        raise HostsError("missing Debian's archive keys: run 'apt-get install -y debian-archive-keyring'")
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        work = Path(name)
        for part in ("lists/partial", "cache/archives/partial"):
            (work / part).mkdir(parents=True)
        (work / "sources.list").write_text(f"deb [signed-by={KEYRING}] {MIRROR} {suite} {components}\n")
        (work / "status").touch()
        settings = {
            "Dir::Etc::SourceList": work / "sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::Etc::Preferences": "/dev/null",
            "Dir::Etc::PreferencesParts": "/dev/null",
            "Dir::State::Lists": work / "lists",
            "Dir::State::Status": work / "status",
            "Dir::Cache": work / "cache",
            "APT::Architecture": architecture,
            "APT::Architectures": architecture,
            "APT::Sandbox::User": "root",
        }
        apt = ["-q", *(f"-o{key}={value}" for key, value in settings.items())]
        run(["apt-get", *apt, "update"], why="read the archive's index")
        yield apt, work


def goss() -> Path:
    """A Goss program for hosts whose distribution has none (Debian 12)."""
    program = CACHE / "goss" / "usr/bin/goss"
    with locked("goss"):
        if not program.exists():
            download("goss", "trixie", CACHE / "goss")
    return program

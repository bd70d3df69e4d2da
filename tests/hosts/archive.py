"""Single packages from Debian's archive, of any suite, without touching this machine's own apt."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from .store import CACHE, HostsError, locked, need, run

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def download(package: str, suite: str, target: Path) -> str:
    """Unpack PACKAGE of SUITE below TARGET; returns the package's file name."""
    from .rootfs import MIRROR

    need({"dpkg-deb": "dpkg"})
    if not Path(KEYRING).exists():
        raise HostsError("missing Debian's archive keys: run 'apt-get install -y debian-archive-keyring'")
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        work = Path(name)
        for part in ("lists/partial", "cache/archives/partial", "got"):
            (work / part).mkdir(parents=True)
        (work / "sources.list").write_text(f"deb [signed-by={KEYRING}] {MIRROR} {suite} main\n")
        (work / "status").touch()
        settings = {
            "Dir::Etc::SourceList": work / "sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::Etc::Preferences": "/dev/null",
            "Dir::Etc::PreferencesParts": "/dev/null",
            "Dir::State::Lists": work / "lists",
            "Dir::State::Status": work / "status",
            "Dir::Cache": work / "cache",
            "APT::Architecture": "amd64",
            "APT::Sandbox::User": "root",
        }
        apt = ["apt-get", "-q", *(f"-o{key}={value}" for key, value in settings.items())]
        run([*apt, "update"], why="read the archive's index")
        run(
            ["sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", str(work / "got"), *apt, "download", package],
            why=f"download {package}",
        )
        deb = next((work / "got").glob("*.deb"))
        shutil.rmtree(target, ignore_errors=True)
        run(["dpkg-deb", "-x", str(deb), str(target)], why="unpack")
        return deb.name


def goss() -> Path:
    """A Goss program for hosts whose distribution has none (Debian 12)."""
    program = CACHE / "goss" / "usr/bin/goss"
    with locked("goss"):
        if not program.exists():
            download("goss", "trixie", CACHE / "goss")
    return program

"""Programs that the tests of secrets need: built once, cached outside the checkout by version."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
import typing as t
from pathlib import Path

import pytest

T = t.TypeVar("T")
# Debian's age has no post-quantum keys, and Debian has no sops.
BUILT = {
    "age": ("filippo.io/age/cmd/...", "v1.3.2"),
    "age-keygen": ("filippo.io/age/cmd/...", "v1.3.2"),
    "sops": ("github.com/getsops/sops/v3/cmd/sops", "v3.13.3"),
}


def base() -> Path:
    return Path(os.environ.get("UNIFIED_CACHE") or Path("~/.cache/unified-deploy").expanduser()) / "programs"


def cache() -> Path:
    return base() / "-".join(f"{name}{BUILT[name][1]}" for name in ("age", "sops"))


def build() -> Path:
    """Build what is missing for this machine, and return the directory of programs."""
    directory = cache()
    missing = sorted({BUILT[name] for name in BUILT if not (directory / name).exists()})
    if missing and not shutil.which("go"):
        installed = all(shutil.which(name) for name in BUILT)
        if installed:
            return Path(str(shutil.which("sops"))).parent
        raise FileNotFoundError(
            "age and sops are built with Go: install Go 1.24 or newer (apt-get install golang, or https://go.dev/dl), "
            f"or put age, age-keygen and sops on the PATH: {', '.join(f'{path}@{version}' for path, version in missing)}"
        )
    directory.mkdir(parents=True, exist_ok=True)
    install(missing, {"GOBIN": str(directory)})
    return directory


def build_for(architecture: str) -> Path:
    """The same programs for another architecture, which Go calls as Debian does; in a directory of their own."""
    directory = cache() / architecture
    missing = sorted({BUILT[name] for name in BUILT if not (directory / name).exists()})
    directory.mkdir(parents=True, exist_ok=True)
    if missing:
        # With GOBIN, go refuses to install for another architecture; without, it makes a directory for it below GOPATH.
        modules = run("go", "env", "GOMODCACHE").decode().strip()
        place = {"GOARCH": architecture, "GOBIN": "", "GOMODCACHE": modules, "GOPATH": str(directory / "go")}
        install(missing, place)
        for program in (directory / "go/bin").glob(f"linux_{architecture}/*"):
            program.replace(directory / program.name)
        shutil.rmtree(directory / "go")
    return directory


def install(packages: t.Iterable[tuple[str, str]], place: dict[str, str]) -> None:
    """Build Go's packages, each of its version, by the environment that says where to."""
    for path, version in packages:
        print(f"building {path}@{version} (once, up to 5 minutes)", flush=True)
        argv = ["go", "install", "-trimpath", "-ldflags=-s -w", f"{path}@{version}"]
        subprocess.run(argv, check=True, env={**os.environ, "CGO_ENABLED": "0", **place})


def fake_bao(version: str, architecture: str = "") -> Path:
    """The fake of tests/fakes/bao, built as this version; cached by what it is made of.

    Args:
        architecture: Debian's name of another one than this machine's.
    """
    source = Path(__file__).parents[1] / "fakes/bao"
    made_of = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(source.iterdir()))).hexdigest()[:12]
    program = base() / f"fake-bao-{made_of}" / architecture / version
    if not program.exists():
        if not shutil.which("go"):
            pytest.fail("the stand-in of OpenBao is built with Go: install Go 1.21 or newer")
        # Lanes build side by side, and none may start what another is still writing.
        made = program.with_name(f"{version}.{os.getpid()}")
        argv = ["go", "build", "-trimpath", f"-ldflags=-s -w -X main.version={version}", "-o", str(made), "."]
        foreign = {"GOARCH": architecture} if architecture else {}
        subprocess.run(argv, check=True, cwd=source, env={**os.environ, "CGO_ENABLED": "0", **foreign})
        made.replace(program)
    return program


def on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{build()}:{os.environ['PATH']}")


def need(*names: str) -> None:
    """Fail, and say what to install, where a program is missing: a test that is left out proves nothing."""
    packages = {
        "gpg": "gnupg",
        "gpgconf": "gnupg",
        "dbus-daemon": "dbus-daemon",
        "gnome-keyring-daemon": "gnome-keyring",
    }
    for name in names:
        if not shutil.which(name):
            pytest.fail(f"'{name}' is not installed: run 'make setup', or apt-get install {packages.get(name, name)}")


def run(*argv: t.Any, stdin: bytes = b"", **options: t.Any) -> bytes:
    done = subprocess.run([str(part) for part in argv], input=stdin, capture_output=True, check=False, **options)
    assert done.returncode == 0, f"{argv}: {done.stderr.decode()}"
    return done.stdout


def gpg_key(home: Path, name: str = "test@example.org") -> str:
    """Make a PGP key without a passphrase and return its fingerprint."""
    environment = {**os.environ, "GNUPGHOME": str(home)}
    run(
        "gpg",
        "--batch",
        "--passphrase",
        "",
        "--quick-generate-key",
        name,
        "default",
        "default",
        "never",
        env=environment,
    )
    listed = run("gpg", "--batch", "--with-colons", "--list-keys", name, env=environment).decode()
    return next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))


@contextlib.contextmanager
def short_directory() -> t.Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="u", dir="/tmp", ignore_cleanup_errors=True) as directory:
        yield directory


def until(make: t.Callable[[], T], good: t.Callable[[T], bool], timeout: float = 60) -> T:
    """What MAKE gives, once it is GOOD."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            made = make()
            if good(made):
                return made
        except Exception:
            if time.monotonic() > deadline:
                raise
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.05)


if __name__ == "__main__":
    build()

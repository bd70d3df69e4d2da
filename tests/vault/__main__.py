"""`make test-vault`: modules and store, then the role, against a real server. Both run and are reported; recordings are kept if both passed."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from .server import ADDRESS, SWITCH, binary, target

ROOT = Path(__file__).resolve().parents[2]
RECORDINGS, MADE = ROOT / "tests/vault/recordings", ROOT / "build/vault-recordings"
PYTEST = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--durations=12"]


def half(name: str, argv: list[str]) -> tuple[str, bool]:
    started = time.monotonic()
    passed = subprocess.run(argv, cwd=ROOT, check=False).returncode == 0
    return f"test-vault: {name}: {'passed' if passed else 'FAILED'} after {time.monotonic() - started:.0f} s", passed


def main() -> int:
    os.environ[SWITCH] = "1"
    if not target():
        print(
            f"test-vault: set BAO_BIN or VAULT_BIN to a server's program, or {ADDRESS}, {SWITCH}_TOKEN and {SWITCH}_CACERT to an empty "
            "server's address, root token and CA",
            file=sys.stderr,
        )
        return 2
    shutil.rmtree(MADE, ignore_errors=True)
    results = [
        half("modules and store", [*PYTEST, "tests/vault", "--deselect", "tests/vault/test_conformance.py"]),
        half("the fake answers alike", [*PYTEST, "tests/vault/test_conformance.py"]),
    ]
    if binary():
        argv = [
            *shlex.split(os.environ.get("SUDO", "")),
            "env",
            f"{SWITCH}=1",
            *PYTEST,
            "tests/integration/test_vault.py",
        ]
        results.append(half("role", argv))
    else:
        results.append(("test-vault: role: NOT RUN, it needs a program (BAO_BIN or VAULT_BIN)", True))
    print(*[line for line, _passed in results], sep="\n")
    passed = all(passed for _line, passed in results)
    if passed and binary():
        shutil.rmtree(RECORDINGS, ignore_errors=True)
        shutil.copytree(MADE, RECORDINGS)
        print(f"test-vault: {len(list(RECORDINGS.iterdir()))} recordings are in {RECORDINGS.relative_to(ROOT)}")
    else:
        print("test-vault: recordings are left as they were")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())

"""Records anew the evidence that unit tests judge (tests/unit/fixtures): a container host as built, and hardened."""

from __future__ import annotations

import json
import sys
import tempfile
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.hosts import __main__ as tool
from tests.integration.conftest import EVERYTHING, Target

FIXTURES = ROOT / "tests" / "unit" / "fixtures"
NAME = "fixture"


def save(target: Target, name: str) -> None:
    evidence: dict[str, t.Any] = json.loads((target.directory / f"results/hosts/{NAME}/evidence.json").read_text())
    # What differs from recording to recording and says nothing.
    evidence["seconds"] = dict.fromkeys(evidence["seconds"], 0.01)
    (FIXTURES / f"{name}.json").write_text(json.dumps(evidence, indent=1, sort_keys=True) + "\n")


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        try:
            target = Target(tool.up(NAME, "container", "debian13"), Path(directory))
            target.play("audit_hosts", variables=EVERYTHING)
            save(target, "debian13_fresh")
            for _ in range(2):
                target.play("harden_hosts", variables=EVERYTHING)
            save(target, "debian13_hardened")
        finally:
            tool.down([NAME])


if __name__ == "__main__":
    main()

"""Building the collection from a directory whose name has spaces, twice at once."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_two_builds_at_once_in_a_path_with_spaces_both_end_well(tmp_path: Path) -> None:
    checkout = tmp_path / "a check out"
    for name in ("galaxy.yml", "README.md", "LICENSE", "meta", "playbooks", "tools/install"):
        target = checkout / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy2)(ROOT / name, target)
    (checkout / ".venv").mkdir()
    (checkout / ".venv/bin").symlink_to(Path(sys.executable).parent)
    builds = [subprocess.Popen([checkout / "tools/install"], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for build in builds:
        error = build.communicate(timeout=120)[1]
        assert (build.returncode, error) == (0, "")
    assert (checkout / "build/collections/ansible_collections/unified/deploy/MANIFEST.json").exists()
    left = sorted(path.name for path in (checkout / "build").iterdir())
    assert [name for name in left if not name.endswith(".tar.gz")] == [".lock", "collections"]

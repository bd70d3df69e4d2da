"""Byte code of the collection's libraries is kept, and nothing else is imported in another way than Ansible's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.plugin_utils import _bytecode

INSTALLED = Path(_bytecode.__file__).parents[5]
PLUGINS = "ansible_collections.unified.deploy.plugins"
CODE = f"""
import json, sys
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader([sys.argv[1]])
before = list(sys.meta_path)
import {PLUGINS}.action.compliance_plan as action
print(json.dumps({{
    "finders": sys.meta_path == before,
    "loaders": {{name: type(module.__spec__.loader).__name__ for name, module in sys.modules.items() if name.startswith("{PLUGINS}.")}},
}}))
"""


def imported(tmp_path: Path, **env: str) -> dict[str, t.Any]:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(INSTALLED)],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPYCACHEPREFIX": str(tmp_path / "kept"), **env},
        capture_output=True,
        text=True,
        check=True,
    )
    return t.cast("dict[str, t.Any]", json.loads(done.stdout))


def kept(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "kept").glob("**/deploy/plugins/**/*.pyc"))


def test_libraries_are_kept_and_the_finders_are_as_before(tmp_path: Path) -> None:
    first = imported(tmp_path)
    assert first["finders"]
    assert first["loaders"][f"{PLUGINS}.plugin_utils._compliance.kinds.base"] == "SourceFileLoader"
    assert first["loaders"][f"{PLUGINS}.module_utils._url"] == "SourceFileLoader"
    assert first["loaders"][f"{PLUGINS}.action.compliance_plan"] == "_AnsibleCollectionLoader"
    times = {path: path.stat().st_mtime_ns for path in kept(tmp_path)}
    assert len(times) > 50
    imported(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in kept(tmp_path)} == times


@pytest.mark.parametrize("setting", [{"PYTHONDONTWRITEBYTECODE": "1"}, {"PYTHONPYCACHEPREFIX": "/proc/none"}])
def test_without_a_place_for_byte_code_all_is_imported_all_the_same(tmp_path: Path, setting: dict[str, str]) -> None:
    assert imported(tmp_path, **setting)["finders"]
    assert not kept(tmp_path)

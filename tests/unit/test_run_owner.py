"""What a run of hardening tells a host of itself."""

from __future__ import annotations

import base64
import json
import os
import typing as t
import zlib
from pathlib import Path

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.unified.deploy.plugins.plugin_utils import _run_owner
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.results_directory import ResultsDirectory
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.run import RUN
from ansible_collections.unified.deploy.plugins.plugin_utils._run_owner import is_dead, owner, packed_evidence


def directory(path: Path) -> str:
    results = ResultsDirectory(str(path))
    results.write(results.host("web") / "evidence.json", json.dumps({"request": {"sshd": None}}))
    return str(path)


def test_evidence_of_this_run_is_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ResultsDirectory, "read_model", lambda self, name: {"run": RUN, "rules": {}})
    packed = packed_evidence(directory(tmp_path), "web")
    assert json.loads(zlib.decompress(base64.b64decode(packed))) == {"request": {"sshd": None}}


@pytest.mark.parametrize("run", ["another", ""])
def test_evidence_of_another_run_or_none_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: str
) -> None:
    monkeypatch.setattr(ResultsDirectory, "read_model", lambda self, name: {"run": run, "rules": {}} if run else None)
    with pytest.raises(AnsibleActionFail, match="the evidence from before this run cannot be kept"):
        packed_evidence(directory(tmp_path), "web")


@pytest.mark.parametrize(
    ("other", "dead"),
    [
        ({}, False),
        ({"started": 1}, True),
        ({"started": 1, "processes": "pid:[1]"}, False),
        ({"boot": "earlier"}, True),
        ({"boot": "earlier", "machine": "0" * 32}, False),
        ({"started": 1, "boot": ""}, False),
        ({"started": 1, "controller": "another"}, False),
        ({"pid": None}, False),
    ],
)
def test_owner_is_dead_only_where_this_controller_can_tell(
    monkeypatch: pytest.MonkeyPatch, other: dict[str, t.Any], dead: bool
) -> None:
    """Two machines of one name, or two containers of one machine, must not take each other's runs for dead."""
    monkeypatch.setattr(_run_owner, "machine_id", lambda: "1" * 32)
    assert is_dead({**owner(os.getpid()), **other}) is dead

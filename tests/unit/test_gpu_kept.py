"""The steps that a host keeps: when their answers count, and that a role's stage that nobody asks cannot be skipped."""

from __future__ import annotations

import hashlib
import json
import re
import types
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.unified.deploy.plugins.module_utils._change import units
from ansible_collections.unified.deploy.plugins.module_utils._gpu import kept
from ansible_collections.unified.deploy.plugins.plugin_utils._gpu import answer
from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.model import GpuError

ROLE = Path(__file__).resolve().parents[2] / "roles/gpu"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(kept.fileset, "killed", list)
    tmp_path.chmod(0o700)
    return tmp_path


def asked(place: Path, *steps: dict[str, t.Any]) -> kept.Kept:
    path = place / "steps.json"
    path.write_text(json.dumps(steps))
    path.chmod(0o600)
    return kept.asked(str(path))


def written(path: Path, content: str) -> dict[str, t.Any]:
    return {"module": "file_set", "each": [{"files": [{"path": str(path), "content": content}]}]}


def says(monkeypatch: pytest.MonkeyPatch, module: str, **returned: t.Any) -> dict[str, t.Any]:
    """A step that returns this whatever it is asked."""
    step = types.SimpleNamespace(SPEC={}, act=lambda _asked, _dry: {"changed": False, **returned})
    real = kept.step_of
    monkeypatch.setattr(kept, "step_of", lambda name: step if name == module else real(name))
    return {"module": module, "each": [{}]}


def test_host_that_is_as_the_steps_want_it_answers_all_of_them(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "there").write_text("as it is\n")
    driver = says(monkeypatch, "gpu_driver", reboot_reason="not loaded", diff={"prepared": ""})
    came = asked(place, written(place / "there", "as it is\n"), {"module": "gpu_mig", "each": []}, driver)
    assert came.because == "" and set(came.answers) == {"file_set", "gpu_driver"}
    assert came.answers["gpu_driver"] == {"changed": False, "reboot_reason": "not loaded"}
    assert came.digest == hashlib.sha256((place / "steps.json").read_bytes()).hexdigest()


def test_first_step_that_has_something_to_do_ends_the_asking(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    never = {"module": "gpu_driver", "each": [{"no": "driver"}]}
    for step, because in (
        (written(place / "absent", "text\n"), "file_set: it would change something"),
        (says(monkeypatch, "gpu_sriov", blocked=True), "gpu_sriov: it is blocked"),
        (says(monkeypatch, "gpu_smoke_info", passed=False), "gpu_smoke_info: it does not pass"),
    ):
        came = asked(place, step, never)
        assert (came.because, came.answers) == (because, {}) and came.digest
    assert not (place / "absent").exists()


@pytest.mark.parametrize(
    ("step", "because"),
    [
        ({"module": "gpu_driver", "each": [{"colour": "red"}]}, "gpu_driver: colour. Supported parameters"),
        ({"module": "command", "each": [{"argv": ["true"]}]}, "a step cannot be asked: 'command'"),
        ({"module": "gpu_driver", "each": [{"packages": ["nvidia-driver"]}]}, "packages of a driver need its branch"),
        ({"no": "module"}, "a step cannot be asked"),
    ],
)
def test_step_that_cannot_be_asked_is_left_to_its_task(step: dict[str, t.Any], because: str, place: Path) -> None:
    came = asked(place, step)
    assert because in came.because and came.answers == {}


def test_steps_that_are_not_there_or_not_roots_alone_are_not_asked(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kept.asked(str(place / "steps.json")) == kept.Kept("", "no steps are kept", {})
    assert kept.asked(str(place / "no/steps.json")).because.startswith("the steps of the last run cannot be read")
    assert asked(place).because == ""
    path = place / "steps.json"
    path.chmod(0o666)
    assert kept.asked(str(path)) == kept.Kept("", f"others could have written {path}", {})
    path.chmod(0o600)
    path.write_text("[")
    assert kept.asked(str(path)).because.startswith("a step cannot be asked")
    place.chmod(0o777)
    assert kept.asked(str(path)).because.startswith("the steps of the last run cannot be read")
    place.chmod(0o700)
    monkeypatch.setattr(kept.fileset, "killed", lambda: ["/var/lib/unified/transactions/files-1"])
    assert asked(place).because == "a transaction that was killed is to be ended"


def test_role_asks_every_module_of_its_stages_and_keeps_no_secret() -> None:
    steps = yaml.safe_load((ROLE / "vars/main.yml").read_text())["__gpu_steps"]
    stages = "".join((ROLE / f"tasks/{name}.yml").read_text() for name in re.findall(r"(\w+)\.yml", PRESENT))
    used = set(re.findall(r"unified\.deploy\.(\w+):", PRESENT + stages))
    assert used == {step["module"] for step in steps} == set(kept.STEPS)
    assert all(set(step) == {"module", "each"} for step in steps)
    options = yaml.safe_load((ROLE / "vars/main.yml").read_text())
    assert not re.search(r"gpu_mok_(password|key|certificate)", str(options))


def test_absent_undoes_what_every_stage_makes() -> None:
    """All modules of the role that know a state; MIG while the driver, which is asked for it, is there."""
    absent = [
        name.rpartition(".")[2]
        for task in yaml.safe_load((ROLE / "tasks/remove.yml").read_text())
        for name, options in task.items()
        if isinstance(options, dict) and options.get("state") == "absent"
    ]
    assert set(absent) == {module for module in kept.STEPS if "state" in kept.step_of(module).SPEC}
    assert absent.index("gpu_mig") < absent.index("gpu_driver")


PRESENT = (ROLE / "tasks/present.yml").read_text()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (None, "steps must be a mapping"),
        ({"because": 1}, "steps.because must be text"),
        ({"answers": {"gpu_driver": {"proofs": []}}}, "steps.answers.gpu_driver.proofs must be a mapping"),
        ({"answers": {"gpu_health_info": {"findings": [{"name": 1}]}}}, r"findings\[0\].name must be text"),
    ],
)
def test_answers_of_another_shape_are_refused(said: t.Any, reason: str) -> None:
    with pytest.raises(GpuError, match=reason):
        answer.steps({"steps": said})


def test_of_the_answers_only_what_the_role_reads_is_kept() -> None:
    said = {"digest": "d", "because": "", "answers": {"file_set": {"paths": []}, "gpu_mok": {"state": "off"}}}
    assert answer.steps({"steps": said}) == {**said, "answers": {"gpu_mok": {"state": "off"}}}


def test_unit_for_the_next_boot_is_enabled_where_it_exists_and_not_started() -> None:
    state = {"load": "loaded", "file": "disabled", "active": "inactive"}
    current = {"there.service": state, "absent.service": {**state, "load": "not-found", "file": ""}}
    verbs = units.settling(current, units.Units(at_boot=list(current)))
    assert {verb: names for verb, names in verbs.items() if names} == {"enable": ["there.service"]}
    current["there.service"] = {**state, "file": "enabled"}
    assert not any(units.settling(current, units.Units(at_boot=list(current))).values())

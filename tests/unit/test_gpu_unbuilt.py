"""What is said, and what is not done twice, where a driver does not build for a kernel that can boot."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.unified.deploy.plugins.module_utils._gpu import archive, driver, refusals, transaction
from ansible_collections.unified.deploy.plugins.module_utils._gpu.steps import driver as step
from ansible_collections.unified.deploy.plugins.plugin_utils._gpu import installation, nvidia
from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.model import Decision, Target
from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.tables import tables
from jinja2 import Environment

from tests.unit.conftest import INSTALLED

T4, B200 = "1eb8", "2901"
DEBIAN = Target(system="debian13", architecture="amd64", kernel=(6, 12), purpose="compute")


def decided(device: str, flavour: str) -> Decision:
    made = nvidia.decide(tables(), device, DEBIAN)
    return nvidia.with_branch(
        tables(),
        tables().nvidia[device],
        DEBIAN,
        next(one for one in made.branches if one.flavour == flavour),
        made.branches,
    )


def test_other_drivers_of_the_device_are_offered_with_their_variables() -> None:
    """Debian 13's open modules of 550 do not build for its kernel; the closed ones do."""
    said = installation.instead([decided(T4, "open")])
    assert 'gpu_driver: "550", gpu_flavour: closed, gpu_repository: distribution' in said
    assert 'gpu_driver: "580", gpu_flavour: open, gpu_repository: vendor' in said
    assert 'gpu_driver: "550", gpu_flavour: open, gpu_repository: distribution' not in said


def test_only_what_drives_every_device_is_offered() -> None:
    said = installation.instead([decided(T4, "open"), decided(B200, "open")])
    assert "closed" not in said and "distribution" not in said
    assert installation.instead([]) == ""


@pytest.mark.parametrize(("error", "unbuilt"), [(driver.UnbuiltError, True), (driver.DriverError, False)])
def test_whether_it_was_the_build_is_told(
    error: type[Exception], unbuilt: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def present(_driver: driver.Driver, *, dry: bool) -> t.NoReturn:
        raise error(f"dry: {dry}")

    monkeypatch.setattr(driver, "present", present)
    monkeypatch.setattr(step, "BASE", str(tmp_path))
    asked = {
        "name": "nvidia",
        "packages": ["a"],
        "extra": [],
        "branch": "550",
        "version": "",
        "manager": "apt",
        "state": "present",
    }
    answer = step.act(asked, dry=False)
    assert (answer["blocked"], answer["unbuilt"], answer["because"]) == (True, unbuilt, "dry: False")
    json.dumps(answer)


def test_role_says_both_reason_and_choice() -> None:
    tasks = yaml.safe_load(
        (INSTALLED / "ansible_collections/unified/deploy/roles/gpu/tasks/install.yml").read_text(encoding="utf-8")
    )
    (because,) = (
        task["ansible.builtin.set_fact"]["gpu_blocked_because"] for task in tasks if "ansible.builtin.set_fact" in task
    )
    plan = {"plan": {"install": {"instead": "What could be asked for instead: x"}}}
    for unbuilt, said in ((True, "error. What could be asked for instead: x"), (False, "error")):
        known = {"__gpu_driver": {"because": "error", "unbuilt": unbuilt}, "__gpu_plan": plan}
        assert Environment(autoescape=False).from_string(because).render(known) == said


COMPILED = "nvidia-current-open 550.163.01 does not build for 6.12.107: /b/nv-pci.c:5:29: error: too few arguments to function 'x'"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Versions of what is on a host that may be given a driver."""
    there = {"gcc": "14.2-1", "linux-headers-6.12.107": "6.12.107-1", "dkms": "3.2.2-1"}
    monkeypatch.setattr(transaction, "STATE", str(tmp_path / "state"))
    monkeypatch.setattr(refusals, "RECORD", str(tmp_path / "state/refused.json"))
    monkeypatch.setattr(transaction, "versions", lambda: there)
    monkeypatch.setattr(driver, "room", lambda _releases: None)
    monkeypatch.setattr(transaction, "begin", lambda *_arguments: pytest.fail("apt would be called"))
    return there


def attempt(
    monkeypatch: pytest.MonkeyPatch, said: str, version: str = "550.163.01-2", digest: str = "0a"
) -> tuple[bool, str]:
    """Whether it was built, and why it was refused."""
    built = []
    monkeypatch.setattr(
        driver, "_fetch", lambda _plan, _how: [f"'https://a/nvidia-driver_{version}.deb' x.deb 1 SHA256:{digest}"]
    )
    monkeypatch.setattr(driver, "tried", lambda _releases: built.append(1) or [said])
    steps = archive.Steps({"nvidia-driver": version}, {}, {})
    plan = driver.Plan("nvidia", [], ["dkms"], "", frozenset(["nvidia"]), steps)
    with pytest.raises(driver.UnbuiltError) as error:
        driver.carried_out(plan, ["6.12.107"])
    return bool(built), str(error.value)


def test_what_the_compiler_refused_is_not_built_again_while_nothing_changes(
    host: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert attempt(monkeypatch, COMPILED) == (True, COMPILED)
    built, said = attempt(monkeypatch, COMPILED)
    assert not built and said.startswith(COMPILED) and "nothing has changed since" in said
    assert attempt(monkeypatch, COMPILED, "550.200.00-1")[0]
    assert attempt(monkeypatch, COMPILED, "550.200.00-1", "0b")[0]
    host["gcc"] = "14.2-2"
    assert attempt(monkeypatch, COMPILED, "550.200.00-1", "0b")[0]


@pytest.mark.parametrize(
    "said",
    [
        "nvidia 1 does not build for 6.12.107: x.c:1:1: fatal error: error writing to /tmp/x: No space left on device",
        "nvidia 1 does not build for 6.12.107: as: error: x.o: No space left on device",
        "nvidia 1 does not build for 6.12.107: dkms ended with 124: it took too long",
        "6.12.107: nvidia.ko is not signed with a key that this host's kernel trusts",
    ],
)
def test_what_may_pass_by_itself_is_tried_again(
    said: str, host: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert attempt(monkeypatch, said) == attempt(monkeypatch, said) == (True, said)

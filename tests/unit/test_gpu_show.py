"""The table of a fleet's GPUs, and the playbook and role that make it, run here without a host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import jinja2
import pytest
import yaml
from ansible_collections.unified.deploy.plugins.module_utils._gpu.facts import gather
from ansible_collections.unified.deploy.plugins.module_utils._gpu.steps import repository
from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.model import GpuError, Request
from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.plan import plan
from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.show import lines, short
from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.tables import tables

from tests.unit.conftest import INSTALLED
from tests.unit.gpu_machines import MACHINES, build

ROLE = "ansible_collections/unified/deploy/roles/gpu"
PLAYBOOKS = INSTALLED / "ansible_collections" / "unified" / "deploy" / "playbooks"


def shown(tmp_path: Path, machine: dict[str, t.Any], system: str = "debian13", **changed: t.Any) -> list[str]:
    facts = gather(str(build(tmp_path, machine, system)), machine=machine.get("arch", "x86_64")) | changed
    return lines("web1", plan(tables(), facts, Request()))


def test_line_names_host_device_driver_decision_and_state(tmp_path: Path) -> None:
    (first, why, *rest) = shown(tmp_path, MACHINES["h200"], "ubuntu2404")
    assert first.split() == ["web1", "H200", "0000:83:00.0", "-", "install", "nvidia", "580", "open", "no", "driver"]
    assert why.startswith("    why: Hopper: open modules possible") and "nvidia_devices.csv:" in why
    assert any("headers" in line for line in rest)


def test_host_without_gpu_says_where_it_was_looked(tmp_path: Path) -> None:
    assert shown(tmp_path, {}) == [
        "web1                 no GPU seen; looked at: 1 PCI functions, no device tree, 0 DRM nodes, 1 kernels that can boot"
    ]


def test_what_a_host_says_cannot_draw_on_the_terminal(tmp_path: Path) -> None:
    tree = {"model": "x", "compatible": ["a,b\x1b[31m"], "gpu": [{"compatible": ["evil,gpu\x1b[2J"], "count": 1}]}
    text = "\n".join(shown(tmp_path, {"arch": "aarch64", "devicetree": tree}))
    assert "\x1b" not in text and "\\x1b[2J" in text


def test_name_of_the_product() -> None:
    assert (short("GH100 [H200 SXM 141GB]"), short("RIVA TNT")) == ("H200 SXM 141GB", "RIVA TNT")


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """This machine, and a host that nothing listens for."""
    local = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
    gone = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_become": False}
    path = tmp_path / "hosts.yml"
    path.write_text(json.dumps({"all": {"hosts": {"here": local, "gone": gone}}}))
    return path


def play(inventory: Path, playbook: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(inventory), str(playbook), *arguments],
        cwd=inventory.parent,
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(INSTALLED),
            "ANSIBLE_HOME": str(inventory.parent / "ansible"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        },
        capture_output=True,
        text=True,
        timeout=120,
    )


def on_this_machine() -> dict[str, t.Any]:
    """The plan for this machine, which the playbook must say too."""
    try:
        return plan(tables(), gather(), Request())
    except GpuError as exc:
        pytest.skip(f"this machine cannot be decided about: {exc}")


def test_audit_shows_this_machine_and_a_host_that_was_not_reached(inventory: Path) -> None:
    planned = on_this_machine()
    ran = play(inventory, PLAYBOOKS / "audit_gpus.yml", "--check")
    assert "gone not looked at, see above" in ran.stdout
    assert ran.returncode == 4 and "here                       : ok=2    changed=0" in ran.stdout, ran.stdout
    # The default callback writes lists and line breaks of a message as JSON.
    for line in lines("here", planned):
        assert json.dumps(line)[1:-1].strip() in ran.stdout


def test_role_decides_and_changes_nothing(inventory: Path) -> None:
    """In check mode: without it the role keeps its steps on the host, and this is somebody's machine."""
    planned = on_this_machine()
    playbook = inventory.parent / "play.yml"
    role = {"hosts": "here", "gather_facts": False, "roles": ["unified.deploy.gpu"]}
    playbook.write_text(json.dumps([role]))
    ran = play(inventory, playbook, "--check", "--diff")
    assert (ran.returncode == 0) is not planned["blocked"], ran.stdout
    assert "changed=0" in ran.stdout
    for line in lines("here", planned):
        assert json.dumps(line)[1:-1].strip() in ran.stdout


def test_role_refuses_an_override_of_a_device_that_is_not_there(inventory: Path) -> None:
    on_this_machine()
    playbook = inventory.parent / "play.yml"
    variables = {"gpu_devices": {"10de:ffff": {"branch": "580"}}}
    role = {"hosts": "here", "gather_facts": False, "roles": ["unified.deploy.gpu"], "vars": variables}
    playbook.write_text(json.dumps([role]))
    ran = play(inventory, playbook)
    assert ran.returncode == 2 and "which this host does not have" in ran.stdout + ran.stderr


def test_role_that_is_told_to_boot_the_host_refuses(inventory: Path) -> None:
    playbook = inventory.parent / "play.yml"
    role = {"hosts": "here", "gather_facts": False, "roles": ["unified.deploy.gpu"], "vars": {"gpu_reboot_ok": True}}
    playbook.write_text(json.dumps([role]))
    ran = play(inventory, playbook)
    assert ran.returncode == 2 and "it knows of no maintenance window" in " ".join(ran.stdout.split())
    assert "changed=0" in ran.stdout and "Decide" not in ran.stdout


def switched(inventory: Path, install: dict[str, t.Any]) -> subprocess.CompletedProcess[str]:
    """What the role says of a boot after its stage Switch, in check mode, of a plan that no host is asked for."""
    nothing: dict[str, t.Any] = {"name": "", "modprobe": "", "units": [], "packages": [], "extra": [], "repository": {}}
    planned = {"plan": {"install": {**nothing, **install}, "devices": [], "reboot_reason": "a device waits"}}
    stage = {"include_role": {"name": "unified.deploy.gpu", "tasks_from": "switch.yml"}}
    show = {"debug": {"msg": "REBOOT {{ gpu_reboot_required }}: {{ gpu_reboot_reason }}"}}
    play_ = {"hosts": "here", "gather_facts": False, "vars": {"__gpu_plan": planned}, "tasks": [stage, show]}
    playbook = inventory.parent / "play.yml"
    playbook.write_text(json.dumps([play_]))
    return play(inventory, playbook, "--check")


def test_check_mode_of_a_driver_that_needs_no_package_ends_well(inventory: Path) -> None:
    ran = switched(inventory, {"modprobe": "options xe force_probe=56a0\n"})
    assert ran.returncode == 0 and "REBOOT True: a device waits" in ran.stdout, ran.stdout


@pytest.mark.parametrize(
    ("mirrors", "said"),
    [
        ({"nvidia": {"url": "https://mirror"}}, ["gpu_mirrors.nvidia", "distribution, nvidia-cuda"]),
        ({"nvidia-cuda": {"fingerprint": "AB"}}, ["gpu_mirrors.nvidia-cuda.fingerprint", "fingerprints"]),
        ({"distribution": {"suites": {"trixie": True}}}, ["suites", "dict"]),
    ],
)
def test_mirror_that_means_nothing_is_refused(inventory: Path, mirrors: dict[str, t.Any], said: list[str]) -> None:
    playbook = inventory.parent / "play.yml"
    role = {"hosts": "here", "gather_facts": False, "roles": ["unified.deploy.gpu"], "vars": {"gpu_mirrors": mirrors}}
    playbook.write_text(json.dumps([role]))
    ran = play(inventory, playbook, "--check")
    assert ran.returncode == 2 and "Decide" not in ran.stdout
    for words in said:
        assert words in " ".join(ran.stdout.split()), ran.stdout


def test_mirror_has_the_options_of_its_module() -> None:
    (role,) = yaml.safe_load((INSTALLED / ROLE / "meta/argument_specs.yml").read_text())["argument_specs"].values()
    install = yaml.safe_load((INSTALLED / ROLE / "tasks/install.yml").read_text())
    (passed,) = (task["unified.deploy.gpu_repository"] for task in install if "unified.deploy.gpu_repository" in task)
    mirrors = role["options"]["gpu_mirrors"]["options"]
    assert set(mirrors) == {"nvidia-cuda", "distribution"}
    for mirror in mirrors.values():
        assert set(mirror["options"]) == set(passed) - {"name"}
        for name, option in mirror["options"].items():
            assert option["type"] == repository.SPEC[name]["type"]


def test_role_fails_where_containers_cannot_have_a_gpu_that_has_its_driver(inventory: Path) -> None:
    """This machine has none of these GPUs; of those that are no business of the role nothing is asked."""
    gpu = {"action": "install", "state": "as decided"}
    wheres = {"0000:fe:1f.7": {}, "0000:fe:1f.6": {"state": "no driver"}, "0000:fe:1f.5": {"action": "display"}}
    devices = [{"where": where, **gpu, **differs} for where, differs in wheres.items()]
    board = {"where": "/soc/gpu@fe000000", **gpu, "action": "kernel"}
    playbook = inventory.parent / "play.yml"
    for planned, said in ((devices[1:], []), ([*devices, board], ["0000:fe:1f.7", "gpu-fe000000"])):
        share = {"include_role": {"name": "unified.deploy.gpu", "tasks_from": "share.yml"}}
        variables = {"gpu_containers": True, "__gpu_plan": {"plan": {"devices": planned}}}
        book = {"hosts": "here", "gather_facts": False, "vars": variables, "tasks": [share]}
        playbook.write_text(json.dumps([book]))
        ran = play(inventory, playbook, "--check")
        assert ran.returncode == (2 if said else 0), ran.stdout
        for name in ("1f.7", "1f.6", "1f.5", "gpu-fe000000"):
            assert (f"{name}: it is not there" in ran.stdout) is any(name in one for one in said), ran.stdout


def test_fleet_shows_what_is_wrong_and_what_was_not_looked_at() -> None:
    """The text of the playbook, with answers of hosts in the place of a fleet."""
    (audit,) = yaml.safe_load((PLAYBOOKS / "audit_gpus.yml").read_text())
    text = next(task for task in audit["tasks"] if task["name"] == "Show the fleet")["vars"]["__audit_gpus_table"]
    gpu = {"plan": {"devices": [{"action": "install"}]}}
    console = {"plan": {"devices": [{"action": "display"}]}}
    asks = next(task for task in audit["tasks"] if task["name"] == "Read how they are")["when"]
    for planned, asked in ((gpu, True), (console, False)):
        assert jinja2.Environment().compile_expression(asks)(__audit_gpus=planned) is asked
    answers = {
        "well": {"__audit_gpus": {**gpu, "lines": ["well H200"]}, "__audit_gpus_health": {"lines": []}},
        "ill": {"__audit_gpus": {**gpu, "lines": ["ill H200"]}, "__audit_gpus_health": {"lines": ["bad xid"]}},
        "lost": {"__audit_gpus": {**gpu, "lines": ["lost H200"]}, "__audit_gpus_health": {"unreachable": True}},
        "bare": {
            "__audit_gpus": {"plan": {"devices": []}, "lines": ["bare no GPU"]},
            "__audit_gpus_health": {"skipped": True},
        },
        "server": {"__audit_gpus": {**console, "lines": ["server ast"]}, "__audit_gpus_health": {"skipped": True}},
        "gone": {},
    }
    template = jinja2.Environment(trim_blocks=True).from_string(text)
    shown = template.render(ansible_play_hosts_all=list(answers), hostvars=answers, __audit_gpus={"header": "HOST"})
    assert shown.splitlines() == [
        "HOST",
        "well H200",
        "ill H200",
        "    health: bad xid",
        "lost H200",
        "    health: not looked at, see above",
        "bare no GPU",
        "server ast",
        "gone not looked at, see above",
    ]

"""NVIDIA's GPUs for containers: gpu_cdi, the real nvidia-ctk with its hooks, systemd, and real Podman on a Debian 13 host. The driver is a fake: NVML by
tests/fakes/nvml, of which nvidia-ctk learns of the GPU, files as the driver has them, and /dev/zero's device behind the node.
"""

from __future__ import annotations

import contextlib
import json
import typing as t
from pathlib import Path

import pytest

from tests.gpu import toolkit
from tests.gpu.conftest import Vendor
from tests.integration.conftest import Target
from tests.secrets.programs import until

OLD, NEW = "580.178.04", "580.200.00"
SPECIFICATION = "/etc/cdi/unified-nvidia.com-gpu.json"
SERVICE, WATCH = "unified-gpu-cdi.service", "unified-gpu-cdi.path"
UNITS = f"/etc/systemd/system/{SERVICE} /etc/systemd/system/{WATCH}"
# What the fake nvidia-ctk of the unit tests answers.
RECORDED = Path(__file__).parents[1] / "unit/fixtures/gpu/nvidia_ctk.json"
INSTALL = """
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends kmod podman crun busybox-static >/dev/null
mkdir -p /srv/rootfs/{bin,dev,proc,sys,etc,tmp,run,usr/lib}
cp /bin/busybox /srv/rootfs/bin
for name in sh ls head wc readlink grep; do ln -s busybox /srv/rootfs/bin/$name; done
"""
RUN = "podman --storage-driver vfs run --rm --network none --cgroups=disabled --device nvidia.com/gpu={device} --rootfs /srv/rootfs /bin/sh -c '{script}'"


@pytest.fixture(scope="module")
def server(host: Target) -> Vendor:
    host.shell(INSTALL)
    toolkit.prepare(host, (OLD, NEW))
    toolkit.load(host, OLD)
    toolkit.use(host, OLD)
    return Vendor(host)


def describe(server: Vendor, *, check: bool = False, **arguments: str) -> dict[str, t.Any]:
    answer = server.module("gpu_cdi", {"state": "present", **arguments}, check=check)
    assert not answer["failed"], answer
    return answer


def container(server: Vendor, device: str, script: str) -> str:
    return server.target.shell(RUN.format(device=device, script=script) + " 2>&1 || echo ended with $?")


def written(server: Vendor) -> t.Any:
    return json.loads(server.target.shell(f"cat {SPECIFICATION}"))


def boot(server: Vendor, version: str) -> None:
    """What a boot does for the driver and its specification."""
    toolkit.load(server.target, version)
    server.target.shell(f"systemctl start {SERVICE}")


@pytest.fixture
def described(server: Vendor) -> Vendor:
    """The server with a specification of the old version."""
    toolkit.use(server.target, OLD)
    toolkit.load(server.target, OLD)
    describe(server)
    server.target.shell(f"systemctl start {WATCH}")
    return server


def test_specification_is_written_by_the_real_program_once(server: Vendor) -> None:
    # The control nodes are made by nvidia-ctk, from /proc/devices.
    refused = describe(server, check=True)
    assert "nvidia-ctk finds no /dev/nvidiactl and no /dev/nvidia-uvm: run 'nvidia-ctk system" in str(
        refused["left_out"]
    )
    server.target.shell(str(refused["left_out"][toolkit.SLOT]).split("'")[1])
    assert describe(server, check=True)["changed"] is True
    assert server.target.shell(f"ls {SPECIFICATION} {UNITS} 2>/dev/null || true") == ""
    made = describe(server)
    assert (made["changed"], made["left_out"]) == (True, {})
    assert made["devices"] == [f"nvidia.com/gpu={name}" for name in ("0", toolkit.UUID, "all")]
    assert describe(server, check=True)["changed"] is False
    assert describe(server)["changed"] is False
    assert server.target.shell(f"systemctl is-enabled {SERVICE} {WATCH}; systemctl is-active {WATCH}").split() == [
        "enabled",
        "enabled",
        "active",
    ]
    assert written(server) == json.loads(RECORDED.read_text())
    # An independent reader: the toolkit's own list.
    listed = server.target.shell("nvidia-ctk --quiet cdi list").split()
    assert sorted(listed) == sorted(made["devices"])


@pytest.mark.parametrize("device", ["0", toolkit.UUID, "all"])
def test_container_sees_node_and_libraries(device: str, described: Vendor) -> None:
    script = f"ls /dev; head -c 4 /dev/nvidia0 | wc -c; readlink {toolkit.LIBRARIES}/libcuda.so.1; grep -c libcuda /etc/ld.so.cache"
    seen = container(described, device, script).split()
    assert {"nvidia0", "nvidiactl", "nvidia-uvm"} <= set(seen)
    # Links and the cache of libraries are made by the toolkit's hooks.
    assert seen[-3:] == ["4", f"libcuda.so.{OLD}", "1"]


def test_unknown_device_keeps_a_container_from_starting(described: Vendor) -> None:
    said = container(described, "7", "ls /dev")
    assert "unresolvable CDI devices nvidia.com/gpu=7" in said and "ended with 126" in said


def test_unit_makes_nodes_and_writes_what_the_module_takes_for_the_same(described: Vendor) -> None:
    before = described.target.shell(f"cat {SPECIFICATION}")
    described.target.shell(f"rm /dev/nvidiactl /dev/nvidia-uvm; systemctl start {SERVICE}")
    after = described.target.shell(f"cat {SPECIFICATION}")
    # In another form.
    assert after != before and json.loads(after) == json.loads(before)
    assert describe(described)["changed"] is False
    assert described.target.shell(f"cat {SPECIFICATION}") == after


def test_stale_specification_is_found_and_written_anew(described: Vendor) -> None:
    described.target.shell(f"systemctl stop {WATCH}")
    toolkit.use(described.target, NEW)
    toolkit.load(described.target, NEW)
    stale = container(described, "all", "ls /dev")
    assert f"libcuda.so.{OLD}" in stale and "ended with 127" in stale
    found = describe(described, check=True)
    assert found["changed"] and found["files"] == [SPECIFICATION]
    assert OLD in json.dumps(written(described))
    assert describe(described)["changed"] is True
    assert describe(described)["changed"] is False
    script = f"readlink {toolkit.LIBRARIES}/libcuda.so.1"
    assert container(described, "all", script).split() == [f"libcuda.so.{NEW}"]


def test_watch_writes_it_anew_after_a_change_of_the_drivers_modules(described: Vendor) -> None:
    toolkit.use(described.target, NEW)
    toolkit.load(described.target, NEW)
    described.target.shell("depmod")
    until(lambda: json.dumps(written(described)), lambda text: NEW in text and OLD not in text)
    assert describe(described)["changed"] is False


def test_driver_that_waits_for_a_boot_is_described_after_it(described: Vendor) -> None:
    toolkit.use(described.target, NEW)
    waiting = describe(described)
    said = "Driver/library version mismatch: the module that is loaded and the libraries are of two versions: boot"
    assert waiting["files"] == [SPECIFICATION] and waiting["left_out"][toolkit.SLOT].endswith(said)
    # The log's time would make each answer another.
    again = describe(described)
    assert again["changed"] is False and again["left_out"] == waiting["left_out"]
    assert "unresolvable CDI devices" in container(described, "all", "ls /dev")
    boot(described, NEW)
    assert NEW in json.dumps(written(described))
    assert describe(described)["changed"] is False


@contextlib.contextmanager
def away(server: Vendor, path: str) -> t.Iterator[None]:
    server.target.shell(f"mv {path} /srv/away")
    try:
        yield
    finally:
        server.target.shell(f"mv /srv/away {path}")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/usr/bin/nvidia-ctk", "(nvidia-ctk cdi generate): nvidia-ctk: is not installed"),
        (
            "/usr/bin/nvidia-cdi-hook",
            "nvidia-ctk names files that are not there: /usr/bin/nvidia-cdi-hook. Are the driver and",
        ),
        ("/dev/nvidia0", "nvidia-ctk finds no node /dev/nvidia<number> of device '0': install nvidia-modprobe"),
        ("/dev/nvidia-uvm", "nvidia-ctk finds no /dev/nvidia-uvm: run 'nvidia-ctk system create-device-nodes"),
        (f"{toolkit.LIBRARIES}/libcuda.so.{OLD}", "nvidia-ctk finds no libcuda of the driver's version"),
        (f"{toolkit.LIBRARIES}/libnvidia-ml.so.1", "ERROR_LIBRARY_NOT_FOUND: libnvidia-ml.so.1 is not there"),
        (f"{toolkit.PROC}/version", "failed to initialize NVML: Driver Not Loaded: load the driver's module, or boot"),
        (f"{toolkit.PROC}/gpus", "empty device edits: the driver shows no GPU that a container could have"),
    ],
)
def test_half_a_driver_is_refused_with_the_reason(path: str, said: str, described: Vendor) -> None:
    with away(described, path):
        answer = describe(described, check=True)
    assert said in answer["left_out"][toolkit.SLOT] and "time=" not in str(answer["left_out"])
    assert (answer["devices"], answer["files"]) == ([], [SPECIFICATION])
    assert describe(described, check=True)["changed"] is False


def test_container_without_the_hooks_program_would_not_start(described: Vendor) -> None:
    """Why a specification is refused whose hooks are not there: nvidia-ctk names them all the same."""
    with away(described, "/usr/bin/nvidia-cdi-hook"):
        assert "error executing hook" in container(described, "all", "ls /dev")


def test_partitions_are_described_when_they_change(described: Vendor) -> None:
    host = described.target
    host.shell("mkdir -p /dev/nvidia-caps; cp /proc/driver/nvidia-caps/mig-minors /srv/mig-minors")
    lines = []
    for number, instance in enumerate((7, 8)):
        where, minor = f"gpu0/gi{instance}", 3 + 2 * number
        host.shell(
            f"mkdir -p {toolkit.PROC}/capabilities/gpu0/mig/gi{instance}/ci0; "
            f"touch {toolkit.PROC}/capabilities/gpu0/mig/gi{instance}/ci0/access; "
            f"mknod -m 666 /dev/nvidia-caps/nvidia-cap{minor} c 1 5; mknod -m 666 /dev/nvidia-caps/nvidia-cap{minor + 1} c 1 5"
        )
        lines += [f"{where}/access {minor}", f"{where}/ci0/access {minor + 1}"]
    host.shell(f"printf '%s\\n' {' '.join(repr(line) for line in lines)} >> /proc/driver/nvidia-caps/mig-minors")
    try:
        # As gpu_mig does last.
        host.shell(
            "touch /etc/systemd/system/unified-gpu-mig.service; echo >> /etc/systemd/system/unified-gpu-mig.service"
        )
        until(lambda: [device["name"] for device in written(described)["devices"]], lambda names: "0:1" in names)
        answer = describe(described)
        assert answer["changed"] is False
        assert {"nvidia.com/gpu=0:0", "nvidia.com/gpu=0:1"} <= set(
            answer["devices"]
        ) and "nvidia.com/gpu=0" not in answer["devices"]
        assert container(described, "0:1", "ls /dev/nvidia-caps").split() == ["nvidia-cap5", "nvidia-cap6"]
        assert "unresolvable CDI devices" in container(described, "0", "ls /dev")
    finally:
        host.shell(
            f"rm -r {toolkit.PROC}/capabilities/gpu0 /dev/nvidia-caps /etc/systemd/system/unified-gpu-mig.service; "
            "cp /srv/mig-minors /proc/driver/nvidia-caps/mig-minors"
        )


def test_description_of_nvidias_own_unit_stands_alone(described: Vendor) -> None:
    host = described.target
    # As nvidia-cdi-refresh.service of NVIDIA's packages does.
    host.shell("NVIDIA_CTK_CDI_OUTPUT_FILE_PATH=/var/run/cdi/nvidia.yaml nvidia-ctk --quiet cdi generate")
    try:
        answer = describe(described)
        assert "/var/run/cdi/nvidia.yaml describes NVIDIA's GPUs already" in answer["left_out"][toolkit.SLOT]
        assert host.shell(f"ls {SPECIFICATION} {UNITS} 2>/dev/null || true") == ""
        assert "nvidia0" in container(described, "all", "ls /dev")
        # Why there must not be two.
        host.shell(
            "cp /var/run/cdi/nvidia.yaml /etc/cdi/one.yaml; cp /etc/cdi/one.yaml /etc/cdi/other.yaml; rm /var/run/cdi/nvidia.yaml"
        )
        assert "unresolvable CDI devices" in container(described, "all", "ls /dev")
    finally:
        host.shell("rm -rf /var/run/cdi /etc/cdi/one.yaml /etc/cdi/other.yaml")


def test_it_goes_without_a_trace(described: Vendor) -> None:
    assert describe(described, check=True, state="absent")["changed"] is True
    assert describe(described, state="absent")["changed"] is True
    assert described.target.shell(f"ls {SPECIFICATION} {UNITS} 2>/dev/null || true") == ""
    assert describe(described, state="absent")["changed"] is False

"""A hardened GPU host whose containers still see the device. The GPU is a recorded one's sysfs, and behind its node lies /dev/zero's device:
module, hardening, Podman and runtime are real.
"""

from __future__ import annotations

import json

import pytest

from tests.integration.conftest import EVERYTHING, Target
from tests.secrets.programs import until
from tests.unit.gpu_machines import pci, put

SLOT = "0000:03:00.0"
GPU = {"slot": SLOT, "vendor": "0x1002", "device": "0x744c", "class": "0x030000", "boot_vga": "0", "driver": "amdgpu"}
SPECIFICATION = "/etc/cdi/unified-amd.com-gpu.json"
NODES = "unified-gpu-cdi-nodes"
# The root of the container is the host's own /usr. What it prints is the nodes it has, and how much it reads of one.
RUN = (
    "podman --storage-driver vfs run --rm --network none --cgroups=disabled --volume /usr:/usr:ro --device {device} --rootfs /srv/rootfs"
    " /bin/sh -c 'ls /dev/dri; head -c 4 /dev/dri/renderD128 | wc -c'"
)
PREPARE = """
mount --bind /srv/sys/bus/pci /sys/bus/pci
mount -t tmpfs tmpfs /sys/devices
cp -a /srv/sys/devices/. /sys/devices/
mkdir -p /dev/dri /srv/rootfs/{usr,dev,proc,sys,etc,tmp,run}
mknod -m 660 /dev/dri/renderD128 c 1 5
for name in bin lib lib64; do ln -s usr/$name /srv/rootfs/$name; done
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends goss podman crun >/dev/null
"""


@pytest.fixture(scope="module")
def server(host: Target) -> Target:
    root = host.directory / "machine"
    pci(root, GPU)
    put(root, f"sys/bus/pci/devices/{SLOT}/drm/renderD128/dev", "226:128\n")
    host.send(root, "/srv")
    host.shell(PREPARE)
    return host


def describe(server: Target) -> int:
    """How many tasks changed something when the GPUs were described to container runtimes."""
    book = server.directory / "gpu.yml"
    task = {"name": "Describe", "unified.deploy.gpu_cdi": {}}
    book.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "become": True, "tasks": [task]}]))
    return server.play(str(book)).changed(server.host.name)


def test_container_of_a_hardened_host_sees_the_gpu_and_the_report_says_how_it_is(server: Target) -> None:
    assert describe(server) > 0
    before = server.shell(f"cat {SPECIFICATION}; stat -c '%a %U %G' /dev/dri/renderD128")
    seen = server.shell(RUN.format(device=f"amd.com/gpu={SLOT}")).split()
    assert seen == ["renderD128", "4"]

    overlay = server.directory / "overlay.yml"
    overlay.write_text(json.dumps({"purposes": ["container_host", "gpu_host"]}))
    ran = server.play("harden_hosts", variables={**EVERYTHING, "compliance_overlay": str(overlay)})
    model = ran.model(server.host.name)
    assert model["summary"]["rules"]["pass"] > 200 and len(model["changed"]) > 50

    assert server.shell(f"cat {SPECIFICATION}; stat -c '%a %U %G' /dev/dri/renderD128") == before
    for device in (SLOT, "all"):
        assert server.shell(RUN.format(device=f"amd.com/gpu={device}")).split() == seen
    # Who is no root reads the specification, whatever root's umask is now.
    assert server.shell(f"runuser -u nobody -- cat {SPECIFICATION}") == server.shell(f"cat {SPECIFICATION}")
    # Neither undoes the other.
    assert describe(server) == 0

    assert [gpu["where"] for gpu in model["gpus"]["gpus"]] == [SLOT]
    assert ("driver", SLOT, "ok") in {(one["name"], one["where"], one["state"]) for one in model["gpus"]["checks"]}
    assert "GPUs: 1 GPU" in ran.output


def test_image_that_asks_for_a_gpu_that_is_not_there_does_not_start_on_it(server: Target) -> None:
    answer = server.shell(f"{RUN.format(device='amd.com/gpu=0000:04:00.0')} 2>&1 || echo ended with $?")
    assert "unresolvable CDI devices" in answer and "ended with 126" in answer


def test_node_that_gets_another_number_is_described_anew_by_the_unit(server: Target) -> None:
    """What another boot does, in the order in which drivers find GPUs. The unit waits for nobody's run of the role."""
    describe(server)
    assert server.shell(
        f"systemctl is-enabled {NODES}.service {NODES}.path; systemctl is-active {NODES}.path"
    ).split() == [
        "enabled",
        "enabled",
        "active",
    ]
    server.shell(
        f"cd /sys/bus/pci/devices/{SLOT}/drm && mv renderD128 renderD129 && rm /dev/dri/renderD128 && mknod -m 660 /dev/dri/renderD129 c 1 5"
    )
    until(lambda: server.shell(f"cat {SPECIFICATION}"), lambda text: "renderD129" in text and "renderD128" not in text)
    seen = server.shell(RUN.format(device=f"amd.com/gpu={SLOT}").replace("renderD128", "renderD129")).split()
    assert seen == ["renderD129", "4"]
    assert describe(server) == 0
    # Without the driver the next boot describes nothing, and a container does not start on another GPU's node.
    server.shell(f"rm -r /sys/bus/pci/devices/{SLOT}/drm; systemctl start {NODES}.service; test ! -e {SPECIFICATION}")
    assert "unresolvable CDI devices" in server.shell(RUN.format(device=f"amd.com/gpu={SLOT}") + " 2>&1 || true")
    server.shell(f"systemd-analyze verify /etc/systemd/system/{NODES}.service /etc/systemd/system/{NODES}.path 2>&1")
    book = server.directory / "gpu.yml"
    task = {"name": "Remove", "unified.deploy.gpu_cdi": {"state": "absent"}}
    book.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "become": True, "tasks": [task]}]))
    server.play(str(book))
    assert (
        server.shell(
            f"ls /etc/systemd/system/{NODES}.* /usr/local/lib/unified/unified_gpu_cdi/* /etc/cdi/* 2>/dev/null || true"
        )
        == ""
    )

"""Podman gives a container what gpu_cdi's specification names. The device behind the node is /dev/zero's: no GPU is needed."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import tempfile
import typing as t
from pathlib import Path

import pytest

from plugins.module_utils._gpu import cdi

# Podman reads /etc/cdi: a copy of /etc in a mount namespace of its own, so that the machine's stays as it is.
START = r"""
set -e
mount -t tmpfs tmpfs {work}/etc
cp -a /etc/. {work}/etc/
mkdir -p {work}/etc/cdi
cp {work}/specification.json {work}/etc/cdi/{file}
mount --rbind {work}/etc /etc
if [ "$(stat -fc %T /sys/fs/cgroup)" != cgroup2fs ]; then
  umount -R -l /sys/fs/cgroup
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
exec podman --root {work}/store --runroot {work}/run --tmpdir {work}/tmp --cgroup-manager=cgroupfs run --rm --network none \
  --cgroups=disabled --ulimit nofile=20000:20000 --ulimit nproc=30000:30000 --volume /usr:/usr:ro \
  --device {device} --rootfs {work}/rootfs /bin/sh -c 'ls /dev/dri; head -c 4 /dev/dri/renderD128 | wc -c'
"""


@pytest.fixture
def work() -> t.Iterator[Path]:
    """A root of the machine's own /usr, a node, and the specification of the GPU that it stands for."""
    if not shutil.which("podman") or os.geteuid() != 0:
        pytest.skip("this needs Podman and root")
    # Podman refuses a runroot of more than 50 characters, which pytest's own directories have.
    with tempfile.TemporaryDirectory(prefix="cdi-", ignore_cleanup_errors=True) as directory:
        base = Path(directory)
        for name in ("usr", "dev", "proc", "sys", "etc", "tmp", "run"):
            (base / "rootfs" / name).mkdir(parents=True)
        for name in ("bin", "lib", "lib64"):
            (base / "rootfs" / name).symlink_to(f"usr/{name}")
        (base / "etc").mkdir()
        (base / "dev" / "dri").mkdir(parents=True)
        for name in ("dri/renderD128", "kfd"):
            os.mknod(base / "dev" / name, stat.S_IFCHR | 0o666, os.makedev(1, 5))
        gpu = {"bus": "pci", "slot": "0000:03:00.0", "driver": "amdgpu", "renders": ["renderD128"]}
        specs, _left_out = cdi.specifications([gpu], kfd=True, dev=f"{base}/dev")
        (base / "specification.json").write_text(json.dumps(specs["amd.com/gpu"]))
        yield base


def container(work: Path, device: str) -> subprocess.CompletedProcess[str]:
    script = START.format(work=work, device=device, file=cdi.file_name("amd.com/gpu"))
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("device", ["amd.com/gpu=0000:03:00.0", "amd.com/gpu=all"])
def test_container_gets_the_render_node(device: str, work: Path) -> None:
    ran = container(work, device)
    assert (ran.returncode, ran.stdout.split()) == (0, ["renderD128", "4"]), ran.stderr


def test_container_that_asks_for_a_device_that_is_not_there_does_not_start(work: Path) -> None:
    ran = container(work, "amd.com/gpu=0000:04:00.0")
    assert ran.returncode != 0 and "unresolvable CDI devices" in ran.stderr

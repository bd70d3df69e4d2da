"""Boards' device trees in real kernels of Debian, for ARM64 and RISC-V: what is read of them is what was recorded. QEMU's own board has no GPU: model,
compatible and the GPU's node are written into its tree.
"""

from __future__ import annotations

import base64
import gzip
import subprocess
import typing as t
from pathlib import Path

import pytest

from plugins.module_utils._gpu import devices
from plugins.module_utils._gpu.tree import Tree
from tests.gpu import boots
from tests.integration.conftest import Target
from tests.unit.gpu_machines import MACHINES, build, node_name

BOARDS = {"rock-5b": "arm64", "rpi-4b": "arm64", "odroid-n2": "arm64", "pine64": "arm64", "licheepi-4a": "riscv64"}
CONSOLES = {"arm64": "ttyAMA0", "riscv64": "ttyS0"}
PREPARE = """
set -e
dpkg --add-architecture arm64; dpkg --add-architecture riscv64
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -y -qq install --no-install-recommends device-tree-compiler cpio >/dev/null
mkdir -p /srv/boot; cd /srv
for architecture in arm64 riscv64; do
  image=$(apt-cache depends linux-image-$architecture:$architecture | grep -o 'linux-image-6[^ :]*' | head -n 1)
  apt-get -qq download $image:$architecture busybox-static:$architecture 2>/dev/null
  root=/srv/$architecture
  for file in *_$architecture.deb; do dpkg -x $file $root; done
  mkdir -p $root/ram/bin
  cp $root/bin/busybox $root/ram/bin/ 2>/dev/null || cp $root/usr/bin/busybox $root/ram/bin/
  cat > $root/ram/init <<'INIT'
{init}
INIT
  chmod 755 $root/ram/init
  (cd $root/ram && find . | cpio --quiet -o -H newc | gzip -1) > /srv/boot/$architecture.initrd
  cp $root/boot/vmlinu?-* /srv/boot/$architecture.kernel
done
"""
SHOW = """for file in /proc/device-tree/model /proc/device-tree/compatible $(find /proc/device-tree/ -path '*/gpu*' -type f) \\
    $(find /proc/device-tree/ -path '*/v3d*' -type f); do
  echo "FILE $(echo $file | sed 's,//,/,g') $(base64 -w0 $file)"
done
for file in /sys/bus/platform/devices/*/modalias; do
  grep -q '^of:N\\(gpu\\|v3d\\)' $file && echo "SEEN modalias $(cat $file)"
done"""


def edits(board: dict[str, t.Any]) -> list[str]:
    """The board's names and its GPUs, as fdtput(1) writes them."""
    lines = [
        f"fdtput -t s $dtb / model '{board['model']}'",
        f"fdtput -t s $dtb / compatible {' '.join(board['compatible'])}",
    ]
    for number, gpu in enumerate(board["gpu"]):
        node = f"/{node_name(gpu['compatible'])}@7{number}000000"
        lines += [f"fdtput -c $dtb {node}", f"fdtput -t s $dtb {node} compatible {' '.join(gpu['compatible'])}"]
    return lines


@pytest.fixture(scope="module")
def files(host: Target, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("boards")
    host.shell(PREPARE.replace("{init}", boots.INIT % {"script": SHOW}))
    for architecture in set(BOARDS.values()):
        blank = directory / f"{architecture}.dtb"
        program, _machine, _virt, *rest = boots.EMULATORS[architecture]
        dump = [program, "-M", f"virt,dumpdtb={blank}", *rest, *boots.SIZE]
        subprocess.run(dump, check=True, capture_output=True)
        # Mostly room for what is added.
        packed = base64.b64encode(gzip.compress(blank.read_bytes())).decode()
        host.shell(f"echo {packed} | base64 -d | gzip -d > /srv/{architecture}.dtb")
    for name, architecture in BOARDS.items():
        written = "\n".join(edits(MACHINES[name]["devicetree"]))
        host.shell(f"dtb=/srv/boot/{name}.dtb; cp /srv/{architecture}.dtb $dtb\n{written}")
    boots.fetch(host, ["."], directory)
    return directory


@pytest.mark.parametrize("name", BOARDS)
def test_board_is_read_as_recorded(
    name: str, files: Path, tmp_path: Path, record_property: t.Callable[[str, object], None]
) -> None:
    architecture = BOARDS[name]
    base = files / architecture
    line = f"console={CONSOLES[architecture]} quiet panic=-1"
    boot = boots.qemu(
        ["-kernel", f"{base}.kernel", "-initrd", f"{base}.initrd", "-dtb", str(files / f"{name}.dtb"), "-append", line],
        architecture=architecture,
    )
    seen = devices.device_tree(Tree(str(boot.files(tmp_path / "seen"))))
    recorded = devices.device_tree(Tree(str(build(tmp_path / "recorded", MACHINES[name]))))
    assert (seen["model"], seen["compatible"]) == (recorded["model"], recorded["compatible"]), boot.console
    assert len(seen["gpus"]) == len(MACHINES[name]["devicetree"]["gpu"])
    assert sorted(one["compatible"] for one in seen["gpus"]) == sorted(one["compatible"] for one in recorded["gpus"])
    # By what the kernel itself looks for a driver.
    assert sorted(one["modalias"] for one in seen["gpus"]) == sorted(boot.seen("modalias"))
    record_property("figure", f"real device tree: {name} ({architecture}) in {boot.seconds:.0f} s")

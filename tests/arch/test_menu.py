"""GRUB itself, started on its own: an entry starts without the menu's password, and not without the words that say so."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.hosts import vm
from tests.hosts.store import run
from tests.integration.conftest import ROOT

from .conftest import ARCHITECTURES, HASH

SECONDS = 300
MENU = """if serial --unit=0; then
  terminal_output serial
  terminal_input serial
fi
set timeout=0
menuentry_id_option="--id"
export menuentry_id_option
{lock}
menuentry 'One' --class os $menuentry_id_option 'one' {{
  echo STARTED
  sleep 5
}}
"""


def lock() -> str:
    """What the script that the collection installs prints."""
    source = (ROOT / "plugins/plugin_utils/_compliance/kinds/boot_password.py").read_text()
    body = re.search(r"cat << 'EOF'\n(.*?)\nEOF\n", source, re.DOTALL)
    assert body
    return body[1].replace("{{", "{").replace("}}", "}").replace("{PASSWORD_FILE}", "user.cfg")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("unrestricted", "said"), [(True, "STARTED"), (False, "Enter username")])
def test_locked_menu_starts_its_entries_unattended(
    tmp_path: Path, architecture: str, unrestricted: bool, said: str
) -> None:
    machine = vm.MACHINES[architecture]
    menu = MENU.format(lock=lock())
    if not unrestricted:
        menu = "\n".join(line for line in menu.splitlines() if "--unrestricted" not in line)
    (tmp_path / "grub.cfg").write_text(menu)
    (tmp_path / "user.cfg").write_text(f"GRUB2_PASSWORD={HASH}\n")
    root = vm.system("debian13", architecture)
    loader = root / "loader.efi"
    modules = f"{vm.GRUB_MODULES} serial terminal sleep".split()
    make = [
        "chroot",
        str(root),
        "grub-mkimage",
        "-O",
        machine.target,
        "-p",
        "/EFI/debian",
        "-o",
        "/loader.efi",
        *modules,
    ]
    run(make, why="make the boot loader")
    image = tmp_path / "disk"
    run(["truncate", "-s", "40M", str(image)], why="make a disk")
    for command in (
        ["mformat", "-F", "-i", image, "::"],
        ["mmd", "-i", image, "::/EFI", "::/EFI/BOOT", "::/EFI/debian"],
        ["mcopy", "-i", image, loader, f"::/EFI/BOOT/{machine.loader}"],
        ["mcopy", "-i", image, tmp_path / "grub.cfg", tmp_path / "user.cfg", "::/EFI/debian/"],
    ):
        run([str(part) for part in command], why="fill the disk")
    loader.unlink()
    assert said in shown(machine, image, tmp_path, said)


def shown(machine: vm.Machine, image: Path, directory: Path, until: str) -> str:
    """What the machine writes to its console, until it writes UNTIL or the other thing that it may come to, or the time is up."""
    console, variables = directory / "console", directory / "vars"
    if machine.variables:
        shutil.copy(machine.variables, variables)
    argv = [
        *machine.argv(variables), "-accel", "tcg", "-m", "512", "-display", "none",
        "-net", "none", "-serial", f"file:{console}", "-drive", f"if=virtio,format=raw,file={image}",
    ]  # fmt: skip
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and child.poll() is None:
            said = console.read_text(errors="replace") if console.exists() else ""
            if "STARTED" in said or "Enter username" in said:
                return said
            time.sleep(0.5)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    pytest.fail(f"GRUB did not come to '{until}' within {SECONDS} s")

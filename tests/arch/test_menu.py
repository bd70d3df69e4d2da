"""GRUB itself, started on its own: an entry starts without the menu's password, and not without the words that say so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.hosts import vm
from tests.hosts.store import run
from tests.integration.conftest import ROOT

from .conftest import ARCHITECTURES, HASH
from .firmware import console

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
    assert said in console(machine.argv(machine.fresh(tmp_path)), image, tmp_path, "STARTED|Enter username")

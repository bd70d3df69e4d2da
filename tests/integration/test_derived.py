"""A file that a program makes, and a secret that a file lacks: made whole, shown nowhere, and brought back, on a real host."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

from .conftest import Target

HASH = "grub.pbkdf2.sha512.10000.5EC2E75A17.5EC2E75A175EC2E75A17"
RUN = "20260101T000000Z-derived"
BOOK = """---
- name: Make a batch
  hosts: all
  gather_facts: false
  tasks:
    - name: Batch
      unified.deploy.hardening_batches:
        run: "{run}"
        batches: {batches}
        secrets: {{boot_password: "{{{{ password }}}}"}}
        confirm_seconds: 0
"""


def options(argv: list[str]) -> dict[str, t.Any]:
    user = {"path": "/boot/user.cfg", "content": "GRUB2_PASSWORD=%s\n", "mode": "0600"}
    return {
        "files": [user],
        "secrets": {"/boot/user.cfg": "boot_password"},
        "commands": [{"argv": argv, "into": "/boot/menu.cfg"}],
    }


def book(directory: Path, run: str, argv: list[str]) -> str:
    path = directory / f"{run}.yml"
    batches = [{"name": "boot", "rules": ["boot_password/menu"], "options": options(argv)}]
    path.write_text(BOOK.format(run=run, batches=json.dumps(batches)))
    return str(path)


def test_batch_makes_its_file_whole_and_shows_its_secret_nowhere(container: Target) -> None:
    container.shell("echo old > /boot/menu.cfg; chmod 600 /boot/menu.cfg")
    made = book(container.directory, RUN, ["cp", "/etc/os-release", "%s"])
    play = container.play(made, "-vvv", "--diff", variables={"password": HASH})
    assert HASH not in play.output
    # First, and not by its name: what sudo runs is in the journal, too.
    assert container.shell('journalctl | grep -cF "$(cut -d= -f2 /boot/user.cfg)" || true').strip() == "0"
    container.shell(
        f"grep -qx 'GRUB2_PASSWORD={HASH}' /boot/user.cfg; stat -c %a /boot/user.cfg /boot/menu.cfg | sort -u | grep -qx 600"
    )
    container.shell("cmp /boot/menu.cfg /etc/os-release")
    assert container.shell("ls -A /boot").split() == ["menu.cfg", "user.cfg"]
    container.shell(f"python3 -I /var/lib/unified/runs/{RUN}/revert")
    container.shell("grep -qx old /boot/menu.cfg; test ! -e /boot/user.cfg")


def test_program_that_fails_undoes_the_batch(container: Target) -> None:
    container.shell("echo old > /boot/menu.cfg")
    made = book(container.directory, f"{RUN}-2", ["cp", "/nowhere", "%s"])
    said = container.play(made, variables={"password": HASH}, fails=True).output
    assert "all was undone" in said and HASH not in said
    container.shell("grep -qx old /boot/menu.cfg; test ! -e /boot/user.cfg")


def test_menu_without_room_stays_as_it_was(container: Target) -> None:
    """A file system of its own, full but for what a directory takes, where the menu is."""
    container.shell("mkdir -p /mnt/small; mount -t tmpfs -o size=64k tmpfs /mnt/small; echo old > /mnt/small/menu.cfg")
    container.shell("cat /dev/zero > /mnt/small/filler || true")
    path = Path(book(container.directory, f"{RUN}-3", ["cp", "/etc/os-release", "%s"]))
    path.write_text(path.read_text().replace("/boot/menu.cfg", "/mnt/small/menu.cfg"))
    assert "No space left" in container.play(str(path), variables={"password": HASH}, fails=True).output
    container.shell("rm /mnt/small/filler; mount -o remount,ro /mnt/small")
    path.write_text(path.read_text().replace(f"{RUN}-3", f"{RUN}-4"))
    assert "ead-only file system" in container.play(str(path), variables={"password": HASH}, fails=True).output
    container.shell("grep -qx old /mnt/small/menu.cfg; test ! -e /boot/user.cfg")
    assert container.shell("ls -A /mnt/small; umount /mnt/small").split() == ["menu.cfg"]

"""Boot configuration with a suite's own GRUB, on a tree of each architecture: real programs, and no kernel of its own needed.

What is collected there is judged here, what is planned here is made there, and collected again. The running kernel is this
machine's, so that the parameters wait for the next boot; tests/arch/test_machine.py boots.
"""

from __future__ import annotations

import os

import pytest

from . import trees
from .conftest import ARCHITECTURES, HASH
from .plans import make, planned
from .trees import Tree

MENU = "/boot/grub/grub.cfg"


@pytest.fixture(scope="module", params=ARCHITECTURES)
def tree(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tree:
    made = trees.tree(request.param, tmp_path_factory.mktemp("boot"))
    (made.path / "boot/grub").mkdir(exist_ok=True)
    try:
        made.run("grub-mkconfig", "-o", MENU)
    except AssertionError as exc:
        if "cannot find a device" in str(exc):
            pytest.skip("GRUB cannot tell what this machine's root is on, as it has to")
        raise
    (made.path / MENU.lstrip("/")).chmod(0o600)
    return made


def menu_of(tree: Tree) -> str:
    return (tree.path / MENU.lstrip("/")).read_text()


def kernels(menu: str) -> list[str]:
    return [line for line in menu.splitlines() if line.strip().startswith("linux\t")]


def test_menu_of_the_suite_s_own_grub_gets_parameters_and_a_lock_once(tree: Tree) -> None:
    assert len(make(tree)) == 5
    lines = kernels(menu_of(tree))
    assert len(lines) >= 3, "also the one that rescues"
    assert all(" apparmor=1 security=apparmor audit=1 audit_backlog_limit=8192" in line for line in lines)
    assert HASH not in menu_of(tree) and HASH in (tree.path / "boot/grub/user.cfg").read_text()
    assert {os.stat(tree.path / "boot/grub" / name).st_mode & 0o777 for name in ("grub.cfg", "user.cfg")} == {0o600}
    made, _evidence = planned(tree)
    assert made.changes == [] and made.desired.empty()
    assert {rule: one.held for rule, one in made.verdicts.items() if "next boot" not in one.held} == {
        "boot_password/menu": ""
    }
    assert made.verdicts["boot_password/menu"].verdict == "pass"


@pytest.mark.parametrize(
    "line",
    [
        'GRUB_CMDLINE_LINUX="quiet audit=0"',
        'GRUB_CMDLINE_LINUX_DEFAULT="quiet audit=0"',
    ],
)
def test_setting_that_wins_is_held_by_name(tree: Tree, line: str) -> None:
    make(tree)
    site = tree.path / "etc/default/grub.d/zzz-site.cfg"
    site.write_text(line + "\n")
    tree.run("update-grub")
    changed = make(tree)
    made, _evidence = planned(tree)
    site.unlink()
    tree.run("update-grub")
    assert made.verdicts["boot/audit"].verdict == "fail" and made.verdicts["boot/audit"].held, changed
    assert made.changes == [], "a run does not repeat itself"


def test_later_kernel_has_them_too(tree: Tree) -> None:
    make(tree)
    kernel = next((tree.path / "boot").glob("vmlinu[xz]-*"))
    later = kernel.with_name(kernel.name.partition("-")[0] + "-9.9.9-test")
    os.link(kernel, later)
    tree.run("update-grub")
    assert len([line for line in kernels(menu_of(tree)) if "9.9.9-test" in line and " audit=1 " in f"{line} "]) >= 2
    assert make(tree) == []
    later.unlink()
    assert make(tree) == [], "an entry of a kernel that has gone is no drift"

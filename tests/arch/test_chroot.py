"""Boot configuration with a suite's own GRUB, on a tree of each architecture: real programs, and no kernel of its own needed.

What is collected there is judged here, what is planned here is made there, and collected again. The running kernel is this
machine's, so that the parameters wait for the next boot; tests/arch/test_machine.py boots.
"""

from __future__ import annotations

import json
import os
import typing as t

import pytest
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

from tests.integration.conftest import ROOT

from . import trees
from .conftest import ARCHITECTURES, HASH
from .trees import COLLECTIONS, Tree

_AnsibleCollectionFinder(paths=[str(COLLECTIONS)])._install()

from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import (
    batch,
    plan,
    selection,
)
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.catalogue import Catalogue
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.evidence import Evidence
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds import boot_password
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.base import Connection

PACKAGE = "ansible_collections.unified.deploy.plugins.module_utils"
COLLECT = f"""import json, sys
from {PACKAGE}._collect.collector import collect
print(json.dumps(collect(json.loads(sys.stdin.read()))["sections"]))
"""
MAKE = f"""import json, sys
from {PACKAGE}._change.derived import derive
from {PACKAGE}._change.files import Wanted, replace
batch = json.loads(sys.stdin.read())
for file in batch["files"]:
    content = file["content"].replace("%s", batch["secrets"].get(file["path"], "%s"))
    replace(Wanted(file["path"], content.encode(), int(file["mode"], 8)))
for command in batch["commands"]:
    answer = derive(command["argv"], command["into"], "/root", timeout=600)
    assert answer.code == 0, answer.said
"""
SITE = Connection(user="ansible")
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


def planned(tree: Tree) -> tuple[plan.Plan, Evidence]:
    """The plan for the boot, from what the collector sees in the tree; all else is the recorded host's."""
    catalogue = Catalogue()
    request = catalogue.request(walk=False)
    seen = json.loads(
        tree.run("python3", "-c", COLLECT, stdin=json.dumps({name: request[name] for name in ("boot", "text")}))
    )
    document = json.loads((ROOT / "tests/unit/fixtures/debian13_hardened.json").read_text())
    document["sections"].update(seen)
    document["sections"]["host"]["items"]["container"] = False
    # Nothing that is known here started this machine's kernel.
    document["sections"]["boot"]["items"]["unknown"] = ""
    evidence = Evidence(document, catalogue.platform_of(document["sections"]["host"]["items"]))
    overlay = selection.Overlay(boot_password=boot_password.fingerprint(HASH))
    filters = selection.Filters((), ("boot", "boot_password"), ())
    chosen = selection.select(catalogue, [("cis", "l2_server")], overlay, evidence["host"], filters)
    return plan.plan(chosen, evidence, SITE), evidence


def make(tree: Tree) -> list[str]:
    """Make what is planned; returns the rules that were changed."""
    made, evidence = planned(tree)
    for part in plan.batches(made, evidence, SITE):
        options: dict[str, t.Any] = batch.options(part.desired, evidence["text"])
        options["secrets"] = dict.fromkeys(options.get("secrets", ()), HASH)
        tree.run("python3", "-c", MAKE, stdin=json.dumps(options))
    return made.changes


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

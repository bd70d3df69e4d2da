"""What this collection plans for the boot of a tree (`trees.py`), from what is collected there, and the same made there.

The running kernel is this machine's, so that parameters wait for the next boot.
"""

from __future__ import annotations

import json
import typing as t

from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

from tests.integration.conftest import ROOT

from .conftest import HASH
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
MAKE = f"""import json, os, sys
from {PACKAGE}._change.commands import Command
from {PACKAGE}._change.derived import derive
from {PACKAGE}._change.files import Wanted, replace
from {PACKAGE}._change.paths import make_directories
batch = json.loads(sys.stdin.read())
for file in batch["files"]:
    make_directories(os.path.dirname(file["path"]), 0o755)
    content = file["content"].replace("%s", batch["secrets"].get(file["path"], "%s"))
    replace(Wanted(file["path"], content.encode(), int(file["mode"], 8)))
for command in batch["commands"]:
    argv, into = command["argv"], command.get("into")
    answer = derive(argv, into, "/root", timeout=600) if into else Command(argv).run(timeout=600)
    assert answer.code == 0, answer.said
"""
SITE = Connection(user="ansible")


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

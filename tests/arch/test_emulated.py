"""What the collection does without a kernel, on each architecture: audits and reports, secrets, SOPS and age, programs by architecture.

The hosts are trees in which programs of the architecture run by user-mode emulation (`trees.py`).
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import stat
import typing as t
import uuid
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.hosts import vm
from tests.hosts.rootfs import native
from tests.integration.conftest import Play
from tests.secrets import leaks, programs

from . import trees
from .conftest import ARCHITECTURES, SITE
from .trees import Tree

TOKEN = "canary-token-0123456789"
PASSWORD = 'cänary "pass" w/ö+rd?& %n $x'
# A tree has no service manager, emulation passes no messages to nftables, and it can be slower than the collector waits for a program.
UNREAD = ("'systemctl' ended with 1", "'nft' ended with 3", "'aide' took longer than")


@pytest.fixture(scope="module", params=ARCHITECTURES)
def architecture(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def tree(architecture: str, tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return trees.tree(architecture, tmp_path_factory.mktemp("emulated"))


@pytest.fixture(scope="module")
def audited(tree: Tree) -> Play:
    (tree.path / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n")
    tree.run("mkdir", "-p", "/run/sshd")
    tree.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/etc/ssh/ssh_host_ed25519_key")
    return tree.play("audit_hosts", compliance_formats=["csv", "html", "json", "junit", "markdown"], **SITE)


def builds(**programs_of: Path) -> dict[str, dict[str, str]]:
    """What unified.deploy.program takes: a build for each architecture, by the kernel's name of it."""
    return {
        vm.NAMES[name]: {"src": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for name, path in programs_of.items()
    }


def tools(name: str) -> dict[str, dict[str, str]]:
    return builds(**{one: _tools(one) / name for one in {*ARCHITECTURES, native()}})


def _tools(architecture: str) -> Path:
    return programs.build() if architecture == native() else programs.build_for(architecture)


def task(module: str, /, **options: t.Any) -> dict[str, t.Any]:
    return {"name": "Task", f"unified.deploy.{module}": options}


def test_audit_is_of_this_architecture(architecture: str, audited: Play) -> None:
    model = audited.model("tree")
    assert (model["state"], model["architecture"]) == ("verified", vm.NAMES[architecture])
    rules = model["rules"]
    errors = {
        rule: one["actual"]
        for rule, one in rules.items()
        if one["verdict"] == "error" and not any(reason in one["actual"] for reason in UNREAD)
    }
    counts = Counter(one["verdict"] for one in rules.values())
    assert errors == {} and counts["pass"] > 100 and counts["fail"] > 50, counts


def test_goss_of_this_architecture_agrees(audited: Play) -> None:
    model = audited.model("tree")
    judged = {
        rule: (one["verdict"], one["goss"]) for rule, one in model["rules"].items() if one["goss"] in ("pass", "fail")
    }
    assert model["goss"]["checks"] > 500 and len(judged) > 150
    assert {rule: verdicts for rule, verdicts in judged.items() if len(set(verdicts)) > 1} == {}


def test_reports_name_the_architecture(architecture: str, audited: Play) -> None:
    report = json.loads((audited.results / "report.json").read_text())
    assert [host["architecture"] for host in report["hosts"]] == [vm.NAMES[architecture]]
    assert f" {vm.NAMES[architecture]}." in (audited.results / "report.md").read_text()
    assert all(path.stat().st_size for path in audited.results.glob("report.*"))
    assert {path.suffix for path in audited.results.glob("report.*")} == {".csv", ".html", ".json", ".md", ".xml"}


def test_secrets_are_delivered_once_and_taken_away(tree: Tree) -> None:
    store = tree.work / "store"
    store.mkdir()
    for name, value in (("password", PASSWORD), ("token", TOKEN)):
        (store / name).touch(mode=0o600)
        (store / name).write_text(f"{value}\n")
    variables = {"secret_stores": {"team": {"type": "file", "base": str(store)}}}
    files = [
        {"path": "/etc/app/all.json", "values": {"p": "team://password"}, "format": "json"},
        {"path": "/etc/app/token", "reference": "team://token", "group": "daemon", "mode": "0640"},
    ]
    # systemd-creds has a key of its own on disks only, and this machine may keep the tree in memory.
    credentials = [{"name": "app-token", "reference": "team://token", "encrypted": "never"}]
    deliver = [task("secret_set", name="app", files=files, credentials=credentials)]
    first = tree.play(deliver, "-vvv", "--diff", **variables)
    assert first.changed("tree") == 1 and leaks.occurrences(first.output, (PASSWORD, TOKEN)) == []
    assert json.loads((tree.path / "etc/app/all.json").read_text()) == {"p": PASSWORD}
    said = tree.run("stat", "-c", "%a %U %G", "/etc/app/all.json", "/etc/app/token").split("\n")
    assert said[:2] == ["600 root root", "640 root daemon"]
    kept = tree.path / "etc/credstore/app-token"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert tree.play(deliver, **variables).changed("tree") == 0
    tree.play([task("secret_set", name="app")], **variables)
    assert not (tree.path / "etc/app/token").exists() and not kept.exists()


def test_sops_and_age_are_installed_by_their_sums_and_used(architecture: str, tree: Tree) -> None:
    wanted = {name: tools(name) for name in ("age", "age-keygen", "sops")}
    chosen = {"install_secret_tools_hosts": "tree", "install_secret_tools_programs": wanted}
    tree.play("install_secret_tools", **chosen)
    assert tree.play("install_secret_tools", **chosen).changed("tree") == 0
    own = wanted["sops"][vm.NAMES[architecture]]["sha256"]
    assert hashlib.sha256((tree.path / "usr/local/bin/sops").read_bytes()).hexdigest() == own
    # The tree has no PyYAML, and the controller's runs anywhere.
    package = Path(yaml.__file__).parent
    shutil.copytree(package, tree.path / "usr/lib/python3/dist-packages/yaml", ignore=shutil.ignore_patterns("*.so"))
    key = task("age_key", path="/root/key", post_quantum="false")
    keep = task(
        "sops_file",
        path="/root/app.sops.json",
        data={"token": TOKEN},
        age=["{{ key.recipient }}"],
        age_key_file="/root/key",
    )
    tree.play([{**key, "register": "key"}, keep])
    assert TOKEN not in (tree.path / "root/app.sops.json").read_text()
    assert stat.S_IMODE((tree.path / "root/key").stat().st_mode) == 0o600
    argv = ["env", "SOPS_AGE_KEY_FILE=/root/key", "sops", "decrypt", "/root/app.sops.json"]
    assert json.loads(tree.run(*argv)) == {"token": TOKEN}
    assert tree.play([{**key, "register": "key"}, keep]).changed("tree") == 0
    assert re.search(r"age1\w+", tree.run("age-keygen", "-y", "/root/key"))


def test_role_vault_installs_the_program_of_this_architecture(architecture: str, tree: Tree) -> None:
    others = {one: programs.fake_bao("2.4.1", one) for one in vm.MACHINES}
    install = {
        "name": "Install",
        "ansible.builtin.include_role": {"name": "unified.deploy.vault", "tasks_from": "install.yml"},
    }
    variables = {"vault_builds": builds(**others), "vault_servers": ["tree"]}
    assert tree.play([install], **variables).changed("tree") == 1
    assert (tree.path / "usr/local/bin/bao").read_bytes() == others[architecture].read_bytes()
    assert "2.4.1" in tree.run("bao", "version")
    assert "openbao" in (tree.path / "etc/passwd").read_text()
    assert tree.play([install], **variables).changed("tree") == 0
    lacking = {**variables, "vault_builds": {"s390x": variables["vault_builds"][vm.NAMES[architecture]]}}
    said = " ".join(tree.play([install], fails=True, **lacking).output.split())
    assert f"there is no build for {vm.NAMES[architecture]}, only for: s390x" in said

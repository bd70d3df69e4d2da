"""The doctor, as an operator or CI runs it, on a real repository."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

from tests.secrets import leaks, programs
from tests.secrets.cases import CASES
from tests.unit.conftest import INSTALLED

VALUE = "canary-7-is-the-password"


class Repository(t.NamedTuple):
    root: Path
    variables: dict[str, t.Any]

    def check(self, inventory: Path | None = None, **more: t.Any) -> tuple[int, str]:
        """Exit code and output of the playbook, at -vvv."""
        if inventory is None:
            inventory = self.root.parent / "inventory.yml"
            inventory.write_text(yaml.safe_dump({"all": {"hosts": {"web1": {}}, "vars": {**self.variables, **more}}}))
        argv = [
            Path(sys.executable).parent / "ansible-playbook",
            "unified.deploy.check_secrets",
            "-i",
            inventory,
            "-vvv",
        ]
        argv += ["-e", f"check_secrets_directory={self.root}"]
        env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(INSTALLED), "ANSIBLE_NOCOLOR": "1", "COLUMNS": "100"}
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env, cwd=self.root)
        output = done.stdout + done.stderr
        assert leaks.occurrences(output, [VALUE]) == []
        return done.returncode, output


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Repository]:
    with contextlib.ExitStack() as stack:
        case = CASES["sops"](tmp_path, monkeypatch, stack)
        root = tmp_path / "base"
        recipient = yaml.safe_load((root / ".sops.yaml").read_text())["creation_rules"][0]["age"]
        rule = {"path_regex": r"secrets/.*\.yaml$", "age": recipient}
        (root / ".sops.yaml").write_text(yaml.safe_dump({"creation_rules": [rule]}))
        for name in ("plain.txt", "document.json"):
            (root / name).unlink()
        (root / "secrets").mkdir()
        path = root / "secrets/app.yaml"
        text = f"password: {VALUE}\n".encode()
        path.write_bytes(programs.run("sops", "encrypt", "--filename-override", path, stdin=text, cwd=root))
        (root / "site.yml").write_text("- hosts: all\n")
        programs.run("git", "init", "-q", root)
        reference = "team://secrets/app.yaml#password"
        files = [{"path": "/run/app/env", "values": {"PASSWORD": reference}}]
        yield Repository(root, {"secret_stores": case.declared, "secrets_files": files})


def test_all_is_well(repository: Repository) -> None:
    code, output = repository.check()
    assert code == 0, output
    assert "ok    store       team" in output
    assert "ok    reference   team://secrets/app.yaml#password" in output
    assert "ok    encryption" in output
    assert "3 checks, 0 failed" in output


def test_guide_s_own_site_is_well(repository: Repository) -> None:
    """An inventory that is a directory, references in its variables, stores beside it, and no localhost in it."""
    inventory = repository.root / "inventories/mine"
    (inventory / "group_vars").mkdir(parents=True)
    (inventory / "hosts").write_text("web1\n")
    declared = {
        name: {**store, "base": "{{ inventory_dir }}/../.."}
        for name, store in repository.variables["secret_stores"].items()
    }
    variables = {**repository.variables, "secret_stores": declared}
    (inventory / "group_vars/all.yml").write_text(yaml.safe_dump(variables, default_flow_style=True, width=1000))
    code, output = repository.check(inventory)
    assert code == 0, output
    assert "ok    reference   team://secrets/app.yaml#password" in output


def test_everything_that_is_wrong_is_listed_at_once(repository: Repository) -> None:
    (repository.root / "secrets/plain.yaml").write_text("user: ann\n")
    (repository.root / "leak.yml").write_text(f"a: b\nc: {VALUE}\n")
    (repository.root / "key.pem").write_text("-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n")
    stores = {
        **repository.variables["secret_stores"],
        "gone": {"type": "vault", "url": "https://127.0.0.1:1", "token": "x"},
    }
    code, output = repository.check(
        secret_stores=stores, check_secrets_references=["team://secrets/none.yaml", "env://UNSET_9"]
    )
    assert code == 2
    for part in (
        "FAIL  store       gone",
        "FAIL  reference   team://secrets/none.yaml",
        "FAIL  reference   env://UNSET_9",
        "secrets/plain.yaml",
        "is plain. Run 'sops encrypt --in-place",
        "leak.yml:2",
        "holds the value of a declared secret",
        "key.pem:1",
        "Private Key",
    ):
        assert part in output, part
    assert "FAIL  leak" in output
    lines = [line for line in output.splitlines() if line.startswith(("FAIL", "ok  "))]
    assert lines[0].startswith("FAIL")
    assert lines[-1].startswith("ok")


def test_accepted_finding_and_drifted_recipients(repository: Repository, tmp_path: Path) -> None:
    (repository.root / "key.pem").write_text("-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n")
    argv = [sys.executable, "-m", "detect_secrets", "scan", "key.pem"]
    baseline = subprocess.run(argv, capture_output=True, check=True, cwd=repository.root).stdout
    (repository.root / ".secrets.baseline").write_bytes(baseline)
    programs.run("age-keygen", "-o", tmp_path / "third")
    recipient = programs.run("age-keygen", "-y", tmp_path / "third").decode().strip()
    rules = yaml.safe_load((repository.root / ".sops.yaml").read_text())
    rules["creation_rules"][0]["age"] += f",{recipient}"
    (repository.root / ".sops.yaml").write_text(yaml.safe_dump(rules))
    code, output = repository.check()
    assert code == 2
    assert "recipients differ from the rule. Run 'sops updatekeys" in " ".join(output.split())
    assert "key.pem" not in output


def test_directory_without_a_repository_is_named(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "nowhere").mkdir()
    code, output = Repository(tmp_path / "nowhere", repository.variables).check()
    assert code == 2
    assert "is in no git repository" in output

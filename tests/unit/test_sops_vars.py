"""Variables, inventories and texts encrypted by SOPS, in real runs with the real program: each file is decrypted once."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path
from unittest import mock

import pytest
import yaml
from ansible.errors import AnsibleParserError
from ansible_collections.unified.deploy.plugins.vars.sops import files_of

from tests.secrets import leaks, programs
from tests.unit.conftest import INSTALLED

CANARY = "canary-7-in-a-vars-file"


class Site(t.NamedTuple):
    """A project with an inventory, whose decryptions are counted."""

    root: Path
    log: Path
    environment: dict[str, str]

    def encrypt(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        argv = ["sops", "encrypt", "--filename-override", path]
        path.write_bytes(programs.run(*argv, stdin=text.encode(), cwd=self.root, env=self.environment))
        return path

    def run(self, *argv: t.Any, fails: bool = False, **environment: str) -> str:
        env = {**self.environment, **environment}
        program = Path(sys.executable).parent / argv[0]
        done = subprocess.run(
            [program, *argv[1:]], capture_output=True, text=True, check=False, env=env, timeout=120, cwd=self.root
        )
        output = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, output
        return output

    def play(self, tasks: list[dict[str, t.Any]], *arguments: str, fails: bool = False, **environment: str) -> str:
        book = self.root / "play.yml"
        book.write_text(
            yaml.safe_dump([{"hosts": "all", "gather_facts": False, "connection": "local", "tasks": tasks}])
        )
        return self.run("ansible-playbook", "play.yml", "-i", "hosts", *arguments, fails=fails, **environment)

    def decryptions(self) -> list[str]:
        return [line.split()[-1] for line in self.log.read_text().splitlines() if line.startswith("decrypt")]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    programs.on_path(monkeypatch)
    key, root, log = tmp_path / "key", tmp_path / "site", tmp_path / "calls"
    programs.run("age-keygen", "-o", key)
    recipient = programs.run("age-keygen", "-y", key).decode().strip()
    root.mkdir()
    (root / ".sops.yaml").write_text(f"creation_rules:\n  - age: {recipient}\n")
    (root / "hosts").write_text("[web]\nweb1\nweb2\n[db]\ndb1\n")
    (root / "ansible.cfg").write_text("[defaults]\nvars_plugins_enabled = host_group_vars, unified.deploy.sops\n")
    wrapper = tmp_path / "bin/sops"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {log}\nexec {shutil.which("sops")} "$@"\n')
    wrapper.chmod(0o755)
    log.touch()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SOPS_")},
        "PATH": f"{wrapper.parent}:{os.environ['PATH']}", "ANSIBLE_COLLECTIONS_PATH": str(INSTALLED), "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_CONFIG": str(root / "ansible.cfg"), "UNIFIED_SOPS_AGE_KEY_FILE": str(key),
    }  # fmt: skip
    return Site(root, log, {**environment, "SOPS_AGE_KEY_FILE": str(key)})


def expect(*conditions: str) -> list[dict[str, t.Any]]:
    return [
        {"name": f"Expect {number}", "ansible.builtin.assert": {"that": [text]}}
        for number, text in enumerate(conditions)
    ]


def test_variables_of_hosts_and_groups_are_read_once_a_run(site: Site) -> None:
    site.encrypt(
        "group_vars/all.sops.yaml",
        f"password: {CANARY}\nfrom: all\nflag: yes\ntrue_one: true\nurl: 'http://{{{{ inventory_hostname }}}}'\n",
    )
    site.encrypt("group_vars/web/a.sops.yml", "from: web\n")
    site.encrypt("group_vars/web/b.sops.json", '{"port": 8080}')
    site.encrypt("host_vars/web1.sops.yaml", "from: web1\n")
    (site.root / "group_vars/web/plain.yml").write_text("plain: here\nport: 1\n")
    before = site.log.read_text().count("decrypt")
    output = site.play(
        expect(
            "password | length == 23", "flag == 'yes'", "true_one is true", "url == 'http://' ~ inventory_hostname",
            "from == {'web1': 'web1', 'web2': 'web', 'db1': 'all'}[inventory_hostname]",
            "inventory_hostname == 'db1' or (port == 8080 and plain == 'here')",
            "hostvars['web1'].from == 'web1' and hostvars['db1'].from == 'all'",
        ), "-vvv",
    )  # fmt: skip
    assert CANARY not in output
    assert before == 0
    files = sorted(site.decryptions())
    assert len(files) == 4, files
    assert len(set(files)) == 4


def test_files_behind_links_are_decrypted_too(site: Site) -> None:
    """The plugin for plain files follows links, and would give the encrypted texts."""
    site.encrypt("shared/deep/a.sops.yaml", "linked: value\n")
    site.encrypt("shared/own.sops.yaml", "own: value\n")
    (site.root / "group_vars/all").mkdir(parents=True)
    (site.root / "group_vars/all/common").symlink_to("../../shared")
    (site.root / "shared/deep/round").symlink_to("..")
    (site.root / "group_vars/web.sops.yaml").symlink_to("../shared/own.sops.yaml")
    site.play(expect("linked == 'value'", "inventory_hostname == 'db1' or own == 'value'"))
    assert len(site.decryptions()) == len(set(site.decryptions()))


def test_what_is_there_and_cannot_be_read_is_never_passed_over(site: Site) -> None:
    link = site.root / "group_vars/all.sops.yaml"
    link.parent.mkdir()
    link.symlink_to("nowhere")
    assert "there is no file" in site.play(expect("true"), fails=True)
    link.unlink()
    with mock.patch("os.listdir", side_effect=PermissionError(13, "Permission denied")):
        (site.root / "group_vars/all").mkdir()
        with pytest.raises(AnsibleParserError, match=r"group_vars/all: Permission denied"):
            files_of(str(site.root / "group_vars"), "all")


def test_hosts_outside_of_the_play_cost_what_is_asked_of_them(site: Site) -> None:
    site.encrypt("host_vars/web1.sops.yaml", "own: 1\n")
    site.encrypt("host_vars/web2.sops.yaml", "own: 2\n")
    site.encrypt("host_vars/db1.sops.yaml", "own: 3\n")
    site.play(expect("own == 1", "hostvars['db1'].own == 3", "hostvars['db1'].own == 3"), "--limit", "web1")
    assert sorted(Path(name).name for name in site.decryptions()) == ["db1.sops.yaml", "web1.sops.yaml"]


def test_hosts_in_a_row_are_decrypted_together_and_each_file_once(site: Site) -> None:
    """Two at a time, which the calls show: the wrapper says when each begins and ends."""
    names = [f"h{number}" for number in range(8)]
    (site.root / "hosts").write_text("[some]\n" + "".join(f"{name}\n" for name in names))
    for name in names:
        site.encrypt(f"host_vars/{name}.sops.yaml", f"own: {name}\n")
    wrapper = Path(site.environment["PATH"].partition(":")[0]) / "sops"
    real = wrapper.read_text().splitlines()[-1].split()[1]
    wrapper.write_text(
        f'#!/bin/sh\necho "$@" >> {site.log}; echo begins >> {site.log}\nsleep 0.3; {real} "$@"\ncode=$?; echo ends >> {site.log}; exit $code\n'
    )
    site.play(expect("own == inventory_hostname"))
    assert sorted(Path(name).name for name in site.decryptions()) == [f"{name}.sops.yaml" for name in names]
    if (os.cpu_count() or 1) > 1:
        lines = [line for line in site.log.read_text().splitlines() if line in ("begins", "ends")]
        assert ["begins", "begins"] in [lines[place : place + 2] for place in range(len(lines))]


def test_what_cannot_be_decrypted_ahead_fails_only_who_asks(site: Site) -> None:
    for name in ("web1", "web2"):
        site.encrypt(f"host_vars/{name}.sops.yaml", f"own: {name}\n")
    (site.root / "host_vars/db1.sops.yaml").write_text("own: plain\n")
    site.play(expect("own == inventory_hostname"), "--limit", "web")
    output = site.play(expect("own == inventory_hostname"), fails=True)
    assert "db1.sops.yaml: is not encrypted by sops" in output


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("plain", "is not encrypted by sops"),
        ("half", "is half plain: 'added' is not encrypted"),
        ("mac", "its message authentication code was removed"),
        ("changed", "its message authentication code does not match"),
        ("malformed", "cannot be parsed as yaml"),
        ("no key", "no key here decrypts it"),
    ],
)
def test_file_that_cannot_be_read_as_a_whole_ends_the_run(site: Site, damage: str, message: str) -> None:
    path = site.encrypt("group_vars/all.sops.yaml", f"password: {CANARY}\nother: canary-8\n")
    whole = path.read_text()
    environment = {}
    if damage == "plain":
        path.write_text(f"password: {CANARY}\n")
    elif damage == "half":
        path.write_text(f"added: {CANARY}\n{whole}")
    elif damage == "mac":
        path.write_text(re.sub(r"(?m)^ +mac: .*\n", "", whole))
    elif damage == "changed":
        path.write_text(re.sub(r"(?m)^other: .*\n", "", whole))
    elif damage == "malformed":
        path.write_text(f"a: [{CANARY}")
    elif damage == "no key":
        environment = {"UNIFIED_SOPS_AGE_KEY_FILE": "/nonexistent", "SOPS_AGE_KEY_FILE": "/nonexistent"}
    output = site.play(expect("true"), "-vvv", fails=True, **environment)
    assert message in output
    assert str(path) in output
    assert "canary" not in output


def test_order_that_would_give_encrypted_texts_is_refused(site: Site) -> None:
    site.encrypt("group_vars/all/x.sops.yaml", "password: x\n")
    (site.root / "ansible.cfg").write_text("[defaults]\nvars_plugins_enabled = unified.deploy.sops, host_group_vars\n")
    assert "Write 'vars_plugins_enabled = host_group_vars, unified.deploy.sops'" in site.play(
        expect("true"), fails=True
    )


def test_inventory_is_read(site: Site) -> None:
    site.encrypt(
        "inventory.sops.yaml", f"web:\n  hosts:\n    secret1:\n      password: {CANARY}\n  vars:\n    port: 1\n"
    )
    env = {"ANSIBLE_INVENTORY_ENABLED": "unified.deploy.sops,yaml,ini"}
    output = site.run("ansible-inventory", "-i", "inventory.sops.yaml", "--list", **env)
    assert '"secret1"' in output
    assert CANARY in output
    graph = site.run("ansible-inventory", "-i", "inventory.sops.yaml", "--graph", **env)
    assert "sops" not in graph
    (site.root / "inventory.sops.yaml").write_text("web: {hosts: {a: }}\n")
    broken = site.run("ansible-inventory", "-i", "inventory.sops.yaml", "--graph", fails=True, **env)
    assert "inventory.sops.yaml: is not encrypted by sops" in broken


def test_registered_variables_are_in_no_output_and_no_fact_cache(site: Site) -> None:
    site.encrypt("vars/app.sops.yaml", f"database:\n  password: {CANARY}\n  name: 'db-{{{{ inventory_hostname }}}}'\n")
    key = {"age_key_file": site.environment["SOPS_AGE_KEY_FILE"]}
    tasks: list[dict[str, t.Any]] = [
        {"name": "Read", "unified.deploy.sops_vars": {"path": "app.sops.yaml", **key}, "register": "app"},
        *expect("app.variables.database.password | length == 23", "app.variables.database.name == 'db-' ~ inventory_hostname", "app is not changed"),
        {"name": "Missing", "unified.deploy.sops_vars": {"path": "none.sops.yaml", **key}, "ignore_errors": True},
    ]  # fmt: skip
    cache = site.root.parent / "facts"
    output = site.play(tasks, "-vvv", ANSIBLE_CACHE_PLUGIN="jsonfile", ANSIBLE_CACHE_PLUGIN_CONNECTION=str(cache))
    assert leaks.occurrences(output, [CANARY]) == []
    assert [path for path in cache.rglob("*") if path.is_file() and CANARY in path.read_text()] == []
    assert len(site.decryptions()) == 1
    assert "none.sops.yaml" in output


def test_text_from_anywhere_is_decrypted(site: Site) -> None:
    path = site.encrypt("x.yaml", f"password: {CANARY}\n")
    key = site.environment["SOPS_AGE_KEY_FILE"]
    call = f"lookup('ansible.builtin.file', '{path}') | unified.deploy.sops_decrypt(age_key_file='{key}')"
    tasks: list[dict[str, t.Any]] = [
        {"name": "Decrypt", "ansible.builtin.assert": {"that": [f"({call} | from_yaml).password | length == 23"]}},
        {"name": "Plain", "ansible.builtin.debug": {"msg": "{{ 'a: b' | unified.deploy.sops_decrypt }}"}, "ignore_errors": True},
        {"name": "Format", "ansible.builtin.debug": {"msg": "{{ 'a: b' | unified.deploy.sops_decrypt('toml') }}"}, "ignore_errors": True},
    ]  # fmt: skip
    output = site.play(tasks, "-vvv", "--limit", "web1")
    assert "is not encrypted by sops" in output
    assert "no such format. Write binary, dotenv, ini, json, yaml" in output
    assert CANARY not in output

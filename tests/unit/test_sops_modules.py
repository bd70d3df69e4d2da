"""sops_file, sops_info and age_key, with the real programs sops, age and gpg."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

from tests.secrets import programs
from tests.secrets.modules import five_steps, run

DATA = {"database": {"password": "canary-7", "port": 5432, "on": True}, "users": [{"token": "canary-8"}]}


class Keys(t.NamedTuple):
    """Private keys as files, and their recipients."""

    home: Path
    recipients: dict[str, str]

    def file(self, name: str) -> str:
        return str(self.home / name)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Keys]:
    home = tmp_path_factory.mktemp("keys")
    with pytest.MonkeyPatch.context() as monkeypatch:
        programs.on_path(monkeypatch)
        for name in [name for name in os.environ if name.startswith("SOPS_")]:
            monkeypatch.delenv(name)
        recipients = {}
        for name, quantum in (("ann", "false"), ("bob", "false"), ("eve", "auto")):
            recipients[name] = run("age_key", {"path": str(home / name), "post_quantum": quantum})["recipient"]
        yield Keys(home, recipients)


@pytest.fixture
def place(tmp_path: Path, keys: Keys) -> Path:
    """A directory whose creation rule encrypts to Ann."""
    (tmp_path / ".sops.yaml").write_text(yaml.safe_dump({"creation_rules": [{"age": keys.recipients["ann"]}]}))
    return tmp_path


def decrypted(path: Path, key: str, **environment: str) -> t.Any:
    env = {**os.environ, "SOPS_AGE_KEY_FILE": key, **environment}
    return json.loads(programs.run("sops", "decrypt", "--output-type", "json", path, env=env))


def counting(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program before the real sops that notes what it is asked for, and on it goes."""
    log, real = directory / "calls", shutil.which("sops")
    wrapper = directory / "bin/sops"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {log}\nexec {real} "$@"\n')
    wrapper.chmod(0o755)
    log.touch()
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    return log


def test_age_key_is_made_once_and_for_its_owner_only(keys: Keys, tmp_path: Path) -> None:
    path = tmp_path / "deep/key"
    made = five_steps("age_key", {"path": str(path)})
    assert made["post_quantum"] is True
    assert made["recipient"].startswith("age1pq")
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    private = path.read_text()
    path.chmod(0o644)
    assert run("age_key", {"path": str(path)})["changed"] is True
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    assert path.read_text() == private
    assert "AGE-SECRET-KEY" not in json.dumps(made)


def test_age_key_does_not_take_what_is_no_key(keys: Keys, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("hello")
    assert "is no age key" in run("age_key", {"path": str(path)})["msg"]
    assert path.read_text() == "hello"


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("x.yaml", {"data": DATA}),
        ("x.json", {"data": DATA}),
        ("x.env", {"data": {"A": "canary-7", "B": "two words"}}),
        ("x.ini", {"data": {"section": {"key": "canary-7"}}}),
        ("x.yaml", {"content": "# why\npassword: canary-7\n"}),
        ("x.env", {"content": "# why\nA=canary-7\n"}),
        ("x.pem", {"content": "-----BEGIN-----\ncanary-7\n"}),
    ],
)
def test_every_format_is_written_once(place: Path, keys: Keys, name: str, given: dict[str, t.Any]) -> None:
    path = place / name
    arguments = {"path": str(path), "age_key_file": keys.file("ann"), **given}
    result = five_steps("sops_file", arguments)
    assert result["actions"] == ["encrypted"]
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    assert "canary" not in path.read_text()
    assert "canary" not in json.dumps(result)
    found = programs.run("sops", "decrypt", path, env={**os.environ, "SOPS_AGE_KEY_FILE": keys.file("ann")}).decode()
    assert "canary-7" in found
    if "content" in given:
        assert found.strip() == given["content"].strip(), "comments are kept"


def test_unchanged_file_costs_one_decryption_and_keeps_its_time(
    place: Path, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place / "x.yaml"
    arguments = {"path": str(path), "data": DATA, "age_key_file": keys.file("ann")}
    run("sops_file", arguments)
    os.utime(path, (1, 1))
    log = counting(tmp_path, monkeypatch)
    assert run("sops_file", arguments)["changed"] is False
    assert [line.split()[0] for line in log.read_text().splitlines()] == ["decrypt"]
    assert path.stat().st_mtime == 1


def test_diff_has_names_and_no_values(place: Path, keys: Keys) -> None:
    path = place / "x.yaml"
    base = {"path": str(path), "age_key_file": keys.file("ann")}
    run("sops_file", {**base, "data": {"password": "canary-1", "user": "canary-2", "gone": "canary-3"}})
    result = run("sops_file", {**base, "data": {"password": "canary-4", "user": "canary-2", "new": "canary-5"}})
    assert result["changes"] == {"gone": "removed", "new": "added", "password": "changed"}
    assert result["diff"]["after"] == "gone: removed\nnew: added\npassword: changed\nencrypted\n"
    assert "canary" not in json.dumps(result)


def test_recipients_follow_the_rule_and_a_removed_one_loses_the_data_key(place: Path, keys: Keys) -> None:
    path, config = place / "x.yaml", place / ".sops.yaml"
    ann, bob, eve = (keys.recipients[name] for name in ("ann", "bob", "eve"))
    base = {"path": str(path), "age_key_file": keys.file("ann")}
    run("sops_file", {**base, "data": DATA})
    config.write_text(yaml.safe_dump({"creation_rules": [{"age": f"{ann},{bob},{eve}"}]}))
    values = yaml.safe_load(path.read_text())["database"]
    result = five_steps("sops_file", base)
    assert result["actions"] == ["recipients updated"]
    assert yaml.safe_load(path.read_text())["database"] == values, "values are not encrypted anew"
    for name in ("ann", "bob", "eve"):
        assert decrypted(path, keys.file(name)) == DATA
    config.write_text(yaml.safe_dump({"creation_rules": [{"age": [ann, eve]}]}))
    result = five_steps("sops_file", {**base, "data": DATA})
    assert result["actions"] == ["recipients updated", "data key rotated"]
    assert yaml.safe_load(path.read_text())["database"] != values
    with pytest.raises(AssertionError, match="no master key was able to decrypt"):
        decrypted(path, keys.file("bob"))
    info = run("sops_info", {"paths": [str(path)]})["files"][str(path)]
    assert info["recipients"] == [sorted([ann, eve])]
    assert info["names"] == ["database.on", "database.password", "database.port", "users.0.token"]
    assert info["plain"] == []


def test_key_groups_need_a_key_of_each(tmp_path: Path, keys: Keys) -> None:
    path = tmp_path / "x.json"
    groups = [{"age": [keys.recipients["ann"]]}, {"age": [keys.recipients["bob"]]}]
    both = tmp_path / "both"
    both.write_text(Path(keys.file("ann")).read_text() + Path(keys.file("bob")).read_text())
    arguments = {
        "path": str(path), "data": DATA, "key_groups": groups, "shamir_threshold": 2, "age_key_file": str(both),
    }  # fmt: skip
    five_steps("sops_file", arguments)
    assert decrypted(path, str(both)) == DATA
    with pytest.raises(AssertionError):
        decrypted(path, keys.file("ann"))
    assert "no key here decrypts it" in run("sops_file", {**arguments, "age_key_file": keys.file("ann")})["msg"]


def test_pgp_recipient(tmp_path: Path, keys: Keys) -> None:
    programs.need("gpg", "gpgconf")
    with programs.short_directory() as home:
        fingerprint = programs.gpg_key(Path(home))
        path = tmp_path / "x.yaml"
        five_steps("sops_file", {"path": str(path), "data": DATA, "pgp": [fingerprint], "gnupg_home": home})
        assert decrypted(path, "/dev/null", GNUPGHOME=home) == DATA
        assert run("sops_info", {"paths": [str(path)]})["files"][str(path)]["recipients"] == [[fingerprint]]
        programs.run("gpgconf", "--homedir", home, "--kill", "all")


def test_partly_encrypted_file_refuses_a_secret_that_would_stay_plain(tmp_path: Path, keys: Keys) -> None:
    path = tmp_path / "x.yaml"
    arguments = {
        "path": str(path), "data": {"port": 1, "password": "canary", "nested": {"api_token": "canary"}},
        "age": [keys.recipients["ann"]], "age_key_file": keys.file("ann"), "encrypted_regex": "^password$",
    }  # fmt: skip
    result = run("sops_file", arguments)
    assert "these values would stay plain: nested.api_token. Widen encrypted_regex" in result["msg"]
    assert not path.exists()
    assert "canary" not in json.dumps(result)
    five_steps("sops_file", {**arguments, "allow_plain": ["api_token"]})
    assert "port: 1" in path.read_text()
    five_steps("sops_file", {**arguments, "encrypted_regex": "^(password|nested)$"})
    assert "canary" not in path.read_text()


def test_rotation_on_demand(place: Path, keys: Keys) -> None:
    path = place / "x.yaml"
    base = {"path": str(path), "data": DATA, "age_key_file": keys.file("ann")}
    run("sops_file", base)
    before = path.read_text()
    assert run("sops_file", {**base, "rotate": "always"}, check=True)["actions"] == ["data key rotated"]
    assert path.read_text() == before
    run("sops_file", {**base, "rotate": "always"})
    assert yaml.safe_load(path.read_text())["database"] != yaml.safe_load(before)["database"]
    assert decrypted(path, keys.file("ann")) == DATA


@pytest.mark.parametrize("damage", ["tampered", "no_key", "half_plain", "malformed"])
def test_file_that_cannot_be_read_is_kept(place: Path, keys: Keys, damage: str) -> None:
    path = place / "x.json"
    base = {"path": str(path), "data": DATA, "age_key_file": keys.file("ann")}
    run("sops_file", base)
    whole = json.loads(path.read_text())
    if damage == "tampered":
        del whole["database"]["port"]
    if damage == "half_plain":
        whole["database"]["password"] = "canary-9"
    path.write_text("{" if damage == "malformed" else json.dumps(whole))
    before = path.read_text()
    result = run("sops_file", {**base, "age_key_file": keys.file("bob" if damage == "no_key" else "ann")})
    expected = {
        "tampered": "message authentication code does not match", "no_key": "no key here decrypts it",
        "half_plain": "message authentication code does not match", "malformed": "cannot be parsed",
    }[damage]  # fmt: skip
    assert expected in result["msg"]
    assert result["failed"] is True
    assert path.read_text() == before
    assert "canary" not in json.dumps(result)


def test_bad_input_is_named(tmp_path: Path, keys: Keys) -> None:
    path = str(tmp_path / "x.yaml")
    assert "has no recipients" in run("sops_file", {"path": path, "data": DATA})["msg"]
    (tmp_path / ".sops.yaml").write_text("creation_rules:\n  - path_regex: other\n    age: x\n")
    assert "no creation rule of" in run("sops_file", {"path": path, "data": DATA})["msg"]
    base = {"path": path, "age": [keys.recipients["ann"]]}
    assert "no data or content is given" in run("sops_file", base)["msg"]
    assert "is no valid yaml" in run("sops_file", {**base, "content": "a: [canary"})["msg"]
    assert "is a mapping" in run("sops_file", {**base, "data": "canary"})["msg"]
    assert "need recipients" in run("sops_file", {"path": path, "data": DATA, "encrypted_regex": "x"})["msg"]
    assert not Path(path).exists()


def test_full_disk_keeps_the_old_file(keys: Keys, tmp_path: Path) -> None:
    """A file system of 64 KiB, filled up."""
    mount = tmp_path / "small"
    mount.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", mount], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("only root may mount")
    try:
        path = mount / "x.yaml"
        base = {"path": str(path), "age": [keys.recipients["ann"]], "age_key_file": keys.file("ann")}
        run("sops_file", {**base, "data": DATA})
        before = path.read_text()
        (mount / "filler").write_bytes(b"x" * (64 * 1024 - 8192))
        result = run("sops_file", {**base, "data": {"big": "x" * 20000}})
        assert "No space left on device; nothing was changed" in result["msg"]
        assert path.read_text() == before
        assert sorted(os.listdir(mount)) == ["filler", "x.yaml"]
    finally:
        subprocess.run(["umount", mount], check=True)

"""sops_file, sops_info and age_key, with the real programs sops, age and gpg."""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
import subprocess
import time
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.unified.deploy.plugins.module_utils import _sops, _sops_file, _yaml12

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
    ("name", "options"),
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
def test_every_format_is_written_once(place: Path, keys: Keys, name: str, options: dict[str, t.Any]) -> None:
    path = place / name
    arguments = {"path": str(path), "age_key_file": keys.file("ann"), **options}
    result = five_steps("sops_file", arguments)
    assert result["actions"] == ["encrypted"]
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    assert "canary" not in path.read_text()
    assert "canary" not in json.dumps(result)
    text = programs.run("sops", "decrypt", path, env={**os.environ, "SOPS_AGE_KEY_FILE": keys.file("ann")}).decode()
    assert "canary-7" in text
    if "content" in options:
        assert text.strip() == options["content"].strip(), "comments are kept"


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


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("x.ini", {"data": {"key": "canary"}}, "key of an ini file is a section"),
        ("x.ini", {"data": {"s": {"key": ["canary"]}}}, "key is no text, and ini files hold nothing else"),
        ("x.env", {"data": {"A": {"b": "canary"}}}, "A is no text, and dotenv files hold nothing else"),
        ("x.env", {"data": {"A": None}}, "A is no text, and dotenv files hold nothing else"),
        ("x.env", {"data": {"sops_version": "canary"}}, "sops_version is where sops keeps its own entries"),
        ("x.yaml", {"content": "sops: canary\n"}, "sops is where sops keeps its own entries"),
        ("x.yaml", {"content": "- canary\n"}, "data of a yaml file is a mapping"),
        ("x.json", {"content": '{"a": "canary", "a": 2}'}, "no valid json (an object has a name twice)"),
        (
            "x.json",
            {"content": '{"a": "canary\\ud800"}'},
            "a holds half a character (a lone surrogate), which sops would replace",
        ),
        ("x.yaml", {"data": {"a": {"b": "<<"}}}, "a.b is or holds the mark <<"),
        ("x.env", {"data": {"#a": "canary"}}, "'#a' is no name that dotenv files can hold"),
        ("x.env", {"data": {"a\nb": "canary"}}, "'a\\nb' is no name that dotenv files can hold"),
        *(
            ("x.ini", {"data": {"s": {name: "canary"}}}, f"{name!r} is no name that ini files can hold")
            for name in ("", " a", "-", "#a", "[a]", "a=b")
        ),
        ("x.ini", {"data": {" s": {"a": "canary"}}}, "' s' is no name of a section"),
        ("x.ini", {"content": "[s]\na=canary\n[s]\nb=1\n"}, "line 3 has a section that stands above already"),
        (
            "x.ini",
            {"content": "[s]\na=canary#7\n"},
            "line 2: sops takes '#' for the beginning of a comment, and cuts the value off",
        ),
        ("x.ini", {"content": "[s]\na='canary ;7'\n"}, "line 2: sops takes ';' for the beginning of a comment"),
        ("x.ini", {"content": "[s]\na=canary\\\nb=1\n"}, "line 2 has a value of several lines"),
        ("x.ini", {"content": "[s]\n`a`=canary\n"}, "line 2 has a name that sops takes for another"),
        ("x.ini", {"content": "a=canary\n"}, "line 1 is in no section"),
        ("x.ini", {"content": "[s]\ncanary\n"}, "line 2 has no '='"),
    ],
)
def test_what_a_format_cannot_hold_is_named(
    place: Path, keys: Keys, name: str, options: dict[str, t.Any], said: str
) -> None:
    result = run("sops_file", {"path": str(place / name), "age": [keys.recipients["ann"]], **options})
    assert result["failed"] and said in result["msg"]
    assert "canary" not in json.dumps({**result, "invocation": None})
    assert not (place / name).exists()


def changed_lines(before: str, after: str) -> int:
    return sum(
        line.startswith("+") and not line.startswith("+++")
        for line in difflib.unified_diff(before.splitlines(), after.splitlines())
    )


TEXT = "# why\ndatabase:\n    # the port\n    port: 5432\n    password: canary-7\nusers: [a, b]\nplain: x\n"


@pytest.mark.parametrize(
    ("name", "before", "after", "lines"),
    [
        ("x.yaml", {"data": DATA}, {"data": {**DATA, "database": {**DATA["database"], "password": "canary-9"}}}, 3),
        ("x.json", {"data": DATA}, {"data": {**DATA, "database": {**DATA["database"], "password": "canary-9"}}}, 3),
        ("x.yaml", {"data": DATA}, {"data": {**DATA, "new.one": {"a": None}}}, 4),
        ("x.yaml", {"data": {"a": "canary-1", "b": "canary-2"}}, {"data": {"a": "canary-1"}}, 2),
        ("x.env", {"data": {"A": "canary-1", "B": "2"}}, {"data": {"A": "canary-1", "B": "3"}}, 3),
        ("x.ini", {"data": {"s": {"a": "canary-1", "b": "2"}}}, {"data": {"s": {"a": "canary-1", "b": "3"}}}, 3),
        ("x.yaml", {"content": TEXT}, {"content": TEXT.replace("canary-7", "canary-9")}, 3),
        ("x.env", {"content": "# why\nA=canary-1\nB=2\n"}, {"content": "# why\nA=canary-1\nB=3\n"}, 3),
    ],
)  # fmt: skip
def test_only_the_lines_that_change_change(
    place: Path, keys: Keys, name: str, before: dict[str, t.Any], after: dict[str, t.Any], lines: int
) -> None:
    path = place / name
    base = {"path": str(path), "age_key_file": keys.file("ann")}
    run("sops_file", {**base, **before})
    text = path.read_text()
    # Two writes within one second have one time of modification.
    path.write_text(text)
    time.sleep(1.1)
    result = five_steps("sops_file", {**base, **after})
    assert len(result["changes"]) == 1
    assert changed_lines(text, path.read_text()) == lines
    assert [entry for entry in os.listdir("/dev/shm") if entry.startswith("unified-sops-")] == []


def test_comments_and_order_stay_where_data_changes(place: Path, keys: Keys) -> None:
    path = place / "x.yaml"
    base = {"path": str(path), "age_key_file": keys.file("ann")}
    run("sops_file", {**base, "content": TEXT})
    values = {"users": ["a", "c"], "plain": "x", "database": {"password": "canary-7", "port": 5432}}
    result = run("sops_file", {**base, "data": values})
    assert result.get("changes") == {"users.1": "changed"}, result
    env = {**os.environ, "SOPS_AGE_KEY_FILE": keys.file("ann")}
    text = programs.run("sops", "decrypt", path, env=env).decode()
    assert text == TEXT.replace("users: [a, b]", "users:\n    - a\n    - c")
    for users in (["a"], ["a", {"n": [1]}, "b"], ["b"], []):
        assert run("sops_file", {**base, "data": {**values, "users": users}})["changed"] is True
        assert decrypted(path, keys.file("ann"))["users"] == users
    assert "# the port" in programs.run("sops", "decrypt", path, env=env).decode()


def test_many_and_odd_changes_are_made_too(place: Path, keys: Keys) -> None:
    path = place / "x.yaml"
    base = {"path": str(path), "age_key_file": keys.file("ann")}
    run("sops_file", {**base, "data": {"a": "1"}})
    for values in (
        {f"name{number}": "canary" for number in range(30)}, {'odd ["key"]': "canary", "b]": {"c": "x"}}, {},
        {"back\\slash": "x", "list": [["a"], ["b"]]}, {"back\\slash": "x", "list": [["b"], []]},
    ):  # fmt: skip
        run("sops_file", {**base, "data": values})
        assert decrypted(path, keys.file("ann")) == values
        assert run("sops_file", {**base, "data": values})["changed"] is False


# What YAML 1.1 and 1.2 read differently, and what sops writes in another form than it was given.
PROBES = [
    "enabled: yes", "enabled: off", "time: 12:30:45", "octal: 0o17", "octal: 0777", "float: 1e3", "float: 1.10", "whole: 1.0", "date: 2026-01-01",
    "date: 2026-01-01 10:20:30", "date: 2026-01-01T10:20:30+02:00", "text: '2026-01-01'", "infinite: .inf", "none: .nan", "hex: 0x1F",
    "binary: 0b11", "thousand: 1_000", "null: ~\nb: 1".replace("null", "nothing"), "y: n", "a: &x {b: c}\nd:\n  <<: *x\n  e: f", "a: !!str 5", "a: 08",
    "a: []", "a: {}", "a: ''", "a: |\n  x\n  y\n",
]  # fmt: skip


@pytest.mark.parametrize("probe", PROBES)
def test_yaml_is_read_as_sops_reads_it(place: Path, keys: Keys, probe: str) -> None:
    path = place / "x.yaml"
    arguments = {"path": str(path), "content": f"{probe}\n", "age_key_file": keys.file("ann")}
    assert run("sops_file", arguments)["changed"] is True
    assert run("sops_file", arguments)["changed"] is False
    text = programs.run("sops", "decrypt", path, env={**os.environ, "SOPS_AGE_KEY_FILE": keys.file("ann")}).decode()
    asked, stored = _yaml12.load(probe), _yaml12.load(text)
    assert _sops.same(asked, stored), (asked, stored)


@pytest.mark.parametrize(
    ("name", "content", "values"),
    [
        ("x.env", "KEY=one\\ntwo\n# c\nB='q' \n", {"KEY": "one\ntwo", "B": "'q' "}), ("x.env", "A=b\r\nB=\r\n", {"A": "b\r", "B": "\r"}),
        ("x.env", "A=b\u2028c\x0bd\n", {"A": "b\u2028c\x0bd"}), ("x.ini", "[DEFAULT]\na=1\n[s]\nb: 2\n", {"DEFAULT": {"a": "1"}, "s": {"b": "2"}}),
        ("x.ini", "[s]\na='q'\nb=\"q\"\nc=`q#;`\nd=\"\"\"q\"\"\"\n", {"s": {"a": "q", "b": "q", "c": "q#;", "d": "q"}}),
        ("x.ini", "[s]\na=b ; c\nd='x'y'\n", {"s": {"a": "b", "d": "'x'y'"}}), ("x.ini", "\ufeff[s]\r\nA = %(x)s\r\n", {"s": {"A": "%(x)s"}}),
        ("x.yaml", "a: !!binary aGk=\nb: !!set {x}\n", {"a": "hi", "b": {"x": None}}), ("x.yaml", "\ufeffa: b\r\n", {"a": "b"}),
    ],
)  # fmt: skip
def test_text_means_what_sops_makes_of_it(place: Path, keys: Keys, name: str, content: str, values: t.Any) -> None:
    path = place / name
    arguments = {"path": str(path), "content": content, "age_key_file": keys.file("ann")}
    assert run("sops_file", arguments)["changed"] is True
    again = run("sops_file", arguments)
    assert again.get("changed") is False, again
    stored = decrypted(path, keys.file("ann"))
    assert {section: below for section, below in stored.items() if below or section != "DEFAULT"} == values


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: 1\nb: 12345678901234567890\n", "line 2 has a number of more than 64 bits: write it in quotes"),
        ("a: canary\n1: x\n", "line 2 has a key that is no text"),
        ("a: canary\nb: 2\na: x\n", "line 3 has a key that stands above already"),
        ("a: !canary x\n", "the content is no valid yaml (line 1 cannot be read)"),
        ("a: 1\n---\nb: 2\n", "the content is no valid yaml (holds several documents, where one is read)"),
    ],
)
def test_yaml_that_sops_cannot_keep_is_named_by_its_line(place: Path, keys: Keys, content: str, message: str) -> None:
    result = run("sops_file", {"path": str(place / "x.yaml"), "content": content})
    assert message in result["msg"]
    assert "canary" not in json.dumps(result)


def test_numbers_that_sops_would_round_are_refused(place: Path, keys: Keys) -> None:
    for name, value in (("x.json", 2**63), ("x.yaml", 2**64)):
        result = run("sops_file", {"path": str(place / name), "data": {"deep": {"n": value}}})
        assert "deep.n is a number that sops cannot keep in" in result["msg"]


@pytest.mark.parametrize(
    ("before", "after", "differing"),
    [
        ({"a": {"b": "x"}}, {"a.b": "x"}, {"a.b": "removed", "a\\.b": "added"}),
        ({"a": "x", "b": {}}, {"a": "x"}, {"b": "removed"}),
        ({"a": []}, {"a": {}}, {"a": "changed"}),
        ({"a": 1}, {"a": True}, {"a": "changed"}),
        ({"a": 0}, {"a": ""}, {"a": "changed"}),
        ({"a": None}, {"a": "null"}, {"a": "changed"}),
    ],
)
def test_every_difference_is_seen(
    place: Path, keys: Keys, before: t.Any, after: t.Any, differing: dict[str, str]
) -> None:
    path = place / "x.yaml"
    base = {"path": str(path), "age_key_file": keys.file("ann")}
    run("sops_file", {**base, "data": before})
    assert five_steps("sops_file", {**base, "data": after})["changes"] == differing
    assert decrypted(path, keys.file("ann")) == after


def test_threshold_follows_the_rule(tmp_path: Path, keys: Keys) -> None:
    path = tmp_path / "x.yaml"
    groups = [{"age": [keys.recipients[name]]} for name in ("ann", "bob", "eve")]
    everybody = tmp_path / "all"
    everybody.write_text("".join(Path(keys.file(name)).read_text() for name in ("ann", "bob", "eve")))
    two = tmp_path / "two"
    two.write_text("".join(Path(keys.file(name)).read_text() for name in ("ann", "bob")))
    base = {"path": str(path), "key_groups": groups, "age_key_file": str(everybody)}
    run("sops_file", {**base, "data": DATA, "shamir_threshold": 2})
    assert decrypted(path, str(two)) == DATA
    result = five_steps("sops_file", {**base, "shamir_threshold": 3})
    assert result["actions"] == ["threshold changed"]
    with pytest.raises(AssertionError):
        decrypted(path, str(two))
    assert decrypted(path, str(everybody)) == DATA
    assert run("sops_file", base)["changed"] is False, "all groups are needed where nothing is said"


@pytest.mark.parametrize(
    ("rule", "section"),
    [
        (
            {"hc_vault_transit_uri": "https://vault:8200/v1/sops/keys/app"},
            {"hc_vault": [{"vault_address": "https://vault:8200", "engine_path": "sops", "key_name": "app"}]},
        ),
        (
            {"azure_keyvault": "https://x.vault.azure.net/keys/app/12ab"},
            {"azure_kv": [{"vault_url": "https://x.vault.azure.net", "name": "app", "version": "12ab"}]},
        ),
        (
            {"key_groups": [{"azure_keyvault": [{"vaultUrl": "https://x.vault.azure.net", "key": "app"}]}]},
            {"azure_kv": [{"vault_url": "https://x.vault.azure.net", "name": "app", "version": "12ab"}]},
        ),
        (
            {"kms": "arn:aws:kms:eu-west-1:1:key/a+arn:aws:iam::1:role/r"},
            {"kms": [{"arn": "arn:aws:kms:eu-west-1:1:key/a", "role": "arn:aws:iam::1:role/r"}]},
        ),
        ({"pgp": "85D7 7543 b3d6"}, {"pgp": [{"fp": "85D77543B3D6"}]}),
        ({"gcp_kms": "projects/p/keys/k"}, {"gcp_kms": [{"resource_id": "projects/p/keys/k"}]}),
    ],
)  # fmt: skip
def test_recipients_of_key_services_are_compared_by_their_address(rule: t.Any, section: t.Any) -> None:
    assert _sops_file.drifted(_sops_file.groups_of(rule), _sops.recipients(section)) == ([], [])
    other = json.loads(
        json.dumps(section)
        .replace("app", "other")
        .replace("key/a", "key/b")
        .replace("keys/k", "keys/l")
        .replace("85D7", "95D7")
    )
    assert _sops_file.drifted(_sops_file.groups_of(rule), _sops.recipients(other))[0] != []


def test_classic_recipient_beside_a_post_quantum_one_is_warned_of(tmp_path: Path, keys: Keys) -> None:
    path = tmp_path / "x.yaml"
    ann, eve = keys.recipients["ann"], keys.recipients["eve"]
    mixed = run("sops_file", {"path": str(path), "data": DATA, "age": [ann, eve], "age_key_file": keys.file("ann")})
    assert f"the classic recipients {ann} undo the protection" in str(mixed["warnings"])
    info = run("sops_info", {"paths": [str(path)]})
    assert info["files"][str(path)]["classic_recipients"] == [ann]
    assert "undo the protection of the post-quantum ones" in str(info["warnings"])
    groups = [{"age": [ann]}, {"age": [eve]}]
    both = {"data": DATA, "key_groups": groups}
    for name, options, warned in (
        ("y.yaml", {**both, "shamir_threshold": 2}, False),  # a key of both is needed
        ("w.yaml", {"data": DATA, "age": [eve]}, False),
    ):
        # Ansible keeps the warnings of a process: those of the files before are among them.
        result = run("sops_file", {"path": str(tmp_path / name), **options})
        assert (f"{tmp_path / name}: the classic" in str(result.get("warnings"))) == warned


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pw", "x1"), ("pin", 1234), ("db_pw", "x"), ("url", "postgres://app:canary@db/app"), ("dsn", "host=db"), ("connection", "Server=db;Password=canary;"),
        ("certificate", "-----BEGIN RSA PRIVATE KEY-----\ncanary"), ("note", "AKIAIOSFODNN7EXAMPLE"), ("note", "hZ9kQ2mXv7TbN4cLw8Rj3YsD6pFgA1eU"),
    ],
)  # fmt: skip
def test_what_looks_like_a_secret_does_not_stay_plain(tmp_path: Path, keys: Keys, name: str, value: t.Any) -> None:
    path = tmp_path / "x.yaml"
    arguments = {
        "path": str(path),
        "data": {"password": "x", name: value},
        "age": [keys.recipients["ann"]],
        "encrypted_regex": "^password$",
    }
    result = run("sops_file", arguments)
    assert f"these values would stay plain: {name}" in result["msg"]
    assert not path.exists()
    assert run("sops_file", {**arguments, "allow_plain": [name]})["changed"] is True


def test_what_looks_like_no_secret_may_stay_plain(tmp_path: Path, keys: Keys) -> None:
    values = {
        "password": "x", "spin": "fast", "pinned": True, "url": "https://www.example.org/a?b=c", "digest": "sha256:" + "0a" * 32, "commit": "4f2b" * 10,
        "id": "3f1d1f0e-6c55-4f0e-9c5b-2f1c0d9a7b11", "recipient": keys.recipients["ann"], "path": "/usr/lib/x86_64-linux-gnu/security/pam_unix.so",
        "image": "registry.example.org/team/Application-Server-Frontend:1.2.3", "text": "A sentence with Many words, and 3 numbers.",
    }  # fmt: skip
    arguments = {
        "path": str(tmp_path / "x.yaml"),
        "data": values,
        "age": [keys.recipients["ann"]],
        "encrypted_regex": "^password$",
    }
    assert run("sops_file", arguments)["changed"] is True


@pytest.mark.parametrize("name", ["x.yaml", "x.json", "x.env", "x.ini"])
def test_file_whose_mac_was_removed_is_neither_plain_nor_overwritten(place: Path, keys: Keys, name: str) -> None:
    path = place / name
    values = {"s": {"a": "canary"}} if name == "x.ini" else {"a": "canary"}
    base = {"path": str(path), "age_key_file": keys.file("ann")}
    run("sops_file", {**base, "data": values})
    text = re.sub(r"(?m)^.*\b(sops_)?mac\b.*\n", "", path.read_text())
    path.write_text(text)
    result = run("sops_file", {**base, "data": {"s": {"a": "other"}} if name == "x.ini" else {"a": "other"}})
    assert "its message authentication code was removed. Somebody changed it without sops" in result["msg"]
    assert path.read_text() == text
    info = run("sops_info", {"paths": [str(path)]})
    assert "its message authentication code was removed" in info["errors"][str(path)]


@pytest.mark.parametrize(("name", "content"), [("x.json", '{"a": "b"}'), ("x.env", "A=b\n"), ("x.bin", "text")])
def test_host_without_pyyaml_writes_and_shows_what_is_no_yaml(
    tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch, name: str, content: str
) -> None:
    monkeypatch.setattr(_yaml12, "yaml", None)
    path = str(tmp_path / name)
    options = {"path": path, "content": content, "age_key_file": keys.file("ann")}
    assert "PyYAML" in run("sops_file", options)["msg"], "for the .sops.yaml"
    options["age"] = [keys.recipients["ann"]]
    assert [run("sops_file", options)["changed"] for _time in range(2)] == [True, False]
    shown = run("sops_info", {"paths": [path]})["files"][path]
    assert shown["encrypted"] is True


def test_host_without_pyyaml_names_the_files_that_need_it(
    tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_yaml12, "yaml", None)
    options = {"path": str(tmp_path / "x.yaml"), "content": "a: b", "age": [keys.recipients["ann"]]}
    refused = run("sops_file", options)
    assert "PyYAML" in refused["msg"] and options["path"] in refused["msg"]
    assert run("sops_file", {"path": options["path"], "state": "absent"})["changed"] is False
    result = run("sops_info", {"paths": [options["path"], str(tmp_path / "none.json")]})
    assert not result["files"] and set(result["errors"]) == {options["path"], str(tmp_path / "none.json")}
    assert "PyYAML" in result["errors"][options["path"]]


def test_one_broken_file_does_not_hide_the_others(place: Path, keys: Keys) -> None:
    run("sops_file", {"path": str(place / "good.yaml"), "data": DATA})
    (place / "broken.yaml").write_text("a: [canary")
    (place / "plain.yaml").write_text("sops: a word of ours\n")
    paths = [str(place / name) for name in ("broken.yaml", "gone.yaml", "good.yaml", "plain.yaml")]
    result = run("sops_info", {"paths": paths})
    assert result["failed"] is True
    assert set(result["errors"]) == set(paths[:2])
    assert "cannot be parsed as yaml (line" in result["errors"][paths[0]]
    assert result["files"][paths[2]]["encrypted"] is True
    assert result["files"][paths[3]]["encrypted"] is False
    assert "canary" not in json.dumps(result)


def test_short_value_does_not_mask_messages(tmp_path: Path, keys: Keys) -> None:
    arguments = {
        "path": str(tmp_path / "x.yaml"),
        "data": {"token": "x"},
        "age": [keys.recipients["ann"]],
        "encrypted_regex": "^a$",
    }
    assert "Widen encrypted_regex, or name them in allow_plain" in run("sops_file", arguments)["msg"]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("- just\n- a list\n", "has no readable creation_rules"),
        ("creation_rules: all\n", "has no readable creation_rules"),
        ("creation_rules: [age1xyz]\n", "has no readable creation_rules"),
        ("creation_rules:\n  - age: [x\n", "has no readable creation_rules (line"),
        ("creation_rules:\n  - path_regex: '('\n    age: x\n", "has no readable creation_rules"),
        ("\0\1\2", "has no readable creation_rules"),
        (
            "creation_rules:\n  - age: hunter2\n",
            "one of the age recipients is none. Recipients begin with age1 or ssh-",
        ),
    ],
)
def test_recipients_file_that_is_none_is_named(tmp_path: Path, keys: Keys, rules: str, message: str) -> None:
    (tmp_path / ".sops.yaml").write_text(rules)
    result = run("sops_file", {"path": str(tmp_path / "x.yaml"), "data": DATA})
    assert message in result["msg"]
    assert not (tmp_path / "x.yaml").exists()


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


def test_what_cannot_be_removed_is_named(tmp_path: Path) -> None:
    answer = run("sops_file", {"path": str(tmp_path), "state": "absent"})
    assert answer["failed"] and answer["msg"].startswith(f"{tmp_path} cannot be removed: ")

"""Declarations of stores, references to them, and what is special to the stores on the controller itself."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.unified.deploy.plugins.lookup import secret as lookup_plugin
from ansible_collections.unified.deploy.plugins.module_utils._vault import options as _options
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.errors import (
    CyclicStoresError,
    ForbiddenError,
    NotFoundError,
    UnknownStoreError,
    UnsupportedError,
)
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.resolver import Resolver

from tests.secrets import programs
from tests.secrets.cases import CASES, DOCUMENT, VAULT


def test_all_failures_are_listed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERE", "canary")
    failures = Resolver().check(["env://HERE", "env://GONE", "nowhere://x", "malformed"])
    assert [type(failure).__name__ for failure in failures.values()] == [
        "NotFoundError",
        "UnknownStoreError",
        "MalformedReferenceError",
    ]


def test_unknown_store_type_and_option_are_named() -> None:
    with pytest.raises(UnknownStoreError, match=r"no store 'fiel' is declared\. Did you mean file"):
        Resolver().resolve("fiel://x")
    with pytest.raises(UnsupportedError, match=r"secret_stores\.team\.type is unknown"):
        Resolver({"team": {"type": "sticky_note"}}).resolve("team://x")
    with pytest.raises(UnsupportedError, match=r"secret_stores\.team\.type is missing"):
        Resolver({"team": {"base": "/x"}}).resolve("team://x")
    with pytest.raises(UnsupportedError, match=r"secret_stores\.team: type file has no option 'bse'"):
        Resolver({"team": {"type": "file", "bse": "/x"}}).resolve("team://x")
    with pytest.raises(UnsupportedError, match=r"secret_stores\.team is no mapping"):
        Resolver({"team": "file"}).resolve("team://x")  # type: ignore[dict-item]  # what an inventory may say


def test_declaration_is_checked_and_its_secrets_stay_unsaid() -> None:
    with pytest.raises(UnsupportedError, match=r"secret_stores\.team: missing required arguments: url") as caught:
        Resolver({"team": {"type": "onepassword", "token": "canary"}}).resolve("team://v/i")
    assert "canary" not in str(caught.value)
    with pytest.raises(UnsupportedError, match=r"secret_stores\.team: .*timeout") as caught:
        Resolver({"team": {"type": "vault", "url": "x", "timeout": "soon", "token": "canary"}}).resolve("team://v")
    assert "canary" not in str(caught.value)


def test_credentials_come_from_another_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.ExitStack() as stack:
        case = CASES["vault"](tmp_path, monkeypatch, stack)
        token = tmp_path / "token"
        token.touch(mode=0o600)
        token.write_text(case.declared["team"]["token"])
        declared = {
            "team": {**case.declared["team"], "token": "keys://token"},
            "keys": {"type": "file", "base": str(tmp_path)},
        }
        assert Resolver(declared).resolve(case.plain)
        token.unlink()
        with pytest.raises(NotFoundError, match=r"secret_stores\.team\.token: cannot be read: keys://token"):
            Resolver(declared).resolve(case.plain)


def test_any_text_of_a_declaration_may_be_a_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A role id among them: taken as it is written, it would be refused as if it were wrong."""
    monkeypatch.setenv("RID", "the-role")
    approle = {"type": "vault", "url": "https://127.0.0.1:1", "auth_method": "approle", "secret_id": "x"}
    opened = Resolver({"team": {**approle, "role_id": "env://RID"}}).store("team")
    assert opened.options["role_id"] == "the-role"
    assert opened.options["url"] == "https://127.0.0.1:1"
    with pytest.raises(UnknownStoreError, match=r"secret_stores\.team\.role_id: cannot be read: .*no store 'evn'.*env"):
        Resolver({"team": {**approle, "role_id": "evn://RID"}}).store("team")


def test_store_with_the_name_of_another_type_is_refused() -> None:
    declared = {"vault": {"type": "file", "base": "/tmp"}}
    with pytest.raises(UnsupportedError, match=r"secret_stores\.vault has the name of another type of store"):
        Resolver(declared).resolve("vault://x")
    assert Resolver({"file": {"type": "file", "base": "/"}}).store("file").options["base"] == "/"


def test_field_of_any_kind_comes_back_as_text(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.touch(mode=0o600)
    path.write_text('{"none": null, "float": 1.5, "off": false, "list": ["a"]}')
    texts = [Resolver().resolve(f"file://{path}#{name}") for name in ("none", "float", "off", "list")]
    assert texts == ["null", "1.5", "false", '["a"]']
    assert Resolver().resolve(f"file://{path}#off?encoding=base64") == "ZmFsc2U="


def test_field_of_yaml_is_what_stands_there(tmp_path: Path) -> None:
    """YAML 1.1 makes 45045 of a time, 15 of a PIN, true of a word; a secret is what was written."""
    path = tmp_path / "x.yaml"
    path.touch(mode=0o600)
    texts = {"time": "12:30:45", "pin": "0017", "version": "1.10", "word": "yes", "date": "2026-01-01", "big": "9" * 30}
    path.write_text(
        "".join(f"{name}: {text}\n" for name, text in texts.items()) + "list: [{n: 0x1F}]\non: True\nnone: ~\n"
    )
    assert {name: Resolver().resolve(f"file://{path}#{name}") for name in texts} == texts
    assert Resolver().resolve(f"file://{path}#list.0.n") == "0x1F"
    assert Resolver().resolve(f"file://{path}#list") == '[{"n": 31}]'
    assert [Resolver().resolve(f"file://{path}#{name}") for name in ("on", "none")] == ["true", "null"]
    path.write_text("a: [canary")
    with pytest.raises(UnsupportedError, match="has no fields") as caught:
        Resolver().resolve(f"file://{path}#a")
    assert "canary" not in str(caught.value)


def test_cyclic_credentials_are_refused() -> None:
    vault = {"type": "vault", "url": "https://localhost"}
    declared = {name: {**vault, "token": f"{other}://t#x"} for name, other in (("a", "b"), ("b", "c"), ("c", "a"))}
    with pytest.raises(CyclicStoresError, match="store 'a' come from itself: a -> b -> c -> a"):
        Resolver(declared).resolve("a://x")
    with pytest.raises(CyclicStoresError, match="a -> a"):
        Resolver({"a": {**vault, "token": "a://t"}}).resolve("a://x")


def test_binary_needs_an_encoding(tmp_path: Path) -> None:
    path = tmp_path / "binary"
    path.touch(mode=0o600)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UnsupportedError, match=r"is binary, and text was asked for\. Add \?encoding=base64"):
        Resolver().resolve(f"file://{path}")
    assert Resolver().resolve(f"file://{path}?encoding=base64") == "//4A"
    with pytest.raises(UnsupportedError, match="has no fields"):
        Resolver().resolve(f"file://{path}#x")


def test_sops_file_that_was_tampered_with_or_is_half_plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.ExitStack() as stack:
        case = CASES["sops"](tmp_path, monkeypatch, stack)
        path = tmp_path / "base/document.json"
        whole = path.read_text()
        path.write_text(whole.replace('"deep": {', '"added": "plain", "deep": {'))
        with pytest.raises(ForbiddenError, match="is half plain: 'added' is not encrypted"):
            Resolver(case.declared).resolve(case.document)
        path.write_text(re.sub(r'"user": "[^"]*",', "", whole))
        with pytest.raises(ForbiddenError, match=r"message authentication code does not match\. Somebody changed it"):
            Resolver(case.declared).resolve(case.document)
        path.write_text(DOCUMENT)
        with pytest.raises(UnsupportedError, match="is not encrypted by sops"):
            Resolver(case.declared).resolve(case.document)
        path.write_text("{")
        with pytest.raises(UnsupportedError, match="cannot be parsed as json"):
            Resolver(case.declared).resolve(case.document)


@pytest.mark.parametrize(("name", "text"), [("x.env", "A=canary-5\nB=2\n"), ("x.ini", "[s]\nA=canary-5\nB=2\n")])
def test_value_put_in_plain_is_found_in_every_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    """The authentication code is that of the values, and matches where one of them was decrypted by hand."""
    with contextlib.ExitStack() as stack:
        case = CASES["sops"](tmp_path, monkeypatch, stack)
        path = tmp_path / "base" / name
        argv = ["sops", "encrypt", "--filename-override", path]
        encrypted = programs.run(*argv, stdin=text.encode(), cwd=path.parent).decode()
        path.write_text(re.sub(r"(?m)^(A *= *)`?ENC\[.*\]`?$", r"\1canary-5", encrypted))
        assert "canary-5" in path.read_text()
        with pytest.raises(ForbiddenError, match="is half plain: 'A' is not encrypted"):
            Resolver(case.declared).resolve(f"team://{name}#{'s.A' if name == 'x.ini' else 'A'}")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("encrypted_comment_regex", "secret"), ("unencrypted_comment_regex", "public"), ("encrypted_regex", "^a$"), ("unencrypted_regex", "^b$"),
        ("encrypted_suffix", "a"), ("unencrypted_suffix", "b"),
    ],
)  # fmt: skip
def test_file_that_is_partly_plain_by_its_rule_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, value: str
) -> None:
    with contextlib.ExitStack() as stack:
        case = CASES["sops"](tmp_path, monkeypatch, stack)
        base, config = tmp_path / "base", tmp_path / "partly.yaml"
        rules = yaml.safe_load((base / ".sops.yaml").read_text())
        rules["creation_rules"][0][option] = value
        config.write_text(yaml.safe_dump(rules))
        argv = ["sops", "--config", config, "encrypt", "--filename-override", base / "p.yaml"]
        (base / "p.yaml").write_bytes(programs.run(*argv, stdin=b"# secret\na: one\n# public\nb: two\n", cwd=base))
        encrypted = (base / "p.yaml").read_text()
        assert re.search("(?m)^a: ENC", encrypted)
        assert re.search("(?m)^b: two$", encrypted)
        resolver = Resolver(case.declared)
        assert [resolver.resolve(f"team://p.yaml#{name}") for name in "ab"] == ["one", "two"]


@pytest.mark.parametrize(("name", "text"), [("x.env", "A=1\nB=two words\n"), ("x.ini", "[s]\na=1\n")])
def test_sops_dotenv_and_ini_have_fields(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    with contextlib.ExitStack() as stack:
        case = CASES["sops"](tmp_path, monkeypatch, stack)
        base = tmp_path / "base"
        encrypted = programs.run("sops", "encrypt", "--filename-override", base / name, stdin=text.encode(), cwd=base)
        (base / name).write_bytes(encrypted)
        resolver = Resolver(case.declared)
        field = "B" if name == "x.env" else "s.a"
        assert resolver.resolve(f"team://{name}#{field}") == ("two words" if name == "x.env" else "1")
        assert resolver.stores["team"].list() == ["document.json", "plain.txt", name]


def test_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "open"
    path.write_text("canary")
    path.chmod(0o644)
    with pytest.raises(ForbiddenError, match="others may read this file"):
        Resolver().resolve(f"file://{path}")
    lenient = {"open": {"type": "file", "base": str(tmp_path), "allow_readable_by_others": True}}
    assert Resolver(lenient).resolve("open://open") == "canary"


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    for path in (tmp_path / "fifo", Path("/dev/null")):
        with pytest.raises(UnsupportedError, match="is no regular file"):
            Resolver().resolve(f"file://{path}")
    with pytest.raises(UnsupportedError, match="is a"):
        Resolver().resolve(f"file://{tmp_path}")


def test_path_cannot_leave_the_base(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "outside").touch(mode=0o600)
    (tmp_path / "base/link").symlink_to(tmp_path / "outside")
    resolver = Resolver({"team": {"type": "file", "base": str(tmp_path / "base")}})
    for reference in ("team://../outside", "team://link", f"team://{tmp_path}/outside"):
        with pytest.raises(ForbiddenError, match="leads out of"):
            resolver.resolve(reference)


def test_vault_file_needs_the_right_secret_and_encryption(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(VAULT.encrypt("canary"))
    with pytest.raises(ForbiddenError, match="no vault secret is loaded"):
        Resolver().resolve(f"ansible_vault://{path}")
    with pytest.raises(ForbiddenError, match="decrypts it"):
        Resolver(vault=VaultLib([("default", VaultSecret(b"wrong"))])).resolve(f"ansible_vault://{path}")
    path.write_text("canary")
    with pytest.raises(UnsupportedError, match="is not encrypted"):
        Resolver(vault=VAULT).resolve(f"ansible_vault://{path}")


def test_literal_is_its_path() -> None:
    assert Resolver().resolve("literal://a%23b") == "a#b"


def test_lookup_takes_default_and_optional_for_what_is_missing_only(monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible.errors import AnsibleLookupError
    from ansible.plugins.loader import lookup_loader

    monkeypatch.setenv("HERE", "canary")
    lookup = lookup_loader.get("unified.deploy.secret")
    assert type(lookup).__name__ == lookup_plugin.LookupModule.__name__
    assert lookup.run(["env://HERE", "literal://x"], {}) == ["canary", "x"]
    assert lookup.run(["env://GONE", "env://HERE"], {}, default="none") == ["none", "canary"]
    assert lookup.run(["env://GONE", "env://HERE"], {}, optional=True) == ["canary"]
    with pytest.raises(AnsibleLookupError, match="env://GONE: this environment variable is not set"):
        lookup.run(["env://GONE"], {})
    with pytest.raises(AnsibleLookupError, match="no store 'nowhere'"):
        lookup.run(["nowhere://x"], {}, default="none")
    for number, terms in enumerate(([["env://HERE"]], ["env://HERE", {"a": 1}], ["env://HERE", "env://HERE", 5]), 1):
        with pytest.raises(
            AnsibleLookupError, match=rf"a reference is text; number {number} is none\. .*'\*' before a list"
        ):
            lookup.run(terms, {})
    with pytest.raises(AnsibleLookupError, match="there is no option defualt"):
        lookup.run(["env://GONE"], {}, defualt="none")


def test_guide_lists_every_store_as_it_is() -> None:
    from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.resolver import TYPES, store_class

    guide = (Path(__file__).parents[2] / "docs/secrets.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in guide.splitlines() if line.endswith("-21 |")]
    listed = {row[0].strip("`"): row[2] for row in rows}
    assert listed == {kind: ", ".join(sorted(store_class(kind).capabilities)) or "read" for kind in TYPES}
    assert {row[3].partition(":")[0] for row in rows} == {"real", "fake"}
    options = {
        cells[0].strip(" `"): set(re.findall(r"`(\w+)`", cells[1])) - {"vault_kv"}
        for cells in (line.split("|")[1:-1] for line in guide.splitlines() if line.startswith("| `"))
        if len(cells) == 3
    }
    connection = set(_options.OPTIONS)
    assert options == {kind: set(store_class(kind).spec) - (connection if kind == "vault" else set()) for kind in TYPES}


def test_lookup_gives_a_list_where_one_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible.parsing.dataloader import DataLoader
    from ansible.template import Templar, trust_as_template

    monkeypatch.setenv("HERE", "canary")
    templar = Templar(loader=DataLoader(), variables={})
    for call, result in (
        ("lookup('unified.deploy.secret', 'env://HERE')", "canary"),
        ("lookup('unified.deploy.secret', 'env://HERE', wantlist=true)", ["canary"]),
        ("query('unified.deploy.secret', 'env://HERE', 'literal://x')", ["canary", "x"]),
    ):
        assert templar.template(trust_as_template(f"{{{{ {call} }}}}")) == result

"""The contract that every store keeps, and what is special to each."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.unified.deploy.plugins.lookup import secret as lookup_plugin
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.errors import (
    ForbiddenError,
    NotFoundError,
    SecretError,
    UnknownStoreError,
    UnsupportedError,
)
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.local import TYPES
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.reference import parse
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.resolver import Resolver

VALUE = 'canary "x": €\\n#%'
DOCUMENT = '{"user": "app", "password": "canary-7", "ports": [1, 2], "on": true, "deep": {"key": "canary-8"}}'
VAULT = VaultLib([("default", VaultSecret(b"correct"))])


class Case(t.NamedTuple):
    """A store with VALUE at `plain`, DOCUMENT at `document`, and nothing at `missing`."""

    resolver: Resolver
    plain: str
    document: str
    missing: str


def _env(_tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.setenv("PLAIN", VALUE)
    monkeypatch.setenv("DOCUMENT", DOCUMENT)
    monkeypatch.delenv("MISSING", raising=False)
    return Case(Resolver(), "env://PLAIN", "env://DOCUMENT", "env://MISSING")


def _file(tmp_path: Path, _monkeypatch: pytest.MonkeyPatch) -> Case:
    for name, text in (("plain", VALUE), ("document", DOCUMENT)):
        path = tmp_path / name
        path.touch(mode=0o600)
        path.write_text(f"{text}\n")
    base = {"team": {"type": "file", "base": str(tmp_path)}}
    return Case(Resolver(base), "team://plain", f"file://{tmp_path}/document", "team://missing")


def _ansible_vault(tmp_path: Path, _monkeypatch: pytest.MonkeyPatch) -> Case:
    for name, text in (("plain", VALUE), ("document", DOCUMENT)):
        (tmp_path / name).write_bytes(VAULT.encrypt(text))
    return Case(
        Resolver(vault=VAULT), *(f"ansible_vault://{tmp_path}/{name}" for name in ("plain", "document", "missing"))
    )


CASES = {"ansible_vault": _ansible_vault, "env": _env, "file": _file}


@pytest.fixture(params=sorted(CASES))
def case(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    return CASES[request.param](tmp_path, monkeypatch)


def test_every_type_is_under_contract() -> None:
    assert set(TYPES) == {*CASES, "literal"}, "literal is its own path: nothing can be missing there"


def test_value_comes_back_as_it_was(case: Case) -> None:
    assert case.resolver.resolve(case.plain) == VALUE


@pytest.mark.parametrize(
    ("field", "value"),
    [("user", "app"), ("ports.1", "2"), ("on", "true"), ("deep.key", "canary-8"), ("ports", "[1, 2]")],
)
def test_field_of_a_document(case: Case, field: str, value: str) -> None:
    assert case.resolver.resolve(f"{case.document}#{field}") == value


def test_missing_secret_and_field_are_not_found(case: Case) -> None:
    for reference in (case.missing, f"{case.document}#nothing", f"{case.document}#ports.9", f"{case.document}#user.x"):
        with pytest.raises(NotFoundError) as caught:
            case.resolver.resolve(reference)
        assert reference.partition("#")[0] in str(caught.value)
        assert "canary" not in str(caught.value)


def test_field_of_what_has_none_and_unknown_option_are_unsupported(case: Case) -> None:
    with pytest.raises(SecretError) as caught:
        case.resolver.resolve(f"{case.plain}#user")
    assert "canary" not in str(caught.value)
    with pytest.raises(UnsupportedError, match="know no option 'colour'"):
        case.resolver.resolve(f"{case.plain}?colour=red")


def test_secret_is_read_once(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    store = case.resolver.store(parse(case.plain).store, case.plain)
    real = store.read
    monkeypatch.setattr(store, "read", lambda reference: reads.append(reference) or real(reference))
    assert {case.resolver.resolve(case.plain) for _ in range(1000)} == {VALUE}
    assert len(reads) == 1


def test_all_failures_are_listed_at_once(case: Case) -> None:
    failures = case.resolver.check([case.plain, case.missing, "nowhere://x", "malformed"])
    assert [type(failure).__name__ for failure in failures] == [
        "NotFoundError",
        "UnknownStoreError",
        "MalformedReferenceError",
    ]


def test_unknown_store_type_and_option_are_named() -> None:
    with pytest.raises(UnknownStoreError, match=r"no store 'fiel' is declared\. Did you mean file"):
        Resolver().resolve("fiel://x")
    with pytest.raises(UnsupportedError, match="store 'team' has no known type"):
        Resolver({"team": {"type": "sticky_note"}}).resolve("team://x")
    with pytest.raises(UnsupportedError, match="store 'team' of type file has no option 'bse'"):
        Resolver({"team": {"type": "file", "bse": "/x"}}).resolve("team://x")


def test_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "open"
    path.write_text("canary")
    path.chmod(0o644)
    with pytest.raises(ForbiddenError, match="others may read this file"):
        Resolver().resolve(f"file://{path}")
    lenient = {"open": {"type": "file", "base": str(tmp_path), "allow_readable_by_others": True}}
    assert Resolver(lenient).resolve("open://open") == "canary"


def test_path_cannot_leave_the_base(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "outside").touch(mode=0o600)
    (tmp_path / "base/link").symlink_to(tmp_path / "outside")
    resolver = Resolver({"team": {"type": "file", "base": str(tmp_path / "base")}})
    for reference in ("team://../outside", "team://link", f"team://{tmp_path}/outside"):
        with pytest.raises(ForbiddenError, match="leads out of"):
            resolver.resolve(reference)


def test_binary_file_is_refused_where_text_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "binary"
    path.touch(mode=0o600)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UnsupportedError, match="is binary"):
        Resolver().resolve(f"file://{path}")


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

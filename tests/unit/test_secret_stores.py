"""The contract that every store keeps, whatever lies behind it."""

from __future__ import annotations

import contextlib
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.errors import (
    ForbiddenError,
    MissingClientError,
    NotFoundError,
    SecretError,
    UnavailableError,
    UnsupportedError,
)
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.reference import parse
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.resolver import TYPES, Resolver, store_class
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.stores.base import SecretStore

from tests.fakes.server import Refusal
from tests.secrets.cases import CASES, VALUE, VAULT, Case

ALL = {"batch", "describe", "list", "put", "versions"}


class Opened(t.NamedTuple):
    """A case with a resolver, and with references apart from fields that are part of the store's own documents."""

    case: Case
    resolver: Resolver
    store: SecretStore

    def path(self, reference: str) -> str:
        return reference.partition("#")[0]


# Making a store ready takes seconds for some, so that one is made for all tests that only read.
@pytest.fixture(scope="module", params=sorted(CASES))
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Opened]:
    with contextlib.ExitStack() as stack, pytest.MonkeyPatch.context() as monkeypatch:
        case = CASES[request.param](tmp_path_factory.mktemp("store"), monkeypatch, stack)
        resolver = Resolver(case.declared, VAULT)
        yield Opened(case, resolver, resolver.store(parse(case.plain).store))


def test_every_type_is_under_contract() -> None:
    kinds = {name.partition(" ")[0] for name in CASES}
    assert set(TYPES) == {*kinds, "literal"}, "literal is its own path: nothing can be missing there"
    assert all(store_class(kind).type == kind for kind in TYPES)


def test_value_comes_back_as_it_was(opened: Opened) -> None:
    assert opened.resolver.resolve(opened.case.plain) == VALUE


@pytest.mark.parametrize(
    ("field", "value"),
    [("user", "app"), ("ports.1", "2"), ("on", "true"), ("deep.key", "canary-8"), ("ports", "[1, 2]")],
)
def test_field_of_a_document(opened: Opened, field: str, value: str) -> None:
    if "#" in opened.case.document:  # the document is a field itself: what is in it is read with the filter
        pytest.skip("stores of named fields hold documents as fields")
    assert opened.resolver.resolve(f"{opened.case.document}#{field}") == value


def test_missing_secret_and_field_are_not_found(opened: Opened) -> None:
    references = [opened.case.missing, f"{opened.path(opened.case.document)}#nothing"]
    for reference in references:
        with pytest.raises(NotFoundError) as caught:
            opened.resolver.resolve(reference)
        assert reference.partition("#")[0] in str(caught.value)
        assert "canary" not in str(caught.value)


def test_unknown_option_and_encoding_are_unsupported(opened: Opened) -> None:
    for option in ("colour=red", "encoding=rot13"):
        with pytest.raises(UnsupportedError, match=r"know no option 'colour'|no such encoding"):
            opened.resolver.resolve(f"{opened.case.plain}?{option}")


def test_secret_is_read_once(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    opened.store._documents.clear()
    reads: list[t.Any] = []
    real = opened.store.read
    monkeypatch.setattr(opened.store, "read", lambda reference: reads.append(reference) or real(reference))
    assert {opened.resolver.resolve(opened.case.plain) for _ in range(1000)} == {VALUE}
    assert opened.resolver.resolve(f"{opened.case.plain}?encoding=base64") != VALUE
    assert len(reads) == 1


def test_many_are_read_together_and_failures_stay_their_own(opened: Opened) -> None:
    opened.store._documents.clear()
    references = [opened.case.plain, opened.case.document, opened.case.missing]
    asked = len(opened.case.server.requests) if opened.case.server else 0
    failures = opened.resolver.check(references)
    assert {text: type(failure) for text, failure in failures.items()} == {opened.case.missing: NotFoundError}
    assert opened.resolver.resolve(opened.case.plain) == VALUE
    if opened.case.server:
        after = len(opened.case.server.requests)
        assert list(opened.resolver.check(references)) == list(failures)
        repeated = len(opened.case.server.requests) - after
        assert repeated < after - asked or after == asked, "what was found is not asked for again"


def test_capabilities_are_what_it_can_do(opened: Opened) -> None:
    """What is declared works; what is not declared says so."""
    store, plain = opened.store, parse(opened.path(opened.case.plain))
    assert store.capabilities <= ALL
    missing = parse(opened.path(opened.case.missing))
    if "describe" in store.capabilities:
        assert store.describe(plain).path == plain.path or opened.store.type == "azure_keyvault"
        if store.type != "vault" or opened.case.declared["team"]["mount"] != "kv1":
            with pytest.raises(NotFoundError):
                store.describe(missing)
    if "list" in store.capabilities:
        names = store.list()
        assert plain.path.rpartition("/")[2] in {name.rpartition("/")[2] for name in names}
        assert names == sorted(names)
        assert store.list(plain.path[:4]) == [name for name in names if name.startswith(plain.path[:4])]
        assert store.list("no-such-prefix") == []
    calls: dict[str, t.Callable[[], t.Any]] = {
        "describe": lambda: store.describe(plain),
        "list": lambda: store.list(),
        "put": lambda: store.put(plain, "x"),
        "versions": lambda: store.versions(plain),
    }
    for name, call in calls.items():
        if name not in store.capabilities:
            with pytest.raises(UnsupportedError, match=f"cannot {name}"):
                call()
    assert ("batch" in store.capabilities) == (type(store).read_many is not SecretStore.read_many)


def test_check_names_the_identity(opened: Opened) -> None:
    assert opened.store.check().identity


def test_put_writes_once_and_is_read_back(opened: Opened) -> None:
    if "put" not in opened.store.capabilities:
        pytest.skip("cannot put: that it says so is tested above")
    if opened.store.type == "sops" or opened.store.type == "file":
        path = opened.path(opened.case.plain).replace("plain", "new")
    else:
        path = opened.path(opened.case.missing)
    reference, field = parse(path), "#value" if isinstance(opened.case.new, dict) else ""
    assert opened.store.put(reference, opened.case.new) is True
    assert opened.resolver.resolve(f"{path}{field}") == "canary-new"
    assert opened.store.put(reference, opened.case.new) is False
    changed = {"value": "canary-2"} if field else "canary-2"
    assert opened.store.put(reference, changed) is True
    assert opened.resolver.resolve(f"{path}{field}") == "canary-2"
    if "versions" in opened.store.capabilities and "kv1" not in str(opened.store.options):
        versions = opened.store.versions(reference)
        assert len(versions) == 2
        old = opened.resolver.resolve(f"{path}{field}?version={versions[-1].version}")
        assert old == "canary-new"
        with pytest.raises(NotFoundError):
            opened.resolver.resolve(f"{path}{field}?version={'99' if versions[0].version.isdigit() else 'f' * 32}")


def test_refused_credentials_are_forbidden(opened: Opened) -> None:
    if opened.case.refused is None:
        pytest.skip("this store has no credentials, or its stand-in does not check them")
    with pytest.raises(ForbiddenError) as caught:
        Resolver({"team": opened.case.refused}, VAULT).resolve(opened.case.plain)
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize("fault", ["slow", "failing", "gone", "forbidden"])
def test_store_that_fails_says_how(opened: Opened, fault: str) -> None:
    server = opened.case.server
    if server is None:
        pytest.skip("no server stands behind this store, or one that cannot be made to fail")
    declared = {"team": {**opened.case.declared["team"], "timeout": 0.4}}
    try:
        if fault == "gone":
            for key in ("url", "vault_url", "api_url", "identity_url"):
                if key in declared["team"] and key in opened.store.spec:
                    declared["team"][key] = str(declared["team"][key]).replace(str(server.port), "1")
            if "endpoint" in declared["team"]:
                declared["team"]["endpoint"] = "127.0.0.1:1"
        else:
            server.fault = {"slow": 1.0, "failing": Refusal(500, {}), "forbidden": Refusal(403, {"errors": []})}[fault]
        if fault in ("gone", "failing"):
            declared["team"]["timeout"] = 2
        with pytest.raises(ForbiddenError if fault == "forbidden" else UnavailableError) as caught:
            Resolver(declared).resolve(opened.case.plain)
        if fault == "slow":
            assert "within 0.4 s" in str(caught.value)
        assert "canary" not in str(caught.value)
    finally:
        server.fault = None


CLIENTS = {
    "akeyless": "akeyless", "aws_ssm": "boto3", "azure_keyvault": "azure.identity", "bitwarden": "bitwarden_sdk",
    "doppler": "dopplersdk", "gcp_secretmanager": "google.cloud.secretmanager_v1", "infisical": "infisical_sdk",
    "keyring": "keyring", "onepassword": "onepasswordconnectsdk.client",
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(CLIENTS))
def test_missing_client_is_named(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, CLIENTS[kind], None)
    options = {name: "x" for name, option in store_class(kind).spec.items() if option.get("required")}
    with pytest.raises(MissingClientError, match=r"needs the Python package '.+' on the controller.*pip install"):
        Resolver({"team": {"type": kind, **options}}).resolve("team://a/b/c")


@pytest.mark.parametrize("kind", ["sops", "pass", "onepassword_cli", "bitwarden_cli"])
def test_missing_program_is_named(kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(MissingClientError, match=r"needs the program '.+' on the controller"):
        Resolver({"team": {"type": kind}}).store("team").check()


@pytest.mark.parametrize("kind", ["onepassword_cli", "bitwarden_cli"])
def test_slow_program_is_killed(kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        case = CASES[kind](tmp_path, monkeypatch, stack)
        monkeypatch.setenv("FAKE_DELAY", "5")
        with pytest.raises(UnavailableError, match=r"did not answer within 0\.3 s"):
            Resolver({"team": {**case.declared["team"], "timeout": 0.3}}).resolve(case.plain)


def test_errors_are_secret_errors() -> None:
    assert issubclass(MissingClientError, SecretError)

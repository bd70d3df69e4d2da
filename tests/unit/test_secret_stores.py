"""The contract that every store keeps, whatever lies behind it."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import socket
import subprocess
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets import broker
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.errors import (
    ForbiddenError,
    MissingClientError,
    NotFoundError,
    SecretError,
    UnavailableError,
    UnsupportedError,
)
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.reference import Reference, parse
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.resolver import TYPES, Resolver, store_class
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.stores.base import SecretStore

from tests.fakes.server import Refusal
from tests.secrets import cases
from tests.secrets.cases import CASES, VALUE, VAULT, Case

ALL = {"batch", "describe", "dynamic", "list", "put", "versions"}


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


Asked = t.Union[Resolver, broker.Shared]


# As modules and lookups ask: in one process, and through the broker of a run.
@pytest.fixture(params=["resolver", "broker"])
def asked(request: pytest.FixtureRequest, opened: Opened) -> t.Iterator[Asked]:
    resolver = Resolver(opened.case.declared, VAULT)
    if request.param == "resolver":
        yield resolver
        return
    address = f"\0unified-contract-{os.getpid()}-{id(resolver)}"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    run = subprocess.Popen(["sleep", "600"])  # what the broker serves until it ends
    serving = threading.Thread(target=broker.serve, args=(listener, run.pid, resolver))
    serving.start()
    yield broker.Shared(address)
    run.kill()
    run.wait()
    serving.join(5)
    assert not serving.is_alive()


def test_every_type_is_under_contract() -> None:
    kinds = {name.partition(" ")[0] for name in CASES}
    assert set(TYPES) == {*kinds, "literal"}, "literal is its own path: nothing can be missing there"
    assert all(store_class(kind).type == kind for kind in TYPES)


def test_value_comes_back_as_it_was(opened: Opened, asked: Asked) -> None:
    assert asked.resolve(opened.case.plain) == VALUE


@pytest.mark.parametrize(
    ("field", "value"),
    [("user", "app"), ("ports.1", "2"), ("on", "true"), ("deep.key", "canary-8"), ("ports", "[1, 2]")],
)
def test_field_of_a_document(opened: Opened, field: str, value: str) -> None:
    if "#" in opened.case.document:  # the document is a field itself: what is in it is read with the filter
        pytest.skip("stores of named fields hold documents as fields")
    assert opened.resolver.resolve(f"{opened.case.document}#{field}") == value


def test_missing_secret_and_field_are_not_found(opened: Opened, asked: Asked) -> None:
    references = [opened.case.missing, f"{opened.path(opened.case.document)}#nothing"]
    for reference in references:
        with pytest.raises(NotFoundError) as caught:
            asked.resolve(reference)
        assert reference.partition("#")[0] in str(caught.value)
        assert "canary" not in str(caught.value)


def test_unknown_option_and_encoding_are_unsupported(opened: Opened, asked: Asked) -> None:
    for option in ("colour=red", "encoding=rot13"):
        with pytest.raises(UnsupportedError, match=r"know no option 'colour'|no such encoding"):
            asked.resolve(f"{opened.case.plain}?{option}")


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


def test_batch_that_is_refused_is_read_one_by_one(opened: Opened, asked: Asked) -> None:
    if opened.case.refuse_batches is None:
        pytest.skip("its batches cannot be refused by themselves, or it has none")
    references = [opened.case.plain, opened.case.document, opened.case.missing]
    with opened.case.refuse_batches():
        failures = asked.check(references)
        assert {text: type(failure) for text, failure in failures.items()} == {opened.case.missing: NotFoundError}
        assert asked.resolve(opened.case.plain) == VALUE


def test_every_store_with_batches_has_them_refused() -> None:
    batching = {kind for kind in TYPES if "batch" in store_class(kind).capabilities}
    source = inspect.getsource(cases)
    assert batching - {"bitwarden_cli"} == {
        kind
        for kind in batching
        if "refuse_batches=" in source.partition(f'"type": "{kind}"')[2].partition("\ndef ")[0]
    }


@pytest.mark.parametrize("fault", ["failing", "mistake"])
def test_batch_that_fails_fails_each_reference_and_nobody_else(
    opened: Opened, asked: Asked, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_store: t.Any, _references: t.Any) -> t.Any:
        if fault == "mistake":
            raise KeyError("canary")
        raise UnavailableError("the store is on fire", fix="Put it out")

    monkeypatch.setattr(type(opened.store), "read_many", failing)
    references = [opened.case.plain, opened.case.document]
    failures = asked.check([*references, "literal://x"])
    assert {text: type(failure) for text, failure in failures.items()} == dict.fromkeys(references, UnavailableError)
    for text, failure in failures.items():
        assert failure.where == text
        assert "canary" not in str(failure)
    monkeypatch.undo()
    assert asked.resolve(opened.case.plain) == VALUE


@pytest.mark.parametrize("near", ["{}%23word", "{}%3Fversion%3D1", "{}%20", "x/../{}", "./{}", "{}/.", "{}//", "/{}/"])
def test_path_that_is_nearly_right_never_gives_the_secret_beside_it(opened: Opened, asked: Asked, near: str) -> None:
    store, mark, rest = opened.case.plain.partition("://")
    path, hash_mark, field = rest.partition("#")
    if opened.store.type in ("file", "ansible_vault", "sops") and "%" not in near:
        pytest.skip("paths of files mean what they mean to the system")
    with pytest.raises((NotFoundError, UnsupportedError, ForbiddenError)) as caught:
        asked.resolve(f"{store}{mark}{near.format(path)}{hash_mark}{field}")
    assert "canary" not in str(caught.value)


def test_store_that_was_asked_too_often_is_asked_again(opened: Opened, asked: Asked) -> None:
    server = opened.case.server
    if server is None:
        pytest.skip("no server stands behind this store, or one without limits")
    server.busy = 1
    try:
        assert asked.resolve(opened.case.plain) == VALUE
        assert server.busy == 0
    finally:
        server.busy = 0


def test_answer_that_comes_after_the_time_out_is_nobodys(opened: Opened) -> None:
    server = opened.case.server
    if server is None:
        pytest.skip("no server stands behind this store, or one that cannot be made to wait")
    resolver = Resolver({"team": {**opened.case.declared["team"], "timeout": 0.3}})
    server.fault = 0.6
    try:
        with pytest.raises(UnavailableError, match=r"within 0\.3 s"):
            resolver.resolve(opened.case.document)
    finally:
        server.fault = None
    time.sleep(0.5)
    resolver.store("team").options["timeout"] = 5  # type: ignore[index]  # a mapping that is a dictionary
    resolver.store("team")._outage = None
    assert resolver.resolve(opened.case.plain) == VALUE


def test_store_that_hangs_is_left_alone_and_holds_nobody_up(opened: Opened) -> None:
    server = opened.case.server
    if server is None:
        pytest.skip("no server stands behind this store, or one that cannot be made to wait")
    resolver = Resolver({"team": {**opened.case.declared["team"], "timeout": 1.2}})
    server.fault = 60.0
    errors: list[SecretError] = []

    def ask() -> None:
        try:
            resolver.resolve(opened.case.plain)
        except SecretError as exc:
            errors.append(exc)

    started = time.monotonic()
    threads = [threading.Thread(target=ask) for _number in range(10)]
    try:
        for thread in threads:
            thread.start()
        time.sleep(0.2)
        assert resolver.resolve("literal://x") == "x"
        assert time.monotonic() - started < 1
        for thread in threads:
            thread.join()
    finally:
        server.fault = None
    assert time.monotonic() - started < 10
    assert len(errors) == 10
    assert all("within 1.2 s" in str(exc) and exc.where == opened.case.plain for exc in errors), errors
    assert sum("it is asked again in" in str(exc) for exc in errors) == 9


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
    # sops has no request for several files: it runs several programs at once.
    batches = type(store).read_many is not SecretStore.read_many and store.type != "sops"
    assert ("batch" in store.capabilities) == batches


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
    declared = {"team": dict(opened.case.declared["team"])}
    try:
        if fault == "gone":
            for key in ("url", "vault_url", "api_url", "identity_url"):
                if key in declared["team"] and key in opened.store.spec:
                    declared["team"][key] = str(declared["team"][key]).replace(str(server.port), "1")
            if "endpoint" in declared["team"]:
                declared["team"]["endpoint"] = "127.0.0.1:1"
        else:
            server.fault = {"slow": 1.0, "failing": Refusal(500, {}), "forbidden": Refusal(403, {"errors": []})}[fault]
        # A refusal must come before the limit on a busy machine too; the others may run into it.
        declared["team"]["timeout"] = {"slow": 0.4, "failing": 2, "gone": 2, "forbidden": 10}[fault]
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
    path = "a/B/C" if kind == "doppler" else "A" if kind == "gcp_secretmanager" else "a/b"
    with pytest.raises(MissingClientError, match=r"needs the Python package '.+' on the controller.*pip install"):
        Resolver({"team": {"type": kind, **options}}).resolve(f"team://{path}")


@pytest.mark.parametrize("kind", ["sops", "pass", "onepassword_cli", "bitwarden_cli"])
def test_missing_program_is_named(kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(MissingClientError, match=r"needs the program '.+' on the controller"):
        Resolver({"team": {"type": kind}}).store("team").check()


@pytest.mark.parametrize("together", [False, True])
def test_search_is_never_taken_for_a_match(together: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        case = CASES["bitwarden_cli"](tmp_path, monkeypatch, stack)
        items: dict[str, t.Any] = {
            "old-prod-db-BACKUP": {"password": "canary-old"}, "web": {"password": "canary-web"}, "Web-2": {"password": "x"},
            "twin": [{"password": "canary-1"}, {"password": "canary-2"}],
        }  # fmt: skip
        (tmp_path / "items.json").write_text(json.dumps(items))
        resolver = Resolver(case.declared)
        failing = {
            "team://prod-db#password": NotFoundError, "team://WEB#password": NotFoundError,
            "team://twin#password": UnsupportedError, "team://00000000#password": NotFoundError,
        }  # fmt: skip
        if together:
            failures = resolver.check([*failing, "team://web#password"])
        else:
            failures = {}
            for reference in failing:
                failures.update(resolver.check([reference]))
        assert {text: type(failure) for text, failure in failures.items()} == failing
        assert resolver.resolve("team://web#password") == "canary-web", "though another item's name contains it"
        assert resolver.resolve("team://00000000-0000-0000-0000-000000000004#password") == "canary-2"


def test_title_is_never_taken_for_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """1Password's program takes titles without regard to case."""
    with contextlib.ExitStack() as stack:
        case = CASES["onepassword_cli"](tmp_path, monkeypatch, stack)
        with pytest.raises(NotFoundError, match="another one is written like it"):
            Resolver(case.declared).resolve("team://team/PLAIN#password")


def test_deleted_name_is_not_said_to_be_busy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        case = CASES["azure_keyvault"](tmp_path, monkeypatch, stack)
        store = Resolver(case.declared).store("team")
        store._call("begin_delete_secret", "", "plain")
        with pytest.raises(NotFoundError):
            store.resolve(parse(case.plain))
        with pytest.raises(UnsupportedError, match=r"was deleted, and its name cannot be used\. Recover it, or purge"):
            store.put(parse(case.plain), "canary")
    with contextlib.ExitStack() as stack:
        case = CASES["aws_secretsmanager"](tmp_path, monkeypatch, stack)
        store = Resolver(case.declared).store("team")
        store.call("delete_secret", "", SecretId="web/plain")
        with pytest.raises(NotFoundError, match="is marked for deletion"):
            store.resolve(parse(case.plain))
        with pytest.raises(UnsupportedError, match="is marked for deletion"):
            store.put(parse(case.plain), "canary")


@pytest.mark.parametrize("kind", ["akeyless", "aws_secretsmanager", "aws_ssm", "azure_keyvault", "gcp_secretmanager"])
def test_lists_and_versions_have_many_pages(kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        case = CASES[kind](tmp_path, monkeypatch, stack)
        store = Resolver(case.declared).store("team")
        prefix = parse(case.plain).path.removesuffix("plain")
        for number in range(7):
            store.put(Reference("team", f"{prefix}many-{number}"), "x")
            store.put(Reference("team", f"{prefix}often"), f"canary-{number}")
        assert store.list(f"{prefix}many") == [f"{prefix}many-{number}" for number in range(7)]
        assert len(store.versions(Reference("team", f"{prefix}often"))) == 7


@pytest.mark.parametrize("kind", ["onepassword_cli", "bitwarden_cli"])
def test_slow_program_is_killed(kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        case = CASES[kind](tmp_path, monkeypatch, stack)
        monkeypatch.setenv("FAKE_DELAY", "5")
        with pytest.raises(UnavailableError, match=r"did not answer within 0\.3 s"):
            Resolver({"team": {**case.declared["team"], "timeout": 0.3}}).resolve(case.plain)


def test_errors_are_secret_errors() -> None:
    assert issubclass(MissingClientError, SecretError)

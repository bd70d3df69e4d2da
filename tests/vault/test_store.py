"""The store `vault`, as lookups and actions use it."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.errors import (
    ForbiddenError,
    NotFoundError,
    SecretError,
    UnsupportedError,
)
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.reference import parse
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.resolver import Resolver

from .conftest import CANARY
from .test_modules import Vault, vault

__all__ = ["vault"]  # the fixture


def declared(made: Vault, mount: str = "kv2", **options: t.Any) -> dict[str, dict[str, t.Any]]:
    return {"prod": {"type": "vault", **made.options, "mount": made.name(mount), **options}}


def test_references_name_one_secret_and_no_other(vault: Vault) -> None:
    vault.run("kv", path="odd/pass", data={"word": CANARY})
    vault.run("kv", path="odd/pass#word", data={"v": "hash"})
    vault.run("kv", path="odd/a?b", data={"v": "mark", "deep": {"list": [1, {"x": True}]}})
    resolver = Resolver(declared(vault))
    assert resolver.resolve("prod://odd/pass%23word#v") == "hash"
    assert resolver.resolve("prod://odd/a%3Fb#v") == "mark"
    assert resolver.resolve("prod://odd/a%3Fb#deep.list.1.x") == "true"
    assert resolver.resolve("prod://odd/pass#word") == CANARY
    for reference in ("prod://../../sys/mounts", "prod://odd/../odd/pass#word", "prod://odd//pass#word"):
        with pytest.raises(SecretError) as caught:
            resolver.resolve(reference)
        assert isinstance(caught.value, UnsupportedError), reference
    with pytest.raises(NotFoundError, match=r"prod://odd/nothing"):
        resolver.resolve("prod://odd/nothing#word")


def test_versions_and_descriptions(vault: Vault) -> None:
    for value in ("one", "two"):
        vault.run("kv", path="web/app", data={"v": value})
    resolver = Resolver(declared(vault, kv_version=2))
    assert (resolver.resolve("prod://web/app#v"), resolver.resolve("prod://web/app#v?version=1")) == ("two", "one")
    store = resolver.store("prod")
    assert [version.version for version in store.versions(parse("prod://web/app"))] == ["2", "1"]
    assert store.list("web/") == ["web/app"]
    assert store.put(parse("prod://web/app"), {"v": "two"}) is False
    assert store.put(parse("prod://web/app"), {"v": "three"}) is True
    assert resolver.resolve("prod://web/app#v") == "three"
    assert store.check().identity == "root"


def test_version_1_has_no_versions(vault: Vault) -> None:
    vault.run("kv", path="web/app", mount=vault.name("kv1"), data={"v": "one"})
    resolver = Resolver(declared(vault, "kv1"))
    assert resolver.resolve("prod://web/app#v") == "one"
    with pytest.raises(UnsupportedError, match="keeps no versions"):
        resolver.resolve("prod://web/app#v?version=1")


def test_errors_name_store_and_reference(vault: Vault) -> None:
    with pytest.raises(ForbiddenError, match=r"prod://web/app.*store 'prod'.*there is no mount"):
        Resolver(declared(vault, "nothing")).resolve("prod://web/app#v")
    login = {
        "auth_method": "approle",
        "auth_mount": vault.name("none"),
        "role_id": "x",
        "secret_id": "y",
        "token": None,
    }
    with pytest.raises(ForbiddenError, match=r"prod://web/app.*store 'prod': login at auth/\S+ was refused"):
        Resolver(declared(vault, **login)).resolve("prod://web/app#v")


def test_login_that_ends_in_the_middle_of_a_run_is_repeated(vault: Vault) -> None:
    mount, policy = vault.name("approle"), vault.name("reader")
    vault.run("policy", name=policy, policy=f'path "{vault.name("kv2")}/*" {{ capabilities = ["read"] }}')
    vault.run("auth", type="approle", path=mount)
    role = vault.run("approle", name="app", config={"token_policies": [policy], "token_num_uses": 1})
    secret = vault.run("write", path=f"auth/{mount}/role/app/secret-id", compare="never")["data"]["secret_id"]
    vault.run("kv", path="web/a", data={"v": "a"})
    vault.run("kv", path="web/b", data={"v": "b"})
    login = {
        "auth_method": "approle",
        "auth_mount": mount,
        "role_id": role["role_id"],
        "secret_id": secret,
        "token": None,
    }
    resolver = Resolver(declared(vault, kv_version=2, **login))
    assert resolver.resolve("prod://web/a#v") == "a"
    assert resolver.resolve("prod://web/b#v") == "b", "its token could be used once"
    used = Resolver(
        declared(
            vault, kv_version=2, token=vault.client().write("auth/token/create", num_uses=1)["auth"]["client_token"]
        )
    )
    used.store("prod").check()
    with pytest.raises(ForbiddenError, match="the token is invalid or has expired"):
        used.resolve("prod://web/a#v")

# SPDX-License-Identifier: GPL-3.0-or-later
"""1Password: ``onepassword://vault/item#field`` by a Connect server, ``onepassword_cli://vault/item#field`` by op.

Fields have their labels as names, those of a section ``section.label``.
"""

from __future__ import annotations

import functools
import json
import os
import typing as t

from ..errors import ForbiddenError, NotFoundError, SecretError, UnavailableError, UnsupportedError
from ..reference import Reference
from .base import Description, Document, Health, SecretStore
from .program import find, run


def names_of(reference: Reference) -> tuple[str, str]:
    vault, slash, item = reference.path.partition("/")
    if not slash or not item:
        raise UnsupportedError("names no item", where=str(reference), fix=f"Write {reference.store}://<vault>/<item>")
    return vault, item


def _items(vault: str, client: t.Any) -> t.Any:
    return client.get_items(vault)


class Connect(SecretStore):
    """By a Connect server, with onepasswordconnectsdk."""

    type = "onepassword"
    any_path = True
    spec = {
        "url": {"type": "str", "required": True},
        "token": {"type": "str", "no_log": True, "required": True},
        "ca": {"type": "path"},
        "timeout": {"type": "float", "default": 10},
    }
    capabilities = frozenset({"describe", "list", "put"})

    def __init__(self, name: str, options: t.Mapping[str, t.Any], vault: t.Any = None) -> None:
        super().__init__(name, options, vault)
        self._client: t.Any = None
        self._vaults: dict[str, str] = {}

    def _call(self, where: str, ask: t.Callable[[t.Any], t.Any]) -> t.Any:
        sdk = self.client("onepasswordconnectsdk.client", "onepasswordconnectsdk")
        errors = self.client("onepasswordconnectsdk.errors", "onepasswordconnectsdk")
        httpx = self.client("httpx", "onepasswordconnectsdk")
        if self._client is None:
            config = self.client("onepasswordconnectsdk.config", "onepasswordconnectsdk").ClientConfig(
                ca_file=self.options.get("ca"), timeout=self.options["timeout"]
            )
            self._client = sdk.Client(self.options["url"], self.options["token"], config)
        try:
            return ask(self._client)
        except httpx.TimeoutException:
            raise self.unreachable(where, self.options["timeout"]) from None
        except httpx.HTTPError:
            raise self.unreachable(where) from None
        except (errors.FailedToRetrieveItemException, errors.FailedToRetrieveVaultException) as exc:
            raise self._error(exc, where) from None

    def _error(self, exc: Exception, where: str) -> SecretError:
        said = str(exc)
        status = getattr(exc, "status_code", None)
        for code in (401, 403, 404, 429, 500, 503):
            if f"Received {code}" in said:
                status = code
        if "Found 0 " in said:
            status = 404
        if said.startswith("Found ") and status is None:
            return UnsupportedError("more than one has this title", where=where, fix="Name it by its id")
        return self.refused(status or 503, where)

    def _vault(self, title: str, where: str) -> str:
        if title not in self._vaults:
            answer = self._call(where, lambda client: client.get_vaults())
            self._vaults.update({vault.name: vault.id for vault in answer} | {vault.id: vault.id for vault in answer})
        if title not in self._vaults:
            raise NotFoundError(f"there is no vault '{title}', or this token may not see it", where=where)
        return self._vaults[title]

    def _item(self, reference: Reference) -> t.Any:
        vault, item = names_of(reference)
        identifier = self._vault(vault, str(reference))
        answer = self._call(str(reference), lambda client: client.get_item(item, identifier))
        # The title becomes part of a filter, which a title may be written to widen.
        if item not in (answer.id, answer.title):
            raise NotFoundError("there is no such item", where=str(reference))
        return answer

    def read(self, reference: Reference) -> Document:
        item = self._item(reference)
        sections = {section.id: section.label for section in item.sections or []}
        fields = {}
        for field in item.fields or []:
            section = sections.get(field.section.id) if field.section else None
            name = f"{section}.{field.label}" if section else field.label
            if field.value is not None and name:
                fields[name] = field.value
        return fields

    def describe(self, reference: Reference) -> Description:
        item = self._item(reference)
        return Description(reference.path, str(item.version or ""), str(item.updated_at or item.created_at or ""))

    def list(self, prefix: str = "") -> list[str]:
        names = []
        self._vaults = {}
        for vault in self._call(prefix, lambda client: client.get_vaults()):
            items = self._call(prefix, functools.partial(_items, vault.id))
            names += [f"{vault.name}/{item.title}" for item in items]
        return sorted(name for name in names if name.startswith(prefix))

    def put(self, reference: Reference, document: str | t.Mapping[str, t.Any]) -> bool:
        if isinstance(document, str):
            raise UnsupportedError("an item has fields, not a text", where=str(reference), fix="Give named fields")
        models = self.client("onepasswordconnectsdk.models", "onepasswordconnectsdk")
        vault, title = names_of(reference)
        identifier = self._vault(vault, str(reference))
        fields = [
            models.Field(label=name, value=str(value), type="CONCEALED") for name, value in sorted(document.items())
        ]
        try:
            if self.read(reference) == {name: str(value) for name, value in document.items()}:
                return False
            item = self._item(reference)
            item.fields = fields
            self._call(str(reference), lambda client: client.update_item(item.id, identifier, item))
        except NotFoundError:
            new = models.Item(vault=models.ItemVault(id=identifier), title=title, category="LOGIN", fields=fields)
            self._call(str(reference), lambda client: client.create_item(identifier, new))
        self._documents.clear()
        return True

    def check(self) -> Health:
        vaults = self._call("", lambda client: client.get_vaults())
        return Health(f"token for {len(vaults)} vaults")


class Cli(SecretStore):
    """By the program op (https://developer.1password.com/docs/cli)."""

    type = "onepassword_cli"
    any_path = True
    spec = {
        "service_account_token": {"type": "str", "no_log": True},
        "account": {"type": "str"},
        "timeout": {"type": "float", "default": 30},
    }
    capabilities = frozenset({"describe", "list"})

    def _op(self, where: str, *arguments: str) -> t.Any:
        env = dict(os.environ)
        if self.options.get("service_account_token"):
            env["OP_SERVICE_ACCOUNT_TOKEN"] = self.options["service_account_token"]
        account = ["--account", self.options["account"]] if self.options.get("account") else []
        program = find("op", self.name, "the 1Password CLI")
        argv = [program, *arguments, *account, "--format", "json"]
        code, out, err = run(argv, store=self.name, timeout=self.options["timeout"], env=env)
        if code == 0:
            return json.loads(out)
        if b"isn't an item" in err or b"isn't a vault" in err:
            raise NotFoundError("there is no such vault or item, or this account may not see it", where=where)
        if b"not currently signed in" in err or b"uthentication" in err or b"service account token" in err:
            raise ForbiddenError(
                "op is not signed in", where=where, fix="Run 'op signin', or set service_account_token"
            )
        if b"More than one item" in err:
            raise UnsupportedError("more than one has this title", where=where, fix="Name it by its id")
        raise UnavailableError(f"'op {arguments[0]} {arguments[1]}' ended with {code}", where=where)

    def _item(self, reference: Reference) -> t.Any:
        vault, item = names_of(reference)
        answer = self._op(str(reference), "item", "get", item, "--vault", vault)
        # op takes titles without regard to case, and links.
        if item not in (answer["id"], answer["title"]):
            raise NotFoundError("there is no such item: another one is written like it", where=str(reference))
        return answer

    def read(self, reference: Reference) -> Document:
        fields = {}
        for field in self._item(reference).get("fields", []):
            section = (field.get("section") or {}).get("label")
            if "value" in field:
                fields[f"{section}.{field['label']}" if section else field["label"]] = field["value"]
        return fields

    def describe(self, reference: Reference) -> Description:
        item = self._item(reference)
        return Description(reference.path, str(item.get("version", "")), item.get("updated_at", ""))

    def list(self, prefix: str = "") -> list[str]:
        answer = self._op(prefix, "item", "list")
        names = (f"{item['vault']['name']}/{item['title']}" for item in answer)
        return sorted(name for name in names if name.startswith(prefix))

    def check(self) -> Health:
        answer = self._op("", "whoami")
        return Health(str(answer.get("email") or answer.get("user_uuid") or "service account"))

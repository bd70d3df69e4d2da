# SPDX-License-Identifier: GPL-3.0-or-later
"""Bitwarden: ``bitwarden://<id or name>`` in Secrets Manager, ``bitwarden_cli://<id or name>#field`` in the password manager."""

from __future__ import annotations

import json
import os
import re
import sys
import typing as t
from pathlib import Path

from ..errors import ForbiddenError, NotFoundError, SecretError, UnavailableError, UnsupportedError
from ..reference import Reference
from .base import Description, Document, Health, SecretStore, encoded, same
from .program import find, run

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class SecretsManager(SecretStore):
    """By bitwarden-sdk, with a machine account's access token. Names need ``organization_id``, new secrets ``project_id``."""

    type = "bitwarden"
    any_path = True
    spec = {
        "access_token": {"type": "str", "no_log": True, "required": True},
        "organization_id": {"type": "str", "required": True},
        "project_id": {"type": "str"},
        "api_url": {"type": "str", "default": "https://api.bitwarden.com"},
        "identity_url": {"type": "str", "default": "https://identity.bitwarden.com"},
        "timeout": {"type": "float", "default": 10},
    }
    capabilities = frozenset({"batch", "describe", "list", "put"})

    def _call(self, where: str, operation: str, *arguments: t.Any) -> list[dict[str, t.Any]]:
        self.client("bitwarden_sdk", "bitwarden-sdk")
        settings = {
            "apiUrl": self.options["api_url"],
            "identityUrl": self.options["identity_url"],
            "deviceType": "SDK",
            "userAgent": "unified.deploy",
        }
        asked = {
            "settings": settings,
            "access_token": self.options["access_token"],
            "operation": operation,
            "arguments": arguments,
        }
        worker = Path(__file__).with_name("bitwarden_worker.py")
        stdin, limit = json.dumps(asked).encode(), self.options["timeout"]
        try:
            code, out, _err = run([sys.executable, "-P", str(worker)], store=self.name, timeout=limit, stdin=stdin)
        except UnavailableError:
            raise self.unreachable(where, limit) from None
        answer = json.loads(out) if code == 0 else {"error": "crash"}
        if "items" in answer:
            return list(answer["items"])
        status = int(answer.get("status", 0))
        if answer["error"] == "login" and (status in (400, 401, 403) or (not status and answer.get("token"))):
            raise ForbiddenError(
                f"store '{self.name}' does not accept the access token", where=where, fix="Has it expired?"
            )
        raise self.refused(status, where, "this machine account") if status else self.unreachable(where)

    def _identifiers(self, where: str) -> dict[str, str]:
        """Ids by name. Names need not be unique: such a name is an error when it is asked for."""
        names: dict[str, str] = {}
        for item in self._call(where, "list", self.options["organization_id"]):
            names[item["key"]] = "" if item["key"] in names else item["id"]
        return names

    def _id(self, reference: Reference, names: dict[str, str] | None = None) -> str:
        if UUID.fullmatch(reference.path):
            return reference.path
        names = names if names is not None else self._identifiers(str(reference))
        if reference.path not in names:
            raise NotFoundError("there is no such secret, or this machine account may not see it", where=str(reference))
        if not names[reference.path]:
            raise UnsupportedError("more than one secret has this name", where=str(reference), fix="Name it by its id")
        return names[reference.path]

    def read(self, reference: Reference) -> Document:
        identifier = self._id(reference)
        return str(self._call(str(reference), "get", identifier)[0]["value"])

    def read_many(self, references: t.Sequence[Reference]) -> dict[Reference, Document | SecretError]:
        if len(references) < 2:
            return super().read_many(references)
        documents: dict[Reference, Document | SecretError] = {}
        names = self._identifiers("") if any(not UUID.fullmatch(item.path) for item in references) else {}
        ids: dict[str, Reference] = {}
        for reference in references:
            try:
                ids[self._id(reference, names)] = reference
            except SecretError as exc:
                documents[reference] = exc
        try:
            for item in self._call("", "get_by_ids", list(ids)):
                documents[ids[item["id"]]] = item["value"]
        except NotFoundError:
            pass  # one of them is missing: each is asked for alone
        documents.update(super().read_many([reference for reference in references if reference not in documents]))
        return documents

    def describe(self, reference: Reference) -> Description:
        identifier = self._id(reference)
        answer = self._call(str(reference), "get", identifier)[0]
        return Description(reference.path, created=str(answer["revision_date"]))

    def list(self, prefix: str = "") -> list[str]:
        return sorted(name for name in self._identifiers(prefix) if name.startswith(prefix))

    def put(self, reference: Reference, document: str | t.Mapping[str, t.Any]) -> bool:
        organization, where = self.options["organization_id"], str(reference)
        text = encoded(document)
        try:
            identifier = self._id(reference)
            answer = self._call(where, "get", identifier)[0]
            if same(answer["value"], document):
                return False
            projects = [answer["project_id"]] if answer["project_id"] else None
            self._call(where, "update", organization, identifier, answer["key"], text, answer["note"], projects)
        except NotFoundError:
            if not self.options.get("project_id"):
                fix = f"Set secret_stores.{self.name}.project_id"
                raise UnsupportedError("a new secret needs a project", where=where, fix=fix) from None
            self._call(where, "create", organization, reference.path, text, "", [self.options["project_id"]])
        self._documents.clear()
        return True

    def check(self) -> Health:
        self._identifiers("")
        return Health("machine account")


class PasswordManager(SecretStore):
    """By the program bw (https://bitwarden.com/help/cli), unlocked: ``session`` is what 'bw unlock --raw' prints."""

    type = "bitwarden_cli"
    any_path = True
    spec = {"session": {"type": "str", "no_log": True}, "timeout": {"type": "float", "default": 60}}
    capabilities = frozenset({"batch", "describe", "list"})

    def _bw(self, where: str, *arguments: str) -> t.Any:
        env = {**os.environ, "BW_NOINTERACTION": "true"}
        if self.options.get("session"):
            env["BW_SESSION"] = self.options["session"]
        argv = [find("bw", self.name, "the Bitwarden CLI"), *arguments]
        code, out, err = run(argv, store=self.name, timeout=self.options["timeout"], env=env)
        if code == 0:
            return json.loads(out)
        if b"Not answer" in err:
            raise NotFoundError("there is no such item", where=where)
        if b"locked" in err or b"not logged in" in err:
            fix = "Run 'bw unlock --raw' and give its output as 'session'"
            raise ForbiddenError("the vault is locked", where=where, fix=fix)
        raise UnavailableError(f"'bw {' '.join(arguments[:2])}' ended with {code}", where=where)

    def _item(self, reference: Reference, listed: t.Sequence[t.Mapping[str, t.Any]] | None = None) -> t.Any:
        """The item of exactly this id or name, in LISTED where the items are known.

        'bw get item' and '--search' take any item that has the term somewhere in its name, address or user.
        """
        where = str(reference)
        if listed is None:
            if UUID.fullmatch(reference.path):
                return self._bw(where, "get", "item", reference.path)
            listed = self._bw(where, "list", "items", "--search", reference.path)
        items = [item for item in listed if reference.path in (item["id"], item["name"])]
        if not items:
            raise NotFoundError("there is no such item", where=where)
        if len(items) > 1:
            raise UnsupportedError("more than one item has this name", where=where, fix="Name it by its id")
        return items[0]

    @staticmethod
    def _fields(item: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        login = item.get("login") or {}
        fields = {name: login.get(name) for name in ("username", "password", "totp")}
        fields["notes"] = item.get("notes")
        fields.update({field["name"]: field.get("value") for field in item.get("fields") or []})
        return {name: value for name, value in fields.items() if value is not None}

    def read(self, reference: Reference) -> Document:
        return self._fields(self._item(reference))

    def read_many(self, references: t.Sequence[Reference]) -> dict[Reference, Document | SecretError]:
        if len(references) < 2:
            return super().read_many(references)
        # One start of bw takes a second; listing all takes no longer than reading one.
        items = self._bw("", "list", "items")
        documents: dict[Reference, Document | SecretError] = {}
        for reference in references:
            try:
                documents[reference] = self._fields(self._item(reference, items))
            except SecretError as exc:
                documents[reference] = exc
        return documents

    def describe(self, reference: Reference) -> Description:
        return Description(reference.path, created=self._item(reference).get("revisionDate", ""))

    def list(self, prefix: str = "") -> list[str]:
        return sorted(item["name"] for item in self._bw(prefix, "list", "items") if item["name"].startswith(prefix))

    def check(self) -> Health:
        answer = self._bw("", "status")
        if answer["status"] != "unlocked":
            raise ForbiddenError(f"the vault is {answer['status']}", fix="Run 'bw unlock --raw' and give its output")
        return Health(str(answer.get("userEmail") or ""))

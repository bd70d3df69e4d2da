# SPDX-License-Identifier: GPL-3.0-or-later
"""Akeyless by the package akeyless: ``akeyless://folder/name#field?version=2``."""

from __future__ import annotations

import typing as t

from ..errors import ForbiddenError, NotFoundError, SecretError
from ..reference import Reference
from .base import Description, Document, Health, SecretStore, encoded, same
from .program import within


class Akeyless(SecretStore):
    type = "akeyless"
    spec = {
        "access_id": {"type": "str", "required": True},
        "access_key": {"type": "str", "no_log": True, "required": True},
        "url": {"type": "str", "default": "https://api.akeyless.io"},
        "timeout": {"type": "float", "default": 10},
    }
    reference_options = frozenset({"version"})
    capabilities = frozenset({"batch", "describe", "list", "put", "versions"})

    def __init__(self, name: str, options: t.Mapping[str, t.Any], vault: t.Any = None) -> None:
        super().__init__(name, options, vault)
        self._api: t.Any = None
        self._token = ""

    def _call(self, operation: str, model: str, where: str, **arguments: t.Any) -> t.Any:
        sdk = self.client("akeyless", "akeyless")
        timeout = self.options["timeout"]

        def work() -> t.Any:
            if self._api is None:
                api = sdk.V2Api(sdk.ApiClient(sdk.Configuration(host=self.options["url"])))
                who = sdk.Auth(access_id=self.options["access_id"], access_key=self.options["access_key"])
                self._token = api.auth(who, _request_timeout=timeout).token
                self._api = api
            request = getattr(sdk, model)(token=self._token, json=False, **arguments)
            return getattr(self._api, operation)(request, _request_timeout=timeout)

        try:
            # urllib3 tries a connection that failed again; all of it together has this limit.
            return within(timeout, work)
        except TimeoutError:
            raise self.unreachable(where, timeout) from None
        except sdk.ApiException as exc:
            said = str(exc.body or "").lower()
            if "not found" in said or "doesn't exist" in said or "itemnotfound" in said:
                raise NotFoundError("there is no such secret or version", where=where) from None
            if self._api is None and exc.status in (400, 401, 403):
                raise ForbiddenError(
                    f"store '{self.name}' does not accept the credentials", where=where, fix="Have they expired?"
                ) from None
            raise self.refused(int(exc.status or 503), where, self.options["access_id"]) from None
        except self.client("urllib3.exceptions", "akeyless").HTTPError as exc:
            late = timeout if "Timeout" in f"{type(exc).__name__}{exc}" else None
            raise self.unreachable(where, late) from None

    @staticmethod
    def _name(reference: Reference) -> str:
        return f"/{reference.path.lstrip('/')}"

    def _values(self, names: list[str], where: str, version: str | None = None) -> dict[str, t.Any]:
        options = {"version": int(version)} if version else {}
        return dict(self._call("get_secret_value", "GetSecretValue", where, names=names, **options))

    def read(self, reference: Reference) -> Document:
        name = self._name(reference)
        answer = self._values([name], str(reference), reference.options.get("version"))
        if answer.get(name) is None:
            raise NotFoundError("there is no such secret or version", where=str(reference))
        value = answer[name]
        return value if isinstance(value, (str, dict)) else str(value)

    def read_many(self, references: t.Sequence[Reference]) -> dict[Reference, Document | SecretError]:
        plain = {self._name(reference): reference for reference in references if not reference.options}
        documents: dict[Reference, Document | SecretError] = {}
        if len(plain) > 1:
            try:
                values = self._values(list(plain), "")
                documents = {plain[name]: str(value) for name, value in values.items() if name in plain}
            except NotFoundError:
                pass  # one of them is missing: each is asked for alone
        documents.update(super().read_many([reference for reference in references if reference not in documents]))
        return documents

    def describe(self, reference: Reference) -> Description:
        answer = self._call("describe_item", "DescribeItem", str(reference), name=self._name(reference))
        return Description(reference.path, str(answer.last_version or ""), str(answer.modification_date or ""))

    def list(self, prefix: str = "") -> list[str]:
        names: list[str] = []
        page = None
        while True:
            more: dict[str, t.Any] = {"pagination_token": page} if page else {}
            answer = self._call("list_items", "ListItems", prefix, type=["static-secret"], **more)
            names += [item.item_name.lstrip("/") for item in answer.items or []]
            page = answer.next_page
            if not page:
                return sorted(name for name in names if name.startswith(prefix))

    def put(self, reference: Reference, document: str | t.Mapping[str, t.Any]) -> bool:
        name, text = self._name(reference), encoded(document)
        try:
            if same(self.read(self.document_key(reference)), document):
                return False
            self._call("update_secret_val", "UpdateSecretVal", str(reference), name=name, value=text)
        except NotFoundError:
            self._call("create_secret", "CreateSecret", str(reference), name=name, value=text)
        self._documents.clear()
        return True

    def versions(self, reference: Reference) -> t.Sequence[Description]:
        answer = self._call(
            "describe_item", "DescribeItem", str(reference), name=self._name(reference), show_versions=True
        )
        listed = sorted(answer.item_versions or [], key=lambda item: item.version, reverse=True)
        return [Description(reference.path, str(item.version), str(item.creation_date or "")) for item in listed]

    def check(self) -> Health:
        self._call("list_items", "ListItems", "", type=["static-secret"])
        return Health(self.options["access_id"])

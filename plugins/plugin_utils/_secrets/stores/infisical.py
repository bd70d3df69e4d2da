# SPDX-License-Identifier: GPL-3.0-or-later
"""Infisical by infisicalsdk: ``infisical://folder/NAME``, in the store's project and environment."""

from __future__ import annotations

import typing as t
from urllib.parse import quote

from ..errors import NotFoundError, SecretError, UnsupportedError
from ..reference import Reference
from .base import Description, Document, Health, SecretStore, encoded, same
from .program import within


class Infisical(SecretStore):
    type = "infisical"
    spec = {
        "url": {"type": "str", "default": "https://app.infisical.com"},
        "client_id": {"type": "str", "required": True},
        "client_secret": {"type": "str", "no_log": True, "required": True},
        "project_id": {"type": "str", "required": True},
        "environment": {"type": "str", "required": True},
        "timeout": {"type": "float", "default": 10},
    }
    reference_options = frozenset({"version"})
    capabilities = frozenset({"batch", "describe", "list", "put"})

    def __init__(self, name: str, options: t.Mapping[str, t.Any], vault: t.Any = None) -> None:
        super().__init__(name, options, vault)
        self._client: t.Any = None

    def _call(self, where: str, ask: t.Callable[[t.Any], t.Any]) -> t.Any:
        sdk = self.client("infisical_sdk", "infisicalsdk")
        requests = self.client("infisical_sdk.infisical_requests", "infisicalsdk")

        def work() -> t.Any:
            if self._client is None:
                client = sdk.InfisicalSDKClient(self.options["url"], cache_ttl=None)
                client.auth.universal_auth.login(self.options["client_id"], self.options["client_secret"])
                self._client = client
            return ask(self._client.secrets)

        try:
            # The client tries again for 15 s and more, and sets no time limit.
            return within(self.options["timeout"], work)
        except TimeoutError:
            raise self.unreachable(where, self.options["timeout"]) from None
        except requests.APIError as exc:
            raise self.refused(exc.status_code, where, self.options["client_id"]) from None
        except (requests.InfisicalError, OSError):
            raise self.unreachable(where) from None

    def _place(self, reference: Reference) -> dict[str, str]:
        folder, _mark, name = reference.path.rpartition("/")
        if quote(name, safe="") != name:
            # The client puts it into an address as it is, where '#' or '?' would ask for another secret.
            raise UnsupportedError("is no name that the client can ask for", where=str(reference), fix="Rename it")
        return {
            "secret_name": name,
            "secret_path": f"/{folder.strip('/')}",
            "project_id": self.options["project_id"],
            "environment_slug": self.options["environment"],
        }

    def _get(self, reference: Reference) -> t.Any:
        place = {**self._place(reference), "version": reference.options.get("version")}
        return self._call(str(reference), lambda secrets: secrets.get_secret_by_name(**place))

    def read(self, reference: Reference) -> Document:
        return str(self._get(reference).secretValue)

    def read_many(self, references: t.Sequence[Reference]) -> dict[Reference, Document | SecretError]:
        folders: dict[str, dict[str, Reference]] = {}
        for reference in references:
            if not reference.options:
                place = self._place(reference)
                folders.setdefault(place["secret_path"], {})[place["secret_name"]] = reference
        documents: dict[Reference, Document | SecretError] = {}
        for folder, names in folders.items():
            if len(names) > 1:
                values = {secret.secretKey: secret.secretValue for secret in self._listed("", folder)}
                documents.update({reference: values[name] for name, reference in names.items() if name in values})
        documents.update(super().read_many([reference for reference in references if reference not in documents]))
        return documents

    def _listed(self, where: str, folder: str, **options: bool) -> t.Any:
        place = (self.options["environment"], folder, self.options["project_id"])
        return self._call(where, lambda secrets: secrets.list_secrets(*place, **options)).secrets

    def describe(self, reference: Reference) -> Description:
        answer = self._get(reference)
        return Description(reference.path, str(answer.version), str(getattr(answer, "updatedAt", "") or ""))

    def list(self, prefix: str = "") -> list[str]:
        answer = self._listed(prefix, "/", recursive=True, view_secret_value=False)
        names = (f"{(item.secretPath or '/').strip('/')}/{item.secretKey}".lstrip("/") for item in answer)
        return sorted(name for name in names if name.startswith(prefix))

    def put(self, reference: Reference, document: str | t.Mapping[str, t.Any]) -> bool:
        place, text = self._place(reference), encoded(document)
        try:
            if same(self.read(self.document_key(reference)), document):
                return False
            name = place.pop("secret_name")
            ask = {"current_secret_name": name, "secret_value": text, **place}
            self._call(str(reference), lambda secrets: secrets.update_secret_by_name(**ask))
        except NotFoundError:
            self._call(str(reference), lambda secrets: secrets.create_secret_by_name(secret_value=text, **place))
        self._documents.clear()
        return True

    def check(self) -> Health:
        self._listed("", "/", view_secret_value=False)
        return Health(self.options["client_id"])

# SPDX-License-Identifier: GPL-3.0-or-later
"""Doppler by doppler-sdk: ``doppler://NAME``, or ``doppler://project/config/NAME``."""

from __future__ import annotations

import re
import typing as t

from ..errors import NotFoundError, SecretError, UnsupportedError
from ..reference import Reference
from .base import Document, Health, SecretStore, encoded
from .program import within

# The client puts them into addresses as they are, where '#' or '&' would ask for another secret.
NAME = re.compile(r"[A-Za-z0-9_-]+")


class Doppler(SecretStore):
    type = "doppler"
    spec = {
        "token": {"type": "str", "no_log": True, "required": True},
        "project": {"type": "str"},
        "config": {"type": "str"},
        "url": {"type": "str", "default": "https://api.doppler.com"},
        "timeout": {"type": "float", "default": 10},
    }
    capabilities = frozenset({"batch", "list", "put"})

    def _call(self, where: str, ask: t.Callable[[t.Any], t.Any]) -> t.Any:
        sdk = self.client("dopplersdk", "doppler-sdk").DopplerSDK()
        exceptions = self.client("http_exceptions", "doppler-sdk")
        requests = self.client("requests", "doppler-sdk")
        sdk.set_access_token(self.options["token"])
        sdk.set_base_url(self.options["url"].rstrip("/"))
        try:
            # The client sets no time limit of its own.
            return within(self.options["timeout"], lambda: ask(sdk))
        except TimeoutError:
            raise self.unreachable(where, self.options["timeout"]) from None
        except exceptions.HTTPException as exc:
            raise self.refused(int(exc.status_code or 503), where) from None
        except requests.RequestException:
            raise self.unreachable(where) from None

    def _names(self, reference: Reference) -> tuple[str, str, str]:
        parts = reference.path.split("/")
        if len(parts) == 1 and self.options.get("project") and self.options.get("config"):
            parts = [self.options["project"], self.options["config"], *parts]
        if len(parts) != 3:
            fix = "Write <project>/<config>/<name>, or declare the store's project and config"
            raise UnsupportedError("names no project and config", where=str(reference), fix=fix)
        if not all(NAME.fullmatch(part) for part in parts):
            raise UnsupportedError("is no valid name here", where=str(reference), fix="Names have A-Z a-z 0-9 _ -")
        return parts[0], parts[1], parts[2]

    def read(self, reference: Reference) -> Document:
        project, config, name = self._names(reference)
        answer = self._call(str(reference), lambda sdk: sdk.secrets.get(name, config, project))
        # The client leaves nested answers as they came.
        value = answer.value if isinstance(answer.value, dict) else vars(answer.value)
        if value.get("computed") is None:
            raise NotFoundError("there is no such secret, or it is restricted", where=str(reference))
        return str(value["computed"])

    def read_many(self, references: t.Sequence[Reference]) -> dict[Reference, Document | SecretError]:
        configs: dict[tuple[str, str], dict[str, Reference]] = {}
        documents: dict[Reference, Document | SecretError] = {}
        for reference in references:
            try:
                project, config, name = self._names(reference)
                configs.setdefault((project, config), {})[name] = reference
            except SecretError as exc:
                documents[reference] = exc
        for (project, config), names in configs.items():
            if len(names) > 1:
                values = self._download(project, config)
                documents.update({reference: values[name] for name, reference in names.items() if name in values})
        documents.update(super().read_many([reference for reference in references if reference not in documents]))
        return documents

    def _download(self, project: str, config: str) -> dict[str, str]:
        answer = self._call("", lambda sdk: sdk.secrets.download(config, project, "json"))
        values = answer if isinstance(answer, dict) else vars(answer)
        return {str(name): str(value) for name, value in values.items() if value is not None}

    def list(self, prefix: str = "") -> list[str]:
        if not (self.options.get("project") and self.options.get("config")):
            raise UnsupportedError(f"store '{self.name}' has no project and config to list", fix="Declare them")
        ask = (self.options["config"], self.options["project"])
        answer = self._call(prefix, lambda sdk: sdk.secrets.names(*ask))
        return sorted(name for name in answer.names if name.startswith(prefix))

    def put(self, reference: Reference, document: str | t.Mapping[str, t.Any]) -> bool:
        project, config, name = self._names(reference)
        if self.holds(reference, document):
            return False
        request = {"project": project, "config": config, "secrets": {name: encoded(document)}}
        self._call(str(reference), lambda sdk: sdk.secrets.update(request))
        self._documents.clear()
        return True

    def check(self) -> Health:
        answer = self._call("", lambda sdk: sdk.auth.me())
        return Health(str(answer.name or answer.slug or "token"))

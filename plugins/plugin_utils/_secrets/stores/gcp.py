# SPDX-License-Identifier: GPL-3.0-or-later
"""Google Cloud Secret Manager by google-cloud-secret-manager: ``gcp_secretmanager://name#field?version=3``."""

from __future__ import annotations

import json
import re
import typing as t

from ..errors import ForbiddenError, NotFoundError, UnsupportedError
from ..reference import Reference
from .base import Description, Document, Health, SecretStore, encoded, same
from .local import text_or_bytes

PACKAGE = "google-cloud-secret-manager"
# https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets/create; anything else would lead elsewhere.
NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
VERSION = re.compile(r"[A-Za-z0-9_-]+")


class SecretManager(SecretStore):
    type = "gcp_secretmanager"
    spec = {
        "project": {"type": "str", "required": True},
        "credentials": {"type": "str", "no_log": True},
        "endpoint": {"type": "str"},
        "timeout": {"type": "float", "default": 10},
    }
    reference_options = frozenset({"version"})
    capabilities = frozenset({"describe", "list", "put", "versions"})

    def __init__(self, name: str, options: t.Mapping[str, t.Any], vault: t.Any = None) -> None:
        super().__init__(name, options, vault)
        self._client: t.Any = None
        self._identity = "application default credentials"

    @property
    def _parent(self) -> str:
        return f"projects/{self.options['project']}"

    def _open(self) -> t.Any:
        manager = self.client("google.cloud.secretmanager_v1", PACKAGE)
        options: dict[str, t.Any] = {"transport": "rest"}  # REST goes through proxies and needs no open channel
        if self.options.get("endpoint"):
            options["client_options"] = {"api_endpoint": self.options["endpoint"]}
        if self.options.get("credentials"):
            accounts = self.client("google.oauth2.service_account", PACKAGE)
            try:
                key = json.loads(self.options["credentials"])
                scopes = ["https://www.googleapis.com/auth/cloud-platform"]
                options["credentials"] = accounts.Credentials.from_service_account_info(key, scopes=scopes)
                self._identity = str(key["client_email"])
            except (ValueError, KeyError):
                raise ForbiddenError(
                    f"secret_stores.{self.name}.credentials is no service account key",
                    fix="Give the JSON key file's content",
                ) from None
        return manager.SecretManagerServiceClient(**options)

    def _call(self, operation: str, where: str, request: dict[str, t.Any]) -> t.Any:
        api = self.client("google.api_core.exceptions", PACKAGE)
        auth = self.client("google.auth.exceptions", PACKAGE)
        timeout = self.options["timeout"]
        try:
            self._client = self._client or self._open()
            answer = getattr(self._client, operation)(request=request, timeout=timeout, retry=None)
            return list(answer) if operation.startswith("list_") else answer
        except auth.GoogleAuthError:
            raise ForbiddenError(
                f"store '{self.name}' has no valid Google credentials",
                where=where,
                fix="Set its credentials, or run 'gcloud auth application-default login'",
            ) from None
        except api.NotFound:
            raise NotFoundError("there is no such secret or version", where=where) from None
        except (api.DeadlineExceeded, api.RetryError):
            raise self.unreachable(where, timeout) from None
        except api.FailedPrecondition:
            raise NotFoundError("this version is disabled or destroyed", where=where) from None
        except api.InvalidArgument:
            raise UnsupportedError("is no valid name here", where=where, fix="Names have A-Z a-z 0-9 - _") from None
        except api.GoogleAPICallError as exc:
            raise self.refused(int(exc.code or 503), where, self._identity) from None
        except self.client("requests.exceptions", PACKAGE).RequestException as exc:
            # The REST transport lets these through as they are.
            raise self.unreachable(where, timeout if "Timeout" in type(exc).__name__ else None) from None

    def read(self, reference: Reference) -> Document:
        name = self._version(reference)
        return text_or_bytes(self._call("access_secret_version", str(reference), {"name": name}).payload.data)

    def _secret(self, reference: Reference) -> str:
        if not NAME.fullmatch(reference.path):
            raise UnsupportedError("is no valid name here", where=str(reference), fix="Names have A-Z a-z 0-9 - _")
        return f"{self._parent}/secrets/{reference.path}"

    def _version(self, reference: Reference) -> str:
        version = reference.options.get("version", "latest")
        if not VERSION.fullmatch(version):
            raise UnsupportedError("is no version here", where=str(reference), fix="Write its number, or an alias")
        return f"{self._secret(reference)}/versions/{version}"

    def describe(self, reference: Reference) -> Description:
        name = self._version(reference)
        return self._described(reference.path, self._call("get_secret_version", str(reference), {"name": name}))

    def list(self, prefix: str = "") -> list[str]:
        answer = self._call("list_secrets", prefix, {"parent": self._parent})
        names = (secret.name.rpartition("/")[2] for secret in answer)
        return sorted(name for name in names if name.startswith(prefix))

    def put(self, reference: Reference, document: str | t.Mapping[str, t.Any]) -> bool:
        parent = self._secret(reference)
        try:
            if same(self.read(self.document_key(reference)), document):
                return False
        except NotFoundError:
            if reference.path not in self.list(reference.path):
                secret: dict[str, t.Any] = {"replication": {"automatic": {}}}
                request = {"parent": self._parent, "secret_id": reference.path, "secret": secret}
                self._call("create_secret", str(reference), request)
        payload = {"data": encoded(document).encode()}
        self._call("add_secret_version", str(reference), {"parent": parent, "payload": payload})
        self._documents.clear()
        return True

    def versions(self, reference: Reference) -> t.Sequence[Description]:
        parent = self._secret(reference)
        answer = self._call("list_secret_versions", str(reference), {"parent": parent})
        listed = [self._described(reference.path, version) for version in answer]
        return sorted(listed, key=lambda version: int(version.version), reverse=True)

    def check(self) -> Health:
        self._call("list_secrets", "", {"parent": self._parent, "page_size": 1})
        return Health(self._identity)

    @staticmethod
    def _described(path: str, version: t.Any) -> Description:
        created = version.create_time
        return Description(path, version.name.rpartition("/")[2], created.isoformat() if created else "")

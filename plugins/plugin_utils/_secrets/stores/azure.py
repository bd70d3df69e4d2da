# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure Key Vault by azure-keyvault-secrets: ``azure_keyvault://name#field?version=<id>``."""

from __future__ import annotations

import typing as t

from ..errors import ForbiddenError, NotFoundError, UnavailableError, UnsupportedError
from ..reference import Reference
from .base import Description, Health, SecretStore, encoded

PACKAGE = "azure-keyvault-secrets azure-identity"


class KeyVault(SecretStore):
    type = "azure_keyvault"
    spec = {
        "vault_url": {"type": "str", "required": True},
        "tenant_id": {"type": "str"},
        "client_id": {"type": "str"},
        "client_secret": {"type": "str", "no_log": True},
        "authority": {"type": "str"},
        "verify_challenge_resource": {"type": "bool", "default": True},
        "timeout": {"type": "float", "default": 10},
    }
    reference_options = frozenset({"version"})
    capabilities = frozenset({"describe", "list", "put", "versions"})

    def __init__(self, name: str, options: t.Mapping[str, t.Any], vault: t.Any = None) -> None:
        super().__init__(name, options, vault)
        self._client: t.Any = None

    def _open(self) -> t.Any:
        identity = self.client("azure.identity", PACKAGE)
        secrets = self.client("azure.keyvault.secrets", PACKAGE)
        limits = {
            "connection_timeout": self.options["timeout"],
            "read_timeout": self.options["timeout"],
            "retry_total": 2,
        }
        authority = {"authority": self.options["authority"]} if self.options.get("authority") else {}
        if self.options.get("client_secret"):
            credential = identity.ClientSecretCredential(
                self.options.get("tenant_id"),
                self.options.get("client_id"),
                self.options["client_secret"],
                disable_instance_discovery=bool(authority),
                **authority,
                **limits,
            )
        else:
            credential = identity.DefaultAzureCredential(**authority, **limits)
        verify = self.options["verify_challenge_resource"]
        return secrets.SecretClient(self.options["vault_url"], credential, verify_challenge_resource=verify, **limits)

    def _call(self, operation: str, where: str, *arguments: t.Any) -> t.Any:
        core = self.client("azure.core.exceptions", PACKAGE)
        try:
            self._client = self._client or self._open()
            answer = getattr(self._client, operation)(*arguments)
            return list(answer) if operation.startswith("list_") else answer
        except core.ClientAuthenticationError as exc:
            # azure.identity says this too where it cannot reach the authority.
            said = str(exc)
            if "timed out" in said:
                raise self.unreachable(where, self.options["timeout"]) from None
            if "connection" in said or "HTTP Error: 5" in said:
                raise self.unreachable(where) from None
            raise ForbiddenError(
                f"store '{self.name}' does not accept the credentials", where=where, fix="Have they expired?"
            ) from None
        except core.ResourceNotFoundError:
            raise NotFoundError("there is no such secret or version", where=where) from None
        except core.ResourceExistsError:
            fix = "Recover it, or purge it: Key Vault keeps the names of deleted secrets"
            raise UnsupportedError("was deleted, and its name cannot be used", where=where, fix=fix) from None
        except core.HttpResponseError as exc:
            raise self.refused(exc.status_code or 503, where, str(self.options.get("client_id") or "")) from None
        except core.ServiceResponseTimeoutError:
            raise self.unreachable(where, self.options["timeout"]) from None
        except core.ServiceRequestTimeoutError:
            raise self.unreachable(where, self.options["timeout"]) from None
        except (core.ServiceRequestError, core.ServiceResponseError):
            raise self.unreachable(where) from None
        except ValueError as exc:
            if "challenge resource" in str(exc):
                fix = "Set verify_challenge_resource: false if this address is meant"
                raise UnavailableError("the vault's challenge names another domain", where=where, fix=fix) from None
            raise UnsupportedError("is no valid name here", where=where, fix="Names have A-Z a-z 0-9 -") from None

    def read(self, reference: Reference) -> str:
        return str(self._call("get_secret", str(reference), reference.path, reference.options.get("version")).value)

    def describe(self, reference: Reference) -> Description:
        answer = self._call("get_secret", str(reference), reference.path, reference.options.get("version"))
        return self._described(answer.properties)

    def list(self, prefix: str = "") -> list[str]:
        answer = self._call("list_properties_of_secrets", prefix)
        return sorted(secret.name for secret in answer if secret.name.startswith(prefix))

    def put(self, reference: Reference, document: str | t.Mapping[str, t.Any]) -> bool:
        if self.holds(reference, document):
            return False
        self._call("set_secret", str(reference), reference.path, encoded(document))
        self._documents.clear()
        return True

    def versions(self, reference: Reference) -> t.Sequence[Description]:
        answer = self._call("list_properties_of_secret_versions", str(reference), reference.path)
        return sorted((self._described(item) for item in answer), key=lambda item: item.created, reverse=True)

    def check(self) -> Health:
        self._call("list_properties_of_secrets", "")
        return Health(str(self.options.get("client_id") or "default Azure credential"))

    @staticmethod
    def _described(answer: t.Any) -> Description:
        created, expires = answer.created_on, answer.expires_on
        return Description(
            answer.name,
            answer.version or "",
            created.isoformat() if created else "",
            expires.isoformat() if expires else "",
        )

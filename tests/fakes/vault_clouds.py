"""Engines of AWS, GCP, Azure and Kubernetes for the fake of OpenBao: what they make, with the leases they give.

After https://developer.hashicorp.com/vault/api-docs/secret/aws, /gcp, /azure and /kubernetes. OpenBao keeps them as plugins of their own, but for
Kubernetes, so none was recorded. Leaves out: configuration, and any cloud.
"""

from __future__ import annotations

import re
import time
import typing as t
import uuid

from .server import Request
from .vault import FakeVault
from .vault_defaults import seconds

HOUR, MONTH = 3600, 2764800


class CloudVault(FakeVault):
    """A server with the four engines, each mounted by its own name; `made` is how often each path made something."""

    def __init__(self, directory: t.Any) -> None:
        super().__init__(directory)
        self.mounts |= {kind: self._mount(kind, None) for kind in ("aws", "azure", "gcp", "kubernetes")}
        self.made: dict[str, int] = {}

    def _leased(self, request: Request, path: str, made: dict[str, t.Any], duration: int, *, renewable: bool) -> t.Any:
        lease = self.lease(path, duration, request, renewable=renewable)
        return self._data(made, lease_id=lease, lease_duration=duration, renewable=renewable)

    def _count(self, path: str) -> int:
        self.made[path] = self.made.get(path, 0) + 1
        return self.made[path]

    def engine_aws(self, request: Request, mount: str, rest: str) -> t.Any:
        kind = rest.partition("/")[0]
        if kind not in ("creds", "sts"):
            return self._object(request, mount, "aws", rest)
        number = self._count(rest)
        key: dict[str, t.Any] = {
            "access_key": f"AKIAFAKE{number}",
            "secret_key": f"canary-{number}",
            "security_token": None,
        }
        if kind == "creds":
            return self._leased(request, f"{mount}/{rest}", key, MONTH, renewable=True)
        key |= {
            "access_key": f"ASIAFAKE{number}",
            "security_token": f"canary-session-{number}",
            "arn": "arn:aws:sts::123456789012:x",
        }
        lasts = seconds((request.body or {}).get("ttl", HOUR))
        return self._leased(request, f"{mount}/{rest}", key, lasts, renewable=False)

    def engine_gcp(self, request: Request, mount: str, rest: str) -> t.Any:
        form = re.fullmatch(
            r"(?:roleset|static-account|impersonated-account)/[^/]+/(key|token)|(key|token)/[^/]+", rest
        )
        if not form:
            return self._object(request, mount, "gcp", rest)
        number = self._count(rest)
        if "token" in form.groups():
            lasts = HOUR - 1
            return self._data(
                {"token": f"ya29.canary-{number}", "expires_at_seconds": int(time.time()) + lasts, "token_ttl": lasts}
            )
        key = {
            "private_key_data": f"canary-{number}",
            "key_algorithm": "KEY_ALG_RSA_2048",
            "key_type": "TYPE_GOOGLE_CREDENTIALS_FILE",
        }
        return self._leased(request, f"{mount}/{rest}", key, HOUR, renewable=True)

    def engine_azure(self, request: Request, mount: str, rest: str) -> t.Any:
        if not rest.startswith("creds/"):
            return self._object(request, mount, "azure", rest)
        made = {"client_id": str(uuid.uuid4()), "client_secret": f"canary-{self._count(rest)}"}
        return self._leased(request, f"{mount}/{rest}", made, MONTH, renewable=True)

    def engine_kubernetes(self, request: Request, mount: str, rest: str) -> t.Any:
        if not rest.startswith("creds/"):
            return self._object(request, mount, "kubernetes", rest)
        if request.method == "GET":
            raise self._refused(405, "1 error occurred:\n\t* unsupported operation\n\n")
        if not request.body.get("kubernetes_namespace"):
            said = "'kubernetes_namespace' is required unless the OpenBao role has a single namespace specified"
            raise self._refused(500, f"error verifying namespace: {said}")
        made = {
            "service_account_name": "default", "service_account_namespace": request.body["kubernetes_namespace"],
            "service_account_token": f"canary-{self._count(rest)}",
        }  # fmt: skip
        return self._leased(request, f"{mount}/{rest}", made, seconds(request.body.get("ttl", HOUR)), renewable=False)

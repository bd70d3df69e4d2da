# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection, authentication, retries and errors. The HTTP API: https://openbao.org/api-docs/."""

from __future__ import annotations

import os
import re
import socket
import typing as t

from .errors import VaultError
from .paths import quoted

HVAC_ERROR = ""
try:
    import hvac
    import hvac.exceptions
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.connection import HTTPConnection
    from urllib3.connectionpool import HTTPConnectionPool
    from urllib3.util.retry import Retry
except ImportError as _exc:
    HVAC_ERROR = str(_exc)
    HTTPAdapter = HTTPConnection = HTTPConnectionPool = Retry = object  # type: ignore[misc,assignment]  # stand-ins

Answer = t.Dict[str, t.Any]

CAPABILITY = {"GET": "read", "LIST": "list", "POST": "create or update", "PUT": "create or update", "DELETE": "delete"}

AUTH_METHODS = ("token", "approle", "jwt", "kubernetes", "cert", "agent")

# One table for modules and stores; the documentation lies in doc_fragments/vault.py.
OPTIONS: dict[str, dict[str, t.Any]] = {
    "url": {"type": "str"},
    "namespace": {"type": "str"},
    "ca_path": {"type": "path"},
    "auth_method": {"type": "str", "choices": list(AUTH_METHODS), "default": "token"},
    "auth_mount": {"type": "str"},
    "token": {"type": "str", "no_log": True},
    "token_path": {"type": "path", "no_log": False},
    "role": {"type": "str"},
    "role_id": {"type": "str"},
    "secret_id": {"type": "str", "no_log": True},
    "jwt": {"type": "str", "no_log": True},
    "jwt_path": {"type": "path", "no_log": False},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},
    "timeout": {"type": "float", "default": 10.0},
    "retries": {"type": "int", "default": 3},
}


class Backoff(Retry):
    """What was not processed is sent again in any case; what may have been, only where that does no harm."""

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:
        if status_code in (412, 429, 503):
            return bool(self.total)
        return bool(self.total) and method in ("GET", "LIST") and status_code in (500, 502, 504)


class SocketConnection(HTTPConnection):
    """HTTP over the Unix socket of a Vault agent."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(10)
        self.sock.connect(self.path)


class SocketPool(HTTPConnectionPool):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self.path = path

    def _new_conn(self) -> t.Any:
        return SocketConnection(self.path)


class SocketAdapter(HTTPAdapter):
    def __init__(self, path: str, **options: t.Any) -> None:
        self.path = path
        super().__init__(**options)

    def get_connection_with_tls_context(self, *arguments: t.Any, **options: t.Any) -> t.Any:
        return SocketPool(self.path)


class VaultClient:
    """One connection, authenticated at its first request.

    Args:
        options: values of OPTIONS.

    Raises (all methods):
        VaultError: kind is missing, forbidden, unauthorized, sealed, unreachable, slow, invalid or failed.
    """

    def __init__(self, options: t.Mapping[str, t.Any]) -> None:
        self.options = options
        url = options.get("url") or os.environ.get("BAO_ADDR") or os.environ.get("VAULT_ADDR")
        if not url:
            raise VaultError("no address is given", kind="invalid", fix="Set 'url', or VAULT_ADDR in the environment")
        self.url = url
        session = requests.Session()
        retry = Backoff(
            total=options["retries"], connect=0, read=0, redirect=5, backoff_factor=0.2, status_forcelist=range(400, 600),
            respect_retry_after_header=True, raise_on_status=False,
        )  # fmt: skip
        adapter: t.Any = HTTPAdapter(max_retries=retry)
        if url.startswith("unix://"):
            adapter, url = SocketAdapter(url[len("unix://") :], max_retries=retry), "http://localhost"
        session.mount(url, adapter)
        session.headers["X-Vault-Request"] = "true"
        pair = (options["client_cert"], options["client_key"]) if options.get("client_cert") else None
        ca = options.get("ca_path") or os.environ.get("VAULT_CACERT") or True
        session.verify, session.cert = ca, pair
        self._hvac = hvac.Client(
            url=url, token="", namespace=options.get("namespace") or os.environ.get("VAULT_NAMESPACE"),
            verify=ca, cert=pair, timeout=options["timeout"], session=session,
        )  # fmt: skip
        self._authenticated = False

    def read(self, path: str, **query: t.Any) -> Answer | None:
        """The whole answer, or None where there is nothing."""
        try:
            return self.request("GET", path, params=query or None)
        except VaultError as exc:
            if exc.kind == "missing":
                return None
            raise

    def list(self, path: str) -> list[str]:
        try:
            return list(self.request("LIST", path)["data"]["keys"])
        except VaultError as exc:
            if exc.kind == "missing":
                return []
            raise

    def write(self, path: str, **data: t.Any) -> Answer:
        return self.request("POST", path, json=data)

    def delete(self, path: str) -> None:
        self.request("DELETE", path)

    def request(self, method: str, path: str, **arguments: t.Any) -> Answer:
        """The answer, {} where it is empty, and ``{"content": bytes}`` where it is no JSON."""
        self.authenticate()
        return self.ask(method, path, **arguments)

    def become(self, token: str) -> None:
        """Go on with this token, whatever the options say."""
        self._hvac.token, self._authenticated = token, True

    def ask(self, method: str, path: str, **arguments: t.Any) -> Answer:
        """Like request(), but without a token unless there is one already; `timeout` is this request's own."""
        arguments = {name: value for name, value in arguments.items() if value is not None}
        try:
            answer = self._hvac.adapter.request(method.lower(), f"/v1/{quoted(path)}", raise_exception=True, **arguments)
        except hvac.exceptions.VaultError as exc:
            raise self._error(exc, method, path) from None
        except requests.exceptions.RequestException as exc:
            raise self._unreachable(exc) from None
        if isinstance(answer, dict):
            return answer
        if answer.status_code == 204 or not answer.content:
            return {}
        if "json" in answer.headers.get("Content-Type", ""):
            return dict(answer.json())
        return {"content": answer.content}

    def _unreachable(self, exc: t.Any) -> VaultError:
        if isinstance(exc, requests.exceptions.SSLError):
            fix = "Give its CA as ca_path"
            return VaultError(f"{self.url} has a certificate that is not trusted", kind="unreachable", fix=fix)
        if isinstance(exc, requests.exceptions.Timeout) or "timed out" in str(exc):
            limit = f"{self.options['timeout']:g} s"
            return VaultError(f"{self.url} did not answer within {limit}", kind="slow", fix="Raise 'timeout'")
        fix = "Check address, network and that it runs"
        return VaultError(f"{self.url} cannot be reached", kind="unreachable", fix=fix)

    def _error(self, exc: t.Any, method: str, path: str) -> VaultError:
        if isinstance(exc, hvac.exceptions.InvalidPath):
            return VaultError(f"there is nothing at {path}", kind="missing")
        if isinstance(exc, hvac.exceptions.Forbidden):
            return self._forbidden(method, path)
        if isinstance(exc, hvac.exceptions.Unauthorized):
            return VaultError(f"{path}: not authenticated", kind="unauthorized", fix="Give a token or an auth method")
        if isinstance(exc, hvac.exceptions.VaultDown):
            return VaultError(f"{self.url} is sealed or has no leader", kind="sealed", fix="Unseal it")
        if isinstance(exc, hvac.exceptions.InvalidRequest):
            return VaultError(f"{path}: refused as invalid{_hint(exc)}", kind="invalid", fix="Check the values given")
        status = type(exc).__name__
        return VaultError(f"{path}: the server failed ({status})", kind="failed", fix="See its log")

    def _forbidden(self, method: str, path: str) -> VaultError:
        """Vault says 403 for a bad token and for a missing right alike: ask which one it is."""
        needed = CAPABILITY.get(method, method)
        try:
            answer = self._hvac.adapter.request(
                "post", "/v1/sys/capabilities-self", json={"paths": [path]}, raise_exception=True
            )
            has = ", ".join(answer.get("data", answer).get(path, ["nothing"]))
        except Exception:
            return VaultError(
                f"{path}: the token is invalid or has expired", kind="unauthorized", fix="Log in again, or renew it"
            )
        return VaultError(
            f"{path}: permission denied, it needs the capability '{needed}', and this token has: {has}",
            kind="forbidden",
            fix="Add it to a policy of this token",
        )

    def authenticate(self) -> None:
        if self._authenticated:
            return
        self._authenticated = True
        method = self.options["auth_method"]
        try:
            if method == "token":
                self._hvac.token = self._token()
            elif method != "agent":  # an agent adds its own token
                self._hvac.token = self._login(method)
        except VaultError:
            self._authenticated = False
            raise

    def _token(self) -> str:
        if self.options.get("token"):
            return str(self.options["token"])
        path = self.options.get("token_path")
        if not path and (os.environ.get("BAO_TOKEN") or os.environ.get("VAULT_TOKEN")):
            return os.environ.get("BAO_TOKEN") or os.environ["VAULT_TOKEN"]
        return _text(path or os.path.expanduser("~/.vault-token"), "token")

    def _login(self, method: str) -> str:
        mount = self.options.get("auth_mount") or method
        given: Answer = {}
        if method == "approle":
            given = {"role_id": self._need("role_id"), "secret_id": self.options.get("secret_id")}
        elif method in ("jwt", "kubernetes"):
            service_account = "/var/run/secrets/kubernetes.io/serviceaccount/token"
            path = self.options.get("jwt_path") or (service_account if method == "kubernetes" else None)
            token = self.options.get("jwt") or (_text(path, "JWT") if path else self._need("jwt"))
            given = {"role": self._need("role"), "jwt": token}
        elif method == "cert":
            self._need("client_cert")
            given = {"name": self.options.get("role")}
        given = {name: value for name, value in given.items() if value is not None}
        try:
            answer = self._hvac.adapter.login(f"/v1/auth/{mount}/login", use_token=False, json=given)
        except (hvac.exceptions.InvalidRequest, hvac.exceptions.Forbidden, hvac.exceptions.Unauthorized):
            raise VaultError(
                f"login at auth/{mount} was refused", kind="unauthorized", fix=f"Check the {method} credentials"
            ) from None
        except hvac.exceptions.VaultError as exc:
            raise self._error(exc, "POST", f"auth/{mount}/login") from None
        except requests.exceptions.RequestException as exc:
            raise self._unreachable(exc) from None
        return str(answer["auth"]["client_token"])

    def _need(self, option: str) -> str:
        if not self.options.get(option):
            method = self.options["auth_method"]
            raise VaultError(f"auth_method {method} needs '{option}'", kind="invalid", fix="Set it")
        return str(self.options[option])


def _text(path: str, what: str) -> str:
    try:
        with open(path, encoding="utf-8") as handle:
            return handle.read().strip()
    except OSError as exc:
        raise VaultError(
            f"no {what}: {path}: {exc.strerror}", kind="unauthorized", fix=f"Give a {what}, or another auth_method"
        ) from None


def _hint(exc: t.Any) -> str:
    """The part of a 400 that helps and cannot hold a secret: names of fields, and check-and-set."""
    said = " ".join(str(error) for error in (exc.errors or [])) if hasattr(exc, "errors") else ""
    if "check-and-set" in said:
        return ": the check-and-set version does not match"
    found = re.findall(
        r"(?:missing|unknown|invalid|unsupported) (?:parameter|field|role|key)[s]?:? '?\"?([a-z_]{2,40})\b", said
    )
    return f": {', '.join(found)}" if found else ""

# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to OpenBao or HashiCorp Vault: authentication, what is tried again, and errors. The HTTP API: https://openbao.org/api-docs/."""

from __future__ import annotations

import json
import time
import typing as t
import urllib.parse

from .errors import VaultError
from .http import Http, HttpError, Response, tls_context
from .login import login_of, text_of, token_of
from .options import completed
from .paths import quoted, shown
from .said import reasons, without

Answer = t.Dict[str, t.Any]

READS = ("GET", "LIST", "HEAD")
CAPABILITY = {"GET": "read", "LIST": "list", "POST": "create or update", "PUT": "create or update", "DELETE": "delete"}
# Seconds before the first repetition; each further one waits twice as long, or as the server says, and never longer than the most.
PAUSE, MOST = 0.3, 10.0
# What a KV engine of version 2 answers while it is made ready, for about a second after it was mounted.
NOT_READY = "Upgrading from non-versioned to versioned data"


class Sent(t.NamedTuple):
    """A request as it goes to the server."""

    method: str
    target: str
    headers: t.Dict[str, str]
    content: t.Optional[bytes]
    timeout: t.Optional[float]


class VaultClient:
    """One server, logged in to at the first request that needs it, and again when the login's token has ended.

    Args:
        options: values of options.OPTIONS; what is missing comes from the environment.

    Raises (all methods):
        VaultError: as its kind says.
    """

    def __init__(self, options: t.Mapping[str, t.Any]) -> None:
        self.options = completed(options)
        if not self.options["url"]:
            raise VaultError("no address is given", kind="invalid", fix="Set 'url', or VAULT_ADDR in the environment")
        self.url: str = self.options["url"]
        self._http = self._connection(self.url)
        self._token = ""
        self._authenticated = False
        self._fixed = False

    def _connection(self, url: str) -> Http:
        options = self.options
        try:
            context = None
            if url.startswith("https:"):
                context = tls_context(
                    options["ca_path"] or "", options["client_cert"] or "", options["client_key"] or "", verify=options["validate_certs"]
                )  # fmt: skip
            return Http(
                url.rstrip("/"),
                options["timeout"],
                context=context,
                name=options["server_name"] or "",
                proxy=options["proxy"],
            )
        except ValueError as exc:
            raise VaultError(str(exc), kind="invalid", fix="Correct 'url' or 'proxy'") from None
        except OSError as exc:
            named = ", ".join(str(options[name]) for name in ("ca_path", "client_cert", "client_key") if options[name])
            reason = exc.strerror or type(exc).__name__
            raise VaultError(
                f"{named}: {reason}", kind="invalid", fix="Give PEM files of certificates, and the key of client_cert"
            ) from None

    def read(self, path: str, *, wrap: int | None = None, **query: t.Any) -> Answer | None:
        """The whole answer, or None where there is nothing."""
        try:
            return self.request("GET", path, params=query or None, wrap=wrap)
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
        """The answer, {} where it is empty, and ``{"content": bytes}`` where it is no JSON. For arguments see ask()."""
        fresh = self.authenticate()
        try:
            return self.ask(method, path, **arguments)
        except VaultError as exc:
            if exc.kind != "unauthorized" or fresh or not self.log_in_again():
                raise
        return self.ask(method, path, **arguments)

    def accepts(self, path: str, **body: t.Any) -> bool | None:
        """Whether a login with BODY is accepted; None where the server does not say, for a user who is locked for one.

        The token that it makes is revoked at once.
        """
        response = self._exchange("POST", path, body)
        if response.status in (400, 401):
            return False
        if response.status >= 300:
            return None
        guest = VaultClient(self.options)
        guest.become(str(_answer(response)["auth"]["client_token"]))
        guest.request("POST", "auth/token/revoke-self")
        return True

    def become(self, token: str) -> None:
        """Go on with this token, whatever the options say."""
        self._token, self._authenticated, self._fixed = token, True, True

    def ask(
        self,
        method: str,
        path: str,
        *,
        json: t.Any = None,
        data: bytes | None = None,
        params: t.Mapping[str, t.Any] | None = None,
        timeout: float | None = None,
        wrap: int | None = None,
    ) -> Answer:
        """Like request(), but without a token unless there is one already.

        Args:
            json: what is sent as JSON; `data` is sent as it is.
            params: the query.
            timeout: seconds for this request; by default those of the options.
            wrap: for how many seconds the server keeps the answer, for who has the token that is answered in its place.
        """
        response = self._exchange(method, path, json, data, params, timeout, wrap)
        if response.status < 300:
            return _answer(response)
        raise self._error(response, method, path, json)

    def _exchange(
        self,
        method: str,
        path: str,
        body: t.Any = None,
        data: bytes | None = None,
        params: t.Mapping[str, t.Any] | None = None,
        timeout: float | None = None,
        wrap: int | None = None,
    ) -> Response:
        content = data if body is None else json.dumps(body).encode()
        query = f"?{urllib.parse.urlencode(params)}" if params else ""
        target = f"{self._http.base}/v1/{quoted(path)}{query}"
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if wrap:
            headers["X-Vault-Wrap-TTL"] = str(wrap)
        return self._patiently(Sent(method, target, headers, content, timeout))

    def _headers(self, sent: Sent) -> dict[str, str]:
        headers = {"X-Vault-Request": "true", **sent.headers}
        if self._token:
            headers["X-Vault-Token"] = self._token
        if self.options["namespace"]:
            headers["X-Vault-Namespace"] = self.options["namespace"]
        for name, value in headers.items():
            if not (value.isascii() and value.isprintable()):
                # http.client would refuse it too, by an error that quotes it.
                what = {"X-Vault-Token": "the token", "X-Vault-Namespace": "the namespace"}.get(name, name)
                fix = "Is a file's line break part of it?"
                raise VaultError(
                    f"{what} holds a line break or another character that no header can", kind="invalid", fix=fix
                )
        return headers

    def _patiently(self, sent: Sent) -> Response:
        """The answer, after as many repetitions as the options allow of what does no harm when it is sent twice."""
        retries: int = self.options["retries"]
        for attempt in range(retries + 1):
            last, after = attempt == retries, ""
            try:
                response = self._followed(sent)
            except HttpError as exc:
                harmless = exc.kind == "unreachable" and (not exc.sent or sent.method in READS)
                if last or not harmless:
                    raise self._unreachable(exc) from None
            else:
                if last or not _worth_repeating(sent.method, response):
                    return response
                after = response.headers.get("Retry-After", "")
            time.sleep(min(MOST, float(after) if after.isdigit() else PAUSE * 2**attempt))
        raise AssertionError  # the last attempt returned or raised

    def _followed(self, sent: Sent) -> Response:
        """The answer of this server, or of the one that it names: a standby that cannot hand a request on names who leads."""
        headers = self._headers(sent)
        response = self._http.send(sent.method, sent.target, headers, sent.content, sent.timeout)
        if response.status not in (301, 302, 307, 308) or "Location" not in response.headers:
            return response
        address = urllib.parse.urljoin(f"{self._http.origin}{sent.target}", response.headers["Location"])
        split = urllib.parse.urlsplit(address)
        if split.scheme != "https" and self._http.url.scheme == "https":
            raise VaultError(f"{self.url} names another server without TLS", kind="failed", fix="Correct its api_addr")
        other = self._connection(f"{split.scheme}://{split.netloc}")
        try:
            moved = f"{split.path}?{split.query}" if split.query else split.path
            return other.send(sent.method, moved, headers, sent.content, sent.timeout)
        finally:
            other.close()

    def _unreachable(self, exc: HttpError) -> VaultError:
        if exc.kind in ("early", "untrusted"):
            fix = "Give its CA as ca_path; where the certificate has ended, have a new one issued"
            fix = "Set the clock" if exc.kind == "early" else fix
            what = f"{self.url} has a certificate that is not trusted ({exc.reason})"
            return VaultError(what, kind="unreachable", fix=fix)
        if exc.kind == "slow":
            return VaultError(f"{self.url} gave {exc.reason}", kind="slow", fix="Raise 'timeout', or see to the server")
        fix = "Check address, network and that it runs"
        return VaultError(f"{self.url} cannot be reached ({exc.reason})", kind="unreachable", fix=fix)

    def _error(self, response: Response, method: str, path: str, sent: t.Any) -> VaultError:
        status, (errors, body) = response.status, reasons(response.content)
        said, name = without(errors, [sent, self._token]), shown(path)
        because = f": {said}" if said else ""
        if status == 404:
            return VaultError(f"there is nothing at {name}{because}", kind="missing", body=body)
        if status == 403:
            return self._forbidden(method, path, errors)
        if status == 401:
            fix = "Give a token or an auth method"
            return VaultError(f"{name}: not authenticated{because}", kind="unauthorized", fix=fix)
        if status == 503:
            state = "is sealed or has no leader" if not said or "sealed" in said else f"cannot serve ({said})"
            return VaultError(f"{self.url} {state}", kind="sealed", fix="Unseal it, or see its log")
        if status == 429:
            return VaultError(f"{name}: too many requests{because}", kind="failed", fix="Raise 'retries', or its quota")
        if status < 500:
            return VaultError(
                f"{name}: refused as invalid ({status}){because}", kind="invalid", fix="Check the values given"
            )
        return VaultError(f"{name}: the server failed ({status}){because}", kind="failed", fix="See its log")

    def _forbidden(self, method: str, path: str, errors: t.Sequence[str]) -> VaultError:
        """A 403 is for a bad token and for a missing right alike: the server is asked which one it is."""
        name = shown(path)
        ended = VaultError(
            f"{name}: the token is invalid or has expired", kind="unauthorized", fix="Log in again, or renew it"
        )
        if _bad_token(errors):
            return ended
        needed, has = CAPABILITY.get(method, method), ""
        try:
            answer = self._exchange("POST", "sys/capabilities-self", {"paths": [path]})
            if answer.status == 403 and _bad_token(reasons(answer.content)[0]):
                return ended
            if answer.status == 200:
                body = _answer(answer)
                has = ", ".join(body.get("data", body).get(path, ["nothing"]))
        except VaultError:
            pass  # what it has is more than what has to be said
        owns = f", and this token has: {has}" if has else ""
        return VaultError(
            f"{name}: permission denied, it needs the capability '{needed}'{owns}",
            kind="forbidden",
            fix="Add it to a policy of this token",
        )

    def authenticate(self) -> bool:
        """Have a token; whether it is a new one."""
        if self._authenticated:
            return False
        method = self.options["auth_method"]
        if method == "token":
            self._token = token_of(self.options)
        elif method != "agent":  # an agent adds its own token
            self._token = self._login()
        self._authenticated = True
        return True

    def log_in_again(self) -> bool:
        """Have another token than the one that was refused, or is about to end; False where there is none to be had."""
        method, refused = self.options["auth_method"], self._token
        if self._fixed or method == "agent":
            return False
        if method == "token":
            path = self.options["token_path"]
            self._token = text_of(path, "token") if path and not self.options["token"] else refused
        else:
            self._token = ""
            self._authenticated = False
            self.authenticate()
        return self._token != refused

    def _login(self) -> str:
        path, body = login_of(self.options)
        mount = path.split("/login", maxsplit=1)[0]
        if self.options["wrapped_secret_id"]:
            body["secret_id"] = self._unwrapped(self.options["wrapped_secret_id"])
        response = self._exchange("POST", path, body)
        if response.status < 300:
            return str(_answer(response)["auth"]["client_token"])
        if response.status in (400, 401, 403):
            said = without(reasons(response.content)[0], body)
            raise VaultError(
                f"login at {mount} was refused{f' ({said})' if said else ''}",
                kind="unauthorized",
                fix=f"Check the {self.options['auth_method']} credentials",
            )
        raise self._error(response, "POST", path, body)

    def _unwrapped(self, token: str) -> str:
        """The secret id in a wrapping token, which can be opened once (https://openbao.org/docs/concepts/response-wrapping/)."""
        self._token = token
        try:
            response = self._exchange("POST", "sys/wrapping/unwrap")
        finally:
            self._token = ""
        if response.status >= 300:
            raise VaultError(
                "the wrapping token of the secret id is not valid",
                kind="unauthorized",
                fix="It has ended or was opened before; if not by you, somebody else has the secret id: revoke it",
            )
        self.options["secret_id"] = str(_answer(response)["data"]["secret_id"])
        self.options["wrapped_secret_id"] = None  # logging in again needs no second one
        return str(self.options["secret_id"])


def _answer(response: Response) -> Answer:
    if response.status == 204 or not response.content:
        return {}
    if "json" in response.headers.get("Content-Type", ""):
        try:
            return dict(json.loads(response.content))
        except (TypeError, ValueError):
            fix = "See what listens there"
            raise VaultError("the answer is none of OpenBao or Vault", kind="failed", fix=fix) from None
    return {"content": response.content}


def _worth_repeating(method: str, response: Response) -> bool:
    """Whether the server did nothing, and may do it the next time; a sealed one will not."""
    said = " ".join(reasons(response.content)[0]) if response.status >= 400 else ""
    if response.status == 503:
        return "sealed" not in said
    if response.status in (412, 429):
        return True
    if response.status == 400:
        return NOT_READY in said
    return method in READS and response.status in (500, 502, 504)


def _bad_token(errors: t.Sequence[str]) -> bool:
    """OpenBao says nothing but this of a token that it does not know; a missing right is an item of a list. Vault adds the reason."""
    return list(errors) == ["permission denied"] or any("invalid token" in error for error in errors)

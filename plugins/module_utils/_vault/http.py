# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP to one server over one kept connection: TLS, a proxy or a Unix socket, by nothing but the standard library."""

from __future__ import annotations

import base64
import http.client
import os
import select
import socket
import ssl
import time
import typing as t
import urllib.parse
import urllib.request

# https://docs.openssl.org/master/man3/X509_STORE_CTX_get_error/
NOT_YET_VALID, EXPIRED = 9, 10


class HttpError(Exception):
    """There was no answer.

    Attributes:
        kind: unreachable, slow, untrusted where the certificate is not accepted, or early where it is valid only later.
        sent: whether the server may have got the request.
    """

    def __init__(self, kind: str, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.kind, self.reason, self.sent = kind, reason, sent


class Response(t.NamedTuple):
    """An answer, read to its end."""

    status: int
    headers: t.Mapping[str, str]
    content: bytes


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class _Tls(http.client.HTTPConnection):
    """TLS whose certificate is checked against NAME, directly or through the tunnel of a proxy."""

    default_port = http.client.HTTPS_PORT

    def __init__(self, host: str, port: int, name: str, context: ssl.SSLContext, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout)
        self.name, self.context = name, context

    def connect(self) -> None:
        super().connect()
        self.sock = self.context.wrap_socket(self.sock, server_hostname=self.name)


def tls_context(ca: str = "", cert: str = "", key: str = "", *, verify: bool = True) -> ssl.SSLContext:
    """A context for a client.

    Args:
        ca: file or directory (named by hashes, see openssl-rehash(1)) of authorities; by default the system's.
        cert, key: the client's certificate; without a key it lies in the same file.

    Raises:
        OSError: a file cannot be read, or holds no certificate or key.
    """
    where = {"capath" if os.path.isdir(ca) else "cafile": ca} if ca else {}
    context = ssl.create_default_context(**where)  # type: ignore[arg-type]  # both are text
    if not verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if cert:
        context.load_cert_chain(cert, key or None)
    return context


def proxy_of(url: urllib.parse.SplitResult) -> str:
    """The proxy that the environment names for an address (HTTPS_PROXY, HTTP_PROXY, NO_PROXY); never for this machine itself."""
    host = url.hostname or ""
    if host in ("localhost", "::1") or host.startswith("127.") or urllib.request.proxy_bypass(host):
        return ""
    return urllib.request.getproxies().get(url.scheme, "")


class Http:
    """One server.

    Args:
        url: ``https://host[:port]``, ``http://...`` or ``unix:///path``.
        timeout: seconds to wait, each time, for the server to say something.
        context: for https; by default the system's authorities.
        name: what the server's certificate has to name; by default the host of the address.
        proxy: address of a proxy, empty for none; by default what the environment says.

    Raises:
        ValueError: an address is none.
    """

    def __init__(
        self,
        url: str,
        timeout: float,
        *,
        context: ssl.SSLContext | None = None,
        name: str = "",
        proxy: str | None = None,
    ) -> None:
        self.url = urllib.parse.urlsplit(url)
        if self.url.scheme not in ("https", "http", "unix"):
            raise ValueError(f"{url} is no address: write https://, http:// or unix://")
        if self.url.scheme != "unix" and not self.url.hostname:
            raise ValueError(f"{url} names no host")
        self.timeout = timeout
        self.context = context
        self.name = name or self.url.hostname or ""
        self.proxy = urllib.parse.urlsplit(proxy if proxy is not None else proxy_of(self.url))
        if self.proxy.scheme not in ("", "http") or (self.proxy.scheme and not self.proxy.hostname):
            raise ValueError(f"the proxy {self.proxy.hostname or ''} is none of http://")
        self._kept: http.client.HTTPConnection | None = None

    @property
    def base(self) -> str:
        """What of the address is before each path, where a proxy puts the server below one."""
        return "" if self.url.scheme == "unix" else self.url.path.rstrip("/")

    @property
    def origin(self) -> str:
        return f"{self.url.scheme}://{self.url.netloc}"

    def send(
        self,
        method: str,
        target: str,
        headers: t.Mapping[str, str],
        body: bytes | None = None,
        timeout: float | None = None,
    ) -> Response:
        """The answer, whatever its status.

        Args:
            target: path and query, quoted.
            timeout: seconds, for this request only.

        Raises:
            HttpError: there is none.
        """
        limit = self.timeout if timeout is None else timeout
        sent = False
        try:
            connection = self._connected(limit)
            sent = True
            through = self.url.scheme == "http" and self.proxy.hostname
            every = {**headers, **(_credentials(self.proxy) if through else {})}
            connection.request(method, f"{self.origin}{target}" if through else target, body, every)
            answer = connection.getresponse()
            return Response(answer.status, dict(answer.getheaders()), answer.read())
        except ssl.SSLCertVerificationError as exc:
            raise self._untrusted(exc) from None
        except (socket.timeout, TimeoutError):  # one and the same since Python 3.10
            raise self._failed("slow", f"no answer within {limit:g} s", sent=sent) from None
        except (OSError, http.client.HTTPException) as exc:
            reason = getattr(exc, "strerror", None) or getattr(exc, "reason", None) or type(exc).__name__
            raise self._failed("unreachable", str(reason), sent=sent) from None

    def certificate(self) -> bytes:
        """The certificate that the server shows now, DER.

        Raises:
            HttpError: it cannot be reached, or is not trusted.
        """
        self.close()
        try:
            secure: t.Any = self._connected(self.timeout).sock
            return secure.getpeercert(binary_form=True) or b""
        except ssl.SSLCertVerificationError as exc:
            raise self._untrusted(exc) from None
        except OSError as exc:
            raise self._failed("unreachable", exc.strerror or type(exc).__name__, sent=False) from None
        finally:
            self.close()

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _failed(self, kind: str, reason: str, *, sent: bool) -> HttpError:
        self.close()
        return HttpError(kind, reason, sent=sent)

    def _untrusted(self, exc: ssl.SSLCertVerificationError) -> HttpError:
        """Why a certificate is not accepted; where a clock that is off could be the cause, what it says."""
        reason, kind = exc.verify_message, "early" if exc.verify_code == NOT_YET_VALID else "untrusted"
        if exc.verify_code in (NOT_YET_VALID, EXPIRED):
            reason += f" by the clock here, {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC"
        return self._failed(kind, reason, sent=False)

    def _connected(self, timeout: float) -> http.client.HTTPConnection:
        kept = self._kept
        if kept is not None and kept.sock is not None and not _readable(kept.sock):
            kept.sock.settimeout(timeout)
            return kept
        self.close()
        made = self._made(timeout)
        made.connect()
        self._kept = made
        return made

    def _made(self, timeout: float) -> http.client.HTTPConnection:
        if self.url.scheme == "unix":
            return _Unix(self.url.path, timeout)
        host, port = self.url.hostname or "", self.url.port or (443 if self.url.scheme == "https" else 80)
        at = (self.proxy.hostname, self.proxy.port or 80) if self.proxy.hostname else (host, port)
        if self.url.scheme == "http":
            return http.client.HTTPConnection(*at, timeout=timeout)
        made = _Tls(*at, self.name, self.context or tls_context(), timeout)
        if self.proxy.hostname:
            made.set_tunnel(host, port, _credentials(self.proxy))
        return made


def _readable(sock: socket.socket) -> bool:
    """Whether an idle connection has something to say, which is that its other side closed it."""
    poll = select.poll()
    poll.register(sock, select.POLLIN | select.POLLHUP)
    return bool(poll.poll(0))


def _credentials(proxy: urllib.parse.SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    pair = f"{urllib.parse.unquote(proxy.username)}:{urllib.parse.unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

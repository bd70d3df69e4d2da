"""A real HTTP server for fakes, on loopback, with TLS where the vendor's client insists on it."""

from __future__ import annotations

import datetime
import http.server
import ipaddress
import json
import re
import ssl
import threading
import typing as t
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

Handler = t.Callable[..., t.Any]


class Refusal(Exception):  # noqa: N818  # an answer, not an error
    """An answer other than 200."""

    def __init__(self, status: int, body: t.Any = None, headers: t.Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers or {}


class Request(t.NamedTuple):
    method: str
    path: str
    query: dict[str, str]
    headers: t.Mapping[str, str]
    body: t.Any


def route(method: str, pattern: str) -> t.Callable[[Handler], Handler]:
    """Mark a method of a fake as the answer to METHOD and a path that matches PATTERN entirely."""

    def mark(function: Handler) -> Handler:
        function.routes = [*getattr(function, "routes", []), (method, re.compile(pattern))]  # type: ignore[attr-defined]
        return function

    return mark


class FakeServer:
    """Start with `with`; `url` is its address, `requests` what it was asked.

    `fault` is an answer to everything, or seconds to wait before it; `forbidden` names what is answered by 403; `busy` is how many
    requests are yet to be answered by 429; `page` is how many entries a list has before it goes on on another page.
    """

    tls = False
    not_found: t.ClassVar[t.Any] = {"message": "no such route"}

    def __init__(self, directory: Path | None = None) -> None:
        self.requests: list[Request] = []
        self.fault: Refusal | float | None = None
        self.forbidden: set[str] = set()
        self.busy = 0
        self.page = 2
        marked = {name: vars(kind)[name] for kind in reversed(type(self).__mro__) for name in vars(kind)}
        # In the order in which they are written: the first that matches answers.
        self.routes = [
            (*mark, getattr(self, name))
            for name, function in marked.items()
            for mark in getattr(function, "routes", [])
        ]
        outer = self

        class Answering(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # one packet an answer: two would wait 40 ms for an acknowledgement

            def __getattr__(self, name: str) -> t.Any:
                if name.startswith("do_"):
                    return lambda: outer.answer(self, name[3:])
                raise AttributeError(name)

            def log_message(self, *arguments: t.Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.ca = ""
        if self.tls:
            assert directory is not None
            self.ca, pair = certificate(directory)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pair)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> t.Any:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_arguments: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(self, connection: t.Any, method: str) -> None:
        split = urlsplit(connection.path)
        raw = connection.rfile.read(int(connection.headers.get("Content-Length") or 0))
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = {name: values[0] for name, values in parse_qs(raw.decode()).items()}
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        request = Request(method, unquote(split.path), query, connection.headers, body)
        self.requests.append(request)
        status, headers = 200, {}
        try:
            answer = self.dispatch(request)
        except Refusal as refusal:
            status, answer, headers = refusal.status, refusal.body, dict(refusal.headers)
        content = b"" if answer is None else json.dumps(answer).encode()
        if answer is None and status == 200:
            status = 204
        try:
            connection.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(content)),
                **headers,
            }.items():
                connection.send_header(name, value)
            connection.end_headers()
            connection.wfile.write(content)
        except OSError:
            pass  # the client gave up waiting

    def dispatch(self, request: Request) -> t.Any:
        if isinstance(self.fault, float):
            threading.Event().wait(self.fault)
        elif self.fault is not None:
            raise self.fault
        self.authenticate(request)
        if self.busy:
            self.busy -= 1
            raise Refusal(429, self.not_found, {"Retry-After": "0"})
        for method, pattern, function in self.routes:
            match = pattern.fullmatch(request.path)
            if method == request.method and match:
                if function.__name__ in self.forbidden:
                    raise Refusal(403, self.not_found)
                return function(request, **match.groupdict())
        raise Refusal(404, self.not_found)

    def authenticate(self, request: Request) -> None:
        """Raise a Refusal where the request's credentials are no good."""


def certificate(directory: Path, *addresses: str, begins: int = -1) -> tuple[str, str]:
    """A CA, and a server certificate for loopback and ADDRESSES with its key, made once in DIRECTORY; valid for three days, BEGINS days from now."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    ca_path, pair_path = directory / "fake-ca.pem", directory / "fake-server.pem"
    if not ca_path.exists():
        now = datetime.datetime.now(datetime.timezone.utc)
        pem = serialization.Encoding.PEM
        keys = [ec.generate_private_key(ec.SECP256R1()) for _number in range(2)]
        names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]) for name in ("fake CA", "localhost")]
        made = []
        for number in (0, 1):
            alternatives = [
                x509.DNSName("localhost"),
                x509.DNSName("fake.vault.localhost"),
                *(x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", *addresses)),
            ]
            builder = (
                x509.CertificateBuilder()
                .subject_name(names[number])
                .issuer_name(names[0])
                .public_key(keys[number].public_key())
                .serial_number(x509.random_serial_number())
                .not_valid_before(now + datetime.timedelta(days=begins))
                .not_valid_after(now + datetime.timedelta(days=begins + 3))
                .add_extension(x509.BasicConstraints(ca=number == 0, path_length=None), critical=True)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(keys[number].public_key()), critical=False)
                .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[0].public_key()), critical=False)
            )
            if number:
                builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
                builder = builder.add_extension(
                    x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH, x509.ExtendedKeyUsageOID.CLIENT_AUTH]),
                    critical=False,
                )
            else:
                usage = dict.fromkeys(
                    (
                        "digital_signature",
                        "content_commitment",
                        "key_encipherment",
                        "data_encipherment",
                        "key_agreement",
                        "encipher_only",
                        "decipher_only",
                    ),
                    False,
                )
                builder = builder.add_extension(
                    x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True
                )
            made.append(builder.sign(keys[0], hashes.SHA256()).public_bytes(pem))
        key = keys[1].private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        ca_path.write_bytes(made[0])
        pair_path.write_bytes(made[1] + made[0] + key)
    return str(ca_path), str(pair_path)


def now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

"""A Kubernetes API that gives tokens of service accounts (authentication.k8s.io/v1 TokenRequest), for the engine of a real OpenBao.

What is asked is in the client's own encoding and is not read: a token lasts `LASTS` seconds.
"""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import threading
import time
import typing as t

LASTS = 900


def _part(value: dict[str, t.Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@contextlib.contextmanager
def kubernetes() -> t.Iterator[tuple[str, list[str]]]:
    """Address, and the paths that tokens were asked for at."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append(self.path)
            now = int(time.time())
            claims = {"iat": now, "exp": now + LASTS, "sub": f"canary-{len(asked)}"}
            ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + LASTS))
            token = ".".join([_part({"alg": "RS256"}), _part(claims), "c2ln"])
            kind = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1"}
            answer = {**kind, "metadata": {}, "spec": {}, "status": {"token": token, "expirationTimestamp": ends}}
            content = json.dumps(answer).encode()
            self.send_response(201)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: t.Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()

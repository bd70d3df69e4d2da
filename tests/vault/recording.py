"""Exchanges with a real server: recorded at the wire without secrets, and replayed strictly, in their order.

A recording is made by running against the real thing and by nothing else (`make test-vault`). What may be secret, and what differs
from run to run, stands there under a name: the same value has the same name in a whole recording.
"""

from __future__ import annotations

import json
import re
import ssl
import typing as t
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote, urlencode

from tests.fakes.server import FakeServer, Refusal, Request

RECORDINGS = Path(__file__).parent / "recordings"
# Fields whose values are secret, or made anew by each run.
NAMED = {
    "accessor", "ca_chain", "certificate", "client_token", "entity_id", "id", "issuing_ca", "jwt", "lease_id", "password",
    "private_key", "public_key", "role_id", "secret_id", "secret_id_accessor", "serial_number", "sum", "token", "wrapped_accessor",
}  # fmt: skip
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*(?:Z|[+-]\d\d:\d\d)")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# Counters of a server's whole life.
COUNTED = {"not_before", "creation_time", "expiration", "last_renewal_time", "remaining"}
BUILD = re.compile(r"v\d+\.\d+\.\d+\S*\+builtin\.\w+")
REPLAYED_RUN = "00000000"


class Exchange(t.NamedTuple):
    """One request and its answer; `token` is the name of the token that went with it, `wrapped` whether the answer was to be wrapped."""

    method: str
    path: str
    query: dict[str, str]
    token: str
    body: t.Any
    wrapped: bool = False
    status: int = 0
    answer: t.Any = None

    @property
    def asked(self) -> tuple[t.Any, ...]:
        return self[:6]


class Scrubber:
    """Gives values their names.

    Args:
        run: what is part of all names of this run.
        known: values with the names that they have from the start.
    """

    def __init__(self, run: str, known: t.Mapping[str, str]) -> None:
        self.names = {run: REPLAYED_RUN, **known}
        self.numbers: dict[str, int] = {}

    def learn(self, value: t.Any, field: str = "") -> None:
        """Name all that stands in fields of NAMED."""
        if isinstance(value, dict):
            for key in sorted(value):
                self.learn(value[key], key)
        elif isinstance(value, list):
            for one in value:
                self.learn(one, field)
        elif isinstance(value, str) and field in NAMED and value.startswith(f"scrubbed-{field}-"):
            # A name already, in a replay: what comes next has the next number.
            self.numbers[field] = max(self.numbers.get(field, 0), int(value.rpartition("-")[2]))
        elif isinstance(value, str) and field in NAMED and self._unnamed(value):
            self.numbers[field] = self.numbers.get(field, 0) + 1
            self.names[value] = f"scrubbed-{field}-{self.numbers[field]}"

    def _unnamed(self, value: str) -> bool:
        return len(value) >= 8 and not value.startswith("scrubbed-") and value not in self.names

    def scrub(self, value: t.Any, field: str = "") -> t.Any:
        if isinstance(value, dict):
            return {self.scrub(key): self.scrub(one, key) for key, one in value.items()}
        if isinstance(value, list):
            return [self.scrub(one, field) for one in value]
        if field in COUNTED and isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return 1
        if not isinstance(value, str):
            return value
        for secret in sorted(self.names, key=len, reverse=True):
            value = value.replace(secret, self.names[secret])
        for pattern, same in (
            (UUID, "00000000-0000-0000-0000-000000000000"),
            (TIME, "2026-01-01T00:00:00Z"),
            (BUILD, "builtin"),
        ):
            value = pattern.sub(same, value)
        return value

    def request(self, request: Request) -> Exchange:
        self.learn(request.body)
        token = request.headers.get("X-Vault-Token", "")
        name = self.names.get(token, token if token.startswith("scrubbed-") else "unknown" if token else "")
        path = self.scrub(request.path.removeprefix("/v1/"))
        wrapped = bool(request.headers.get("X-Vault-Wrap-TTL"))
        return Exchange(request.method, path, self.scrub(request.query), name, self.scrub(request.body), wrapped)


class Recorder(FakeServer):
    """A proxy to a real server that keeps what went through it."""

    tls = True

    def __init__(self, directory: Path, url: str, ca: str) -> None:
        super().__init__(directory)
        self.upstream = url
        self.context = ssl.create_default_context(cafile=ca or None)
        self.scrubber = Scrubber("", {})
        self.exchanges: list[Exchange] = []

    def start(self, scrubber: Scrubber) -> None:
        self.scrubber, self.exchanges = scrubber, []

    def save(self, path: Path, server: str, date: str) -> None:
        lines = ",\n".join(json.dumps(exchange._asdict(), sort_keys=True) for exchange in self.exchanges)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'{{"server": {json.dumps(server)}, "date": "{date}", "exchanges": [\n{lines}\n]}}\n')

    def dispatch(self, request: Request) -> t.Any:
        status, answer = self._forward(request)
        asked = self.scrubber.request(request)
        self.scrubber.learn(answer)
        self.exchanges.append(asked._replace(status=status, answer=self.scrubber.scrub(answer)))
        if status in (200, 204):
            return answer
        raise Refusal(status, answer)

    def _forward(self, request: Request) -> tuple[int, t.Any]:
        query = f"?{urlencode(request.query)}" if request.query else ""
        kept = {name: value for name, value in request.headers.items() if name.lower().startswith("x-vault-")}
        body = None if request.body is None else json.dumps(request.body).encode()
        sent = urllib.request.Request(f"{self.upstream}{quote(request.path)}{query}", body, kept, method=request.method)
        try:
            with urllib.request.urlopen(sent, context=self.context, timeout=60) as answer:
                content = answer.read()
                return answer.status, json.loads(content) if content else None
        except urllib.error.HTTPError as exc:
            content = exc.read()
            return exc.code, json.loads(content) if content else None


class Player(FakeServer):
    """Answers as a recording says. A request that was not recorded, or comes out of order, is answered with 418 and kept in `wrong`."""

    tls = True

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.left: list[Exchange] = []
        self.wrong: list[str] = []
        self.start([], Scrubber("", {}))

    def start(self, exchanges: list[Exchange], scrubber: Scrubber) -> None:
        self.left, self.wrong, self.scrubber = list(exchanges), [], scrubber
        self.values = {name: value for value, name in scrubber.names.items()}

    def dispatch(self, request: Request) -> t.Any:
        asked = self.scrubber.request(request)
        if not self.left or self.left[0].asked != asked.asked:
            expected = self.left[0].asked if self.left else "nothing more"
            self.wrong.append(f"asked {asked.asked}\n  recorded is {expected}")
            raise Refusal(418, {"errors": ["this was not recorded"]})
        exchange = self.left.pop(0)
        self.scrubber.learn(exchange.answer)
        answer = self._named(exchange.answer)
        if exchange.status in (200, 204):
            return answer
        raise Refusal(exchange.status, answer)

    def _named(self, value: t.Any) -> t.Any:
        """The values that are known from the start in place of their names."""
        if isinstance(value, dict):
            return {key: self._named(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self._named(one) for one in value]
        return self.values.get(value, value) if isinstance(value, str) else value


def load(path: Path) -> tuple[str, str, list[Exchange]]:
    """Server, date and exchanges of a recording."""
    stored = json.loads(path.read_text())
    return stored["server"], stored["date"], [Exchange(**exchange) for exchange in stored["exchanges"]]

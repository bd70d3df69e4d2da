# SPDX-License-Identifier: GPL-3.0-or-later
"""What engines of Vault and OpenBao make for a run: renewed while it lasts, revoked at its end; what a killed run left, by the next.

Leases: https://openbao.org/docs/concepts/lease/ and https://openbao.org/api-docs/system/leases/
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import re
import secrets
import threading
import time
import typing as t
from pathlib import Path

from ansible_collections.unified.deploy.plugins.module_utils._change.files import boot_id, process_start
from ansible_collections.unified.deploy.plugins.module_utils._vault.client import Answer, VaultClient
from ansible_collections.unified.deploy.plugins.module_utils._vault.errors import VaultError
from ansible_collections.unified.deploy.plugins.module_utils._vault.options import AUTH_METHODS

from ..reference import Reference

# Seconds for which a lease is asked, so that what nobody gives back ends soon.
LASTS = 600
# Of a lease's length: below the first share it is renewed, below the second it serves no new task.
RENEW, RETIRE = 2 / 3, 1 / 4
# What a server answers for a lease that has ended.
GONE = ("invalid", "missing")
# Failures after which a renewal is tried again.
PASSING = ("failed", "sealed", "slow", "unreachable")
# Auth methods by which this process makes a token for itself, which it may end.
OWN_LOGINS = frozenset(AUTH_METHODS) - {"token", "agent"}
# Where engines make something of what is written to them. Anywhere else a write may change what is there, as it does in a KV engine.
MAKING = re.compile(
    r"(creds|issue|key|sign|sts|token)/.+|issuer/[^/]+/(issue|sign)/.+|(roleset|static-account|impersonated-account)/[^/]+/(key|token)"
)
KEEPING = frozenset({"cubbyhole", "generic", "identity", "kv", "system", "token"})


@dataclasses.dataclass
class Lease:
    """`ends` by the monotonic clock; `key` is what was asked for, None for the token of the login. `id` is empty where there is an end only."""

    id: str
    key: Reference | None
    length: int
    ends: float
    renewable: bool
    serves: bool = True

    @property
    def left(self) -> float:
        return self.ends - time.monotonic()


class Leases:
    """The leases of one store in this run.

    Args:
        client: of the store; used by who holds `lock`.
        lock: the store's.
        retire: forgets what was read for a key, so that it is asked for anew.

    Raises (`read`):
        VaultError: as the client's; or there is no place to write down what has to be revoked.
    """

    def __init__(self, client: VaultClient, lock: t.Any, retire: t.Callable[[Reference], None]) -> None:
        self.client, self.lock, self.retire = client, lock, retire
        self.held: list[Lease] = []
        self.record: Record | None = None
        self.closed = threading.Event()

    def read(self, reference: Reference) -> t.Mapping[str, t.Any]:
        """What the engine makes: by a read, or with options by a write of them."""
        with self.lock:
            if self.closed.is_set():
                raise VaultError("the run has ended, and what its engines made is given back")
            if self.record is None:
                self._begin()
            path, options = f"{reference.engine}/{reference.path}", dict(reference.options)
            if options:
                self._refuse_change(path)
            answer = self.client.request("POST" if options else "GET", path, json=options or None)
            content: t.Mapping[str, t.Any] = answer.get("data") or {}
            if answer.get("lease_id"):
                self._hold(answer, reference)
            elif lasts := lasting(content):
                self.held.append(Lease("", reference, min(lasts, LASTS), time.monotonic() + lasts, renewable=False))
            return content

    def _begin(self) -> None:
        for left in Record.abandoned(self.client):
            left.keep([lease for lease in left.leases if not self._revoked(lease)])
        self.record = Record.made(self.client)
        if self.client.options["auth_method"] in OWN_LOGINS:
            with contextlib.suppress(VaultError):  # a token that may not look at itself is used while it lasts
                self._hold_login()
        threading.Thread(target=self._keep, daemon=True).start()

    def _hold_login(self) -> None:
        token = self.client.request("GET", "auth/token/lookup-self")["data"]
        if token["ttl"]:
            ends = time.monotonic() + token["ttl"]
            self.held.append(Lease("", None, token["creation_ttl"], ends, renewable=bool(token.get("renewable"))))

    def _refuse_change(self, path: str) -> None:
        """A reference never changes what others have: options are sent to who makes something of them, and to nobody else.

        Source: https://openbao.org/api-docs/system/internal-ui-mounts/
        """
        mount = self.client.request("GET", f"sys/internal/ui/mounts/{path}")["data"]
        below = path.removeprefix(mount["path"])
        if mount["type"] in KEEPING or not MAKING.fullmatch(below):
            raise VaultError(
                f"{path}: a reference with options is a write, and this path of an engine of type {mount['type']} would be changed by it",
                kind="invalid",
                fix="Leave out the options, or use vault_write",
            )

    def _hold(self, answer: Answer, reference: Reference) -> None:
        duration = int(answer["lease_duration"])
        lease = Lease(
            answer["lease_id"], reference, min(duration, LASTS), time.monotonic() + duration, bool(answer["renewable"])
        )
        self.held.append(lease)
        self._write_down()
        if duration > LASTS and lease.renewable:
            with contextlib.suppress(VaultError):  # it ends later then, if nobody revokes it
                self._renew(lease)

    def _write_down(self) -> None:
        if self.record is not None:
            asked = [lease for lease in self.held if lease.id]
            ends = time.time() + max((lease.left for lease in asked), default=0)
            self.record.keep([lease.id for lease in asked], ends)

    def _keep(self) -> None:
        while not self.closed.wait(1):
            with self.lock:
                self.renew_due()

    def renew_due(self) -> None:
        """Renew what has less than RENEW of its length left; what cannot be renewed serves no new task once it is about to end."""
        for lease in list(self.held):
            if lease.renewable and lease.left < RENEW * lease.length:
                try:
                    self._renew(lease)
                except VaultError as exc:
                    lease.renewable = exc.kind in PASSING
                    if exc.kind in GONE:
                        lease.ends = time.monotonic()
            if lease.left < RETIRE * lease.length:
                self._retire(lease)
            if lease.left <= 0:
                self.held.remove(lease)
                self._write_down()

    def _retire(self, lease: Lease) -> None:
        """Have what is about to end asked for anew, once: what comes in its place has the same key."""
        if not lease.serves:
            return
        lease.serves = False
        if lease.key is not None:
            self.retire(lease.key)
            return
        for other in self.held:
            if other.id:  # a lease ends with the token that asked for it
                other.ends, other.renewable = min(other.ends, lease.ends), False
                self._retire(other)
        with contextlib.suppress(VaultError):  # whoever asks next is told
            if self.client.log_in_again():
                self._hold_login()

    def _renew(self, lease: Lease) -> None:
        if lease.key is None:
            answer = self.client.request("POST", "auth/token/renew-self", json={}).get("auth") or {}
        else:
            body = {"lease_id": lease.id, "increment": lease.length}
            answer = self.client.request("POST", "sys/leases/renew", json=body)
        if "lease_duration" not in answer:
            raise VaultError("the answer is none of OpenBao or Vault", kind="failed")
        lease.ends = time.monotonic() + int(answer["lease_duration"] or 0)
        self._write_down()

    def _revoked(self, lease: str) -> bool:
        try:
            self.client.request("POST", "sys/leases/revoke", json={"lease_id": lease, "sync": True})
        except VaultError as exc:
            return exc.kind in GONE
        return True

    def close(self) -> None:
        """The run has ended. A token that was made for it goes too, and takes all its leases with it."""
        self.closed.set()
        with self.lock:
            if self.record is None:
                return
            left = [lease.id for lease in self.held if lease.id and not self._revoked(lease.id)]
            if self.client.options["auth_method"] in OWN_LOGINS:
                with contextlib.suppress(VaultError):
                    self.client.request("POST", "auth/token/revoke-self", json={})
                    left = []
            self.record.keep(left)


def lasting(content: t.Mapping[str, t.Any]) -> int:
    """For how many seconds something without a lease is good, 0 where the engine does not say: a token of GCP, a certificate, a static
    user's password until it is rotated.

    Sources: https://openbao.org/api-docs/secret/pki/, https://openbao.org/api-docs/secret/databases/,
    https://developer.hashicorp.com/vault/api-docs/secret/gcp
    """
    until = content.get("expires_at_seconds") or content.get("expiration")
    for seconds in (
        content.get("token_ttl"),
        content.get("ttl"),
        until - time.time() if isinstance(until, int) else None,
    ):
        if isinstance(seconds, (int, float)) and seconds > 0:
            return math.ceil(seconds)
    return 0


def since(pid: int) -> str:
    """When a process started, by which it is told from a later one of the same number; empty where none runs."""
    started = process_start(pid)
    return f"{boot_id()} {started}" if started else ""


class Record:
    """A file of this user's that names leases to revoke, for the case that who asked for them is killed. It holds no secret.

    Args:
        path: the file.
        about: server, namespace and process.
        leases: their ids.
    """

    def __init__(self, path: Path, about: t.Mapping[str, t.Any], leases: t.Sequence[str] = ()) -> None:
        self.path, self.about, self.leases = path, about, list(leases)

    @staticmethod
    def directory() -> Path:
        base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
        return Path(base) / "unified/leases"

    @classmethod
    def made(cls, client: VaultClient) -> Record:
        """A new one, before there is anything to put into it.

        Raises:
            VaultError: there is no place for it.
        """
        about = {**_known_by(client), "pid": os.getpid(), "started": since(os.getpid())}
        record = cls(cls.directory() / f"{os.getpid()}-{secrets.token_hex(8)}.json", about)
        try:
            record.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            record._write()
        except OSError as exc:
            raise VaultError(
                f"{record.path.parent}: {exc.strerror}, so that leases could not be written down",
                fix="Set XDG_STATE_HOME to a directory of yours",
            ) from None
        return record

    @classmethod
    def abandoned(cls, client: VaultClient) -> t.Iterator[Record]:
        """Those of this server whose process is gone."""
        for path in sorted(cls.directory().glob("*.json")):
            try:
                about = json.loads(path.read_text(encoding="utf-8"))
                ended = since(about["pid"]) != about["started"]
                ours = _known_by(client).items() <= about.items()
            except (OSError, ValueError, KeyError, AttributeError, TypeError):
                continue  # another run removed it, or is writing it
            if ended and ours and about.get("ends", 0) < time.time():
                path.unlink(missing_ok=True)
            elif ended and ours:
                yield cls(path, {name: about[name] for name in about if name != "leases"}, about["leases"])

    def keep(self, leases: t.Sequence[str], ends: float | None = None) -> None:
        """Name these and no others, the last of which ends at ENDS (seconds since the epoch); without any the file goes."""
        self.leases = list(leases)
        if ends is not None:
            self.about = {**self.about, "ends": ends}
        with contextlib.suppress(OSError):  # it could be written before; the lease ends by itself
            if leases:
                self._write()
            else:
                self.path.unlink(missing_ok=True)

    def _write(self) -> None:
        text = json.dumps({**self.about, "leases": self.leases})
        new = self.path.with_suffix(".new")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as handle:
            handle.write(text)
        new.replace(self.path)


def _known_by(client: VaultClient) -> dict[str, str]:
    """The server, and where process ids mean what they mean here: a home directory may be shared by machines and containers."""
    return {
        "url": client.url, "namespace": client.options["namespace"] or "", "host": os.uname().nodename,
        "processes": os.readlink("/proc/self/ns/pid"),
    }  # fmt: skip

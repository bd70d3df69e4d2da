# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets on a host: files, systemd credentials and Podman secrets, and the record of what was delivered.

The record (0600) holds names and keyed digests, never values: encrypted credentials and Podman secrets cannot be read back
on every version, and what is no longer declared must be found again.
"""

from __future__ import annotations

import contextlib
import functools
import grp
import hashlib
import hmac
import json
import os
import pwd
import secrets
import stat
import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change.files import Staged, Wanted, boot_id, replace
from ansible_collections.unified.deploy.plugins.module_utils._change.paths import make_directories

Run = t.Callable[[t.Sequence[str], bytes], "tuple[int, str, str]"]
Item = t.Dict[str, t.Any]

STATE = "/var/lib/unified/secrets"
PLAIN_STORE, ENCRYPTED_STORE = "/etc/credstore", "/etc/credstore.encrypted"
# The host's own key of systemd-creds(1), made by 'systemd-creds setup'.
HOST_KEY = "/var/lib/systemd/credential.secret"


class DeliveryError(Exception):
    """Nothing has changed, or what has is named; the message says what to do."""


class Record:
    """What this set of secrets delivered before: entries by kind and name, units that are still to be restarted."""

    def __init__(self, name: str) -> None:
        self.path = os.path.join(STATE, f"{name}.json")
        self.entries: dict[str, dict[str, str]] = {}
        self.pending: dict[str, str] = {}
        self.key = ""
        try:
            with open(self.path, encoding="utf-8") as handle:
                stored = json.load(handle)
            self.entries, self.pending, self.key = stored["entries"], stored["pending"], stored["key"]
        except FileNotFoundError:
            self.key = secrets.token_hex(32)
        except (ValueError, KeyError) as exc:
            raise DeliveryError(f"{self.path} is damaged. Move it away, and run again") from exc

    def elsewhere(self, key: str) -> bool:
        """Whether another set has delivered it since: what moved there is not this set's to remove."""
        names = os.listdir(STATE) if os.path.isdir(STATE) else []
        paths = [os.path.join(STATE, name) for name in names if name.endswith(".json")]
        others = [Record(os.path.basename(path)[: -len(".json")]) for path in paths if path != self.path]
        place = self.entries[key].get("path")
        return any(key in other.entries and other.entries[key].get("path") == place for other in others)

    def digest(self, content: str) -> str:
        return hmac.new(self.key.encode(), content.encode(errors="surrogateescape"), hashlib.sha256).hexdigest()

    def save(self) -> None:
        make_directories(os.path.dirname(self.path), 0o700)
        stored = {"entries": self.entries, "pending": self.pending, "key": self.key}
        replace(Wanted(self.path, json.dumps(stored, sort_keys=True).encode()))


class File:
    """A file with one secret or several."""

    def __init__(self, item: Item) -> None:
        self.name = item["path"]
        self.kind = "file"
        self.item = item
        self.content = item["content"].encode(errors="surrogateescape")
        self.mode = int(item["mode"], 8)
        try:
            self.owner, self.group = pwd.getpwnam(item["owner"]).pw_uid, grp.getgrnam(item["group"]).gr_gid
        except KeyError as exc:
            raise DeliveryError(f"{self.name}: {str(exc).strip(chr(34))}. Create it first") from exc
        self.staged: Staged | None = None

    def current(self, _record: Record) -> bool:
        try:
            status = os.lstat(self.name)
            if not stat.S_ISREG(status.st_mode):
                raise DeliveryError(f"{self.name} is no regular file. Remove it, or choose another path")
            with open(self.name, "rb") as handle:
                same = handle.read() == self.content
        except FileNotFoundError:
            return False
        attributes = (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
        return same and attributes == (self.mode, self.owner, self.group)

    def prepare(self) -> None:
        make_directories(os.path.dirname(self.name), 0o755)
        self.staged = Staged(Wanted(self.name, self.content, self.mode, self.owner, self.group))

    def commit(self, _record: Record) -> dict[str, str]:
        if self.staged:
            self.staged.commit()
        return {}

    def drop(self) -> None:
        if self.staged:
            self.staged.drop()


class Encryption:
    """Whether systemd-creds(1) encrypts here, asked once and only where something is to be encrypted.

    Args:
        make: whether the host's key may be made where there is none.
    """

    def __init__(self, run: Run, *, make: bool) -> None:
        self.run, self.make = run, make

    @functools.cached_property
    def obstacle(self) -> str:
        """Why it does not; empty where it does. Nothing is what it encrypts for that: what it says holds no secret."""
        if not os.path.exists(HOST_KEY):
            verb = "setup" if self.make else "--version"
            if reason := self._refusal(verb):
                return f"systemd-creds is missing (systemd 250 has it) or makes no key: {reason}"
            if not self.make:
                return ""  # encrypting would make the key
        return self._refusal("encrypt", "--name=unified", "-", "-")

    def _refusal(self, *arguments: str) -> str:
        code, _out, err = self.run(["systemd-creds", *arguments], b"")
        said = "".join(err.strip().splitlines()[-1:]) or "it says nothing"
        return f"'systemd-creds {arguments[0]}' ended with {code}: {said}" if code else ""


def opener() -> str:
    """What credentials are opened by: this boot, by whose measurements a TPM decides, and the host's key."""
    try:
        status = os.stat(HOST_KEY)
        return f"{boot_id()} {status.st_ino} {status.st_mtime_ns}"
    except OSError:
        return boot_id()


class Credential:
    """A systemd credential (https://systemd.io/CREDENTIALS), encrypted with the host's key or TPM where that can be."""

    kind = "credential"

    def __init__(self, item: Item, encryption: Encryption) -> None:
        self.name = self.identifier = item["name"]
        self.item = item
        self.encryption = encryption
        self.run = encryption.run
        self.sealed = b""
        self.warning = ""
        self.encrypted = item["encrypted"] != "never"

    fix = "Allow encrypted: auto, or mend that"

    @property
    def path(self) -> str:
        return os.path.join(ENCRYPTED_STORE if self.encrypted else PLAIN_STORE, self.identifier)

    def current(self, record: Record) -> bool:
        if self._stored(record):
            return True
        if not self.encrypted or not self.encryption.obstacle:
            return False
        said = f"{self.kind} {self.name}: this host cannot encrypt it: {self.encryption.obstacle}"
        if self.item["encrypted"] == "always":
            raise DeliveryError(f"{said}. {self.fix}")
        self.warning = f"{said}. It lies in {PLAIN_STORE} as it is; with encrypted: never that is no warning"
        self.encrypted = False
        return self._stored(record)

    def _stored(self, record: Record) -> bool:
        entry = record.entries.get(f"{self.kind} {self.name}", {})
        try:
            with open(self.path, "rb") as handle:
                stored = handle.read()
        except FileNotFoundError:
            return False
        if entry.get("path") != self.path or entry.get("digest") != record.digest(self.item["content"]):
            return False
        return entry.get("stored") == hashlib.sha256(stored).hexdigest() and self._opens(entry)

    def _opens(self, entry: dict[str, str]) -> bool:
        """Whether this host still decrypts it, asked once for each boot and key: a new key, or for a TPM another state of Secure Boot, ends that."""
        if not self.encrypted or entry.get("opened_by") == opener():
            return True
        code, out, _err = self.run(["systemd-creds", "decrypt", f"--name={self.identifier}", self.path, "-"], b"")
        if code or out.encode(errors="surrogateescape") != self.item["content"].encode(errors="surrogateescape"):
            return False
        entry["opened_by"] = opener()
        return True

    def prepare(self) -> None:
        content = self.item["content"].encode(errors="surrogateescape")
        if self.encrypted:
            argv = ["systemd-creds", "encrypt", f"--name={self.identifier}", "-", "-"]
            code, out, _err = self.run(argv, content)
            if code:
                raise DeliveryError(f"{self.kind} {self.name}: systemd-creds ended with {code}; nothing was changed")
            content = out.encode()
        self.sealed = content
        make_directories(os.path.dirname(self.path), 0o700)

    def commit(self, record: Record) -> dict[str, str]:
        replace(Wanted(self.path, self.sealed))
        other = os.path.join(PLAIN_STORE if self.encrypted else ENCRYPTED_STORE, self.identifier)
        if record.entries.get(f"{self.kind} {self.name}", {}).get("path") == other:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(other)
        opened = {"opened_by": opener()} if self.encrypted else {}
        return {"path": self.path, "stored": hashlib.sha256(self.sealed).hexdigest(), **opened}

    def drop(self) -> None:
        pass


class PodmanSecret:
    """A secret of Podman; the value goes in by stdin."""

    def __init__(self, item: Item, run: Run, ids: t.Mapping[str, str]) -> None:
        self.name = item["name"]
        self.kind = "podman"
        self.item = item
        self.run = run
        self.ids = ids

    def current(self, record: Record) -> bool:
        entry = record.entries.get(f"podman {self.name}", {})
        if not entry or self.ids.get(self.name) != entry.get("id"):
            return False
        return entry.get("digest") == record.digest(self.item["content"])

    def prepare(self) -> None:
        pass

    def commit(self, _record: Record) -> dict[str, str]:
        if self.name not in self.ids:
            return {"id": self._create(self.name)}
        # Older versions cannot replace a secret. That another can be made is shown before the old one goes.
        proof = f"{self.name}.{secrets.token_hex(4)}"
        self._create(proof)
        try:
            remove_podman(self.name, self.run)
            return {"id": self._create(self.name)}
        finally:
            remove_podman(proof, self.run)

    def _create(self, name: str) -> str:
        content = self.item["content"].encode(errors="surrogateescape")
        code, out, _err = self.run(["podman", "secret", "create", name, "-"], content)
        if code:
            raise DeliveryError(f"podman secret {self.name}: 'podman secret create' ended with {code}")
        return out.strip()

    def drop(self) -> None:
        pass


def remove_podman(name: str, run: Run) -> None:
    code, _out, err = run(["podman", "secret", "rm", name], b"")
    if code and "no such secret" not in err and "no secret with" not in err:
        raise DeliveryError(f"podman secret {name}: 'podman secret rm' ended with {code}. Run it by hand to see why")


def podman_ids(run: Run) -> dict[str, str]:
    """Ids by name."""
    code, out, _err = run(["podman", "secret", "ls", "--format", "{{.ID}} {{.Name}}"], b"")
    if code:
        raise DeliveryError(f"'podman secret ls' ended with {code}. Install podman first")
    return {name: identifier for identifier, _mark, name in (line.partition(" ") for line in out.splitlines()) if name}


def remove(key: str, entry: t.Mapping[str, str], run: Run) -> None:
    """Take away what is no longer declared."""
    kind, _mark, name = key.partition(" ")
    if kind == "podman":
        remove_podman(name, run)
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(entry.get("path") or name)

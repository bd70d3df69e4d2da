"""Credentials that a host can no longer open, by a fake systemd-creds whose key is a file."""

from __future__ import annotations

import base64
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils import _deliver
from ansible_collections.unified.deploy.plugins.module_utils._deliver import (
    Credential,
    DeliveryError,
    Encryption,
    Record,
)

CANARY = "canary-5\udcff"


class FakeCreds:
    """What it encrypts begins with the key, and opens by the same key only."""

    def __init__(self, key: Path) -> None:
        self.key, self.opened = key, 0
        self.refuses = False
        self.calls: list[str] = []

    def __call__(self, argv: t.Sequence[str], stdin: bytes) -> tuple[int, str, str]:
        self.calls.append(argv[1])
        key = self.key.read_text() if self.key.exists() else ""
        if argv[1] == "setup":
            self.key.write_text("made")
        if argv[1] in ("setup", "--version"):
            return 0, "", ""
        if argv[1] == "encrypt":
            if self.refuses:
                return 1, "", "Credential secret is here.\nFailed to determine TPM2 device: Operation not supported\n"
            return 0, f"{key}:{base64.b64encode(stdin).decode()}\n", ""
        self.opened += 1
        sealed, _mark, content = Path(argv[3]).read_text().partition(":")
        if sealed != key:
            return 1, "", "Failed to decrypt"
        return 0, base64.b64decode(content).decode(errors="surrogateescape"), ""


@pytest.fixture
def creds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCreds:
    for name in ("STATE", "PLAIN_STORE", "ENCRYPTED_STORE"):
        monkeypatch.setattr(_deliver, name, str(tmp_path / name))
    monkeypatch.setattr(_deliver, "HOST_KEY", str(tmp_path / "key"))
    (tmp_path / "key").write_text("one")
    return FakeCreds(tmp_path / "key")


def credential(creds: FakeCreds, encrypted: str = "always", *, make: bool = True) -> Credential:
    return Credential({"name": "token", "content": CANARY, "encrypted": encrypted}, Encryption(creds, make=make))


def deliver(creds: FakeCreds, record: Record, encrypted: str = "always") -> None:
    item = credential(creds, encrypted)
    assert not item.current(record)
    item.prepare()
    record.entries["credential token"] = {**item.commit(record), "digest": record.digest(CANARY)}


def test_credential_of_another_key_is_encrypted_anew(creds: FakeCreds) -> None:
    """A host whose key was made anew, as that of a copied image is: what was delivered looks the same, and its consumer cannot start."""
    record = Record("x")
    deliver(creds, record)
    assert credential(creds).current(record)
    assert creds.opened == 0, "it was encrypted in this boot by this key"
    creds.key.write_text("another")
    assert not credential(creds).current(record)
    deliver(creds, record)
    assert credential(creds).current(record)


def test_credential_is_opened_once_a_boot(creds: FakeCreds, monkeypatch: pytest.MonkeyPatch) -> None:
    """A TPM may refuse after a boot; what it opens costs one start of the program in the next run, and none in those after it."""
    record = Record("x")
    deliver(creds, record)
    monkeypatch.setattr(_deliver, "boot_id", lambda: "the next boot")
    for _run in range(3):
        assert credential(creds).current(record)
    assert creds.opened == 1
    monkeypatch.setattr(_deliver, "boot_id", lambda: "another")
    monkeypatch.setattr(creds, "key", creds.key.with_name("tpm"))
    creds.key.write_text("other measurements")
    assert not credential(creds).current(record)


def test_plain_credential_needs_no_key(creds: FakeCreds) -> None:
    record = Record("x")
    item = credential(creds, "never")
    item.prepare()
    record.entries["credential token"] = {**item.commit(record), "digest": record.digest(CANARY)}
    creds.key.unlink()
    assert item.current(record)
    assert creds.opened == 0


def test_host_with_a_key_that_does_not_encrypt_has_it_plain_and_says_so(creds: FakeCreds) -> None:
    """As where the TPM that systemd-creds would take is there and refuses."""
    record, plain, sealed = Record("x"), Path(_deliver.PLAIN_STORE, "token"), Path(_deliver.ENCRYPTED_STORE, "token")
    creds.refuses = True
    deliver(creds, record, "auto")
    assert plain.read_text(errors="surrogateescape") == CANARY and plain.stat().st_mode & 0o777 == 0o600
    item = credential(creds, "auto")
    assert item.current(record), "the next run leaves it"
    assert "ended with 1: Failed to determine TPM2 device" in item.warning and CANARY not in item.warning
    creds.refuses = False
    deliver(creds, record, "auto")
    assert sealed.exists() and not plain.exists()
    item = credential(creds, "auto")
    assert (item.current(record), item.warning) == (True, "")


def test_credential_that_must_be_encrypted_fails_with_the_cause(creds: FakeCreds) -> None:
    creds.refuses = True
    with pytest.raises(
        DeliveryError, match=r"credential token: .* ended with 1: Failed to determine TPM2 device.*auto"
    ):
        credential(creds).current(Record("x"))
    assert not Path(_deliver.PLAIN_STORE).exists()


def test_nothing_is_asked_or_made_where_nothing_changes(creds: FakeCreds) -> None:
    record = Record("x")
    deliver(creds, record)
    creds.calls.clear()
    assert credential(creds).current(record) and creds.calls == []
    creds.key.unlink()
    assert not credential(creds, make=False).current(record)
    assert not creds.key.exists() and "setup" not in creds.calls, "check mode makes no key"

"""What the controller's SSH client offers, asked of stand-ins for ssh and ssh-add."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import client


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Callable[[str, str], None]:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def make(name: str, script: str) -> None:
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)

    return make


def test_algorithms_and_keys_are_those_that_ssh_would_use(
    programs: t.Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    programs("ssh", 'echo "macs $4"; echo "ciphers a,b"; echo "identitiesonly no"')
    programs("ssh-add", "echo one; echo two")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/agent")
    known = client.ask(["-o 'Macs x,y'", None], "web1")
    assert known.identities == 2
    assert known.algorithms == {"ciphers": ("a", "b"), "macs": ("--",)}


def test_named_keys_only_offer_none_of_the_agents(
    programs: t.Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    programs("ssh", "echo identitiesonly yes")
    programs("ssh-add", "echo one")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/agent")
    assert client.ask([], "web1").identities == 0


def test_client_that_cannot_be_asked_offers_nothing_known(
    programs: t.Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    programs("ssh", "exit 255")
    programs("ssh-add", "exit 1")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/agent")
    assert client.ask([], "web1") == client.Client()

"""The desired state as options of hardening_batch: bytes, digests, and ways back."""

from __future__ import annotations

import base64
import hashlib

from ansible_collections.unified.deploy.plugins.module_utils._change.commands import Command, change_filters, saves
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.batch import options
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.base import Desired


def test_nothing_to_change_is_no_batch() -> None:
    assert options(Desired(packages_present=["goss"]), {}) == {}


def test_files_carry_the_digest_of_the_bytes_that_they_were_planned_from() -> None:
    desired = Desired()
    old = b"caf\xe9\r\n"
    desired.file("/etc/a", old.decode("utf-8", "surrogateescape") + "x\n", restart=["a.service"])
    desired.file("/etc/b", "b\n")
    desired.file("/etc/c", None)
    made = options(desired, {"/etc/a": old.decode("utf-8", "surrogateescape"), "/etc/b": None, "/etc/c": "c\n"})
    first, second, third = made["files"]
    assert first["digest"] == hashlib.sha256(old).hexdigest()
    assert (first["encoding"], base64.b64decode(first["content"])) == ("base64", old + b"x\n")
    assert (second["digest"], second["content"], "encoding" in second) == ("absent", "b\n", False)
    assert (third["digest"], third["content"]) == (hashlib.sha256(b"c\n").hexdigest(), None)
    assert made["units"] == {"enabled": [], "masked": [], "restarted": ["a.service"], "reloaded": []}


def test_commands_say_how_they_are_taken_back() -> None:
    desired = Desired()
    desired.run("mount", "-o", "remount,noexec", "/tmp")
    desired.run("augenrules", "--load")
    desired.run("touch", "--", "/etc/issue")
    desired.run("ufw", "--force", "enable")
    desired.run("firewall-cmd", "--reload")
    mount, rules, touch, ufw, reload = options(desired, {})["commands"]
    assert mount["undo"] == ["mount", "-o", "remount,exec", "/tmp"]
    assert rules["undo"] == ["augenrules", "--load"]
    assert touch["saves"] == ["/etc/issue"]
    assert ufw == {"argv": ["ufw", "--force", "enable"]}
    assert reload["undo"] == ["firewall-cmd", "--reload"]


def test_zones_of_firewalld_are_saved_before_its_programs_change_them() -> None:
    added = Command(["firewall-offline-cmd", "--add-port=22/tcp"])
    assert "/etc/firewalld/*/*" in saves([added]) and added.is_undone and change_filters([added], [])

"""Test hosts as pytest-testinfra sees them: over SSH, with none of the collection's code."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import testinfra

ROOT = Path(__file__).resolve().parents[1]


def hosts(inventory: str = "build/molecule/inventory.json") -> dict[str, t.Any]:
    """Testinfra hosts by name, with sudo, from an inventory of tests/hosts."""
    groups = json.loads((ROOT / inventory).read_text())["all"]["children"]
    hosts = {name: facts for group in groups.values() for name, facts in group["hosts"].items()}
    return {
        name: testinfra.get_host(
            f"ssh://{facts['ansible_user']}@{facts['ansible_host']}?sudo=true",
            ssh_identity_file=facts["ansible_ssh_private_key_file"],
            ssh_extra_args=facts["ansible_ssh_common_args"],
        )
        for name, facts in hosts.items()
        if name.startswith("mol-")
    }

"""A host without a GPU: the role says so, and leaves it as it is."""

from __future__ import annotations

import json

from tests.integration.conftest import Target


def test_role_changes_nothing_of_a_host_without_a_gpu(host: Target) -> None:
    book = host.directory / "gpu.yml"
    book.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "roles": ["unified.deploy.gpu"]}]))
    look = "ls /etc/modprobe.d /etc/kernel/postinst.d /etc/apt/preferences.d /etc/systemd/system | grep unified || true"
    for _turn in range(2):
        assert host.play(str(book), "--diff").changed(host.host.name) == 0
    assert host.shell(look) == ""

from __future__ import annotations

import pytest
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import connection_loader
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.run_action import KEEP_ALIVE, keep_alive


@pytest.mark.parametrize("own", ["-C -o ControlMaster=auto", "-o ServerAliveInterval=1", ""])
def test_ssh_notices_a_lost_link_and_the_sites_own_arguments_come_first(own: str) -> None:
    connection = connection_loader.get("ssh", PlayContext(), "/dev/null")
    connection.set_options(direct={"ssh_args": own})
    keep_alive(connection)
    assert connection.get_option("ssh_args") == f"{own} {KEEP_ALIVE}".strip()


def test_other_connections_are_left_alone() -> None:
    connection = connection_loader.get("local", PlayContext(), "/dev/null")
    keep_alive(connection)

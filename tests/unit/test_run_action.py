from __future__ import annotations

from pathlib import Path

import pytest
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import connection_loader
from ansible_collections.unified.deploy.plugins.action import compliance_verify
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.results import ended, summarise
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.results_directory import ResultsDirectory
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.run import RUN
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.run_action import KEEP_ALIVE, keep_alive
from ansible_collections.unified.deploy.plugins.plugin_utils._controller_action import explain


@pytest.mark.parametrize("own", ["-C -o ControlMaster=auto", "-o ServerAliveInterval=1", ""])
def test_ssh_notices_a_lost_link_and_the_sites_own_arguments_come_first(own: str) -> None:
    connection = connection_loader.get("ssh", PlayContext(), "/dev/null")
    connection.set_options(direct={"ssh_args": own})
    keep_alive(connection)
    assert connection.get_option("ssh_args") == f"{own} {KEEP_ALIVE}".strip()


def test_other_connections_are_left_alone() -> None:
    connection = connection_loader.get("local", PlayContext(), "/dev/null")
    keep_alive(connection)


def test_goss_is_not_asked_where_nothing_was_judged(tmp_path: Path) -> None:
    results = ResultsDirectory(str(tmp_path))
    results.write(results.host("web1") / "goss.yml", "")
    model = {**ended("web1", RUN, "planned"), "rules": {}, "controls": []}
    results.write_model("web1", summarise(model))
    action = compliance_verify.ActionModule.__new__(compliance_verify.ActionModule)
    action.module_or_fail = lambda *_: pytest.fail("Goss was asked")  # type: ignore[method-assign]
    answer = action.act({"results": str(tmp_path), "executable": "goss", "path": None}, {"inventory_hostname": "web1"})
    assert (answer["checks"], answer["failing"], answer["summary"]["judged"]) == (0, [], 0)
    judged = results.read_model("web1")
    assert judged is not None and judged["state"] == "verified"


def test_module_that_ends_without_a_word_is_explained() -> None:
    assert "too little free memory" in explain("")

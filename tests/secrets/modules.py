"""Run a module of the collection in this process, as Ansible would: arguments in, JSON out."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import typing as t
from unittest import mock

from ansible.module_utils import _internal
from ansible.module_utils.testing import patch_module_args

Result = dict[str, t.Any]


def run(name: str, arguments: Result, *, check: bool = False) -> Result:
    module = importlib.import_module(f"ansible_collections.unified.deploy.plugins.modules.{name}")
    out = io.StringIO()
    parameters = {**arguments, "_ansible_check_mode": check, "_ansible_diff": True, "_ansible_remote_tmp": "/tmp"}
    # Where a test beside has loaded the controller's half, warnings would go to its display and not into the result.
    as_on_a_host = mock.patch.object(_internal, "is_controller", False)
    with patch_module_args(parameters), as_on_a_host, contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        module.main()
    result: Result = json.loads(out.getvalue().splitlines()[-1])
    return result


def five_steps(name: str, arguments: Result) -> Result:
    """Check, apply, check again, apply again: what differs is said before and after, and a second run changes nothing."""
    foreseen = run(name, arguments, check=True)
    assert foreseen.get("changed") is True, foreseen
    applied = run(name, arguments)
    assert applied.get("changed") is True, applied
    assert run(name, arguments, check=True)["changed"] is False
    again = run(name, arguments)
    assert again["changed"] is False, again
    return applied

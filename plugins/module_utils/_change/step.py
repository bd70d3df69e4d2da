# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge of modules whose work is a step: a function that others can ask what it would do, without the module."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule

from .errors import ChangeError

Answer = t.Dict[str, t.Any]
Act = t.Callable[[t.Mapping[str, t.Any], bool], Answer]
"""Gives what the module returns, of its parameters and whether nothing may be changed."""


def run_module(spec: t.Mapping[str, t.Any], act: Act, **constraints: t.Any) -> t.NoReturn:
    """Answer with what ACT returns."""
    module = AnsibleModule(argument_spec=dict(spec), supports_check_mode=True, **constraints)
    answer: Answer = {}
    try:
        answer = act(module.params, module.check_mode)
    except ChangeError as exc:
        module.fail_json(msg=str(exc), **exc.details)
    module.exit_json(**answer)
    raise SystemExit  # exit_json does not return

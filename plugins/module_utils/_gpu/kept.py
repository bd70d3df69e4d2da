# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of the role's last run, kept on the host: asked whether they would change anything, by what the modules themselves run in check mode."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.unified.deploy.plugins.module_utils._change import fileset
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError
from ansible_collections.unified.deploy.plugins.module_utils._change.files import read
from ansible_collections.unified.deploy.plugins.module_utils._change.journal import BASE
from ansible_collections.unified.deploy.plugins.module_utils._change.paths import locate, trust

if t.TYPE_CHECKING:  # Ansible sends what is named here, and the host compiles, anew in each run, only what is asked.
    from ansible_collections.unified.deploy.plugins.module_utils._change.steps import files, units  # noqa: F401  # see above

    from .steps import cdi, driver, health, initramfs, mig, mok, repository, smoke, sriov  # noqa: F401  # see above

# The role gpu writes it, root's alone. It holds no secret.
PATH = f"{BASE}/gpu/steps.json"
STEPS = {
    "file_set": "_change.steps.files",
    "gpu_cdi": "_gpu.steps.cdi",
    "gpu_driver": "_gpu.steps.driver",
    "gpu_health_info": "_gpu.steps.health",
    "gpu_initramfs": "_gpu.steps.initramfs",
    "gpu_mig": "_gpu.steps.mig",
    "gpu_mok": "_gpu.steps.mok",
    "gpu_repository": "_gpu.steps.repository",
    "gpu_smoke_info": "_gpu.steps.smoke",
    "gpu_sriov": "_gpu.steps.sriov",
    "unit_set": "_change.steps.units",
}


class Kept(t.NamedTuple):
    """What came of asking.

    Attributes:
        digest: SHA-256 of what is kept; empty where nothing is.
        because: why the host is not as the steps want it, or is not known to be; empty where it is.
        answers: what each module returned, the last where it was asked more than once; empty with a reason.
    """

    digest: str
    because: str
    answers: dict[str, t.Any]


def asked(path: str = PATH) -> Kept:
    """Ask the steps that are kept, up to the first that has something to do."""
    try:
        with locate(path, trust(strict=True)) as place:
            original = read(place)
    except (ChangeError, OSError) as exc:
        return Kept("", f"the steps of the last run cannot be read: {exc}", {})
    if original is None:
        return Kept("", "no steps are kept", {})
    if original.owner not in (0, os.geteuid()) or original.mode & 0o022:
        return Kept("", f"others could have written {path}", {})
    digest, answers = hashlib.sha256(original.content).hexdigest(), {}
    if fileset.killed():
        return Kept(digest, "a transaction that was killed is to be ended", {})
    try:
        for step in json.loads(original.content):
            for arguments in step["each"]:
                answers[step["module"]] = answer = _ask(step["module"], arguments)
                if because := _to_do(answer):
                    return Kept(digest, f"{step['module']}: {because}", {})
    # Whatever keeps a step from being asked: its task tells, or does it.
    except Exception as exc:
        return Kept(digest, f"a step cannot be asked: {exc}", {})
    return Kept(digest, "", answers)


def step_of(module: str) -> t.Any:
    """The options and the function of a module."""
    return importlib.import_module(f"{__name__.rsplit('.', 2)[0]}.{STEPS[module]}")


def _ask(module: str, arguments: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    step = step_of(module)
    checked = ArgumentSpecValidator(step.SPEC).validate(dict(arguments))
    if checked.error_messages:
        raise ChangeError(f"{module}: {'; '.join(checked.error_messages)}")
    answer: dict[str, t.Any] = step.act(checked.validated_parameters, True)
    answer.pop("diff", None)
    return answer


def _to_do(answer: t.Mapping[str, t.Any]) -> str:
    """What keeps a step from being done, in a word; empty where nothing does."""
    if answer["changed"]:
        return "it would change something"
    if answer.get("blocked"):
        return "it is blocked"
    return "" if answer.get("passed", True) else "it does not pass"

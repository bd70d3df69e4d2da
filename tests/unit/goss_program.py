"""The real Goss, where this machine has one."""

from __future__ import annotations

import json
import shutil
import subprocess
import typing as t
from pathlib import Path

from ansible_collections.unified.deploy.plugins.module_utils import _goss as goss_module

GOSS = shutil.which("goss") or next(iter(Path.home().glob(".cache/unified-deploy/goss/usr/bin/goss")), None)


def results(gossfile: str, directory: Path, evidence: t.Any = None) -> dict[str, t.Any]:
    """What Goss says of each rule, folded as on a host; EVIDENCE is what templates read."""
    (directory / "goss.yml").write_text(gossfile, encoding="utf-8")
    (directory / "vars.json").write_text(json.dumps(evidence or {}))
    argv = [str(GOSS), "-g", str(directory / "goss.yml"), "--vars", str(directory / "vars.json")]
    done = subprocess.run([*argv, "validate", "-f", "json"], capture_output=True, check=False)
    try:
        return goss_module.fold(json.loads(done.stdout))
    except ValueError:
        raise AssertionError(done.stdout.decode() + done.stderr.decode()) from None

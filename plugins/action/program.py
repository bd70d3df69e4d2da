# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks what is to be installed on the controller, and copies it to hosts that lack it."""

from __future__ import annotations

import hashlib
import re
import typing as t

from ansible.errors import AnsibleActionFail
from ansible_collections.unified.deploy.plugins.plugin_utils._controller_action import ControllerAction, Result

BUILD = {"src", "url", "sha256", "member"}


class ActionModule(ControllerAction):
    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        "path": {"type": "path", "required": True},
        "builds": {"type": "dict", "required": True},
        "account": {"type": "str"},
    }

    def act(self, arguments: Result, task_vars: Result) -> Result:
        for architecture, build in arguments["builds"].items():
            _check(f"builds.{architecture}", build)
        done = self.module("program_install", arguments, task_vars)
        if done.get("transfer"):
            build = arguments["builds"][done["architecture"]]
            source = self._find_needle("files", build["src"])
            with open(source, "rb") as handle:
                digest = hashlib.file_digest(handle, "sha256").hexdigest()
            if digest != build["sha256"]:
                raise AnsibleActionFail(
                    f"{source} has the SHA-256 {digest}, builds.{done['architecture']} says {build['sha256']}. Nothing was copied "
                    "to the host. Get the right file, or correct the sum if you trust this one"
                )
            shell = self._connection._shell
            if shell.tmpdir is None:
                self._make_tmp_path()  # Ansible removes it when the task ends
            remote = shell.join_path(shell.tmpdir, "program")
            self._transfer_file(source, remote)
            self._fixup_perms2([shell.tmpdir, remote])
            done = self.module("program_install", {**arguments, "file": remote}, task_vars)
        done.pop("transfer", None)
        return done


def _check(where: str, build: t.Any) -> None:
    if not isinstance(build, dict) or set(build) - BUILD or ("src" in build) == ("url" in build):
        raise AnsibleActionFail(f"{where}: write sha256 and one of src and url, and member if an archive needs it")
    if not re.fullmatch(r"[0-9a-f]{64}", str(build.get("sha256", ""))):
        raise AnsibleActionFail(f"{where}.sha256 is no SHA-256: write its 64 hexadecimal digits, in lower case")

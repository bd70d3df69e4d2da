#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run Goss on the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: goss
short_description: Run a Goss file on the host and return the results by rule
version_added: 0.1.0
description:
  - Runs C(goss validate) once, with the evidence as its variables, and folds its results by the C(rule) in each resource's C(meta).
  - A skipped result counts as failed. Goss marks it successful, but it checked nothing.
  - Runs as root only a program that nobody but root could have replaced.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  gossfile:
    description: The Goss file, compressed with zlib and base64-encoded.
    type: str
    required: true
  evidence:
    description: The evidence as M(unified.deploy.evidence) returns it.
    type: str
    required: true
  executable:
    description: Path of the Goss program, or its name.
    type: str
    default: goss
  path:
    description:
      - Directory on the host in which to leave C(goss.yml) and C(evidence.json), so that an operator can run them by hand.
      - It is made with mode V(0700). Without it nothing is left behind.
    type: path
  timeout:
    description: Seconds after which Goss and what it started in its own session are killed.
    type: int
    default: 60
attributes:
  check_mode:
    description: Can run in check mode. Files are left at O(path) only outside it.
    support: full
  diff_mode:
    description: Has nothing to show in diff mode.
    support: none
  idempotent:
    description: Reports a change only when a file at O(path) was not there.
    support: full
"""

EXAMPLES = r"""
- name: Run a Goss file
  unified.deploy.goss:
    gossfile: "{{ packed_goss_file }}"
    evidence: "{{ evidence.evidence }}"
"""

RETURN = r"""
passed:
  description: Rules of which every check succeeded.
  type: list
  elements: str
  returned: success
failing:
  description: For each other rule, what failed.
  type: dict
  returned: success
count:
  description: Number of checks that ran.
  type: int
  returned: success
seconds:
  description: Seconds that Goss ran.
  type: float
  returned: success
"""

import base64
import contextlib
import grp
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
import typing as t
import zlib

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.unified.deploy.plugins.module_utils._change.paths import make_directories
from ansible_collections.unified.deploy.plugins.module_utils._collect.command import SEARCH_PATH, CommandError
from ansible_collections.unified.deploy.plugins.module_utils._collect.package import packages

FLOOR = (0, 4, 9)
MOST_BYTES = 64 * 1024 * 1024
INSTALL = "Set compliance_goss_package to install it from the distribution, or compliance_goss_binary to a file with its sha256"


class GossError(Exception):
    """Goss cannot be run, or its output cannot be read."""


def packaged_version(program: str) -> tuple[int, ...] | None:
    """Version of the Debian package that owns PROGRAM; Debian's build itself cannot tell it. None when unpackaged."""
    if os.path.realpath(program) != "/usr/bin/goss":
        return None
    try:
        version = packages().get("goss", "")
    except CommandError:
        return None
    number = version.split("-")[0].split("+")[0]
    return tuple(int(part) for part in number.split(".") if part.isdigit()) or None


def chain(path: str) -> t.Iterator[str]:
    """Every directory and link that is followed to open PATH, and PATH itself."""
    left, here, followed = path.split("/"), "/", 0
    yield here
    while left:
        part = left.pop(0)
        if part in ("", "."):
            continue
        if part == "..":
            here = os.path.dirname(here)
            continue
        step = os.path.join(here, part)
        yield step
        if not os.path.islink(step):
            here = step
            continue
        followed += 1
        if followed > 40:
            raise GossError(f"{path}: too many links")
        target = os.readlink(step)
        here = "/" if target.startswith("/") else here
        left = [*target.split("/"), *left]


def replaceable(path: str) -> str:
    """What along PATH somebody other than root could replace, and who; empty where nobody could."""
    for step in chain(path):
        facts = os.lstat(step)
        if facts.st_uid != 0:
            return f"{step} belongs to uid {facts.st_uid}"
        if stat.S_ISLNK(facts.st_mode) or facts.st_mode & 0o1000:
            continue  # a link has no mode of its own; in a sticky directory only the owner replaces what is his
        if facts.st_mode & 0o002:
            return f"{step} can be written by everybody"
        if facts.st_mode & 0o020 and (members := group_members(facts.st_gid)):
            return f"{step} can be written by {', '.join(sorted(members)[:3])}"
    return ""


def group_members(gid: int) -> set[str]:
    """Who but root is in a group. Debian gives /usr/local to the group staff, in which usually nobody is."""
    try:
        listed = set(grp.getgrgid(gid).gr_mem)
    except KeyError:
        listed = set()
    return {*listed, *(user.pw_name for user in pwd.getpwall() if user.pw_gid == gid)} - {"root"}


def locate(name: str) -> str:
    program = name if os.path.isabs(name) else shutil.which(name, path=SEARCH_PATH)
    if not program or not os.access(program, os.X_OK):
        raise GossError(f"Goss is missing: '{name}' is no program on this host. {INSTALL}")
    if reason := replaceable(program):
        raise GossError(f"{program} is not run as root: {reason}. Give it and what is above it to root alone")
    version = packaged_version(program)
    if version and version < FLOOR:
        have, floor = ".".join(map(str, version)), ".".join(map(str, FLOOR))
        raise GossError(
            f"Goss {have} is too old: {floor} is the oldest that checks as this collection needs it. {INSTALL}"
        )
    return program


def run(program: str, gossfile: str, evidence: str, timeout: int) -> dict[str, t.Any]:
    argv = [program, "--gossfile", gossfile, "--vars", evidence, "validate", "--format", "json", "--no-color"]
    # A run of 0.1 s ends before collecting garbage pays.
    env = {"PATH": SEARCH_PATH, "LC_ALL": "C", "HOME": "/root", "GOGC": "off"}
    # Files, not pipes: what a child of Goss left running holds would be waited for without end.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env, start_new_session=True
        )
        try:
            process.wait(timeout=timeout)
        except subprocess.TimeoutExpired:
            raise GossError(f"Goss took longer than {timeout} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        out.seek(0)
        err.seek(0)
        answer = out.read(MOST_BYTES)
        try:
            return json.loads(answer)
        except ValueError:
            message = (err.read(MOST_BYTES) or answer).decode(errors="replace").strip()[-300:]
            raise GossError(f"Goss ended with {process.returncode} and no results: {message}") from None


def fold(report: dict[str, t.Any]) -> dict[str, t.Any]:
    """Goss' results by rule. See https://goss.readthedocs.io/en/stable/cli/ for the format."""
    passed: dict[str, None] = {}
    failed: dict[str, list[str]] = {}
    for result in report["results"]:
        rule = (result.get("meta") or {}).get("rule", result["resource-id"])
        passed[rule] = None
        # 0 success, 1 fail, 2 skip: "successful" is true for a skip, which has checked nothing.
        if result["result"] != 0:
            matched = result.get("matcher-result") or {}
            why = result.get("err") or f"{matched.get('message') or 'not checked'}, found {matched.get('actual')!r}"
            failed.setdefault(rule, []).append(f"{result['resource-type']} {result['property']}: {why}"[:300])
    return {
        "passed": [rule for rule in passed if rule not in failed],
        "failing": failed,
        "count": len(report["results"]),
    }


def leave(module: AnsibleModule, directory: str, texts: dict[str, str]) -> bool:
    """Write the files for the operator; True when one was not there."""
    changed = False
    for name, text in texts.items():
        path = os.path.join(directory, name)
        try:
            with open(path, encoding="utf-8") as handle:
                before = handle.read()
        except OSError:
            before = None
        if before == text or module.check_mode:
            continue
        make_directories(directory, 0o700)
        descriptor, temporary = tempfile.mkstemp(dir=directory)
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            handle.write(text)
        module.atomic_move(temporary, path)
        # What it says differs from run to run, as the evidence does.
        changed = changed or before is None
    return changed


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            # Large, not secret: kept out of the host's log, where every module's options go.
            "gossfile": {"type": "str", "required": True, "no_log": True},
            "evidence": {"type": "str", "required": True, "no_log": True},
            "executable": {"type": "str", "default": "goss"},
            "path": {"type": "path"},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    try:
        packed = {"goss.yml": module.params["gossfile"], "evidence.json": module.params["evidence"]}
        texts = {name: zlib.decompress(base64.b64decode(value)).decode() for name, value in packed.items()}
    except (ValueError, zlib.error) as exc:
        module.fail_json(msg=f"gossfile or evidence is damaged: {exc}")
    try:
        program = locate(module.params["executable"])
        # An audit leaves nothing on the disk: Ansible's own directory below the home would stay.
        memory = "/run" if os.access("/run", os.W_OK) else module.tmpdir
        with tempfile.TemporaryDirectory(prefix="unified-goss-", dir=memory) as directory:
            paths = {}
            for name, text in texts.items():
                paths[name] = os.path.join(directory, name)
                with open(paths[name], "w", encoding="utf-8") as handle:
                    handle.write(text)
            started = time.monotonic()
            report = run(program, paths["goss.yml"], paths["evidence.json"], module.params["timeout"])
            seconds = round(time.monotonic() - started, 4)
        changed = leave(module, module.params["path"], texts) if module.params["path"] else False
    except GossError as exc:
        module.fail_json(msg=str(exc))
    except OSError as exc:
        module.fail_json(msg=f"the host's file system refused: {exc}")
    module.exit_json(changed=changed, seconds=seconds, **fold(report))


if __name__ == "__main__":
    main()

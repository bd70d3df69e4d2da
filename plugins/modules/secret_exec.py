#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command that needs secrets."""

from __future__ import annotations

DOCUMENTATION = r"""
module: secret_exec
short_description: Run a command with secrets in its environment or in files
version_added: 0.2.0
description:
  - Resolves references on the controller and runs a command on the host with their values.
  - Files of secrets lie on a tmpfs that only the command sees where the module runs as root, else in a private directory of C(/dev/shm).
    They are gone when the command ends, however it ends; where the module itself is killed and does not run as root, its next run removes them.
  - The command's output is shown without the secrets, be they in plain, base64, hexadecimal, URL or JSON form. A command that encodes
    them in another way shows them.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  argv:
    description: The command. There is no shell, and no secret belongs here.
    type: list
    elements: str
    required: true
  environment:
    description: Names of environment variables to references.
    type: dict
    default: {}
  files:
    description: Names of environment variables to references. Each variable has the path of a file with the value.
    type: dict
    default: {}
  chdir:
    description: Where the command runs.
    type: path
  timeout:
    description:
      - Seconds after which the command and all that it started are killed, what left its session too. 0 waits without end.
      - What a command that ends in time leaves running is left alone, and not waited for.
    type: float
    default: 300
  creates:
    description: A path. Where it exists, the command does not run.
    type: path
  removes:
    description: A path. Where it does not exist, the command does not run.
    type: path
seealso:
  - module: unified.deploy.secret_set
  - plugin: unified.deploy.secret
    plugin_type: lookup
attributes:
  check_mode:
    description: The command does not run; that it would is reported.
    support: full
  diff_mode:
    description: The module cannot know what a command changes.
    support: none
  idempotent:
    description: The command runs every time, except with O(creates) and O(removes).
    support: none
"""

EXAMPLES = r"""
- name: Migrate the database
  unified.deploy.secret_exec:
    argv: [/usr/bin/app, migrate]
    environment:
      DATABASE_PASSWORD: vault://app#password
    files:
      TLS_KEY_FILE: vault://tls/app#key
    timeout: 600
"""

RETURN = r"""
rc:
  description: The command's exit code. -9 says that it was killed at the time-out.
  type: int
  returned: when it ran
stdout:
  description: What it wrote, without the secrets.
  type: str
  returned: when it ran
stderr:
  description: What it wrote to standard error, without the secrets.
  type: str
  returned: when it ran
"""

import contextlib
import ctypes
import os
import resource
import shutil
import signal
import subprocess
import threading
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.unified.deploy.plugins.module_utils._memory import private_directory
from ansible_collections.unified.deploy.plugins.module_utils._redact import redact

CLONE_NEWNS = 0x20000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MS_NOSUID_NODEV_NOEXEC = 2 | 4 | 8
PR_SET_CHILD_SUBREAPER = 36  # prctl(2)

# Seconds for what was killed to end, and for the last output of a command that has ended.
GRACE = 2.0


class Ended(t.NamedTuple):
    """A command that has ended: exit code, output, and whether it was killed at the time-out."""

    code: int
    out: str
    err: str
    late: bool


def private_files(directory: str, files: t.Mapping[str, str], *, mounted: bool) -> None:
    """Runs in the child: a tmpfs that no other process sees and that ends with the command, then the files on it."""
    if mounted:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None):
            raise OSError(ctypes.get_errno(), "no mount namespace")
        if libc.mount(b"tmpfs", directory.encode(), b"tmpfs", MS_NOSUID_NODEV_NOEXEC, b"mode=0700,size=16m"):
            raise OSError(ctypes.get_errno(), "no tmpfs")
    for name, content in files.items():
        descriptor = os.open(os.path.join(directory, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content.encode(errors="surrogateescape"))


def can_mount() -> bool:
    """Whether this process may have a mount namespace of its own: root may, but not in every container."""
    pid = os.fork()
    if pid == 0:
        libc = ctypes.CDLL(None)
        os._exit(1 if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) else 0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


class Output(threading.Thread):
    """Reads a pipe to its end, which may never come: what was read so far can be had at any time."""

    def __init__(self, pipe: t.Any) -> None:
        super().__init__(daemon=True)
        self.pipe = pipe
        self.parts: list[bytes] = []
        self.start()

    def run(self) -> None:
        for part in iter(lambda: os.read(self.pipe.fileno(), 65536), b""):
            self.parts.append(part)

    def text(self, deadline: float) -> str:
        self.join(max(0.0, deadline - time.monotonic()))
        return b"".join(list(self.parts)).decode(errors="replace")


def descendants(ancestor: int) -> list[int]:
    """Processes below this one. As it adopts orphans, those that left their session or lost their parent are among them."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as handle:
                    # State and parent follow the name, which may have any character.
                    state, parent = handle.read().rpartition(")")[2].split()[:2]
            except OSError:
                continue  # it has ended
            if state != "Z":
                children.setdefault(int(parent), []).append(int(entry))
    below, generation = [], [ancestor]
    while generation:
        generation = [child for parent in generation for child in children.get(parent, [])]
        below += generation
    return below


def end_all(deadline: float) -> None:
    """Kill until nothing is left: what is killed may have started more, and another user's program cannot be killed."""
    while time.monotonic() < deadline:
        below = descendants(os.getpid())
        if not below:
            return
        for pid in below:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def execute(options: dict[str, t.Any]) -> Ended:
    """Run the command to its end or its time-out. What it leaves running holds up nothing."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    directory = private_directory()
    mounted = bool(options["files"]) and can_mount()
    environment = {**os.environ, **options["environment"]}
    environment.update({name: os.path.join(directory, name) for name in options["files"]})

    def prepare() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold the environment
        private_files(directory, options["files"], mounted=mounted)

    try:
        process = subprocess.Popen(
            options["argv"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
            cwd=options["chdir"] or "/", start_new_session=True, preexec_fn=prepare,
        )  # fmt: skip
        out, err = Output(process.stdout), Output(process.stderr)
        late = False
        try:
            process.wait(options["timeout"] or None)
        except subprocess.TimeoutExpired:
            late = True
            end_all(time.monotonic() + GRACE)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)
        deadline = time.monotonic() + GRACE
        code = -signal.SIGKILL if process.returncode is None else process.returncode
        return Ended(code, out.text(deadline), err.text(deadline), late)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            "argv": {"type": "list", "elements": "str", "required": True},
            "environment": {"type": "dict", "default": {}, "no_log": True},
            "files": {"type": "dict", "default": {}, "no_log": True},
            "chdir": {"type": "path"},
            "timeout": {"type": "float", "default": 300},
            "creates": {"type": "path"},
            "removes": {"type": "path"},
        },
        supports_check_mode=True,
    )
    options = module.params
    secrets = [str(value) for value in (*options["environment"].values(), *options["files"].values())]
    # Ansible would put its own stars in the place of any text that looks like a secret, in the command's name too.
    module.no_log_values = set()
    skipped = (options["creates"] and os.path.exists(options["creates"])) or (
        options["removes"] and not os.path.exists(options["removes"])
    )
    if skipped or module.check_mode:
        module.exit_json(changed=not skipped)
    name = options["argv"][0]
    try:
        ended = execute(options)
    except (OSError, subprocess.SubprocessError) as exc:
        reason = getattr(exc, "strerror", None) or "its files cannot be made"
        module.fail_json(msg=f"'{name}' cannot be started: {reason}. Check argv and chdir")
    result = {"rc": ended.code, "stdout": redact(ended.out, secrets), "stderr": redact(ended.err, secrets)}
    if ended.late:
        module.fail_json(msg=f"'{name}' was killed: it took longer than {options['timeout']:g} s", **result)
    if ended.code:
        module.fail_json(msg=f"'{name}' ended with {ended.code}", **result)
    module.exit_json(changed=True, **result)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's half of unified.deploy.program."""

from __future__ import annotations

DOCUMENTATION = r"""
module: program_install
short_description: Install a program from a file on the host
version_added: 0.2.0
description:
  - The host's half of M(unified.deploy.program). Use that one.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  path:
    description: Where the program is installed.
    type: path
    required: true
  builds:
    description: Builds by architecture.
    type: dict
    required: true
  account:
    description: Name of the system account that is to run it.
    type: str
  file:
    description: The build, copied from the controller.
    type: path
seealso:
  - module: unified.deploy.program
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: Returns the SHA-256 before and after.
    support: full
  idempotent:
    description: A program that was installed from the wanted file and is unchanged is left alone.
    support: full
"""

EXAMPLES = r"""
- name: Install a program
  unified.deploy.program_install:
    path: /usr/local/bin/bao
    builds: {x86_64: {url: "https://example.org/bao", sha256: "{{ sha256 }}"}}
"""

RETURN = r"""
architecture:
  description: The host's architecture.
  type: str
  returned: success
transfer:
  description: Whether the build has to be copied from the controller first.
  type: bool
  returned: success
sha256:
  description: SHA-256 of the installed program.
  type: str
  returned: success
"""

import grp
import json
import os
import platform
import pwd
import re
import shutil
import tarfile
import tempfile
import typing as t
import zipfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.unified.deploy.plugins.module_utils._change.files import Staged, Wanted, replace
from ansible_collections.unified.deploy.plugins.module_utils._change.paths import make_directories

RECORDS = "/var/lib/unified/programs"
ARCHIVES = (".tar.gz", ".tgz", ".zip")
# What useradd(8) takes on every distribution.
ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


class ProgramError(Exception):
    """What stands in the way; nothing was changed."""


def extract(path: str, name: str, member: str, into: str) -> str:
    """The program MEMBER of the archive at PATH, which was called NAME; PATH itself where that is no archive."""
    if not name.endswith(ARCHIVES):
        return path
    target = os.path.join(into, "program")
    try:
        if name.endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                names = [entry for entry in archive.namelist() if os.path.basename(entry) == member]
                _one(names, member, name)
                with archive.open(names[0]) as source, open(target, "wb") as out:
                    shutil.copyfileobj(source, out)
        else:
            with tarfile.open(path, "r:gz") as tar:
                names = [entry.name for entry in tar if entry.isfile() and os.path.basename(entry.name) == member]
                _one(names, member, name)
                content = tar.extractfile(names[0])
                if content is None:
                    raise ProgramError(f"{name} holds {member} as something else than a file. Set 'member'")
                with content, open(target, "wb") as out:
                    shutil.copyfileobj(content, out)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError):
        raise ProgramError(f"{name} is no archive that can be read. Check the file and its name") from None
    return target


def _one(names: list[str], member: str, archive: str) -> None:
    if len(names) != 1:
        raise ProgramError(f"{archive} holds {len(names)} files of the name {member}. Set 'member'")


class Installation:
    """The build that is asked for against what is there."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.path: str = module.params["path"]
        self.architecture = platform.machine()
        builds = module.params["builds"]
        if self.architecture not in builds:
            has = ", ".join(sorted(builds)) or "none"
            raise ProgramError(f"there is no build for {self.architecture}, only for: {has}. Add one")
        self.build: dict[str, t.Any] = builds[self.architecture]
        self.record = os.path.join(RECORDS, self.path.strip("/").replace("/", "-") + ".json")
        self.installed: str = module.sha256(self.path) or ""
        # Of an archive the record tells which program came of it.
        known = self.installed == self.build["sha256"] or self._recorded() == {
            "source": self.build["sha256"],
            "program": self.installed,
        }
        self.current = bool(self.installed) and known and os.stat(self.path).st_mode & 0o7777 == 0o755

    def _recorded(self) -> t.Any:
        try:
            with open(self.record, encoding="utf-8") as handle:
                return json.load(handle)
        except (FileNotFoundError, ValueError):
            return None

    def install(self, scratch: str) -> None:
        source = self.module.params["file"] or self._download(scratch)
        name = self.build.get("src") or self.build["url"]
        digest = self.module.sha256(source)
        if digest != self.build["sha256"]:
            raise ProgramError(
                f"{name} has the SHA-256 {digest}, asked for is {self.build['sha256']}. Get the right file, or correct the sum if you trust this one"
            )
        program = extract(source, name, self.build.get("member") or os.path.basename(self.path), scratch)
        make_directories(os.path.dirname(self.path), 0o755)
        make_directories(RECORDS, 0o700)
        self.installed = self.module.sha256(program)
        # Without its program this record says nothing; written after it, a crash between the two would install again.
        record = json.dumps({"source": self.build["sha256"], "program": self.installed}).encode()
        replace(Wanted(self.record, record, 0o644, 0, 0))
        staged = Staged(Wanted(self.path, b"", 0o755, 0, 0))
        try:
            staged.fill(program)
            staged.commit()
        finally:
            staged.drop()

    def _download(self, scratch: str) -> str:
        # A quarter of what this module's start would take, and most runs download nothing.
        from ansible.module_utils.urls import fetch_url

        url = self.build["url"]
        answer, info = fetch_url(self.module, url, timeout=60)
        if info["status"] != 200:
            raise ProgramError(f"{url}: {info['msg']}. Check the address, and what the host can reach")
        target = os.path.join(scratch, "download")
        with open(target, "wb") as out:
            shutil.copyfileobj(answer, out)
        return target


def account_lacks(name: str | None) -> bool:
    """Whether an account is asked for and is not there. Raises ProgramError where useradd(8) would refuse its name."""
    if not name:
        return False
    if not ACCOUNT.fullmatch(name):
        raise ProgramError(
            f"account '{name}' is no name of an account: it has a-z, 0-9, '_' and '-', 32 at most, and begins with a-z or '_'"
        )
    try:
        pwd.getpwnam(name)
    except KeyError:
        return True
    return False


def make_account(module: AnsibleModule, name: str) -> None:
    """Without a home, and without a way to log in; its group, where that is not there yet, has its name."""
    try:
        group = ["--gid", grp.getgrnam(name).gr_name]
    except KeyError:
        group = ["--user-group"]
    useradd = module.get_bin_path("useradd", required=True)
    argv = [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", *group, name]
    code, _out, said = module.run_command(argv)
    if code:
        raise ProgramError(f"useradd made no account '{name}': {said.strip()}")


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "builds": {"type": "dict", "required": True},
            "account": {"type": "str"},
            "file": {"type": "path"},
        },
        supports_check_mode=True,
    )
    path, account = module.params["path"], module.params["account"]
    scratch = tempfile.mkdtemp(dir=module.tmpdir)
    try:
        installation = Installation(module)
        before, transfer = installation.installed, False
        accountless = account_lacks(account)
        if not module.check_mode:
            transfer = not installation.current and bool(installation.build.get("src")) and not module.params["file"]
            if not transfer and not installation.current:
                installation.install(scratch)
            if not transfer and accountless:
                make_account(module, account)
    except ProgramError as exc:
        module.fail_json(msg=f"{path}: {exc}")
    except OSError as exc:
        module.fail_json(msg=f"{exc.filename or path}: {exc.strerror}; the old program is as it was")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    after = "" if installation.current else f"{path} from {installation.build['sha256']}\n"
    if accountless:
        after += f"account {account}\n"
    module.exit_json(
        changed=bool(after), architecture=installation.architecture, transfer=transfer, sha256=installation.installed,
        diff={"before": f"{path} {before}\n" if before and not installation.current else "", "after": after},
    )  # fmt: skip


if __name__ == "__main__":
    main()

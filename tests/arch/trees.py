"""Root file systems in which programs of their architecture run by user-mode emulation, without a kernel of their own.

They have process ids and a network of their own; the kernel's settings are this machine's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from pathlib import Path

import yaml

from tests.hosts import vm
from tests.hosts.store import run
from tests.integration.conftest import ROOT, Play, playbook

COLLECTIONS = ROOT / "build/collections"
# What the programs do not need of a tree, and most of it.
LEFT_OUT = (
    "./usr/share/doc",
    "./usr/share/locale",
    "./usr/lib/modules",
    "./usr/lib/firmware",
    "./var/cache",
    "./var/lib/apt",
)
ENTER = """#!/bin/sh
exec unshare --mount --pid --net --fork --kill-child sh -ec '
  mount --bind {tree} {tree}
  mount -t proc proc {tree}/proc
  for part in dev sys; do mount --bind /$part {tree}/$part; done
  mount --bind {collections} {tree}/opt
  mkdir -p {tree}{shared}
  mount --bind {shared} {tree}{shared}
  exec chroot {tree} env PYTHONPATH=/opt PYTHONDONTWRITEBYTECODE=1 PATH=/usr/local/bin:/usr/sbin:/usr/bin "$@"
' sh {program} "$@"
"""


class Tree:
    """One root file system on this machine's disk.

    Args:
        path: its directory.
        work: a directory beside it, for what Ansible and the tests write on this side.
    """

    def __init__(self, path: Path, work: Path) -> None:
        self.path, self.work = path, work
        self.shared = work / "shared"
        self.shared.mkdir()
        self.enter = self._program("enter", "")
        self.python = self._program("python", "/usr/bin/python3")

    def _program(self, name: str, program: str) -> Path:
        path = self.work / name
        path.write_text(ENTER.format(tree=self.path, collections=COLLECTIONS, shared=self.shared, program=program))
        path.chmod(0o755)
        return path

    def run(self, *argv: str, stdin: str = "") -> str:
        done = subprocess.run([str(self.enter), *argv], input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def play(
        self, book: str | list[dict[str, t.Any]], *arguments: str, fails: bool = False, **variables: t.Any
    ) -> Play:
        """Run unified.deploy.BOOK, or a play of these tasks, with the tree as its host; asserts success unless FAILS."""
        if isinstance(book, str):
            named = f"unified.deploy.{book}"
        else:
            written = self.work / "play.yml"
            written.write_text(yaml.safe_dump([{"name": "Test", "hosts": "all", "gather_facts": False, "tasks": book}]))
            named = str(written)
        host = {
            "ansible_connection": "local", "ansible_become": False,
            "ansible_python_interpreter": str(self.python), "ansible_remote_tmp": str(self.shared),
        }  # fmt: skip
        inventory = self.work / "inventory.json"
        inventory.write_text(json.dumps({"all": {"hosts": {"tree": host}}}))
        results = self.work / "results"
        values = json.dumps({"compliance_results": str(results), **variables})
        return playbook(
            self.work,
            named,
            str(inventory),
            "-e",
            values,
            *arguments,
            fails=fails,
            python=sys.executable,
            results=results,
        )


def tree(architecture: str, directory: Path) -> Tree:
    """A tree of its own, copied below DIRECTORY from the one that the architecture's machine is made of."""
    root = vm.system("debian13", architecture)
    path, work = directory / "tree", directory / "work"
    path.mkdir()
    work.mkdir()
    excluded = " ".join(f"--exclude={part}" for part in LEFT_OUT)
    run(["bash", "-c", f"tar -C {root} {excluded} -c . | tar -C {path} -xp"], why="copy the tree")
    return Tree(path, work)

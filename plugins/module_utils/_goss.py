# SPDX-License-Identifier: GPL-3.0-or-later
"""The second judge's program: found, mistrusted, run, and its results by rule."""

from __future__ import annotations

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

from ._collect.command import SEARCH_PATH, CommandError
from ._collect.package import packages

FLOOR = (0, 4, 9)
MOST_BYTES = 64 * 1024 * 1024
SECONDS = 60
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
    # As json says it, in three quarters of the time: that format makes each result anew.
    argv = [program, "--gossfile", gossfile, "--vars", evidence, "validate", "--format", "structured", "--no-color"]
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
            return t.cast("dict[str, t.Any]", json.loads(answer))
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


def unpacked(packed: str) -> str:
    """A text that was compressed with zlib and base64-encoded.

    Raises:
        GossError: it is damaged.
    """
    try:
        return zlib.decompress(base64.b64decode(packed)).decode()
    except (ValueError, zlib.error) as exc:
        raise GossError(f"gossfile or evidence is damaged: {exc}") from exc


def judge(
    gossfile: str, evidence: str, executable: str, *, timeout: int = SECONDS, directory: str = "/run"
) -> dict[str, t.Any]:
    """Run the program EXECUTABLE with the texts of a Goss file and of the evidence.

    Args:
        timeout: seconds after which Goss and what it started in its own session are killed.
        directory: where both files lie while it runs.

    Returns:
        What `fold` returns, and ``seconds``.

    Raises:
        GossError: it is missing, may not be run as root, or gave no results.
        OSError: the file system refused.
    """
    program = locate(executable)
    with tempfile.TemporaryDirectory(prefix="unified-goss-", dir=directory) as room:
        paths = {}
        for name, text in (("goss.yml", gossfile), ("evidence.json", evidence)):
            paths[name] = os.path.join(room, name)
            with open(paths[name], "w", encoding="utf-8") as handle:
                handle.write(text)
        started = time.monotonic()
        report = run(program, paths["goss.yml"], paths["evidence.json"], timeout)
        return {**fold(report), "seconds": round(time.monotonic() - started, 4)}

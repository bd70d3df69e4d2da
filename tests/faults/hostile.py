"""Attacks by a local user on root's changes, run on a test host: ``hostile.py <case> <control|ours>``.

A child process of the user exchanges what root is about to change, as fast as it can, while root makes the change again and
again. `control` makes it by path, as one naturally would: it shows that the attack works. Prints one JSON object.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import signal
import stat
import sys
import time
import typing as t

from _change.attributes import Wish, change, look
from _change.errors import ChangeError

USER = "mallory"
HOME = "/home/mallory"
LOGS = "/var/log/svc"
VICTIMS = ("/etc/victims/shadow", "/etc/victims/.forward", "/etc/victims/.profile")
SECONDS = 4


def put(path: str, text: str, mode: int, owner: int) -> None:
    with open(path, "w", encoding="utf-8") as handle:
        handle.write(text)
    os.chmod(path, mode)
    os.chown(path, owner, owner)


def prepare(uid: int) -> None:
    for path in (HOME, LOGS, "/etc/victims"):
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path, exist_ok=True)
    for path in (HOME, LOGS):
        os.chown(path, uid, uid)
    for path in VICTIMS:
        put(path, "precious", 0o600, 0)
    os.makedirs(f"{LOGS}/real")
    put(f"{LOGS}/real/shadow", "log", 0o666, uid)
    put(f"{HOME}/real", "mail", 0o666, uid)


def exchange(case: str) -> None:
    """One turn of the attack, from whatever the last turn left."""
    if case == "directory":
        with contextlib.suppress(OSError):
            os.unlink(f"{LOGS}/d")
        with contextlib.suppress(OSError):
            os.rename(f"{LOGS}/real", f"{LOGS}/d")
        with contextlib.suppress(OSError):
            os.rename(f"{LOGS}/d", f"{LOGS}/real")
        with contextlib.suppress(OSError):
            os.symlink("/etc/victims", f"{LOGS}/d")
        return
    name = f"{HOME}/.forward"
    with contextlib.suppress(OSError):
        os.unlink(name)
    with contextlib.suppress(OSError):
        os.rename(f"{HOME}/real", name)
    with contextlib.suppress(OSError):
        os.rename(name, f"{HOME}/real")
    with contextlib.suppress(OSError):
        os.mkfifo(name) if case == "fifo" else os.symlink("/etc/victims/.forward", name)


def attack(case: str, uid: int) -> int:
    root = os.getpid()
    child = os.fork()
    if child:
        return child
    os.setgid(uid)
    os.setuid(uid)
    for descriptor in (0, 1, 2):  # who reads root's output must not wait for this one
        os.close(descriptor)
    while os.getppid() == root:
        exchange(case)
    os._exit(0)


def wish(case: str) -> Wish:
    if case == "directory":
        return Wish(f"{LOGS}/d/shadow", mode="0644", owner=USER)
    return Wish(f"{HOME}/.forward", mode="0644", owner=USER)


def by_path(asked: Wish) -> None:
    with open(asked.path, encoding="utf-8") as handle:  # looks at it first, as a diff does
        handle.read()
    os.chown(asked.path, pwd.getpwnam(asked.owner).pw_uid, -1)
    os.chmod(asked.path, int(asked.mode, 8))


def by_descriptor(asked: Wish) -> None:
    entry = look(asked)
    if entry:
        change(entry)


def hit() -> list[str]:
    """Which victims are not as they were."""
    hits = []
    for path in VICTIMS:
        facts = os.stat(path)
        if (stat.S_IMODE(facts.st_mode), facts.st_uid) != (0o600, 0):
            hits.append(path)
    return hits


def main(case: str, who: str) -> None:
    uid = pwd.getpwnam(USER).pw_uid
    act: t.Callable[[Wish], None] = by_path if who == "control" else by_descriptor
    prepare(uid)
    child = attack(case, uid)
    turns = refused = 0
    victims: list[str] = []
    signal.alarm(SECONDS * 5)  # a pipe that is waited for ends this here
    deadline = time.monotonic() + SECONDS
    try:
        while time.monotonic() < deadline and not victims:
            turns += 1
            try:
                act(wish(case))
            except (ChangeError, OSError):
                refused += 1
            victims = hit()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    print(json.dumps({"turns": turns, "refused": refused, "victims": victims}))


if __name__ == "__main__":
    main(*sys.argv[1:])

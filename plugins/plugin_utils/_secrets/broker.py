# SPDX-License-Identifier: GPL-3.0-or-later
"""One resolver for all workers of a run, so that each secret is read once a run and each store is logged in to once.

Ansible forks a process for every task and host; what one of them reads is lost with it. The first that needs a secret starts a
process that answers them all by an abstract Unix socket, keeps what it read in memory only, and ends with the run. Both sides
check the other's user (SO_PEERCRED, unix(7)): another user may take the name of the socket, but gets and gives nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import hmac
import json
import multiprocessing
import os
import resource
import select
import signal
import socket
import struct
import threading
import typing as t

from . import errors
from .resolver import Resolver

PR_SET_DUMPABLE = 4  # prctl(2)

Declared = t.Mapping[str, t.Mapping[str, t.Any]]


class Shared:
    """A resolver that asks the broker; it has the same three methods that lookups and actions use.

    Raises:
        OSError: when it is made: there is no broker, or it is another user's.
    """

    def __init__(self, address: str) -> None:
        self.values: dict[str, str] = {}
        self.connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.connection.connect(address)
        if not same_user(self.connection):
            raise PermissionError("the broker's socket belongs to another user")
        self.stream = self.connection.makefile("rwb")

    def resolve(self, text: str) -> str:
        if text not in self.values:
            failures = self.check([text])
            if failures:
                raise failures[text]
        return self.values[text]

    def check(self, texts: t.Iterable[str]) -> dict[str, errors.SecretError]:
        unique = list(dict.fromkeys(texts))
        failures: dict[str, errors.SecretError] = {}
        for text, answer in zip(unique, self._ask(unique)):
            if "value" in answer:
                self.values[text] = answer["value"]
            else:
                kind: type[errors.SecretError] = getattr(errors, answer["error"])
                failures[text] = kind(answer["what"], where=answer["where"], fix=answer["fix"])
        return failures

    def forget(self, store: str) -> None:
        self.values = {text: value for text, value in self.values.items() if not text.startswith(f"{store}://")}
        self._ask({"forget": store})

    def _ask(self, question: list[str] | dict[str, str]) -> list[dict[str, str]]:
        try:
            self.stream.write(json.dumps(question).encode() + b"\n")
            self.stream.flush()
            line = self.stream.readline()
        except OSError:
            line = b""
        if not line:
            raise errors.UnavailableError(
                "the process that keeps this run's secrets has ended",
                fix="Run again; was it killed for want of memory?",
            )
        answers: list[dict[str, str]] = json.loads(line)
        return answers


def resolver(declared: Declared, vault: t.Any, *, everywhere: bool = False) -> Resolver | Shared:
    """The run's broker, or a resolver of this process where there can be none: outside of a worker, or not on Linux.

    Args:
        everywhere: the process of the run itself may start and ask the broker too.
    """
    parent = multiprocessing.parent_process()
    run = parent.pid if parent else os.getpid() if everywhere else None
    if run is None or not hasattr(os, "pidfd_open"):
        return Resolver(declared, vault)
    try:
        address = address_for(run, declared)
        start(address, run, Resolver(declared, vault))
        return Shared(address)
    except OSError:
        return Resolver(declared, vault)


def address_for(pid: int, declared: Declared) -> str:
    """A name of its own for this run and these stores: process ids come back, start times with them do not."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as handle:
        started = handle.read().rpartition(")")[2].split()[19]
    # Every user sees the name (/proc/net/unix), and a declaration may hold a password. Where the run's process has its parts in memory
    # differs from run to run, and only its user may read it (proc_pid_auxv(5)): without it no guess at the declaration can be tried.
    with open(f"/proc/{pid}/auxv", "rb") as key:
        stores = hmac.digest(key.read(), json.dumps(declared, sort_keys=True, default=str).encode(), "sha256").hex()
    return f"\0unified-secrets-{os.getuid()}-{pid}-{started}-{stores[:16]}"


def start(address: str, run: int, source: Resolver) -> None:
    """Start the broker, unless another worker did.

    Raises:
        OSError: this kernel does not tell when a process ends (pidfd_open(2), Linux 5.3).
    """
    os.close(os.pidfd_open(run))
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(address)
    except OSError:
        listener.close()
        return
    listener.listen(128)
    child = os.fork()
    if child == 0:
        # Twice, so that the worker has no child to wait for.
        if os.fork() == 0:
            with contextlib.suppress(BaseException):
                _detach(listener.fileno())
                serve(listener, run, source)
        os._exit(0)
    os.waitpid(child, 0)
    listener.close()


def _detach(keep: int) -> None:
    """Hold nothing of the worker's: the run would wait for the ends of its pipes."""
    os.setsid()
    # It ends with the run: whoever stops all processes of a job, the run among them, would leave the leases to the next run.
    for ending in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != keep:
            with contextlib.suppress(OSError):
                os.close(int(name))
    # No core dump, and no debugger of this user, sees what is kept.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def serve(listener: socket.socket, run: int, source: Resolver) -> None:
    """Answer until the run ends, each worker by a thread of its own, and give back what was made for the run."""
    ended = os.pidfd_open(run)
    source.lasting = True
    while True:
        ready, _writable, _failed = select.select([listener.fileno(), ended], [], [])
        if ended in ready:
            source.close()
            return
        connection, _address = listener.accept()
        threading.Thread(target=_answer, args=(connection, source), daemon=True).start()


def _answer(connection: socket.socket, source: Resolver) -> None:
    with contextlib.suppress(OSError, ValueError), connection:
        if not same_user(connection):
            return
        with connection.makefile("rwb") as stream:
            for line in stream:
                question = json.loads(line)
                answers: list[dict[str, str]] = []
                if isinstance(question, dict):
                    source.forget(question["forget"])
                else:
                    answers = _resolved(source, question)
                stream.write(json.dumps(answers).encode() + b"\n")
                stream.flush()


def _resolved(source: Resolver, texts: list[str]) -> list[dict[str, str]]:
    """A value or an error for each reference, whatever happens: a worker waits for them."""
    with contextlib.suppress(Exception):
        source.prefetch(texts)  # what fails here fails again below, and is told there
    answers: list[dict[str, str]] = []
    for text in texts:
        try:
            answers.append({"value": source.resolve(text)})
        except errors.SecretError as exc:
            answers.append({"error": type(exc).__name__, "what": exc.what, "where": exc.where, "fix": exc.fix})
        except Exception as exc:
            # Its message may hold anything.
            what = f"reading it failed with {type(exc).__name__}"
            answers.append({"error": "UnavailableError", "what": what, "where": "", "fix": ""})
    return answers


def same_user(connection: socket.socket) -> bool:
    _pid, user, _group = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return bool(user == os.getuid())

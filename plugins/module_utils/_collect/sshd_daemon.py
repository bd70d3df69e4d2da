# SPDX-License-Identifier: GPL-3.0-or-later
"""SSH daemons that run: their arguments, their unit, and since when they have had their configuration."""

from __future__ import annotations

import glob
import os
import re
import shlex
import time
import typing as t

from .command import Command, CommandError, read
from .sshd_config import HOME

# sshd(8): options that take a value. Those of `KEPT` bear on the configuration, or on where the log goes.
VALUED = frozenset("CEbcfghkopu")
KEPT = frozenset("Ecfghopqu46")
TITLE = re.compile(r"\S+: (\S*/\S+)(.*?)( \[listener\].*)?$", re.DOTALL)


def arguments(words: t.Iterable[str]) -> list[str]:
    """Of a daemon's arguments those that bear on its configuration and its log, each option before its value.

    A daemon's title tells its arguments joined by blanks: a word that is no option belongs to the option before it.
    """
    options: list[list[str]] = []
    for word in words:
        if word.startswith("-") and len(word) > 1:
            letters = word[1:]
            while letters:
                letter, letters = letters[0], letters[1:]
                options.append([letter])
                if letter in VALUED:
                    options[-1] += [letters] if letters else []
                    break
        elif options and options[-1][0] in VALUED:
            options[-1].append(word)
    return [
        part
        for letter, *value in options
        if letter in KEPT
        for part in ([f"-{letter}", " ".join(value)] if value else [f"-{letter}"])
    ]


def without_log(options: t.Sequence[str]) -> tuple[list[str], str]:
    """Arguments that `sshd -T` may have, and the file that takes the daemon's log from the system's (sshd(8), -E); empty where none does.

    Asked with ``-E``, sshd would make that file.
    """
    places = [index for index, flag in enumerate(options) if flag == "-E"]
    kept = [part for index, part in enumerate(options) if not {index, index - 1} & set(places)]
    return kept, "".join(options[index + 1] for index in places[-1:] if index + 1 < len(options))


def configuration(options: t.Sequence[str]) -> str:
    """The configuration file that a daemon with these arguments reads."""
    return next((value for flag, value in zip(options, options[1:]) if flag == "-f"), "/etc/ssh/sshd_config")


def running() -> tuple[list[dict[str, t.Any]], dict[str, str]]:
    """Daemons that listen in this very system (not in a container on it), and those that cannot be read.

    A container's daemon has process numbers of its own. One that has ours and other mounts (a service with PrivateTmp=, or this
    process is in one) is this system's, and may read other files than those that are seen here.
    """
    daemons: list[dict[str, t.Any]] = []
    left_out: dict[str, str] = {}
    mounts, numbers = _namespace("self", "mnt"), _namespace("self", "pid")
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        try:
            line = _cmdline(pid)
            # A copy under another name gives itself that name, and the same title.
            program = os.path.basename(os.readlink(f"/proc/{pid}/exe")).split(" ")[0]
            if program != "sshd" and " [listener]" not in line:
                continue
            if _namespace(pid, "pid") != numbers:
                continue
            words = _words(line)
            if words is None:
                continue
            if _namespace(pid, "mnt") != mounts and not _same_files(pid):
                left_out[f"sshd {pid}"] = (
                    "it has other mounts than this process, and another /etc/ssh: read it from its side"
                )
                continue
            if "[truncated]" in words:
                left_out[f"sshd {pid}"] = "its arguments cannot be read"
            daemons.append({"pid": pid, "unit": _unit(pid), "arguments": arguments(words), "loaded": _started(pid)})
        except (OSError, ValueError, IndexError):
            continue  # gone, or no process of ours
    return daemons, left_out


def _cmdline(pid: int) -> str:
    with open(f"/proc/{pid}/cmdline", "rb") as handle:
        return handle.read().decode(errors="replace")


def _namespace(pid: int | str, kind: str) -> int:
    return os.stat(f"/proc/{pid}/ns/{kind}").st_ino


def _same_files(pid: int) -> bool:
    """Whether a process with other mounts has the very same files in /etc/ssh as this one."""
    try:
        pairs = [
            (os.lstat(path), os.lstat(f"/proc/{pid}/root{path}")) for path in glob.glob(f"{HOME}/**", recursive=True)
        ]
    except OSError:
        return False
    return all(os.path.samestat(here, there) for here, there in pairs)


def _words(line: str) -> list[str] | None:
    """A listening daemon's arguments; None for a process that serves a session."""
    if not re.match(r"\S+: ", line):
        return line.split("\0")[1:]
    title = TITLE.match(line.rstrip("\0 "))
    if title is None:
        return None
    return [*title[2].split(), *([] if title[3] else ["[truncated]"])]


def _unit(pid: int) -> str:
    name = (read(f"/proc/{pid}/cgroup") or "").strip().rpartition("/")[2]
    return name if name.endswith(".service") else ""


def _started(pid: int) -> float:
    """When a process started, in seconds since the epoch by today's clock (proc_pid_stat(5), field 22)."""
    fields = (read(f"/proc/{pid}/stat") or "").rpartition(")")[2].split()
    uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.time() - uptime + int(fields[19]) / os.sysconf("SC_CLK_TCK")


# An instance of a template, whatever its name, tells what the others run.
CONNECTION = "@unified.service"
MOUNTS = (
    "RootDirectory", "RootImage", "BindPaths", "BindReadOnlyPaths", "TemporaryFileSystem", "MountImages", "ExtensionImages", "ExtensionDirectories",
)  # fmt: skip
"""What puts other files in the place of those that are seen here (systemd.exec(5), PATHS)."""


class Units:
    """What systemd knows of the units that may run the daemon."""

    def __init__(self, names: t.Sequence[str]) -> None:
        properties = "Id,LoadState,ActiveState,UnitFileState,ExecStart,Environment,EnvironmentFiles,ReloadResult,StateChangeTimestampMonotonic,MainPID"
        properties += f",{','.join(MOUNTS)}"
        stems = [name.partition(".")[0] for name in names]
        # A socket may start a daemon of its own for each connection.
        names = [*names, *(f"{stem}{end}" for stem in stems for end in (CONNECTION, ".socket"))]
        self.command = Command("systemctl", "show", f"--property={properties}", "--", *names) if names else None

    def read(self) -> list[dict[str, str]]:
        if self.command is None or not self.command.installed:
            return []
        try:
            text = self.command.text()
        except CommandError:
            return []  # no systemd here: daemons are known from /proc
        blocks = [
            dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in text.split("\n\n")
        ]
        return [block for block in blocks if block.get("LoadState") == "loaded"]


def unseen(units: t.Sequence[t.Mapping[str, str]], pids: t.Collection[int]) -> dict[str, str]:
    """Units whose daemon runs though no process of it was seen, or will read what is not seen here, with the reason."""
    reasons = {}
    for unit in units:
        if unit.get("MainPID", "0") != "0" and int(unit["MainPID"]) not in pids and next_arguments(unit) is not None:
            reasons[unit["Id"]] = f"it runs as process {unit['MainPID']}, which was not seen among the daemons"
        elif other := _elsewhere(unit):
            reasons[unit["Id"]] = f"its next start has {other}, and what that reads was not looked at"
    return reasons


def _elsewhere(unit: t.Mapping[str, str]) -> str:
    """By what a unit's next start comes to something else than this system's sshd and its files; empty where it does not."""
    for name in MOUNTS:
        # A part of a path above or below sshd's files, or another root.
        points = [part for word in unit.get(name, "").split() for part in word.split(":")]
        if any(
            f"{HOME}/".startswith(f"{point.rstrip('/')}/") or point.startswith(f"{HOME}/")
            for point in points
            if point[:1] == "/"
        ):
            return f"{name}={unit[name]}"
        if unit.get(name) and name.startswith(("Root", "Extension")):
            return f"{name}={unit[name]}"
    program = re.search(r"argv\[\]=(\S+)", unit.get("ExecStart", ""))
    return f"{program[1]} in the place of sshd" if program and next_arguments(unit) is None else ""


def upcoming(units: t.Sequence[t.Mapping[str, str]]) -> list[tuple[str, list[str]]]:
    """What starts the daemon next, in words, with the arguments that it will have."""
    listening = {
        unit["Id"].removesuffix(".socket")
        for unit in units
        if unit["Id"].endswith(".socket")
        and (unit.get("ActiveState") == "active" or unit.get("UnitFileState") == "enabled")
    }
    starts = []
    for unit in units:
        stem = unit["Id"].removesuffix(CONNECTION)
        arguments_then = next_arguments(unit)
        if arguments_then is None or (stem != unit["Id"] and stem not in listening):
            continue
        starts.append(
            (
                f"the next start of {unit['Id']}" if stem == unit["Id"] else f"each connection to {stem}.socket",
                arguments_then,
            )
        )
    return starts


def reloaded(unit: t.Mapping[str, str]) -> float:
    """When a unit last changed its state, a reload included, in seconds since the epoch by today's clock; 0 where a reload failed.

    A reload that failed changes the state too, and the daemon goes on with what it had.
    """
    if unit.get("ReloadResult", "success") != "success":
        return 0.0
    since = int(unit.get("StateChangeTimestampMonotonic") or 0) / 1e6
    return time.time() - time.clock_gettime(time.CLOCK_MONOTONIC) + since if since else 0.0


def next_arguments(unit: t.Mapping[str, str]) -> list[str] | None:
    """Arguments that a unit will give the daemon at its next start; None where that is no sshd of ours."""
    start = re.search(r"argv\[\]=(\S+)(.*?) ;", unit.get("ExecStart", ""))
    if start is None or os.path.basename(start[1]) != "sshd":
        return None
    environment = _assignments(unit.get("Environment", "").split())
    for path in re.findall(r"(\S+) \(ignore_errors", unit.get("EnvironmentFiles", "")):
        environment.update(_assignments((read(path) or "").splitlines()))
    words = re.sub(r"\$\{?(\w+)\}?", lambda name: environment.get(name[1], ""), start[2])
    return arguments(words.split())


def _assignments(lines: t.Iterable[str]) -> dict[str, str]:
    pairs = (line.strip().partition("=") for line in lines if "=" in line and not line.lstrip().startswith(("#", ";")))
    made = {}
    for name, _mark, value in pairs:
        try:
            made[name] = " ".join(shlex.split(value))
        except ValueError:
            made[name] = value
    return made


def session() -> dict[str, str] | None:
    """The login that this process runs in: user, address, and the address and port it came to (ssh(1), SSH_CONNECTION)."""
    pid = os.getpid()
    while pid > 1:
        try:
            with open(f"/proc/{pid}/environ", "rb") as handle:
                pairs = (entry.decode(errors="replace").partition("=") for entry in handle.read().split(b"\0"))
                environment = {name: value for name, _mark, value in pairs}
            parent = re.search(r"^PPid:\s*(\d+)", read(f"/proc/{pid}/status") or "", re.MULTILINE)
        except OSError:
            return None
        address = environment.get("SSH_CONNECTION", "").split()
        if len(address) == 4:
            user = environment.get("SUDO_USER") or environment.get("LOGNAME") or environment.get("USER", "")
            return {"user": user, "address": address[0], "local_address": address[2], "port": address[3]}
        pid = int(parent[1]) if parent else 0
    return None

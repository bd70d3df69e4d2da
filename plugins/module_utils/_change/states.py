# SPDX-License-Identifier: GPL-3.0-or-later
"""States that are no files: the kernel's settings, ageing of accounts, packet filters, and what listens."""

from __future__ import annotations

import contextlib
import os
import typing as t

from . import units
from .errors import ChangeError, PathError
from .journal import Fields
from .programs import must, run

# Kernel settings


def sysctl_path(key: str) -> str:
    """Below /proc/sys; where the first separator of KEY is a slash its dots are part of names (sysctl.d(5))."""
    slash, dot = key.find("/"), key.find(".")
    parts = key.split("/") if 0 <= slash < dot or dot < 0 else key.replace("/", "\0").split(".")
    parts = [part.replace("\0", ".") for part in parts]
    if not all(parts) or ".." in parts:
        raise ChangeError(f"{key!r} is no name of a kernel setting")
    return os.path.join("/proc/sys", *parts)


def sysctl(key: str) -> str | None:
    """The running kernel's value, its parts separated by one space; None where it has no such setting."""
    try:
        with open(sysctl_path(key), encoding="utf-8") as handle:
            return " ".join(handle.read().split())
    except OSError:
        return None


def set_sysctl(key: str, value: str) -> None:
    """Raises:
    ChangeError: the kernel refuses, or has no such setting.
    """
    try:
        with open(sysctl_path(key), "w", encoding="utf-8") as handle:
            handle.write(value)
    except OSError as exc:
        raise ChangeError(f"the kernel does not take {key} = {value}: {exc.strerror}") from exc


# Accounts

_AGEING = {
    "password_expire_min": ("--mindays", 3),
    "password_expire_max": ("--maxdays", 4),
    "password_expire_warn": ("--warndays", 5),
    "password_expire_account_disable": ("--inactive", 6),
}


def account(name: str) -> Fields:
    """What passwd(5) and shadow(5) hold of an account, as far as it is ever changed here.

    Raises:
        ChangeError: there is none.
    """
    passwd, shadow = _row("/etc/passwd", name), _row("/etc/shadow", name)
    if passwd is None or shadow is None:
        raise ChangeError(f"there is no account {name} in /etc/passwd and /etc/shadow")
    return {"name": name, "shell": passwd[6], "password": shadow[1], "changed": shadow[2], **_ageing(shadow)}


def _ageing(shadow: t.Sequence[str]) -> dict[str, str]:
    return {option: shadow[column] for option, (_flag, column) in _AGEING.items()}


def _row(path: str, name: str) -> list[str] | None:
    with open(path, encoding="utf-8", errors="surrogateescape") as handle:
        for line in handle:
            if line.startswith(name + ":"):
                return line.rstrip("\n").split(":")
    return None


def account_differs(entry: t.Mapping[str, t.Any], now: t.Mapping[str, t.Any]) -> bool:
    numbers = any(entry.get(option) is not None and str(entry[option]) != now[option] for option in _AGEING)
    shell = bool(entry.get("shell")) and entry["shell"] != now["shell"]
    locked = now["password"].startswith("!")
    return numbers or shell or (entry.get("password_lock") is not None and entry["password_lock"] != locked)


def set_account(entry: t.Mapping[str, t.Any]) -> None:
    """Set ageing, lock and shell by the tools that know the locks of these files (chage(1), usermod(8)).

    Raises:
        ChangeError: one of them refuses.
    """
    name = entry["name"]
    ageing = [part for option, (flag, _column) in _AGEING.items() for part in _flag(flag, entry.get(option))]
    if ageing:
        must(["chage", *ageing, "--", name])
    if entry.get("shell"):
        must(["usermod", "--shell", entry["shell"], "--", name])
    if entry.get("password_lock") is not None:
        must(["usermod", "--lock" if entry["password_lock"] else "--unlock", "--", name])


def _flag(flag: str, value: t.Any) -> list[str]:
    if value is None:
        return []
    return [flag, str(value) if str(value) else "-1"]


def restore_account(before: t.Mapping[str, t.Any]) -> None:
    now = account(before["name"])
    if now["password"] != before["password"]:
        # On stdin: what is in arguments every user can read.
        must(["chpasswd", "--encrypted"], stdin=f"{before['name']}:{before['password']}\n")
    ageing = [part for option, (flag, _column) in _AGEING.items() for part in _flag(flag, before[option])]
    must(["chage", *ageing, "--lastday", before["changed"] or "-1", "--", before["name"]])
    if now["shell"] != before["shell"]:
        must(["usermod", "--shell", before["shell"], "--", before["name"]])


# Packet filters

# ufw sets these kernel settings when it starts (ufw-framework(8)), and nothing takes them back.
UFW_SYSCTLS = "/etc/ufw/sysctl.conf"


def firewall() -> Fields:
    """Every rule that is loaded, as the programs give them for loading again, and the kernel settings that ufw touches.

    Tables that iptables made hold expressions that only iptables can load again; their text is in `iptables`.
    """
    state: Fields = {"nft": {}, "iptables": {}, "sysctls": _sysctls_of_ufw()}
    for table in _tables():
        text = must(["nft", "--stateless", "list", "table", *table.split(" ")])
        state["nft"][table] = "" if _of_iptables(text) else text
    for program in ("iptables", "ip6tables"):
        with contextlib.suppress(PathError):
            answer = run([f"{program}-save"])
            state["iptables"][program] = answer.out if answer.code == 0 else ""
    return state


def _sysctls_of_ufw() -> dict[str, str]:
    try:
        with open(UFW_SYSCTLS, encoding="utf-8", errors="replace") as handle:
            lines = [line.partition("=") for line in handle if "=" in line and not line.lstrip().startswith("#")]
    except OSError:
        return {}
    values = {key.strip(): sysctl(key.strip()) for key, _mark, _value in lines}
    return {key: value for key, value in values.items() if value is not None}


def _of_iptables(text: str) -> bool:
    return "xt match" in text or "xt target" in text or "managed by iptables-nft" in text


def _tables() -> list[str]:
    """Family and name of each nftables table; none where nft is missing or the kernel has no nftables."""
    try:
        answer = run(["nft", "list", "tables"])
    except PathError:
        return []
    return [line[6:] for line in answer.out.splitlines() if line.startswith("table ")] if answer.code == 0 else []


def restore_firewall(before: t.Mapping[str, t.Any]) -> None:
    """Bring the loaded rules back in one step a family.

    Raises:
        ChangeError: a program refuses.
    """
    now = _tables()
    ours = [table for table, text in before["nft"].items() if text]
    foreign = [table for table in before["nft"] if table not in ours]
    script = [f"delete table {table}" for table in now if table not in foreign]
    script += [before["nft"][table] for table in ours]
    if script:
        must(["nft", "-f", "-"], stdin="\n".join(script) + "\n")
    for program, text in before["iptables"].items():
        if text.strip() and (foreign or not before["nft"]):
            must([f"{program}-restore"], stdin=text)
        elif not text.strip() and run([f"{program}-save"]).out.strip():
            _open(program)
    for key, value in before.get("sysctls", {}).items():
        if sysctl(key) != value:
            set_sysctl(key, value)


def _open(program: str) -> None:
    """Legacy tables cannot be deleted, so that emptied and open is how they were before the first rule."""
    for policy in ("INPUT", "FORWARD", "OUTPUT"):
        must([program, "--policy", policy, "ACCEPT"])
    must([program, "--flush"])
    must([program, "--delete-chain"])


# What serves


_PROC = "/proc"
_CLOCKS = ("atd.service", "cron.service", "crond.service")
_FIRST_PERSON = 1000
"""As login.defs(5) numbers accounts where UID_MIN is not set."""


def serving() -> Fields:
    """Services that run, and the ports on which they listen, with the service.

    Ports from which the kernel takes short-lived ones are left out: resolvers and time clients come and go there.
    """
    return {"units": _running(), "ports": _ports()}


def lost(before: t.Mapping[str, t.Any], now: t.Mapping[str, t.Any], stopped: t.Collection[str]) -> list[str]:
    """What served before, does no more, and was not STOPPED on purpose."""
    missed = [f"{name} ({active})" for name, active in gone(before, now, stopped).items()]
    closed = [port for port, unit in before["ports"].items() if port not in now["ports"] and unit not in stopped]
    return missed + [f"{port} of {before['ports'][port]}" for port in closed]


def gone(before: t.Mapping[str, t.Any], now: t.Mapping[str, t.Any], stopped: t.Collection[str]) -> dict[str, str]:
    """Services that ran before, do no more, and were not STOPPED on purpose, with the state that they are in."""
    names = [name for name in before["units"] if name not in now["units"] and name not in stopped]
    # What runs on demand also ends by itself; only what starts at boot, or failed, is missed.
    facts = units.states(names)
    missed = {
        name: facts[name]["active"]
        for name in names
        if facts[name]["file"] == "enabled" or facts[name]["active"] == "failed"
    }
    return {name: active for name, active in missed.items() if active == "failed" or not _starts_on_demand(name)}


def _starts_on_demand(name: str) -> bool:
    """Whether a service has ended well, and a socket, path or timer that is active starts it again."""
    answer = run(["systemctl", "show", "--property=Result,TriggeredBy", "--", name])
    facts = dict(line.partition("=")[::2] for line in answer.out.splitlines())
    triggers = facts.get("TriggeredBy", "").split()
    return facts.get("Result") == "success" and any(
        one["active"] == "active" for one in units.states(triggers).values()
    )


def _running() -> list[str]:
    """Services that run and keep running: one that systemd has had to start again may go at any time by itself."""
    try:
        answer = run(["systemctl", "show", "--property=Id,SubState,NRestarts", "--", "*.service"])
    except PathError:
        return []
    blocks = answer.out.split("\n\n") if answer.code == 0 else []
    services = (dict(line.partition("=")[::2] for line in block.splitlines()) for block in blocks)
    return sorted(
        service["Id"]
        for service in services
        if service.get("SubState") == "running" and service.get("NRestarts", "0") == "0"
    )


def _ports() -> dict[str, str]:
    first = int((sysctl("net.ipv4.ip_local_port_range") or "32768").split()[0])
    inodes = {}
    for name, state in (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")):
        with contextlib.suppress(OSError), open(f"/proc/net/{name}", encoding="ascii") as handle:
            for fields in (line.split() for line in list(handle)[1:]):
                port = int(fields[1].rpartition(":")[2], 16)
                if fields[3] == state and (name.startswith("tcp") or port < first):
                    inodes[f"socket:[{fields[9]}]"] = f"{name[:3]} {port}"
    owners = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            for descriptor in os.listdir(f"/proc/{pid}/fd"):
                listened = inodes.get(os.readlink(f"/proc/{pid}/fd/{descriptor}"))
                unit = _unit_of(pid) if listened else ""
                if listened and unit:
                    owners[listened] = unit
    return owners


def _unit_of(pid: str) -> str:
    """The service of a process; empty for what people run in their own sessions or by a clock, which comes and goes."""
    with open(f"{_PROC}/{pid}/cgroup", encoding="utf-8") as handle:
        parts = handle.read().replace("\n", "/").split("/")
    services = [part for part in parts if part.endswith(".service")]
    if not services or services[0].startswith("user@"):
        return ""
    if services[-1] in _CLOCKS and _owner(pid) >= _FIRST_PERSON:
        return ""
    return services[-1]


def _owner(pid: str) -> int:
    """Real user id, proc_pid_status(5)."""
    with open(f"{_PROC}/{pid}/status", encoding="utf-8", errors="replace") as handle:
        return next(int(line.split()[1]) for line in handle if line.startswith("Uid:"))

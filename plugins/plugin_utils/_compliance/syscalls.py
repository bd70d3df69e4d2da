# SPDX-License-Identifier: GPL-3.0-or-later
"""System calls by architecture, as the kernel's tables and `ausyscall --dump` have them: which ones an audit rule may name.

Auditctl refuses a rule with a call that its table does not have, and augenrules then loads none of those after it.
"""

from __future__ import annotations

import re

# Tables that programs of an architecture may use: -F arch=b64, and b32 for 32-bit programs. The kernel's 32-bit RISC-V
# table has no name in auditctl.
TABLES: dict[str, tuple[str, ...]] = {
    "aarch64": ("b64", "b32"),
    "riscv64": ("b64",),
    "x86_64": ("b64", "b32"),
}
# Calls that newer ABIs never had: there the *at forms are all there is.
_OLD = frozenset(
    {"chmod", "chown", "creat", "create_module", "lchown", "open", "query_module", "rename", "rmdir", "unlink"}
)
LACKING: dict[tuple[str, str], frozenset[str]] = {
    ("aarch64", "b32"): frozenset({"create_module", "query_module"}),
    ("aarch64", "b64"): _OLD,
    ("riscv64", "b64"): _OLD | {"renameat"},
    ("x86_64", "b32"): frozenset(),
    ("x86_64", "b64"): frozenset(),
}
# Kernel version that brought a call, and its number, which auditctl takes where it does not know the name.
SINCE: dict[str, tuple[tuple[int, int], str]] = {"fchmodat2": ((6, 6), "452")}
KNOWN = _OLD | frozenset(
    {
        "adjtimex",
        "clock_settime",
        "delete_module",
        "execve",
        "fchmod",
        "fchmodat",
        "fchmodat2",
        "fchown",
        "fchownat",
        "finit_module",
        "fremovexattr",
        "fsetxattr",
        "ftruncate",
        "init_module",
        "lremovexattr",
        "lsetxattr",
        "mount",
        "open_by_handle_at",
        "openat",
        "removexattr",
        "renameat",
        "renameat2",
        "setdomainname",
        "sethostname",
        "settimeofday",
        "setxattr",
        "truncate",
        "unlinkat",
    }
)
# Calls that touch no file: no watch is about them.
WITHOUT_FILES = frozenset(
    {"adjtimex", "clock_adjtime", "clock_settime", "setdomainname", "sethostname", "settimeofday", "stime"}
)
_CALLS = re.compile(r"(?<= -S )\S+")
_TABLE = re.compile(r"-F arch=(\S+)")


def calls(line: str) -> list[str]:
    """System calls that a line of auditctl(8) names."""
    return [call for names in _CALLS.findall(line) for call in names.split(",")]


def lines_for(line: str, architecture: str, kernel: str, *, compat: bool, by_name: frozenset[str]) -> list[str]:
    """LINE as a host can load it: empty where its architecture has none of it.

    Args:
        kernel: its release ("6.12.48-amd64").
        compat: whether the kernel runs 32-bit programs, where only some kernels of the architecture do.
        by_name: calls of `SINCE` that the installed auditctl knows by name.
    """
    table = _TABLE.search(line)
    if table is None:
        return [line]
    if table[1] not in TABLES[architecture] or (table[1] == "b32" and architecture != "x86_64" and not compat):
        return []
    names = calls(line)
    if not names:
        return [line]
    version = tuple(int(part) for part in re.findall(r"\d+", kernel)[:2])
    there = [
        name
        for name in names
        if name not in LACKING[architecture, table[1]] and (name not in SINCE or version >= SINCE[name][0])
    ]
    shown = [SINCE[name][1] if name in SINCE and name not in by_name else name for name in there]
    return [_CALLS.sub(",".join(shown), line)] if shown else []

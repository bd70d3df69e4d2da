# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in force of a setting, given others of the same program that bear on it (None where one is not set)."""

from __future__ import annotations

import re
import typing as t


def alone(value: str | None, others: t.Sequence[str | None]) -> str | None:
    """A value on which nothing bears."""
    del others
    return value


def less_credits(length: str | None, credits: t.Sequence[str | None]) -> str | None:
    """pwquality.conf(5), minlen: kinds of characters with a credit count for as many characters of the length."""
    credit = sum(max(0, int(one)) for one in credits if one is not None and re.fullmatch(r"-?\d{1,9}", one))
    if not credit or length is None or not re.fullmatch(r"\d{1,9}", length):
        return length
    return str(int(length) - credit)


def locks_root(even: str | None, others: t.Sequence[str | None]) -> str | None:
    """faillock.conf(5): a root_unlock_time implies even_deny_root; one of less than a minute locks out nobody."""
    (unlock,) = others
    if unlock is None:
        return even
    seconds = {"never": 0}.get(unlock, int(unlock) if re.fullmatch(r"\d{1,9}", unlock) else 1)
    return "yes" if seconds == 0 or seconds >= 60 else f"for {unlock} s"


def counted(failures: str | None, others: t.Sequence[str | None]) -> str | None:
    """faillock.conf(5), dir: the kernel's own file systems keep no records."""
    (directory,) = others
    kept = directory is None or not f"{directory}/".startswith(("/dev/", "/proc/", "/sys/"))
    return failures if kept else f"{failures}, which {directory} does not count"


def stores_all(storage: str | None, others: t.Sequence[str | None]) -> str | None:
    """journald.conf(5), MaxLevelStore: what is less urgent is not stored at all."""
    (level,) = others
    return (
        storage if level is None or level.lower() in ("debug", "7", "info", "6") else f"{storage}, up to {level} only"
    )


def remembered(count: str | None, others: t.Sequence[str | None]) -> str | None:
    """pwhistory.conf(5), file: a device keeps no passwords."""
    (file,) = others
    return count if file is None or not file.startswith("/dev/") else f"{count}, of which {file} keeps none"


def homes(umask: str | None, others: t.Sequence[str | None]) -> str | None:
    """login.defs(5), HOME_MODE: new homes have it instead of what the umask leaves; of both the more open one counts, in octal digits."""
    (mode,) = others
    if umask is None or mode is None or not re.fullmatch(r"[0-7]{1,9}", umask):
        return umask
    left = int(umask, 8)
    closed = left & ~int(mode, 8) if re.fullmatch(r"[0-7]{1,9}", mode) else 0
    return umask if closed == left else f"{closed:03o}"


def written(action: str | None, others: t.Sequence[str | None]) -> str | None:
    """auditd.conf(5): nothing is written to the disk by write_logs and its older form log_format=NOLOG, nothing of this host by local_events."""
    logs, form, local = ((one or "").lower() for one in others)
    nothing = logs == "no" or form == "nolog" or local == "no"
    return f"{action}, of which nothing is written" if nothing else action

# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host's modules may answer: shapes and limits, checked before anything reads an answer.

A key that a section has and this table does not know passes; one whose type differs makes the section unreadable,
and so its rules an error.
"""

from __future__ import annotations

import base64
import binascii
import json
import typing as t
import zlib

from .._errors import EvidenceError
from .shape import COUNT, FLAG, NUMBER, TEXT, Shape, by_name, each, maybe, mismatch, record, too_much

MOST_BYTES = 64 * 1024 * 1024
# Values are separated by commas: more of them than this and Python needs gigabytes for 64 MB of JSON.
MOST_COMMAS = 2_000_000

_SETTING = record(value=TEXT, source=TEXT)
_FILE = record(type=TEXT, mode=TEXT, owner=TEXT, group=TEXT)
_MOUNT = record(options=each(TEXT), type=TEXT, source=TEXT)
SECTIONS: dict[str, Shape] = {
    "account": record(
        users=each(
            record(
                name=TEXT,
                uid=maybe(COUNT),
                gid=maybe(COUNT),
                home=TEXT,
                shell=TEXT,
                valid_shell=FLAG,
                system=FLAG,
                shadowed=FLAG,
                password=TEXT,
                home_exists=FLAG,
                home_mode=TEXT,
                home_owner=TEXT,
                dot_files=each(record(name=TEXT, mode=TEXT, owner=TEXT, group=TEXT)),
                last_change=maybe(COUNT),
                min=maybe(COUNT),
                max=maybe(COUNT),
                warn=maybe(COUNT),
                inactive=maybe(COUNT),
            )
        ),
        groups=each(record(name=TEXT, gid=maybe(COUNT), members=each(TEXT))),
        uid_min=COUNT,
    ),
    "audit": record(installed=FLAG, disk=each(TEXT), live=maybe(each(TEXT)), enabled=maybe(TEXT), unavailable=TEXT),
    "file": by_name(by_name(_FILE)),
    "firewall": record(installed=FLAG, chains=each(by_name(maybe(TEXT)))),
    "goss": record(path=maybe(TEXT)),
    "host": record(
        os=TEXT,
        version=TEXT,
        name=TEXT,
        family=TEXT,
        architecture=TEXT,
        kernel=TEXT,
        hostname=TEXT,
        container=FLAG,
        uid=COUNT,
        fips=FLAG,
    ),
    "kmod": by_name(record(on_disk=FLAG, built_in=FLAG, loaded=FLAG, install=maybe(TEXT), blacklist=FLAG)),
    "limits": by_name(each(TEXT)),
    "mount": record(live=by_name(_MOUNT), fstab=by_name(_MOUNT)),
    "package": by_name(TEXT),
    "pam": by_name(each(record(type=TEXT, control=TEXT, module=TEXT, args=each(TEXT)))),
    "root_shell": record(path=each(TEXT), unsafe=each(TEXT), umask=TEXT, umask_set_in=each(TEXT)),
    "rsyslog": record(FileCreateMode=maybe(_SETTING), listen=each(TEXT)),
    "scan": record(
        inodes=COUNT,
        roots=each(TEXT),
        counts=by_name(COUNT),
        world_writable_files=each(TEXT),
        world_writable_directories=each(TEXT),
        unowned=each(TEXT),
        set_id=each(TEXT),
    ),
    "service": by_name(record(load=TEXT, file=TEXT, active=TEXT)),
    "settings": by_name(by_name(_SETTING)),
    "shell": by_name(each(_SETTING)),
    "sshd": record(
        installed=FLAG, effective=by_name(TEXT), match=each(record(source=TEXT, criteria=TEXT, settings=by_name(TEXT)))
    ),
    "sudo": record(
        defaults=each(record(scope=TEXT, option=TEXT, source=TEXT)), nopasswd=each(TEXT), no_authenticate=each(TEXT)
    ),
    "sysctl": by_name(record(live=maybe(TEXT), disk=maybe(TEXT), source=maybe(TEXT), written=maybe(TEXT))),
    "text": by_name(maybe(TEXT)),
}
EVIDENCE = record(
    schema=COUNT,
    collected=TEXT,
    seconds=by_name(NUMBER),
    sections=by_name(record(whole=FLAG, left_out=by_name(TEXT))),
    complete=FLAG,
)
GOSS = record(passed=each(TEXT), failing=by_name(each(TEXT)), count=COUNT, seconds=NUMBER)


def unpacked(packed: t.Any) -> t.Any:
    """The JSON in a module's packed answer, never more of it than MOST_BYTES.

    Raises:
        EvidenceError: truncated, damaged, or larger and deeper than evidence is.
    """
    fix = "Collect it again"
    try:
        stream = zlib.decompressobj()
        text = stream.decompress(base64.b64decode(packed, validate=True), MOST_BYTES)
        if stream.unconsumed_tail:
            raise EvidenceError(f"evidence is larger than {MOST_BYTES >> 20} MB", fix="Look at what that host answers")
        if not stream.eof:
            raise EvidenceError("evidence is truncated", fix=fix)
        if text.count(b",") > MOST_COMMAS:
            raise EvidenceError(
                f"evidence holds more than {MOST_COMMAS:,} values", fix="Look at what that host answers"
            )
        return json.loads(text)
    except (binascii.Error, zlib.error, ValueError, TypeError, RecursionError) as exc:
        raise EvidenceError(f"evidence is damaged or truncated ({exc})", fix=fix) from exc


def check_limits(document: t.Any) -> None:
    """Raise EvidenceError where DOCUMENT is deeper or larger than what is read here."""
    if problem := too_much(document):
        raise EvidenceError(f"evidence is refused: {problem}", fix="Look at what that host answers")


def check_answer(answer: dict[str, t.Any]) -> dict[str, t.Any]:
    """What the module ``goss`` answered, if it can be read.

    Raises:
        EvidenceError: it cannot.
    """
    missing = next((key for key in GOSS.keys or () if key not in answer), "")
    problem = f"'{missing}' is missing" if missing else mismatch(answer, GOSS) or too_much(answer)
    if not problem and (answer["count"] < 0 or answer["seconds"] < 0):
        problem = "numbers are negative"
    if problem:
        raise EvidenceError(f"what Goss answered cannot be read: {problem}", fix="Run Goss on that host by hand")
    return answer

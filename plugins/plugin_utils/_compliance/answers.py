# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host's modules may answer: shapes and limits, checked before anything reads an answer.

A section that one kind alone reads has its shape beside that kind (`SHAPES`); those of several kinds stand here.
A key that a section has and this table does not know passes; one whose type differs makes the section unreadable,
and so its rules an error.
"""

from __future__ import annotations

import base64
import binascii
import json
import typing as t
import zlib

from ...module_utils._collect.scan import SYSTEM_LISTS
from .._errors import EvidenceError
from .shape import COUNT, FLAG, NUMBER, TEXT, Shape, by_name, each, maybe, mismatch, record, too_much

MOST_BYTES = 64 * 1024 * 1024
# Values are separated by commas: more of them than this and Python needs gigabytes for 64 MB of JSON.
MOST_COMMAS = 2_000_000

_SETTING = record(value=TEXT, source=TEXT, written=TEXT)
_SETTINGS = by_name(_SETTING)
_STORED = record(live=maybe(TEXT), disk=maybe(TEXT), source=maybe(TEXT), written=maybe(TEXT))
_FILE = record(
    type=TEXT,
    mode=TEXT,
    owner=TEXT,
    group=TEXT,
    acl=each(TEXT),
    service_group=TEXT,
    more=COUNT,
    links=COUNT,
    target=TEXT,
    unsafe=TEXT,
    boot=by_name(TEXT),
)
_MOUNT = record(options=each(TEXT), type=TEXT, source=TEXT, device=TEXT)
SECTIONS: dict[str, Shape] = {
    "account": record(
        users=each(
            record(
                name=TEXT,
                uid=maybe(COUNT),
                gid=maybe(COUNT),
                home=TEXT,
                shell=TEXT,
                login=FLAG,
                valid_shell=FLAG,
                system=FLAG,
                shadowed=FLAG,
                local=FLAG,
                has_group=FLAG,
                password=TEXT,
                ahead=COUNT,
                last_change=maybe(COUNT),
                min=maybe(COUNT),
                max=maybe(COUNT),
                warn=maybe(COUNT),
                inactive=maybe(COUNT),
            )
        ),
        umasks=by_name(TEXT),
        groups=each(record(name=TEXT, gid=maybe(COUNT), members=each(TEXT), users=each(TEXT))),
        uid_min=COUNT,
    ),
    "aide": by_name(maybe(record(size=COUNT, owner=TEXT, kind=TEXT, configured=TEXT, entries=COUNT))),
    "audit": record(
        installed=FLAG,
        disk=each(record(rule=TEXT, line=TEXT, source=TEXT)),
        options=by_name(record(value=TEXT, source=TEXT)),
        live=maybe(each(TEXT)),
        enabled=maybe(TEXT),
        unavailable=TEXT,
        compat=FLAG,
        calls=each(TEXT),
    ),
    "authselect": record(profile=TEXT, features=each(TEXT)),
    "banner": by_name(by_name(TEXT)),
    "file": by_name(by_name(_FILE)),
    "firewall": record(
        installed=FLAG,
        chains=each(
            record(
                family=TEXT,
                table=TEXT,
                name=TEXT,
                type=TEXT,
                hook=TEXT,
                policy=maybe(TEXT),
                jumps=each(TEXT),
                accepts=FLAG,
                refuses=FLAG,
                open=FLAG,
            )
        ),
        ipv6=FLAG,
        legacy=each(TEXT),
        loopback=by_name(by_name(FLAG)),
        ufw=by_name(TEXT),
        stored=by_name(each(TEXT)),
        rules=each(record(action=TEXT, protocol=TEXT, first=COUNT, last=COUNT)),
        zone=maybe(record(name=TEXT, target=TEXT, services=each(TEXT), ports=each(TEXT), interfaces=each(TEXT))),
    ),
    "goss": record(path=maybe(TEXT)),
    "gpu": record(
        gpus=each(record(where=TEXT, id=TEXT, driver=TEXT)),
        checks=each(record(name=TEXT, where=TEXT, state=TEXT, said=TEXT)),
    ),
    "home": record(
        base=TEXT,
        homes=by_name(
            record(
                account=TEXT,
                path=TEXT,
                real=TEXT,
                type=TEXT,
                mode=TEXT,
                owner=TEXT,
                group=TEXT,
                acl=each(TEXT),
                dot_files=by_name(_FILE),
            )
        ),
    ),
    "host": record(
        os=TEXT,
        version=TEXT,
        name=TEXT,
        like=TEXT,
        architecture=TEXT,
        kernel=TEXT,
        hostname=TEXT,
        container=FLAG,
        uid=COUNT,
        fips=FLAG,
    ),
    "kmod": by_name(
        record(
            on_disk=FLAG,
            built_in=FLAG,
            loaded=FLAG,
            install=maybe(TEXT),
            blacklist=FLAG,
            sources=by_name(maybe(TEXT)),
        )
    ),
    "limits": record(
        entries=each(record(domain=TEXT, item=TEXT, value=TEXT, source=TEXT)),
        exempt=each(record(domain=TEXT, source=TEXT)),
    ),
    "listen": each(record(protocol=TEXT, address=TEXT, port=COUNT, processes=each(TEXT))),
    "mount": record(
        live=by_name(_MOUNT),
        fstab=by_name(_MOUNT),
        broken=TEXT,
        units=by_name(record(options=each(TEXT), source=TEXT, wins=FLAG, pulled=FLAG)),
    ),
    "package": by_name(TEXT),
    "pam": by_name(
        each(
            record(
                type=TEXT,
                control=TEXT,
                module=TEXT,
                args=each(TEXT),
                source=TEXT,
                level=COUNT,
                installed=FLAG,
                optional=FLAG,
            )
        )
    ),
    "root_shell": record(
        path=each(TEXT), unsafe=by_name(TEXT), umask=TEXT, timeout=TEXT, leaves=TEXT, umask_set_in=each(TEXT)
    ),
    "rsyslog": record(
        FileCreateMode=each(_SETTING),
        listen=each(TEXT),
        includes=each(TEXT),
        started=maybe(NUMBER),
        changed=by_name(NUMBER),
    ),
    "scan": record(
        inodes=COUNT,
        roots=each(TEXT),
        counts=by_name(COUNT),
        world_writable_files=each(TEXT),
        world_writable_directories=each(TEXT),
        unowned=each(TEXT),
        set_id=each(TEXT),
        **{name: each(TEXT) for name in SYSTEM_LISTS},
    ),
    "service": by_name(
        record(
            load=TEXT,
            file=TEXT,
            active=TEXT,
            refused=FLAG,
            wanted_by=each(TEXT),
            reached=FLAG,
            fragment=TEXT,
            elapses=FLAG,
            triggers=TEXT,
            drop_ins=each(TEXT),
            exec=each(TEXT),
            replaced=FLAG,
            conditions=each(TEXT),
            gap=maybe(NUMBER),
        )
    ),
    "settings": record(
        aide_default=_SETTINGS,
        auditd=_SETTINGS,
        coredump=_SETTINGS,
        faillock=_SETTINGS,
        journald=_SETTINGS,
        login_defs=_SETTINGS,
        pwhistory=_SETTINGS,
        pwquality=_SETTINGS,
        timesyncd=_SETTINGS,
        ufw=_SETTINGS,
        ufw_main=_SETTINGS,
        useradd=_SETTINGS,
        changed=by_name(by_name(NUMBER)),
        daemons=by_name(maybe(NUMBER)),
        unread=each(TEXT),
    ),
    "shell": record(
        TMOUT=each(_SETTING),
        umask=each(_SETTING),
        readonly=each(TEXT),
        login=record(umask=TEXT, timeout=TEXT, fixed=FLAG),
    ),
    "sshd": record(
        installed=FLAG,
        effective=by_name(TEXT),
        daemons=each(record(pid=COUNT, unit=TEXT, arguments=each(TEXT), loaded=NUMBER)),
        newest=record(path=TEXT, modified=NUMBER),
        directives=each(record(source=TEXT, line=COUNT, keyword=TEXT, value=TEXT, match=TEXT)),
        cases=each(
            record(criteria=TEXT, source=TEXT, line=COUNT, connection=maybe(by_name(TEXT)), differs=by_name(TEXT))
        ),
        variants=each(record(name=TEXT, arguments=each(TEXT), differs=by_name(TEXT))),
        session=maybe(record(user=TEXT, address=TEXT, local_address=TEXT, port=TEXT, differs=by_name(TEXT))),
        key_holders=each(TEXT),
    ),
    "sudo": record(
        logs=by_name(TEXT),
        installed=FLAG,
        files=each(TEXT),
        defaults=each(record(**{"scope": TEXT, "for": each(TEXT), "name": TEXT, "value": TEXT, "source": TEXT})),
        rules=each(
            record(
                users=each(TEXT),
                hosts=each(TEXT),
                runas=each(TEXT),
                commands=each(TEXT),
                authenticate=maybe(FLAG),
                source=TEXT,
            )
        ),
    ),
    "sysctl": by_name(
        record(
            live=maybe(TEXT),
            disk=maybe(TEXT),
            source=maybe(TEXT),
            written=maybe(TEXT),
            ufw=maybe(_STORED),
            interfaces=by_name(_STORED),
        )
    ),
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

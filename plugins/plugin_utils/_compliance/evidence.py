# SPDX-License-Identifier: GPL-3.0-or-later
"""The evidence of one host, as the planner reads it."""

from __future__ import annotations

import datetime
import re
import typing as t

from ...module_utils._collect.section import SCHEMA, WHOLE
from .._errors import EvidenceError
from .answers import EVIDENCE, SECTIONS, check_limits, unpacked
from .platform import Platform
from .shape import ANYTHING, mismatch

_COLLECTED = re.compile(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]Z")
IDENTITY = ("os", "version", "name", "architecture", "kernel", "container", "uid")
ARCHITECTURES = ("x86_64", "aarch64", "riscv64")


class Evidence:
    """What a host was at one moment.

    Args:
        document: what the collector returned (`collector.collect`).
        platform: the platform of that host.
    """

    def __init__(self, document: dict[str, t.Any], platform: Platform) -> None:
        self.document = document
        self.platform = platform

    def __getitem__(self, section: str) -> t.Any:
        """A section's items.

        Raises:
            KeyError: the section was not collected.
        """
        return self.document["sections"][section]["items"]

    @property
    def collected(self) -> datetime.datetime:
        return datetime.datetime.fromisoformat(self.document["collected"].replace("Z", "+00:00"))

    def left_out(self, section: str) -> t.Mapping[str, str]:
        """What the section did not see, by item, with the reason."""
        return t.cast("dict[str, str]", self.document["sections"][section]["left_out"])

    def get(self, section: str) -> t.Any:
        """A section's items, or None where it was not collected or cannot be read."""
        return self.document["sections"].get(section, {}).get("items")

    def __contains__(self, section: str) -> bool:
        """Whether the section was collected at all."""
        return section in self.document["sections"]

    def unreadable(self, section: str) -> str:
        """Why nothing can be said of a section that was collected; empty when something can."""
        return self.left_out(section).get(WHOLE, "") if self[section] is None else ""


def unpack(packed: t.Any) -> dict[str, t.Any]:
    """The document in the collector's result, as `conform` returns it.

    Raises:
        EvidenceError: truncated, damaged, too large, or not evidence.
    """
    return conform(unpacked(packed))


def conform(document: t.Any) -> dict[str, t.Any]:
    """DOCUMENT, if it is evidence; a section that is not as the collector writes it is one that could not be read.

    Raises:
        EvidenceError: it is not evidence of this schema version from a host that is supported.
    """
    check_limits(document)
    check_frame(document)
    # Kinds import this module.
    from .kinds.registry import SHAPES

    for name, section in document["sections"].items():
        shape = SECTIONS.get(name) or SHAPES.get(name, ANYTHING)
        if section["items"] is not None and (problem := mismatch(section["items"], shape, name)):
            section.update(items=None, left_out={WHOLE: f"not what the collector writes: {problem}"}, whole=False)
    check_host(document["sections"]["host"])
    return t.cast("dict[str, t.Any]", document)


def check_frame(document: t.Any) -> None:
    """Raise EvidenceError unless DOCUMENT is whole evidence of this schema version."""
    if not isinstance(document, dict) or "schema" not in document:
        raise EvidenceError("this is not evidence", fix="Give the JSON that the evidence module collected")
    fix = "Collect it again with this version of the collection"
    if document["schema"] != SCHEMA:
        raise EvidenceError(
            f"evidence has schema version {document['schema']!r:.20}, this collection reads {SCHEMA}", fix=fix
        )
    if document.get("complete") is not True or not document.get("sections"):
        raise EvidenceError("evidence is truncated", fix="Collect it again")
    if problem := mismatch(document, EVIDENCE) or _lacking(document):
        raise EvidenceError(f"evidence cannot be read: {problem}", fix=fix)


def _lacking(document: dict[str, t.Any]) -> str:
    """What of the frame that holds the sections is not there."""
    if not _COLLECTED.fullmatch(document.get("collected", "")):
        return "'collected' is no time"
    if "total" not in document.get("seconds", {}):
        return "'seconds' has no total"
    if "host" not in document["sections"]:
        return "the section 'host' is missing"
    bare = (name for name, section in document["sections"].items() if not {"items", "left_out"} <= section.keys())
    return next((f"the section '{name}' lacks its items or what it left out" for name in bare), "")


def check_host(section: dict[str, t.Any]) -> None:
    """Raise EvidenceError unless the host of that section is one that is supported, and was read as root."""
    host = section["items"]
    if host is None:
        raise EvidenceError(f"the host cannot be identified: {section['left_out'].get(WHOLE)}")
    if lacking := next((name for name in IDENTITY if name not in host), ""):
        raise EvidenceError(f"the host cannot be identified: its {lacking} is missing", fix="Collect it again")
    if host["architecture"] not in ARCHITECTURES:
        fix = f"Supported are {', '.join(ARCHITECTURES)}"
        raise EvidenceError(f"architecture '{host['architecture']}' is not supported", fix=fix)
    if host["uid"] != 0:
        fix = "Connect as root, or set 'become: true' for a user with sudo"
        raise EvidenceError("evidence was collected without root rights", fix=fix)

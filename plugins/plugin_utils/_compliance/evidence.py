# SPDX-License-Identifier: GPL-3.0-or-later
"""The evidence of one host, as the planner reads it."""

from __future__ import annotations

import base64
import binascii
import datetime
import json
import typing as t
import zlib

from ...module_utils._collect.collector import SCHEMA
from ...module_utils._collect.section import WHOLE
from .._errors import EvidenceError
from .platform import Platform

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


def unpack(packed: str) -> dict[str, t.Any]:
    """The document in the collector's result.

    Raises:
        EvidenceError: truncated, damaged, or not evidence.
    """
    try:
        document = json.loads(zlib.decompress(base64.b64decode(packed, validate=True)))
    except (binascii.Error, zlib.error, ValueError) as exc:
        raise EvidenceError(f"evidence is damaged or truncated ({exc})", fix="Collect it again") from exc
    check(document)
    return t.cast("dict[str, t.Any]", document)


def check(document: t.Any) -> None:
    """Raise EvidenceError unless DOCUMENT is evidence of this schema version from a host that is supported."""
    if not isinstance(document, dict) or "schema" not in document:
        raise EvidenceError("this is not evidence", fix="Give the JSON that the evidence module collected")
    if document["schema"] != SCHEMA:
        fix = "Collect it again with this version of the collection"
        raise EvidenceError(
            f"evidence has schema version {document['schema']}, this collection reads {SCHEMA}", fix=fix
        )
    if not document.get("complete") or not document.get("sections", {}).get("host"):
        raise EvidenceError("evidence is truncated", fix="Collect it again")
    host = document["sections"]["host"]["items"]
    if host is None:
        raise EvidenceError(f"the host cannot be identified: {document['sections']['host']['left_out'].get(WHOLE)}")
    if host["architecture"] not in ARCHITECTURES:
        fix = f"Supported are {', '.join(ARCHITECTURES)}"
        raise EvidenceError(f"architecture '{host['architecture']}' is not supported", fix=fix)
    if host["uid"] != 0:
        fix = "Connect as root, or set 'become: true' for a user with sudo"
        raise EvidenceError("evidence was collected without root rights", fix=fix)

# SPDX-License-Identifier: GPL-3.0-or-later
"""What every reader returns: what it saw of a host, and what it did not."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

SCHEMA = 2
"""Version of the evidence."""

WHOLE = ""
"""The name under which `left_out` tells why nothing of a section could be read."""


@dataclass
class Section:
    """One part of the evidence.

    Attributes:
        items: what was read; its shape is the reader's own. None when nothing could be read.
        left_out: what was not seen, by item (a path, an account, a mount point), with the reason. A pass over a
            section that leaves out something the rule speaks of is an error.
    """

    items: t.Any
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        return not self.left_out

    @classmethod
    def unreadable(cls, reason: str) -> Section:
        return cls(None, {WHOLE: reason})

    def as_dict(self) -> dict[str, t.Any]:
        """The section as evidence (JSON) has it."""
        return {"items": self.items, "whole": self.whole, "left_out": self.left_out}


class Reader:
    """Reads one section. Made first for all sections, so that the programs it starts run side by side.

    Args:
        request: what to look at, as the kinds' `request` asked (a list, a mapping, or None where the section has no choice).
    """

    def __init__(self, request: t.Any = None) -> None:
        self.request = request

    def read(self) -> Section:
        raise NotImplementedError

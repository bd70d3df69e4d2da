# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel command lines: words, values of parameters, and what a boot loader has stored of them."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

# What carries a secret on a command line: nothing that holds such a word is kept as a text.
_SECRET = re.compile(
    r"(^|[._-])(pass(word|wd)?|secret|token|credential\w*|key)=|^systemd\.set_credential", re.IGNORECASE
)
# As the kernel parts them (next_arg() in lib/cmdline.c): double quotes keep blanks together.
_WORD = re.compile(r'(?:"[^"]*(?:"|$)|[^\s"])+')
Values = t.Dict[str, t.Optional[str]]


def words(line: str) -> list[str]:
    return _WORD.findall(line)


def uncommented(line: list[str]) -> list[str]:
    """The words of a line of GRUB's up to a comment."""
    return line[: next((place for place, word in enumerate(line) if word.startswith("#")), None)]


def plain(name: str) -> str:
    """A parameter's name as the kernel compares it: ``-`` and ``_`` are the same (kernel-parameters.rst)."""
    return name.replace("-", "_")


def values(line: t.Sequence[str], names: t.Iterable[str]) -> Values:
    """The value of each parameter: of several the last, "" for one that stands alone, None for one that does not stand."""
    stands: dict[str, str] = {}
    for word in line:
        if word == "--":  # what follows is the first process's
            break
        name, _mark, value = word.strip('"').partition("=")
        stands[plain(name)] = value.strip('"')
    return {name: stands.get(plain(name)) for name in names}


def secret(line: str) -> str:
    """The parameter of a command line that holds a secret; empty where none does."""
    return next((word.partition("=")[0] for word in line.split() if _SECRET.search(word)), "")


@dataclass
class Entry:
    """One entry of a boot menu.

    Attributes:
        source: the file that it stands in.
        made_by: the script that writes it each time the menu is made; empty where it stands by itself.
    """

    title: str
    source: str
    made_by: str
    words: list[str]


@dataclass
class Stored:
    """What a boot loader will start kernels with.

    Attributes:
        future: what entries made later get, a command line for each sort of them; None where nothing tells.
        sources: the files that say so.
    """

    entries: list[Entry]
    future: list[list[str]] | None = None
    sources: list[str] = field(default_factory=list)

    def as_dict(self, names: t.Sequence[str]) -> dict[str, t.Any]:
        later = None if self.future is None else [values(line, names) for line in self.future]
        return {
            "entries": [
                {"title": one.title, "source": one.source, "made_by": one.made_by, "values": values(one.words, names)}
                for one in self.entries
            ],
            "future": None if later is None else {"sources": self.sources, "values": later},
        }

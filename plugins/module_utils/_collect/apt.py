# SPDX-License-Identifier: GPL-3.0-or-later
"""apt's options, as apt itself merges them."""

from __future__ import annotations

import glob
import os
import re

from .._url import masked_urls
from .command import Command
from .configuration import text
from .paths import precedence
from .section import Reader, Section

DIRECTORY = "/etc/apt/apt.conf.d"
# What apt takes for true (apt-pkg/contrib/strutl.cc, StringToBool).
UNSIGNED = re.compile(r"(trusted|allow-insecure)\s*:\s*(yes|true|1|on|with|enable)", re.IGNORECASE)
LINE = re.compile(r'(\S+) "(.*)";')


class Apt(Reader):
    """Options by their lower-case name (apt.conf(5): case does not matter), the ``files`` in the order apt reads them, and ``unverified``: each
    source whose signature apt does not ask for, as its file and what stands there.

    Proxies are told without the user and password that they may hold.
    """

    def __init__(self, request: None = None) -> None:
        super().__init__(request)
        self.dump = Command("apt-config", "dump")

    def read(self) -> Section:
        options = {}
        if self.dump.installed:
            for line in self.dump.text().splitlines():
                pair = LINE.fullmatch(line)
                if pair:
                    options[pair[1].lower()] = masked_urls(pair[2])
        # apt.conf(5): the directory first, then the main file.
        files = [path for path in (*precedence((DIRECTORY,), ""), "/etc/apt/apt.conf") if os.path.isfile(path)]
        left_out: dict[str, str] = {}
        unverified = [option for path in sources(options) for option in unsigned(path, text(path, left_out) or "")]
        return Section({"options": options, "files": files, "unverified": unverified}, left_out)


def sources(options: dict[str, str]) -> list[str]:
    """Files that list archives (sources.list(5)); others of the directory are not read."""
    top = os.path.join("/", options.get("dir", "/"), options.get("dir::etc", "etc/apt"))
    main = os.path.join(top, options.get("dir::etc::sourcelist", "sources.list"))
    parts = glob.glob(f"{os.path.join(top, options.get('dir::etc::sourceparts', 'sources.list.d'))}/*")
    return [
        main,
        *sorted(path for path in parts if re.fullmatch(r"[\w.-]+\.(list|sources)", os.path.basename(path), re.ASCII)),
    ]


def unsigned(path: str, content: str) -> list[str]:
    """Options of sources by which apt believes what nobody signed: ``trusted`` and ``allow-insecure`` (sources.list(5))."""
    return [
        f"{path}: {option}" for option in (_of_stanzas(content) if path.endswith(".sources") else _of_lines(content))
    ]


def _of_lines(content: str) -> list[str]:
    brackets = re.findall(r"^[ \t]*deb(?:-src)?[ \t]+\[([^\]]*)\]", content, re.MULTILINE)
    return [word for options in brackets for word in options.split() if UNSIGNED.fullmatch(word.replace("=", ":", 1))]


def _of_stanzas(content: str) -> list[str]:
    made = []
    lines = "\n".join(line for line in content.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n[ \t]*\n", lines):
        # A field's value may begin on a line of its own.
        fields = re.findall(r"^([\w-]+[ \t]*:(?:[ \t]|\n(?=[ \t]))*\S+)[ \t]*$", stanza, re.MULTILINE)
        if not any(re.fullmatch(r"(?i)enabled\s*:\s*(no|false|0|off|without|disable)", field) for field in fields):
            made += [" ".join(field.split()) for field in fields if UNSIGNED.fullmatch(field)]
    return made

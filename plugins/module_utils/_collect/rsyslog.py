# SPDX-License-Identifier: GPL-3.0-or-later
"""rsyslog's configuration, with what it includes, in the order in which rsyslogd(8) reads it.

Items: ``FileCreateMode``, a list of ``{value, source}`` of every place that sets it; ``listen``, what opens a listening socket;
``includes``, the directories and files that are included; ``started`` and ``changed`` as the section ``settings`` has them.
"""

from __future__ import annotations

import glob
import re

from .configuration import text
from .daemon import Daemons, changed
from .section import Reader, Section

MAIN = "/etc/rsyslog.conf"
MOST_FILES = 1000
COMMENT = r'("(?:\\.|[^"\\])*")|/\*.*?\*/|(?:(?<=\s)|^)#[^\n]*'
INCLUDE = r'^\s*\$IncludeConfig\s+(\S+)|\binclude\s*\([^)]*?\bfile\s*=\s*"([^"]+)"'
MODE = r'^\s*\$FileCreateMode\s+(\d+)|\bfileCreateMode\s*=\s*"(\d+)"'
LISTENERS = (
    r"^\s*\$(?:InputTCPServerRun|UDPServerRun|InputRELPServerRun|InputPTCPServerRun)\b.*",
    r"^\s*\$ModLoad\s+im(?:tcp|ptcp|udp|relp|gssapi)\b.*",
    r'\b(?:module|input)\s*\([^)]*"im(?:tcp|ptcp|udp|relp|dtls|gssapi|http)"[^)]*\)',
)
FLAGS = re.IGNORECASE | re.MULTILINE


class Rsyslog(Reader):
    """Args: request: the unit whose start matters."""

    def __init__(self, request: list[str] | None = None) -> None:
        super().__init__(request)
        self.daemons = Daemons(list(request or ()))

    def read(self) -> Section:
        left_out: dict[str, str] = {}
        files: dict[str, str] = {}
        directories: list[str] = []
        statements = expanded(MAIN, files, directories, left_out)
        modes: list[dict[str, str]] = []
        listeners: list[str] = []
        for path, code in statements:
            modes += [{"value": (m[1] or m[2]).zfill(4), "source": path} for m in re.finditer(MODE, code, FLAGS)]
            for pattern in LISTENERS:
                listeners += [f"{path}: {' '.join(m[0].split())}" for m in re.finditer(pattern, code, FLAGS)]
        started = self.daemons.started()
        if other := self.daemons.elsewhere("rsyslogd", "-f", MAIN):
            left_out[MAIN] = f"rsyslogd is started with {other} in its place, which is not read here"
        return Section(
            {
                "FileCreateMode": modes,
                "listen": listeners,
                "includes": directories,
                "started": next(iter(started.values()), None),
                "changed": changed([*files, *directories]),
            },
            left_out,
        )


def expanded(
    path: str, files: dict[str, str], directories: list[str], left_out: dict[str, str]
) -> list[tuple[str, str]]:
    """The pieces of PATH and of what it includes, each with the file it stands in, in order.

    Args:
        files, directories: get what was read.
    """
    content = text(path, left_out)
    if content is None or path in files:
        return []
    if len(files) >= MOST_FILES:
        left_out[path] = f"more than {MOST_FILES} files are included"
        return []
    files[path] = content
    # A quoted text may hold what looks like a comment.
    code = re.sub(COMMENT, lambda match: match[1] or "", content, flags=re.DOTALL | re.MULTILINE)
    pieces: list[tuple[str, str]] = []
    end = 0
    for include in re.finditer(INCLUDE, code, FLAGS):
        pieces.append((path, code[end : include.start()]))
        end = include.end()
        pattern = include[1] or include[2]
        pattern += "*" if pattern.endswith("/") else ""
        directory = pattern.rpartition("/")[0]
        if directory not in directories:
            directories.append(directory)
        for included in sorted(glob.glob(pattern)):
            pieces += expanded(included, files, directories, left_out)
    return [*pieces, (path, code[end:])]

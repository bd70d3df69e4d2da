# SPDX-License-Identifier: GPL-3.0-or-later
"""Hard limits (limits.conf(5)).

Items: ``entries``, a list of ``{domain, item, value, source}`` in the order in which pam_limits reads them (``hard`` and ``-``
lines); ``exempt``, a list of ``{domain, source}``: users for whom pam_limits sets nothing.
"""

from __future__ import annotations

from .configuration import drop_ins, texts
from .section import Reader, Section

MAIN, DIRECTORY = "/etc/security/limits.conf", "/etc/security/limits.d"


class Limits(Reader):
    def read(self) -> Section:
        left_out: dict[str, str] = {}
        entries: list[dict[str, str]] = []
        exempt: list[dict[str, str]] = []
        for path, content in texts([MAIN, *drop_ins(DIRECTORY)], left_out).items():
            for line in content.splitlines():
                # As pam_limits does: the first four words, and only the domain keeps its case.
                domain, *others = line.split("#", 1)[0].split()[:4] or [""]
                words = [domain, *(word.lower() for word in others)]
                if len(words) == 4 and words[1] in ("hard", "-"):
                    entries.append({"domain": domain, "item": words[2], "value": words[3], "source": path})
                elif len(words) == 2 and words[1] == "-":
                    exempt.append({"domain": words[0], "source": path})
        return Section({"entries": entries, "exempt": exempt}, left_out)

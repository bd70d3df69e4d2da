# SPDX-License-Identifier: GPL-3.0-or-later
"""File attributes."""

from __future__ import annotations

import fnmatch
import glob
import os
import stat

from .paths import attributes
from .section import Reader, Section

MOST = 2000


def expand(pattern: str, excluded: list[str]) -> list[str]:
    """Paths that match a shell pattern; ``/**`` means every regular file below."""
    if pattern.endswith("/**"):
        found = [os.path.join(top, name) for top, _dirs, names in os.walk(pattern[:-3]) for name in names]
        found = [path for path in found if stat.S_ISREG(os.lstat(path).st_mode)]
    else:
        found = glob.glob(pattern)
    # What a link names is judged where it lies, if a rule speaks of it.
    return sorted(
        path for path in found if not os.path.islink(path) and not any(fnmatch.fnmatch(path, skip) for skip in excluded)
    )[:MOST]


class Files(Reader):
    """Attributes of every path a pattern matches. `wanted` maps a pattern to the patterns it leaves out."""

    def read(self) -> Section:
        matched = {}
        for pattern, excluded in self.wanted.items():
            paths = expand(pattern, excluded) if set(pattern) & set("*?[") else [os.path.realpath(pattern)]
            pairs = ((path, attributes(path)) for path in paths)
            matched[pattern] = {path: facts for path, facts in pairs if facts is not None}
        return Section(matched)

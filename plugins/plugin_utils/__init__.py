# SPDX-License-Identifier: GPL-3.0-or-later
"""Let Python keep the bytecode of this collection's libraries on the controller.

Ansible's own loader compiles what a collection's plugins import anew in every run; Python's keeps it in ``__pycache__`` beside
the source, checked by its time and size (PEP 3147).
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import types
import typing as t

LIBRARIES = tuple(f"{__package__.rpartition('.')[0]}.{room}." for room in ("plugin_utils", "module_utils"))
SOURCES = (importlib.machinery.SourceFileLoader, importlib.machinery.SOURCE_SUFFIXES)


class Libraries(importlib.abc.MetaPathFinder):
    """Finds what has a file of its own; all else (packages without one, redirections) is Ansible's."""

    def find_spec(
        self, fullname: str, path: t.Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not path or not fullname.startswith(LIBRARIES):
            return None
        spec = importlib.machinery.FileFinder(path[0], SOURCES).find_spec(fullname, target)
        return spec if spec and spec.loader else None


sys.meta_path.insert(0, Libraries())

# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports whose byte code is kept, as Python keeps that of all else it imports (PEP 3147).

Ansible's loader compiles every file of a collection anew in each run: three quarters of the time that importing the kinds takes.
"""

from __future__ import annotations

import contextlib
import sys
import typing as t
from importlib.abc import MetaPathFinder
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader

LIBRARIES = tuple(f"{__name__.rsplit('.', 2)[0]}.{room}." for room in ("module_utils", "plugin_utils"))


class _Libraries(MetaPathFinder):
    """Finds what lies beside this file, for Python's own loader; all else is left to the finders that follow."""

    def find_spec(self, fullname: str, path: t.Sequence[str] | None, target: t.Any = None) -> ModuleSpec | None:
        for directory in path or () if fullname.startswith(LIBRARIES) else ():
            spec = FileFinder(directory, (SourceFileLoader, SOURCE_SUFFIXES)).find_spec(fullname, target)
            if spec is not None and spec.loader is not None:
                return spec
        return None


@contextlib.contextmanager
def kept_bytecode() -> t.Iterator[None]:
    """Within it, libraries of this collection are imported from their byte code; Python's settings say where, and whether, that is kept."""
    finder = _Libraries()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)

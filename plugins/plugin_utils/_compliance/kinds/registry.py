# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind by its name: each module of this package lists its kinds in `KINDS`."""

from __future__ import annotations

import importlib
import pkgutil

from .base import Kind

# What kinds are made of, and this module: they list no kind.
SHARED = frozenset({"base", "matchers", "registry"})
_PACKAGE = importlib.import_module(__package__)

KINDS: dict[str, Kind] = {
    kind.name: kind
    for module in sorted(module.name for module in pkgutil.iter_modules(_PACKAGE.__path__) if module.name not in SHARED)
    for kind in importlib.import_module(f"{__package__}.{module}").KINDS
}

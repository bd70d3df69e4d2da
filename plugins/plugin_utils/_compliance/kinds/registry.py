# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind by its name: each module of this package lists its kinds in `KINDS`, and in `SHAPES` sections of its own."""

from __future__ import annotations

import importlib
import pkgutil

from ..shape import Shape
from .base import Kind

# What kinds are made of, and this module: they list no kind.
SHARED = frozenset({"base", "matchers", "registry"})
_PACKAGE = importlib.import_module(__package__)

_MODULES = [
    importlib.import_module(f"{__package__}.{module.name}")
    for module in pkgutil.iter_modules(_PACKAGE.__path__)
    if module.name not in SHARED
]
KINDS: dict[str, Kind] = {kind.name: kind for module in _MODULES for kind in module.KINDS}
SHAPES: dict[str, Shape] = {
    section: shape for module in _MODULES for section, shape in getattr(module, "SHAPES", {}).items()
}
"""The shape of sections that one kind alone reads."""

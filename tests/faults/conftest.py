"""Faults are provoked in process here, against the installed collection (make install), without a host."""

from __future__ import annotations

from tests.unit.conftest import INSTALLED

__all__ = ["INSTALLED"]

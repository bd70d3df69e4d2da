"""Faults are provoked in the installed collection (make install): in process, or on disposable hosts."""

from __future__ import annotations

from tests.integration.conftest import container, uml
from tests.unit.conftest import INSTALLED

__all__ = ["INSTALLED", "container", "uml"]

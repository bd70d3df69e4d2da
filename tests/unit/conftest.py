"""Unit tests run against the collection where it is installed (make install), without a host."""

from __future__ import annotations

import copy
import json
import os
import sys
import typing as t
from pathlib import Path

import pytest
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = Path(os.environ.get("UNIFIED_COLLECTIONS", ROOT / "build" / "collections"))
if not (INSTALLED / "ansible_collections" / "unified" / "deploy").is_dir():
    pytest.exit("the collection is not installed: run 'make install' first", returncode=2)
_AnsibleCollectionFinder(paths=[str(INSTALLED)])._install()
sys.path.insert(0, str(ROOT))

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="session")
def catalogue() -> t.Any:
    from ansible_collections.unified.deploy.plugins.plugin_utils._catalogue import Catalogue

    return Catalogue()


def _evidence(name: str) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", json.loads((FIXTURES / f"{name}.json").read_text()))


_STORED = {name: _evidence(name) for name in ("debian13_fresh", "debian13_hardened")}


@pytest.fixture
def fresh() -> dict[str, t.Any]:
    """Evidence collected from a container host as built (tests/hosts)."""
    return copy.deepcopy(_STORED["debian13_fresh"])


@pytest.fixture
def hardened() -> dict[str, t.Any]:
    """Evidence of the same host after hardening."""
    return copy.deepcopy(_STORED["debian13_hardened"])

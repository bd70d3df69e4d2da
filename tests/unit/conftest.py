"""Unit tests run against the collection where it is installed (make install), without a host."""

from __future__ import annotations

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
    from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.catalogue import Catalogue

    return Catalogue()


def _evidence(name: str, catalogue: t.Any) -> t.Any:
    from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.evidence import Evidence

    document = json.loads((FIXTURES / f"{name}.json").read_text())
    return Evidence(document, catalogue.platform_of(document["sections"]["host"]["items"]))


@pytest.fixture
def fresh(catalogue: t.Any) -> t.Any:
    """Evidence collected from a container host as built (tests/hosts); `make fixtures` records it anew."""
    return _evidence("debian13_fresh", catalogue)


@pytest.fixture
def hardened(catalogue: t.Any) -> t.Any:
    """Evidence of the same host after hardening."""
    return _evidence("debian13_hardened", catalogue)

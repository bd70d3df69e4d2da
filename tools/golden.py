"""Rewrites tests/unit/golden: what each benchmark and level selects, as tests/unit/test_catalogue.py compares it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "unit" / "golden"


def pinned(selection: object) -> str:
    """A selection as text: a line a rule, with its constraints and the controls that ask for it."""
    lines = []
    for identifier, demand in sorted(selection.demands.items()):  # type: ignore[attr-defined]
        values = " ".join(f"{name}={json.dumps(c.raw(), sort_keys=True)}" for name, c in demand.constraints.items())
        controls = " ".join(control.split(":")[1] for control in demand.controls)
        lines.append(" ".join(part for part in (identifier, values, "<-", controls) if part))
    return "\n".join(lines) + "\n"


def main() -> None:
    _AnsibleCollectionFinder(paths=[str(ROOT / "build" / "collections")])._install()
    from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.catalogue import Catalogue
    from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.selection import Overlay, select

    catalogue = Catalogue()
    sys.path.insert(0, str(ROOT))
    from tests.unit.selections import SELECTIONS

    for name, (benchmark, level, host) in SELECTIONS.items():
        (GOLDEN / f"{name}.txt").write_text(pinned(select(catalogue, [(benchmark, level)], Overlay(), host)))
    lacking = sorted(
        f"{b.id}:{c.id}" for b in catalogue.benchmarks.values() for c in b.controls.values() if not c.rules
    )
    (GOLDEN / "without_rules.txt").write_text("\n".join(lacking) + "\n")


if __name__ == "__main__":
    main()

"""Rewrites what is generated: the catalogue's JSON Schemas, and tests/unit/golden, what each benchmark and level selects."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "unit" / "golden"
CATALOGUE = ROOT / "roles" / "compliance" / "files" / "catalogue"


def pinned(selection: object) -> str:
    """A selection as text: a line a rule, with its constraints and the controls that ask for it."""
    lines = []
    for identifier, demand in sorted(selection.demands.items()):  # type: ignore[attr-defined]
        values = " ".join(f"{name}={json.dumps(c.raw(), sort_keys=True)}" for name, c in demand.constraints.items())
        controls = " ".join(control.split(":")[1] for control in demand.controls)
        lines.append(" ".join(part for part in (identifier, values, "<-", controls) if part))
    return "\n".join(lines) + "\n"


def platform_names(directory: Path) -> list[str]:
    """Ids of platforms and families. Read here, not from the catalogue: that cannot load before its schemas fit."""
    words = [line.split() for path in directory.glob("*.yml") for line in path.read_text().splitlines()]
    return sorted(
        {value for name, value, *_ in filter(lambda w: len(w) == 2, words) if name in ("platform:", "family:")}
    )


def schemas() -> dict[str, str]:
    """The text of each schema by the name of its file."""
    from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import schemas as _schemas
    from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.registry import KINDS

    made = _schemas.every(KINDS, platform_names(CATALOGUE / "platforms"))
    return {f"{name}.json": json.dumps(schema, indent=2) + "\n" for name, schema in made.items()}


def main() -> None:
    _AnsibleCollectionFinder(paths=[str(ROOT / "build" / "collections")])._install()
    from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.catalogue import Catalogue
    from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.selection import Overlay, select

    (CATALOGUE / "schema").mkdir(exist_ok=True)
    for name, content in schemas().items():
        (CATALOGUE / "schema" / name).write_text(content)
    catalogue = Catalogue(CATALOGUE)
    sys.path.insert(0, str(ROOT))
    from tests.unit.selections import SELECTIONS

    for name, (wishes, host) in SELECTIONS.items():
        (GOLDEN / f"{name}.txt").write_text(pinned(select(catalogue, wishes, Overlay(), host)))
    lacking = sorted(
        f"{b.id}:{c.id}" for b in catalogue.benchmarks.values() for c in b.controls.values() if not c.rules
    )
    (GOLDEN / "without_rules.txt").write_text("\n".join(lacking) + "\n")


if __name__ == "__main__":
    main()

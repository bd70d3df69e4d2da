"""Rewrites what is generated: the catalogue's JSON Schemas, the table in docs/benchmarks.md, the README's count of what Goss
sees for itself, and tests/unit/golden, what each benchmark and level selects."""

from __future__ import annotations

import json
import re
import sys
import typing as t
from pathlib import Path

from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "unit" / "golden"
README = ROOT / "README.md"
GUIDE = ROOT / "docs" / "benchmarks.md"
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


def coverage(catalogue: t.Any) -> str:
    """Who judges how many controls of each benchmark, as a Markdown table."""
    lines = ["| name | benchmark | controls | by a program | by people | not yet |", "|---|---|---:|---:|---:|---:|"]
    for name, benchmark in sorted(catalogue.benchmarks.items()):
        controls = benchmark.controls.values()
        judged = sum(any(not rule.startswith("manual/") for rule in control.rules) for control in controls)
        unjudged = sum(not control.rules for control in controls)
        counts = (len(controls), judged, len(controls) - judged - unjudged, unjudged)
        cells = (f"`{name}`", f"{benchmark.title} {benchmark.version}", *counts)
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return "\n".join(lines) + "\n"


def guide(catalogue: t.Any) -> str:
    """The text of docs/benchmarks.md with the table as it is now."""
    before, _mark, rest = GUIDE.read_text().partition("<!-- coverage -->\n")
    return (
        f"{before}<!-- coverage -->\n{coverage(catalogue)}<!-- /coverage -->{rest.partition('<!-- /coverage -->')[2]}"
    )


def judges(catalogue: t.Any) -> tuple[int, int]:
    """Rules that CIS level 2 judges on the recorded hardened host, and those of them of which Goss sees for itself what decides."""
    from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import goss, plan, selection
    from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.evidence import Evidence

    document = json.loads((ROOT / "tests/unit/fixtures/debian13_hardened.json").read_text())
    evidence = Evidence(document, catalogue.platform_of(document["sections"]["host"]["items"]))
    selected = selection.select(catalogue, [("cis", "l2_server")], selection.Overlay(), evidence["host"])
    checks = goss.checks_of(plan.judge(selected, evidence), evidence)
    return len(checks), len(goss.independent(checks))


def readme(catalogue: t.Any) -> str:
    """The text of the README with the two numbers as they are now."""
    both, seen = judges(catalogue)
    told = r"Of the \d+ rules that(\s+CIS level 2 has for a hardened Debian 13, Goss sees for itself what decides) \d+;"
    return re.sub(told, rf"Of the {both} rules that\1 {seen};", README.read_text())


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
    GUIDE.write_text(guide(catalogue))
    README.write_text(readme(catalogue))
    lacking = sorted(
        f"{b.id}:{c.id}" for b in catalogue.benchmarks.values() for c in b.controls.values() if not c.rules
    )
    (GOLDEN / "without_rules.txt").write_text("\n".join(lacking) + "\n")


if __name__ == "__main__":
    main()

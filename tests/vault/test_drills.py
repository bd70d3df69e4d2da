"""What the guide says of the drills on a real cluster is what they counted."""

from __future__ import annotations

import json

from .drills import GUIDE, RESULTS, guide


def test_guide_has_the_counts_of_the_last_drills_and_nothing_was_lost() -> None:
    results = json.loads(RESULTS.read_text())
    text = GUIDE.read_text()
    assert guide(text, results) == text
    assert {name: row["lost"] for name, row in results.items()} == dict.fromkeys(results, 0)

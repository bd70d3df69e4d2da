"""Figures in the README are those of the catalogue."""

from __future__ import annotations

import typing as t

from tools import golden


def test_readme_tells_what_goss_sees_for_itself(catalogue: t.Any) -> None:
    """`make golden` rewrites it."""
    text = golden.README.read_text()
    both, seen = golden.judges(catalogue)
    assert f"Of the {both} rules that" in text and f"Goss sees for itself what decides {seen};" in text
    assert golden.readme(catalogue) == text

from __future__ import annotations

import pytest
from ansible_collections.unified.deploy.plugins.plugin_utils._printable import printable, printable_all


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ~", "plain ~"),
        ("naïve 日本 \U0001f600", "naïve 日本 \U0001f600"),
        ("\x1b[2J\x07\x00\x7f\x9b", r"\x1b[2J\x07\x00\x7f\x9b"),
        ("a\nb\tc\rd", r"a\nb\tc\rd"),
        ("gnp.\u202eexe\u2066\u200b", r"gnp.\u202eexe\u2066\u200b"),
        ("\udcff\ufffe\u2028", r"\udcff\ufffe\u2028"),
    ],
)
def test_what_does_not_show_is_written_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown


def test_keys_and_nested_values_are_made_printable() -> None:
    assert printable_all({"a\x1b": ["\n", {"b": "\t"}, 1, None, True]}) == {
        r"a\x1b": [r"\n", {"b": r"\t"}, 1, None, True]
    }

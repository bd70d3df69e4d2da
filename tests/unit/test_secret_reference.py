from __future__ import annotations

import random

import pytest
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.errors import MalformedReferenceError
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.reference import Reference, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("env://HOME", Reference("env", "HOME")),
        ("vault://kv/app#password", Reference("vault", "kv/app", "password")),
        ("prod+db://creds/app#password", Reference("prod", "creds/app", "password", engine="db")),
        ("prod+ssh-ca://sign/x?ttl=5m", Reference("prod", "sign/x", options={"ttl": "5m"}, engine="ssh-ca")),
        ("vault://kv/app#password?version=3", Reference("vault", "kv/app", "password", {"version": "3"})),
        ("file:///etc/a%23b", Reference("file", "/etc/a#b")),
        ("team_2://a?x=1&y=2", Reference("team_2", "a", "", {"x": "1", "y": "2"})),
        ("literal://a b/ü", Reference("literal", "a b/ü")),
    ],
)
def test_reference_is_parsed_into_its_parts(text: str, expected: Reference) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "position", "what"),
    [
        ("", 1, "'://' is missing"),
        ("prod+://x", 6, "an engine's name"),
        ("prod+a.b://x", 6, "an engine's name"),
        ("prod+a+b://x", 6, "an engine's name"),
        ("env:HOME", 9, "'://' is missing"),
        ("Env://HOME", 1, "small letters"),
        ("en-v://HOME", 3, "small letters"),
        ("://x", 1, "small letters"),
        ("env://", 7, "the path is empty"),
        ("env://#x", 7, "the path is empty"),
        ("env://a#", 8, "the field after '#' is empty"),
        ("env://a#b#c", 10, "a second '#'"),
        ("env://a?x=1#b", 12, "the field comes first"),
        ("env://a?", 9, "name=value"),
        ("env://a?x", 9, "name=value"),
        ("env://a?x=1&&y=2", 13, "name=value"),
        ("env://a?x=1&x=2", 13, "option 'x' stands twice"),
        ("env://a%2", 8, "two hexadecimal digits"),
        ("env://a\nb", 8, "control character"),
        ("env://a%0Ab", 7, "control character"),
        ("env://%ff", 7, "no UTF-8"),
        ("env://a\x7f", 8, "control character"),
        ("env://a#%1Bb", 9, "control character"),
        ("env://a?x=%00", 9, "control character"),
        (f"env://{'a' * 10240}", 8193, "longer than 8,192 characters"),
    ],
)
def test_malformed_reference_names_the_position(text: str, position: int, what: str) -> None:
    with pytest.raises(MalformedReferenceError) as caught:
        parse(text)
    assert f"position {position}: " in str(caught.value)
    assert what in str(caught.value)


def test_malformed_reference_does_not_show_what_may_be_a_secret() -> None:
    for text in ("hunter2-hunter2", "file://hunter2-hunter2\n", "vault://a?hunter2-hunter2"):
        with pytest.raises(MalformedReferenceError) as caught:
            parse(text)
        assert "hunter2" not in str(caught.value)


def test_any_reference_survives_being_written_and_read() -> None:
    chance = random.Random(4)
    letters = [chr(code) for code in (*range(32, 127), 0xE9, 0x4E2D, 0x1F511)]

    def word(least: int) -> str:
        return "".join(chance.choice(letters) for _ in range(chance.randrange(least, 12)))

    for _round in range(3000):
        options = {chance.choice("abcxyz"): word(1) for _ in range(chance.randrange(3))}
        reference = Reference(chance.choice(["env", "a_1"]), word(1), word(0), options)
        assert parse(str(reference)) == reference


def test_any_text_is_parsed_or_refused_and_never_crashes() -> None:
    chance = random.Random(5)
    pieces = [
        "env",
        "://",
        "/",
        "#",
        "?",
        "=",
        "&",
        "%",
        "%41",
        "%zz",
        "a",
        "B",
        "\n",
        "\x00",
        "é",
        " ",
        "version",
        "1",
    ]
    parsed = 0
    for _round in range(20000):
        text = "".join(chance.choice(pieces) for _ in range(chance.randrange(9)))
        try:
            reference = parse(text)
        except MalformedReferenceError:
            continue
        parsed += 1
        assert parse(str(reference)) == reference
    assert parsed > 50

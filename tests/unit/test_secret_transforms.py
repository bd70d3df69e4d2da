"""Filters and tests for secrets; dotenv texts go through bash and systemd's own parser."""

from __future__ import annotations

import base64
import json
import random
import subprocess
import typing as t
from pathlib import Path
from urllib.parse import quote

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._redact import MASK, redact
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets import transform
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.errors import UnsupportedError

from tests.secrets.hostile import HOSTILE


def random_values() -> dict[str, str]:
    generator = random.Random(7)
    alphabet = "ab \"'\\$`#!\n\t%&|;<>(){}[]*?~=:€"
    return {f"R{number}": "".join(generator.choices(alphabet, k=12)) for number in range(200)}


@pytest.mark.parametrize("values", [HOSTILE, random_values()], ids=["hostile", "random"])
def test_dotenv_comes_back_through_bash(tmp_path: Path, values: dict[str, str]) -> None:
    path = tmp_path / "env"
    path.write_text(transform.to_dotenv(values))
    script = 'set -a; . "$1"; set +a; exec env -0'
    done = subprocess.run(
        ["bash", "-c", script, "bash", path], env={"PATH": "/usr/bin:/bin"}, capture_output=True, check=True
    )
    read = dict(line.split("=", 1) for line in done.stdout.decode().split("\0") if "=" in line)
    assert {name: read[name] for name in values} == values
    assert transform.from_dotenv(path.read_text()) == values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A=1\n", {"A": "1"}),
        ("export A='x # y' # why\n\n# comment\nB = two words \n", {"A": "x # y", "B": "two words"}),
        ('A="one\ntwo"\nB=\n', {"A": "one\ntwo", "B": ""}),
    ],
)
def test_simple_dotenv_files_are_read(text: str, values: dict[str, str]) -> None:
    assert transform.from_dotenv(text) == values


def test_dotenv_refuses_what_no_environment_holds() -> None:
    with pytest.raises(UnsupportedError, match="'A-B' is no name"):
        transform.to_dotenv({"A-B": "canary"})
    with pytest.raises(UnsupportedError, match="NUL byte") as caught:
        transform.to_dotenv({"A": "can\0ary"})
    assert "ary" not in str(caught.value)
    with pytest.raises(UnsupportedError, match="line 2 is no NAME=value"):
        transform.from_dotenv("A=1\ncanary\n")


@pytest.mark.parametrize(
    ("path", "value"),
    [("a.b", 1), ("list[1].c", "x"), ("list[0]", 5), ("deep", {"k": [True]}), ("deep.k[0]", True)],
)
def test_extract(path: str, value: t.Any) -> None:
    document = {"a": {"b": 1}, "list": [5, {"c": "x"}], "deep": {"k": [True]}}
    for text in (document, json.dumps(document)):
        assert transform.extract(text, path) == value
    with pytest.raises(UnsupportedError, match="there is no 'zz'"):
        transform.extract(document, "a.zz")
    with pytest.raises(UnsupportedError, match=r"there is no '\[9\]'"):
        transform.extract(document, "list[9]")


def test_base64url_and_multiline_and_mask() -> None:
    for text in ("", "a", "canary?>€", "x" * 31):
        encoded = transform.b64url_encode(text)
        assert not set(encoded) & set("+/=")
        assert transform.b64url_decode(encoded) == text
        assert transform.b64url_decode(base64.urlsafe_b64encode(text.encode()).decode()) == text
    with pytest.raises(UnsupportedError, match="no base64url"):
        transform.b64url_decode("can ary!")
    assert transform.multiline("a\\nb\\r\\nc") == "a\nb\nc"
    assert transform.mask("canary") == MASK
    assert transform.mask("x" * 40 + "1234", 4) == f"{MASK}1234"
    assert transform.mask("12345678", 4) == f"{MASK}78"


def test_systemd_quote_is_one_word() -> None:
    assert transform.systemd_quote('a "b" %n $x\n') == '"a \\"b\\" %%n $$x\\n"'


def test_secrets_are_redacted_in_every_form() -> None:
    secret = 'p"äss w/ö+rd?&'
    encoded = base64.b64encode(secret.encode()).decode()
    texts = [
        secret,
        encoded,
        base64.urlsafe_b64encode(secret.encode()).decode(),
        quote(secret, safe=""),
        json.dumps(secret),
    ]
    texts += [base64.b64encode(f"{'x' * shift}{secret}yz".encode()).decode() for shift in range(6)]
    for text in texts:
        shown = redact(f"before {text} after", [secret])
        assert MASK in shown, text
        assert secret not in shown
        assert shown.startswith("before ")
    assert redact("nothing here", [secret]) == "nothing here"
    assert "not shown" in redact("a1b", ["1"])
    assert redact("key: line-two-of-it", ["-----BEGIN-----\nline-two-of-it\n"]) == f"key: {MASK}"

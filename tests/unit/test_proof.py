"""Evidence that is kept with a run, and what a revert finds to differ from it."""

from __future__ import annotations

import base64
import copy
import json
import stat
import typing as t
import zlib
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._change import proof
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import RunError

FIXTURE = Path(__file__).parent / "fixtures/debian13_fresh.json"


@pytest.fixture(scope="module")
def recorded() -> dict[str, t.Any]:
    return {**json.loads(FIXTURE.read_text()), "request": {"sshd": None}}


def test_first_document_of_a_moment_is_kept_for_root_only_and_comes_back_whole(
    tmp_path: Path, recorded: dict[str, t.Any]
) -> None:
    packed = base64.b64encode(zlib.compress(json.dumps(recorded).encode())).decode()
    proof.keep(str(tmp_path), proof.BEFORE, proof.unpacked(packed))
    proof.keep(str(tmp_path), proof.BEFORE, {"another": "one"})
    assert proof.read(str(tmp_path), proof.BEFORE) == recorded
    (file,) = proof.kept(str(tmp_path)).values()
    assert stat.S_IMODE(Path(file).stat().st_mode) == 0o600
    assert Path(file).stat().st_size < len(FIXTURE.read_bytes()) / 4


def test_missing_document_is_none_and_a_damaged_one_an_error(tmp_path: Path) -> None:
    assert proof.read(str(tmp_path), proof.BEFORE) is None
    proof.keep(str(tmp_path), proof.BEFORE, {"schema": 2})
    file = Path(proof.path(str(tmp_path), proof.BEFORE))
    file.write_bytes(file.read_bytes()[:-12])
    with pytest.raises(RunError, match="is damaged"):
        proof.read(str(tmp_path), proof.BEFORE)


def test_what_lasts_a_moment_is_no_difference(recorded: dict[str, t.Any]) -> None:
    now = copy.deepcopy(recorded)
    now["collected"], now["seconds"] = "2030-01-01T00:00:00Z", {}
    sshd = now["sections"]["sshd"]["items"]
    sshd["newest"]["modified"] += 9
    sshd["daemons"][0]["pid"] += 9
    assert proof.differences(recorded, now) == []


@pytest.mark.parametrize(
    ("section", "change", "said"),
    [
        (
            "sshd",
            lambda items: items["effective"].update(maxauthtries="4"),
            'sshd effective maxauthtries: "6" became "4"',
        ),
        ("package", lambda items: items.update(tree="2.1"), 'package tree: nothing became "2.1"'),
        ("package", lambda items: items.pop("bash"), "became nothing"),
        ("text", lambda items: items.update({"/etc/motd": "x" * 500}), "x..."),
    ],
)
def test_what_differs_is_named_with_both_values(
    recorded: dict[str, t.Any], section: str, change: t.Callable[[dict[str, t.Any]], t.Any], said: str
) -> None:
    now = copy.deepcopy(recorded)
    change(now["sections"][section]["items"])
    (row,) = proof.differences(recorded, now)
    assert said in row


def test_section_that_is_gone_or_was_not_whole_differs_and_many_rows_are_cut(recorded: dict[str, t.Any]) -> None:
    now = copy.deepcopy(recorded)
    del now["sections"]["sudo"]
    now["sections"]["home"]["left_out"] = {"/home/olga": "hangs"}
    now["sections"]["sysctl"]["items"] = {}
    rows = proof.differences(recorded, now)
    assert 'home left_out /home/olga: nothing became "hangs"' in rows
    now["sections"]["package"]["items"] = {}
    assert proof.differences(recorded, now)[-1].startswith("and ")
    assert len(proof.differences(recorded, now)) == proof.MOST_DIFFERENCES + 1

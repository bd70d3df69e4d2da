"""A host is not trusted: what its modules answer is checked before anything reads it."""

from __future__ import annotations

import base64
import copy
import random
import time
import tracemalloc
import typing as t
import zlib

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._collect.readers import READERS
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import goss as _goss
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import plan as _plan
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import results as _results
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import selection as _selection
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.answers import SECTIONS, check_answer, unpacked
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.evidence import Evidence, conform, unpack
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.base import Connection
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.registry import SHAPES
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.reports import FORMATS, render
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.shape import (
    COUNT,
    NUMBER,
    TEXT,
    each,
    mismatch,
    record,
)
from ansible_collections.unified.deploy.plugins.plugin_utils._errors import EvidenceError


def pack(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content)).decode()


def test_every_section_has_a_shape_and_recorded_evidence_has_it(fresh: t.Any, hardened: t.Any) -> None:
    assert sorted([*SECTIONS, *SHAPES]) == sorted(READERS)
    for evidence in (fresh, hardened):
        assert conform(copy.deepcopy(evidence.document)) == evidence.document


@pytest.mark.parametrize(
    ("shape", "value", "problem"),
    [
        (TEXT, 1, "it must be text, not a number ('1')"),
        (COUNT, True, "it must be a whole number, not true or false ('True')"),
        (NUMBER, float("nan"), "it must be a number, not a number ('nan')"),
        (NUMBER, 0, ""),
        (each(record(a=TEXT)), [{"a": "x"}, {"a": None}], "[1].a must be text, not nothing"),
        (each(record(a=TEXT)), [{"a": "x", "b": 1}, {}], ""),
    ],
)
def test_mismatch_names_the_place(shape: t.Any, value: t.Any, problem: str) -> None:
    assert mismatch(value, shape) == problem


def test_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = pack(b'{"x": "' + b"A" * 100_000_000 + b'"}')
    tracemalloc.start()
    with pytest.raises(EvidenceError, match="larger than 64 MB"):
        unpacked(bomb)
    assert tracemalloc.get_traced_memory()[1] < 200_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 2_000_000,
        b"[" + b"[]," * 3_000_000 + b"[]]",
        b'{"a":' * 50_000,
        b"1" * 10_000,
        b"\xff\xfe",
        b"",
        b"null",
        b'"x"',
        b"NaN",
    ],
)
def test_answer_that_is_deep_or_wide_or_nothing_is_refused(content: bytes) -> None:
    started = time.monotonic()
    with pytest.raises(EvidenceError):
        unpack(pack(content))
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("packed", [None, 5, {}, [], "not base64!", "AAAA"])
def test_answer_that_is_no_packed_text_is_refused(packed: t.Any) -> None:
    with pytest.raises(EvidenceError):
        unpack(packed)


def test_odd_section_costs_that_section_only(catalogue: t.Any, hardened: t.Any) -> None:
    hardened.document["sections"]["file"]["items"]["/etc/cron.allow"] = -1
    evidence = Evidence(conform(hardened.document), hardened.platform)
    selection = _selection.select(catalogue, [("cis", "l1_server")], _selection.Overlay(), evidence["host"])
    verdicts = _plan.plan(selection, evidence, Connection()).verdicts
    files = {verdict.verdict for verdict in verdicts.values() if verdict.demand.rule.kind == "file"}
    assert files == {"error"}
    assert "not what the collector writes: file./etc/cron.allow must be" in verdicts["file//etc/passwd"].actual
    assert verdicts["sshd/PermitRootLogin"].verdict == "pass"


@pytest.mark.parametrize(
    "answer",
    [
        {"seconds": "0.1"},
        {"seconds": float("inf")},
        {"seconds": -1},
        {"count": True},
        {"count": -5},
        {"passed": {}},
        {"passed": [1]},
        {"failing": []},
        {"failing": {"a/b": "x"}},
        {"failing": {"a/b": [{}]}},
    ],
)
def test_what_goss_answers_is_checked(answer: dict[str, t.Any]) -> None:
    sound = {"passed": [], "failing": {}, "count": 3, "seconds": 0.1}
    assert check_answer(dict(sound)) == sound
    with pytest.raises(EvidenceError, match="what Goss answered"):
        check_answer({**sound, **answer})
    for key in sound:
        with pytest.raises(EvidenceError, match=f"'{key}' is missing"):
            check_answer({name: value for name, value in sound.items() if name != key})


JUNK: tuple[t.Any, ...] = (None, -1, 0, True, "", "\x1b", "\udcff", [], {}, [[]], {"": {}}, 1e308, "x" * 5000)


def places(value: t.Any, path: tuple[t.Any, ...] = ()) -> t.Iterator[tuple[t.Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def test_no_change_of_evidence_ends_in_a_traceback(catalogue: t.Any, hardened: t.Any) -> None:
    """One value anywhere becomes junk: the evidence is refused, or every step up to the reports ends well."""
    chosen = random.Random(9)
    every = [path for path in places(hardened.document) if path]
    # Values high up in the tree decide most, and are few.
    high, deep = ([path for path in every if (len(path) < 4) is near_top] for near_top in (True, False))
    tried = chosen.sample(high, 25) + chosen.sample(deep, 25)
    selection = _selection.select(catalogue, [("cis", "l1_server")], _selection.Overlay(), hardened["host"])
    judged = 0
    for path in tried:
        document = copy.deepcopy(hardened.document)
        target = document
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = chosen.choice(JUNK)
        try:
            evidence = Evidence(conform(document), hardened.platform)
        except EvidenceError:
            continue
        judged += 1
        plan = _plan.plan(selection, evidence, Connection("ansible"))
        _goss.generate(plan.verdicts, evidence)
        model = _results.summarise(_results.host_model("web1", catalogue, selection, plan, evidence))
        for text in render([model], sorted(FORMATS)).texts.values():
            text.encode()
    assert judged > 15

from __future__ import annotations

import itertools
import typing as t

import pytest
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.constraint import Constraint, EmptyMeetError

parse = Constraint.parse


@pytest.mark.parametrize(
    ("raw", "good", "bad"),
    [
        (0, ["0", 0, "00"], ["1", None, "", "x"]),
        ("no", ["no", "No"], ["yes", None]),
        ("none", ["none"], ["nonex"]),
        ({"ge": 14}, ["14", 20], ["13", "x", None, "", "inf", "nan", "1_4", "9" * 5000]),
        ({"le": 4}, ["4", "-1"], ["5", None]),
        ({"ge": 1, "le": 300}, ["1", "300"], ["0", "301"]),
        ({"le": "10:30:60"}, ["10:30:60", "5:30:60"], ["10:30:100", "11:30:60", "10", None]),
        ({"in": [1, 2]}, ["1", "2"], ["3", None]),
        ({"at_most": "0640"}, ["0640", "0600", "0000"], ["0644", "0740", "1640", "0660"]),
        ({"subset_of": ["a", "b"]}, ["a", "b,a"], ["a,c", ""]),
        ({"none_of": ["x"]}, ["a,b", ["a"]], ["a,x", None, ""]),
        ({"some_of": ["x", "y"]}, ["a,x", "y", "a y"], ["a", "xy", None]),
        ({"absent": True}, [None], ["", "x"]),
    ],
)
def test_holds_for_each_operator(raw: object, good: list[object], bad: list[object]) -> None:
    assert [value for value in good if not parse(raw).holds(value)] == []
    assert [value for value in bad if parse(raw).holds(value)] == []


def test_target_satisfies_its_own_constraint() -> None:
    for raw in (
        0,
        "no",
        {"ge": 14},
        {"le": 4},
        {"ge": 1, "le": 300, "set": 60},
        {"in": [1, 2], "set": 2},
        {"at_most": "0640"},
        {"none_of": ["x"]},
        {"some_of": ["x"]},
    ):
        constraint = parse(raw)
        actual = (
            "x,a"
            if isinstance(raw, dict) and "none_of" in raw
            else "0777"
            if isinstance(raw, dict) and "at_most" in raw
            else None
        )
        assert constraint.holds(constraint.target(actual)), raw


def test_target_of_a_mode_keeps_what_is_stricter() -> None:
    assert parse({"at_most": "0640"}).target("0604") == "0600"


@pytest.mark.parametrize(
    ("one", "other", "holds", "refuses"),
    [
        ({"ge": 14}, {"ge": 15}, "15", "14"),
        ({"le": 4}, {"le": 3}, "3", "4"),
        ({"in": [1, 2, 3]}, {"in": [2, 3, 4]}, "3", "4"),
        ({"at_most": "0640"}, {"at_most": "0604"}, "0600", "0640"),
        ({"none_of": ["a"]}, {"none_of": ["b"]}, "c", "b"),
        ({"none_of": ["a"]}, {"some_of": ["c"]}, "c,d", "d"),
        ({"ge": 1}, 5, "5", "6"),
    ],
)
def test_meet_holds_where_both_hold(one: object, other: object, holds: str, refuses: str) -> None:
    for met in (parse(one).meet(parse(other)), parse(other).meet(parse(one))):
        assert met.holds(holds)
        assert not met.holds(refuses)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (0, 1),
        ({"ge": 5}, {"le": 4}),
        ({"in": [1]}, {"in": [2]}),
        (3, {"le": 2}),
        ({"absent": True}, 1),
        ({"some_of": ["a"]}, {"none_of": ["a"]}),
        ("yes", "no"),
    ],
)
def test_meet_of_contradictions_is_empty(one: object, other: object) -> None:
    with pytest.raises(EmptyMeetError):
        parse(one).meet(parse(other))
    with pytest.raises(EmptyMeetError):
        parse(other).meet(parse(one))


NUMBERS = (
    [0, 3, {"ge": 2}, {"le": 3}, {"ge": 1, "le": 4}, {"in": [0, 2, 4]}, {"in": [3], "set": 3}, {"absent": True}],
    [None, *map(str, range(6))],
)
PARTS = (
    [
        {"le": "10:30:60"},
        {"le": "5:60:100"},
        {"ge": "5:30:60"},
        {"ge": "1:60:1"},
        {"in": ["5:60:60", "9:9:9"]},
        {"le": 9},
    ],
    [":".join(parts) for parts in itertools.product(("1", "5", "10"), ("30", "60"), ("60", "100"))] + ["9", None],
)
LISTS = (
    [
        {"some_of": ["a"]},
        {"some_of": ["b", "c"]},
        {"some_of": ["c"]},
        {"none_of": ["a"]},
        {"none_of": ["b", "d"]},
        {"subset_of": ["a", "b"]},
        {"subset_of": ["c", "d"]},
        {"subset_of": ["b"]},
        {"subset_of": ["a", "c", "d"], "some_of": ["c", "d"]},
    ],
    [None, "", *(",".join(some) for size in (1, 2, 3, 4) for some in itertools.combinations("abcd", size))],
)
MODES = (
    [{"at_most": "0640"}, {"at_most": "0604"}, {"in": ["0600", "0644"]}, "0600", {"at_most": "0000"}],
    ["0000", "0600", "0604", "0640", "0644", "x", None],
)


@pytest.mark.parametrize("grid", [NUMBERS, PARTS, LISTS, MODES], ids=["numbers", "parts", "lists", "modes"])
def test_meet_agrees_with_holds_over_a_grid(grid: t.Any) -> None:
    """The defining property, over every pair of a handful of constraints and every value of a small domain."""
    raws, values = grid
    for one, other in itertools.product(map(parse, raws), repeat=2):
        both = [one.holds(value) and other.holds(value) for value in values]
        try:
            met = one.meet(other)
        except EmptyMeetError:
            assert not any(both), (one, other)
            continue
        assert [met.holds(value) for value in values] == both, (one, other)
        for value in values:
            # Of a list, only what may not be in it can be known: then there is nothing to set.
            target = met.target(value)
            assert target == [] or met.holds(target), (one, other, value)


def test_parse_refuses_what_contradicts_itself() -> None:
    with pytest.raises(ValueError, match="unknown operator 'gt'"):
        parse({"gt": 1})
    with pytest.raises(ValueError, match="does not satisfy"):
        parse({"le": 4, "set": 5})
    for raw in ({"ge": 20, "le": 10}, {"some_of": ["a"], "none_of": ["a"]}, {"eq": 3, "le": 2}, {"in": [1], "ge": 2}):
        with pytest.raises(ValueError, match="nothing satisfies"):
            parse(raw)
    with pytest.raises(ValueError, match="'ge: few' is no number"):
        parse({"ge": "few"})


@pytest.mark.parametrize(
    ("own", "benchmark", "accepted"),
    [
        ({"le": 3}, {"le": 4}, True),
        ({"le": 10}, {"le": 4}, False),
        ({"le": 4}, {"ge": 1, "le": 4}, False),
        ({"ge": 16}, {"ge": 14}, True),
        (3, {"le": 4}, True),
        (0, {"ge": 1, "le": 4}, False),
        ({"in": [1, 2]}, {"ge": 1}, True),
        ({"in": [0, 2]}, {"ge": 1}, False),
        ({"ge": 1, "le": 45, "set": 45}, {"ge": 1, "le": 45}, True),
        ({"at_most": "0600"}, {"at_most": "0640"}, True),
        ({"at_most": "0644"}, {"at_most": "0640"}, False),
        ({"subset_of": ["a"]}, {"subset_of": ["a", "b"]}, True),
        ({"subset_of": ["a", "c"]}, {"subset_of": ["a", "b"]}, False),
        ({"none_of": ["x", "y"]}, {"none_of": ["x"]}, True),
        ({"none_of": ["y"]}, {"none_of": ["x"]}, False),
        ({"absent": True}, {"le": 4}, False),
        ("yes", "no", False),
        ({"le": 4}, "no", False),
    ],
)
def test_value_of_a_site_is_one_the_benchmark_accepts_or_is_not(own: object, benchmark: object, accepted: bool) -> None:
    assert parse(own).implies(parse(benchmark)) is accepted

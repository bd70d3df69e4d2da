from __future__ import annotations

import copy
import random
import typing as t
from pathlib import Path

import jsonschema
import pytest
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.catalogue import ROOT as CATALOGUE
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.schema import (
    check_file,
    load_documents,
    load_schema,
    violations,
)
from ansible_collections.unified.deploy.plugins.plugin_utils._errors import CatalogueError

NAMES = ("benchmark", "overlay", "platform", "purposes", "rules")
SCHEMAS = {name: load_schema(CATALOGUE / "schema" / f"{name}.json") for name in NAMES}
DOCUMENTS = {
    "rules": [document for path in sorted((CATALOGUE / "rules").glob("*.yml")) for document in load_documents(path)],
    "benchmark": [load_documents(path)[0] for path in sorted((CATALOGUE / "benchmarks").glob("*/*.yml"))],
    "overlay": [load_documents(Path(__file__).parents[2] / "inventories/example/group_vars/overlay.yml")[0]],
    "platform": [load_documents(path)[0] for path in sorted((CATALOGUE / "platforms").glob("*.yml"))],
    "purposes": [load_documents(CATALOGUE / "purposes.yml")[0]],
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_is_a_valid_json_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])


@pytest.mark.parametrize("name", SCHEMAS)
def test_shipped_documents_satisfy_both_validators(name: str) -> None:
    reference = jsonschema.Draft202012Validator(SCHEMAS[name])
    for document in DOCUMENTS[name]:
        assert list(violations(document, SCHEMAS[name])) == []
        assert reference.is_valid(document)


def _places(value: t.Any, path: tuple[t.Any, ...] = ()) -> t.Iterator[tuple[t.Any, ...]]:
    yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _places(item, (*path, key))


def _mutate(document: t.Any, chance: random.Random) -> t.Any:
    document = copy.deepcopy(document)
    *parents, last = chance.choice([path for path in _places(document) if path])
    parent = document
    for key in parents:
        parent = parent[key]
    action = chance.randrange(4)
    if action == 0:
        del parent[last]
    elif action == 1 and isinstance(parent, dict):
        parent[f"{last}x"] = parent.pop(last)
    else:
        parent[last] = chance.choice([None, 3, "x", True, [], {}, ["x"], {"ge": 1}, -1, "0640", {"x": 1}])
    return document


@pytest.mark.parametrize("name", SCHEMAS)
def test_both_validators_agree_on_mutated_documents(name: str) -> None:
    chance = random.Random(20261121)
    # Large and uniform: a few controls or rules of each file show as much as hundreds, much faster.
    documents = [
        {key: dict(list(value.items())[:3]) if key in ("controls", "rules") else value for key, value in d.items()}
        for d in DOCUMENTS[name]
    ]
    reference = jsonschema.Draft202012Validator(SCHEMAS[name])
    refused = 0
    for _round in range(200):
        mutated = _mutate(chance.choice(documents), chance)
        ours, theirs = not list(violations(mutated, SCHEMAS[name])), reference.is_valid(mutated)
        assert ours == theirs, mutated
        refused += not ours
    assert refused > 50


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("values:\n  sshd/Banner: {gt: 1}\n", 2, "unknown key 'gt'"),
        ("purposes: router\n", 1, "must be a list"),
        ('waivers:\n  - rule: sshd/Banner\n    reason: later\n    until: "2030-01-01"\n', 2, "lacks the key 'owner'"),
        ('waivers:\n  - rule: a\n    reason: b\n    owner: " "\n    until: "2030-01-01"\n', 4, "does not match"),
        ("colour: red\n", 1, "unknown key 'colour'"),
        ("values:\n  a: 1\n  a: 2\n", 3, "stands twice"),
        ("values: [\n", 2, "not valid YAML"),
    ],
)
def test_mistake_in_an_overlay_names_its_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    path = tmp_path / "overlay.yml"
    path.write_text(text)
    with pytest.raises(CatalogueError) as caught:
        check_file(path, load_documents(path), SCHEMAS["overlay"])
    assert f"{path}:{line}: " in str(caught.value)
    assert message in str(caught.value)


def test_unsupported_schema_keyword_is_an_error() -> None:
    with pytest.raises(ValueError, match="not supported"):
        list(violations(1, {"maximum": 3}))

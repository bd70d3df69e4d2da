from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import checked
from ansible_collections.unified.deploy.plugins.plugin_utils._errors import CatalogueError

SCHEMA = {"type": "object", "properties": {"level": {"type": "integer"}}}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path, schema = tmp_path / "rules.v1.yml", tmp_path / "schema.json"
    path.write_text("level: 1\n")
    schema.write_text(json.dumps(SCHEMA))
    return path, schema


def kept(path: Path) -> list[Path]:
    return sorted((path.parent / "__pycache__").glob("*"))


def test_file_is_parsed_and_checked_once(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    first = checked.checked_documents(*files)
    monkeypatch.setattr(checked._schema, "load_documents", lambda path: pytest.fail("parsed again"))
    assert checked.checked_documents(*files) == first == [{"level": 1}]


def test_file_or_schema_that_differs_is_read_again(files: tuple[Path, Path]) -> None:
    path, schema = files
    checked.checked_documents(path, schema)
    path.write_text("level: 2\n")
    assert checked.checked_documents(path, schema) == [{"level": 2}]
    assert len(kept(path)) == 1
    schema.write_text(json.dumps({"type": "array"}))
    with pytest.raises(CatalogueError, match=r"rules\.v1\.yml:1"):
        checked.checked_documents(path, schema)
    schema.write_text(json.dumps(SCHEMA))
    path.write_text("level: two\n")
    with pytest.raises(CatalogueError, match="must be a number"):
        checked.checked_documents(path, schema)


def test_damaged_copy_is_no_answer(files: tuple[Path, Path]) -> None:
    checked.checked_documents(*files)
    (copy,) = kept(files[0])
    copy.write_text('[{"level": ')
    assert checked.checked_documents(*files) == [{"level": 1}]


def test_nothing_is_kept_where_python_keeps_nothing(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert checked.checked_documents(*files) == [{"level": 1}]
    assert kept(files[0]) == []


def test_missing_file_is_named(files: tuple[Path, Path]) -> None:
    with pytest.raises(CatalogueError, match="absent"):
        checked.checked_documents(files[0].with_name("absent.yml"), files[1])

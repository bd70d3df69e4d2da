# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue's files, parsed and checked once for each version of them.

Parsing and checking them again is most of what planning costs. As Python keeps bytecode, what came of it is kept as JSON in
``__pycache__`` beside the file, under a name that is a digest of all that it depends on: a file that differs in one byte has
another name.
"""

from __future__ import annotations

import contextlib
import functools
import glob
import hashlib
import json
import os
import sys
import tempfile
import typing as t
from pathlib import Path

from .._errors import CatalogueError
from . import schema as _schema

Check = t.Callable[[Path, "list[t.Any]", _schema.Schema], None]


def checked_documents(path: Path, schema: Path, check: Check = _schema.check_file) -> list[t.Any]:
    """Every YAML document of a file of the catalogue.

    Args:
        path: the file.
        schema: what it is checked by, a JSON Schema.
        check: raises CatalogueError for the first violation.

    Raises:
        CatalogueError: unreadable, not YAML, or not what the schema allows.
    """
    try:
        digest = hashlib.sha256(_reader() + schema.read_bytes() + b"\0" + path.read_bytes()).hexdigest()
    except OSError as exc:
        raise CatalogueError(f"cannot be read: {exc.strerror}", where=str(exc.filename)) from exc
    kept = path.parent / "__pycache__" / f"{path.stem}.{digest[:32]}.json"
    with contextlib.suppress(OSError, ValueError):
        return t.cast("list[t.Any]", json.loads(kept.read_bytes()))
    documents = _schema.load_documents(path)
    check(path, documents, _schema.load_schema(schema))
    _keep(path, kept, documents)
    return documents


@functools.cache
def _reader() -> bytes:
    """What stands for the code that parses and checks."""
    return hashlib.sha256(Path(_schema.__file__).read_bytes()).digest()


def _keep(path: Path, kept: Path, documents: list[t.Any]) -> None:
    """Write DOCUMENTS of PATH in one step, in place of older versions; where nothing may be written, nothing is kept."""
    text = json.dumps(documents, separators=(",", ":"))
    if sys.dont_write_bytecode or json.loads(text) != documents:
        return
    with contextlib.suppress(OSError):
        kept.parent.mkdir(exist_ok=True)
        for old in kept.parent.glob(f"{glob.escape(path.stem)}.*.json"):
            old.unlink()
        descriptor, temporary = tempfile.mkstemp(dir=kept.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            handle.write(text)
        os.chmod(temporary, path.stat().st_mode & 0o777)
        os.replace(temporary, kept)

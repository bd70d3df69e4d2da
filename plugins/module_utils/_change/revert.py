# SPDX-License-Identifier: GPL-3.0-or-later
"""The program in a run's directory that brings back the state before it: it needs no controller and no collection.

It is this package itself as an archive that Python runs (zipapp), so that both ways back are the same code.
"""

from __future__ import annotations

import io
import os
import pkgutil
import sys
import zipfile

from .errors import ChangeError
from .files import Wanted, replace

_PARTS = (
    "__init__", "attributes", "batch", "commands", "derived", "errors", "files", "fileset", "journal", "lock", "obstacles", "package_log", "packages", "paths",
    "programs", "record", "revert", "runs", "states", "timer", "transaction", "units",
)  # fmt: skip
_MAIN = "import sys\nfrom _change.revert import main\nsys.exit(main(sys.argv))\n"


def write(path: str) -> None:
    """Write the program, for root only."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("__main__.py", _MAIN)
        for name in _PARTS:
            source = pkgutil.get_data(__package__, f"{name}.py")
            parts.writestr(f"_change/{name}.py", source or b"")
    replace(Wanted(path, b"#!/usr/bin/env -S python3 -I\n" + archive.getvalue(), 0o700))


def main(argv: list[str]) -> int:
    """Revert the run in whose directory this program lies; with --armed only the batch that nobody confirmed."""
    from .runs import Run, Runs
    from .timer import disarm

    directory = os.path.dirname(os.path.abspath(argv[0]))
    base, identifier = os.path.dirname(os.path.dirname(directory)), os.path.basename(directory)
    armed = "--armed" in argv[1:]
    runs, run = Runs(base), Run(base, identifier)
    try:
        with runs.lock(f"undoing run {identifier}", timeout=300):
            if armed:
                waiting = [batch for batch in run.batches() if batch.state in ("applying", "applied", "reverting")]
                waiting = [batch for batch in waiting if batch.plan["revert_after"]]
                if waiting and not all(batch.lapsed() for batch in waiting):
                    return 0
                problems = []
                for batch in reversed(waiting):
                    problems += batch.lapse()
                disarm()
                if waiting and run.state == "open":
                    run.end(by="its timer")
            else:
                # Who types this on a console has no other way: nobody is waited for.
                problems, packages = runs.revert(identifier, dead=[other.id for other in runs.open_runs()])
                problems += [
                    f"package {name} is {row['now'] or 'gone'}, was {row['before'] or 'not there'}"
                    for name, row in packages.items()
                ]
    except (ChangeError, OSError) as exc:
        print(exc, file=sys.stderr)
        return 2
    print(
        f"run {identifier}: {'what nobody confirmed' if armed else 'everything'} is undone"
        + (", except:" if problems else "")
    )
    for said in problems:
        print(f"- {said}")
    return 1 if problems else 0

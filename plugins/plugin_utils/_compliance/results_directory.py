# SPDX-License-Identifier: GPL-3.0-or-later
"""The results directory on the controller."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import hashlib
import json
import os
import stat
import tempfile
import typing as t
from pathlib import Path
from urllib.parse import quote

from .._errors import ComplianceError
from .results import SCHEMA, ended

Result = dict[str, t.Any]
# File names end at 255 bytes, and what is written first bears a temporary name.
LONGEST_NAME = 200


class ResultsDirectory:
    """Files of runs on the controller: evidence and results are nobody else's business (0700, 0600)."""

    def __init__(self, path: str) -> None:
        self.root = Path(path).expanduser()

    def host(self, name: str) -> Path:
        """The directory of one host, made where it is missing: one for each name, and never outside this one."""
        directory = self.root / "hosts" / directory_name(name)
        with _writing(directory):
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for made in (directory.parent, directory):
                made.mkdir(mode=0o700, exist_ok=True)
        return directory

    def gossfile(self, name: str) -> str:
        """The Goss file of a host's last run; empty where there is none that nobody else can have written.

        Root runs Goss with it on the host, so it is trusted as ssh trusts keys (StrictModes, sshd_config(5)).
        """
        try:
            # The directory may be a link: what it leads to counts. Below it the collection makes no links, and reads none.
            path = self.root.resolve(strict=True) / "hosts" / directory_name(name) / "goss.yml"
            for step in (*path.parents[:3], path):
                facts = step.lstat()
                if facts.st_uid not in (0, os.geteuid()) or stat.S_ISLNK(facts.st_mode) or facts.st_mode & 0o022:
                    return ""
            return path.read_text(encoding="utf-8")
        except (OSError, ValueError):
            return ""

    def write(self, path: Path, content: str) -> Path:
        """Replace a file in one step."""
        with _writing(path):
            descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
                    handle.write(content)
                os.replace(temporary, path)
            except BaseException:
                os.unlink(temporary)
                raise
        return path

    def write_model(self, name: str, model: Result) -> None:
        self.write(self.host(name) / "result.json", json.dumps(model))

    def read_model(self, name: str) -> Result | None:
        """What lies there for a host, of whichever run; None where nothing does.

        Raises:
            ComplianceError: it is damaged, or of another version of the collection.
        """
        path = self.host(name) / "result.json"
        try:
            model = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as exc:
            raise ComplianceError(f"is damaged: {exc}", where=str(path), fix="Run the audit again") from exc
        if not isinstance(model, dict) or model.get("schema") != SCHEMA:
            schema = model.get("schema") if isinstance(model, dict) else None
            raise ComplianceError(
                f"has schema version {schema}, this collection reads {SCHEMA}",
                where=str(path),
                fix="Run the audit again",
            )
        return t.cast("Result", model)

    def read_planned(self, name: str, run: str) -> Result:
        """The model that RUN planned for a host.

        Raises:
            ComplianceError: there is none; verdicts of another run are not taken for this one's.
        """
        model = self.read_model(name)
        if model is None or model["run"] != run or "rules" not in model:
            raise ComplianceError(
                "there are no results of this run for this host",
                where=str(self.host(name) / "result.json"),
                fix="Run compliance_plan first",
            )
        return model

    def ended_as(self, name: str, run: str, state: str) -> bool:
        """Whether RUN has ended in that state with a host; a result that cannot be read says nothing of it."""
        try:
            model = self.read_model(name)
        except ComplianceError:
            return False
        return model is not None and (model["run"], model["state"]) == (run, state)

    def write_end(self, name: str, run: str, state: str, task: str, reason: str) -> None:
        """Keep that RUN ended early with a host. What it had planned until then stays, below another state."""
        end = ended(name, run, state, task, reason)
        try:
            model = self.read_planned(name, run)
        except ComplianceError:
            model = {}
        self.write_model(name, {**model, **end})

    @contextlib.contextmanager
    def lock(self) -> t.Iterator[None]:
        """Let one process at a time write what all hosts share."""
        with _writing(self.root):
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _writing(path: Path) -> t.Iterator[None]:
    try:
        yield
    except OSError as exc:
        fix = "Choose another results directory, or make room"
        raise ComplianceError(f"results cannot be written: {exc.strerror}", where=str(path), fix=fix) from exc


def directory_name(host: str) -> str:
    """A file name for an inventory name: different for each, no path, not hidden, and not too long for a file system."""
    name = quote(host, safe=" @:+,=[]", errors="surrogatepass")
    if name.startswith("."):
        name = f"%2E{name[1:]}"
    if len(name) > LONGEST_NAME:
        digest = hashlib.sha256(host.encode(errors="surrogatepass")).hexdigest()
        # A percent sign that quote() never writes: no short name can collide.
        name = f"{name[: LONGEST_NAME - 70]}%-{digest}"
    return name


def today() -> datetime.date:
    return datetime.datetime.now(datetime.timezone.utc).date()

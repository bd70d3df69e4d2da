# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands written down while apt works, so that the next run finishes or undoes what was killed; and what was installed."""

from __future__ import annotations

import contextlib
import os
import shutil
import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._change.files import Wanted, replace, text
from ansible_collections.unified.deploy.plugins.module_utils._change.journal import BASE, read_json
from ansible_collections.unified.deploy.plugins.module_utils._change.packages import way_back
from ansible_collections.unified.deploy.plugins.module_utils._change.record import make_private, write_json

from . import archive
from .archive import DriverError

STATE = os.path.join(BASE, "gpu")
RECORD, TRANSACTION = os.path.join(STATE, "driver.json"), os.path.join(STATE, "transaction.json")
KEPT = os.path.join(STATE, "kept")
# Where the hook after a kernel's package (roles/gpu/templates/kernel-hook.sh.j2) writes what it could not prove.
DRIFT = os.path.join(STATE, "drift")
# By which names that hook and unified-gpu-health find the driver's modules; a line is a name and the key that must have signed it, or none.
MODULES = os.path.join(STATE, "modules")
OWN_FILES = (archive.PREFERENCES, archive.UNATTENDED)


def begun() -> bool:
    """Whether a run was killed while apt worked."""
    return os.path.exists(TRANSACTION)


def versions() -> dict[str, str]:
    return {name: one.version for name, one in archive.installed().items()}


def begin(steps: archive.Steps, sources: t.Iterable[str]) -> list[str]:
    """Write down what there is, before apt changes it; returns the packages that could not be kept for the way back.

    Args:
        steps: what apt will do. Of other packages nothing is remembered: what somebody installs meanwhile is not ours.
        sources: of the driver.
    """
    make_private(STATE)
    lost = _keep({**steps.replaced, **steps.removed})
    there = versions()
    before = {name: there[name] for name in (*steps.installed, *steps.removed) if name in there}
    files = {path: text(path) + "\n" if os.path.exists(path) else "" for path in OWN_FILES}
    write_json(TRANSACTION, {"before": before, "after": steps.installed, "files": files, "sources": sorted(sources)})
    return lost


def record() -> dict[str, list[str]]:
    """What runs of ours installed, and the source packages of drivers among it."""
    return read_json(RECORD) or {"installed": [], "sources": []}


def end() -> None:
    """Forget the transaction; what came with it is remembered as ours."""
    transaction = read_json(TRANSACTION)
    if transaction is not None:
        came = set(transaction["after"]).intersection(versions()) - set(transaction["before"])
        known = record()
        ours = {"installed": {*known["installed"], *came}, "sources": {*known["sources"], *transaction["sources"]}}
        write_json(RECORD, {key: sorted(names) for key, names in ours.items()})
    with contextlib.suppress(FileNotFoundError):
        os.unlink(TRANSACTION)
    shutil.rmtree(KEPT, ignore_errors=True)


def remember(modules: t.Mapping[str, str]) -> None:
    """Write down the modules that were proven, and their keys, by name."""
    content = "".join(f"{name} {key}".rstrip() + "\n" for name, key in sorted(modules.items()))
    if text(MODULES) != content.strip():
        make_private(STATE)
        write(MODULES, content)


def drifted(releases: t.Iterable[str]) -> list[str]:
    """Those of the kernels of which the hook said that they have no driver."""
    return [release for release in releases if os.path.exists(os.path.join(DRIFT, release))]


def end_drift(releases: t.Iterable[str]) -> None:
    """Forget what the hook said of kernels for which the driver is proven now."""
    for release in drifted(releases):
        os.unlink(os.path.join(DRIFT, release))


def recover() -> list[str]:
    """Finish what a killed run began, or undo it; returns what was done.

    Raises:
        DriverError: neither could be done wholly.
    """
    transaction = read_json(TRANSACTION)
    if transaction is None:
        end()
        return []
    answer = programs.run(["dpkg", "--configure", "-a"], timeout=archive.SECONDS)
    if not answer.code and not archive.broken():
        end()
        return ["finished what a killed run began"]
    said = undo()
    if begun():
        raise DriverError(f"what a killed run began cannot be finished: {answer.said}. {said}")
    return ["undid what a killed run began"]


def undo() -> str:
    """Bring back the packages and files of before the transaction, but for those that somebody has moved since; returns what to tell."""
    transaction = read_json(TRANSACTION)
    before, after = transaction["before"], transaction["after"]
    way = way_back(before, after, versions())
    failures = []
    if new := [*way.purge, *way.remove]:
        # What depends on them goes back next.
        argv = ["dpkg", "--purge", "--force-remove-reinstreq", "--force-depends", *new]
        answer = programs.run(argv, timeout=archive.SECONDS)
        failures += [answer.said] if answer.code else []
    # What was killed while it was unpacked has its old version, and must be unpacked anew.
    back = {**way.install, **{name: before[name] for name in archive.broken() if name in before}}
    if files := [file for name in back if (file := _kept(name))]:
        answer = programs.run(["dpkg", "--force-confold", "--install", *files], timeout=archive.SECONDS)
        failures += [answer.said] if answer.code else []
    if targets := [f"{name}={version}" for name, version in back.items() if not _kept(name)]:
        answer = programs.run([*archive.INSTALL, "--reinstall", "install", *targets], timeout=archive.SECONDS)
        failures += [answer.said] if answer.code else []
    for path, content in transaction["files"].items():
        write(path, content)
    if failures or archive.broken():
        return f"It could not be undone wholly: {'; '.join(failures)}; dpkg did not finish {', '.join(archive.broken()) or 'nothing'}"
    end()
    return "The driver of before is there again"


def _kept(name: str) -> str:
    """The file of a package that was kept; empty where the archive no longer had it."""
    files = [file for file in sorted(os.listdir(KEPT)) if file.startswith(f"{name}_")] if os.path.isdir(KEPT) else []
    return os.path.join(KEPT, files[0]) if files else ""


def _keep(replaced: t.Mapping[str, str]) -> list[str]:
    """The packages that would be replaced, as far as the archive still has them: the way back must not depend on it. Returns those that it lacks.

    They are no reason to refuse: archives drop what they replace, and the driver could never be renewed.
    """
    shutil.rmtree(KEPT, ignore_errors=True)
    if replaced:
        make_private(KEPT)
    for name, version in replaced.items():
        programs.run(
            ["sh", "-c", 'cd "$1" && apt-get -qq download "$2"', "sh", KEPT, f"{name}={version}"],
            timeout=archive.SECONDS,
        )
    return sorted(f"{name} {version}" for name, version in replaced.items() if not _kept(name))


def write(path: str, content: str) -> None:
    """The file with its content; without any, no file."""
    if content:
        replace(Wanted(path, content.encode(), 0o644))
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)

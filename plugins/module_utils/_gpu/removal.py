# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking a driver away, with what came for it and nobody else needs by now."""

from __future__ import annotations

import contextlib
import os
import shutil
import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change import programs

from . import archive, transaction
from .archive import DriverError, Needs


def absent(*, dry: bool) -> list[str]:
    """Take away what was installed, the pin and the exclusion; returns what was or would be done.

    Raises:
        DriverError: other packages would go too.
    """
    if transaction.begun() and not dry:
        with contextlib.suppress(DriverError):
            transaction.recover()
    record, there = transaction.record(), archive.installed()
    driver = {name for name in record["installed"] if name in there and there[name].source in record["sources"]}
    names = unneeded({name for name in record["installed"] if name in there}, driver, archive.needs())
    strange: set[str] = set()
    if names:
        answer = programs.run([*archive.INSTALL, "-s", "-oDebug::NoLocking=1", "purge", *names])
        strange = set(archive.parsed(answer.out).removed) - set(names)
    if strange:
        raise DriverError(f"{', '.join(sorted(strange))} need the driver and would go too. Remove them first")
    said = [f"remove {name}" for name in names]
    said += [f"remove {path}" for path in transaction.OWN_FILES if os.path.exists(path)]
    if not dry:
        if names:
            answer = programs.run([*archive.INSTALL, "purge", *names], timeout=archive.SECONDS)
            if answer.code:
                raise DriverError(f"apt could not remove the driver: {answer.said}")
        for path in transaction.OWN_FILES:
            transaction.write(path, "")
        shutil.rmtree(transaction.STATE, ignore_errors=True)
    return said


def unneeded(names: t.Collection[str], driver: t.Collection[str], needs: t.Mapping[str, Needs]) -> list[str]:
    """Of packages that came with a driver those that no other package needs by now; the driver's own are never left out.

    Modules of others are built with headers, on which no package depends: where DKMS stays, they do.
    """
    going = set(names)
    while True:
        staying = {name: one for name, one in needs.items() if name not in going}
        had = {provided for name, one in staying.items() for provided in (name, *one.provides)}
        open_needs = [set(group) for one in staying.values() for group in one.depends if not had.intersection(group)]
        kept = {name for name in going for group in open_needs if group.intersection((name, *needs[name].provides))}
        if "dkms" in staying:
            kept |= {name for name in going if name.startswith("linux-headers-")}
        if not kept - set(driver):
            return sorted(going)
        going -= kept - set(driver)

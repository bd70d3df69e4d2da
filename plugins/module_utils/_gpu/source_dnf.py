# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository of packages for dnf, which is tried where the host's dnf does not see it before it is written (dnf.conf(5))."""

from __future__ import annotations

import os
import tempfile

from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._change.files import Wanted, replace
from ansible_collections.unified.deploy.plugins.module_utils._change.paths import make_directories

from . import openpgp
from .source import NAME, Source, SourceError, address, content

REPOSITORIES, KEYS = "/etc/yum.repos.d", "/etc/pki/rpm-gpg"


def path(name: str) -> str:
    return f"{REPOSITORIES}/unified-{name}.repo"


def key_path(name: str) -> str:
    return f"{KEYS}/unified-{name}.asc"


def check(source: Source) -> None:
    """Refuse what would write another line than meant, or fetch without protection.

    Raises:
        SourceError: so it would.
    """
    if not NAME.fullmatch(source.name):
        raise SourceError(f"'{source.name}' cannot be the name of a file of dnf")
    if [suite for suite in source.suites if suite != "/"] or source.components or source.architectures:
        raise SourceError(
            f"{source.name}: dnf knows no suites, components and architectures; its address is the whole of it"
        )
    address(source)


def text(source: Source, key: str) -> str:
    """The file for dnf. Packages and the list of them must be signed, whatever /etc/dnf/dnf.conf says."""
    lines = [
        f"[unified-{source.name}]",
        f"name=unified-{source.name}",
        f"baseurl={source.url}",
        "enabled=1",
        "gpgcheck=1",
        "repo_gpgcheck=1",
        f"gpgkey=file://{key}",
        "sslverify=1",
        "skip_if_unavailable=0",
    ]
    return "".join(f"{line}\n" for line in lines)


def trial(source: Source, packets: bytes) -> None:
    """Let dnf read the repository into a directory of its own.

    Raises:
        SourceError: dnf refuses it: unsigned, signed by another key, not there.
    """
    with tempfile.TemporaryDirectory(prefix="unified-dnf-") as scratch:
        key = source.keyring or f"{scratch}/key.asc"
        if not source.keyring:
            with open(key, "wb") as handle:
                handle.write(openpgp.armored(packets))
        with open(f"{scratch}/trial.repo", "w", encoding="utf-8") as handle:
            handle.write(text(source, key))
        # Nothing of what the host's own configuration allows.
        with open(f"{scratch}/dnf.conf", "w", encoding="utf-8") as handle:
            handle.write("[main]\n")
        places = {
            "reposdir": scratch,
            "varsdir": scratch,
            "cachedir": f"{scratch}/cache",
            "persistdir": f"{scratch}/persist",
        }
        argv = [
            "dnf",
            "-q",
            "-y",
            f"--config={scratch}/dnf.conf",
            *(f"--setopt={name}={value}" for name, value in places.items()),
        ]
        answer = programs.run([*argv, "--refresh", "makecache"], timeout=300)
    if answer.code:
        raise SourceError(f"{source.name}: dnf refuses {source.url}: {' '.join(answer.said.split())[-600:]}")


def put(source: Source, packets: bytes, *, dry: bool) -> dict[str, tuple[bytes, bytes]]:
    """Try the repository and write it; returns what differed, before and after by path.

    Raises:
        SourceError: as trial(); nothing was changed.
    """
    key = source.keyring or key_path(source.name)
    files = [Wanted(path(source.name), text(source, key).encode(), 0o644)]
    if not source.keyring:
        files.insert(0, Wanted(key, openpgp.armored(packets), 0o644))
    changed = {one.path: (content(one.path), one.content) for one in files if content(one.path) != one.content}
    if not changed:
        return {}
    trial(source, packets)
    if not dry:
        for file in files:
            make_directories(os.path.dirname(file.path), 0o755)
        replace(*files)
    return changed


def remove(name: str, *, dry: bool) -> dict[str, tuple[bytes, bytes]]:
    """Take the repository away; returns what was there."""
    if not NAME.fullmatch(name):
        raise SourceError(f"'{name}' cannot be the name of a file of dnf")
    there = {one: (content(one), b"") for one in (path(name), key_path(name)) if os.path.lexists(one)}
    if not dry:
        for one in there:
            os.unlink(one)
    return there

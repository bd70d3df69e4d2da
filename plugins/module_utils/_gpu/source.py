# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository of packages for apt, which is tried where the host's apt does not see it before it is written."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError
from ansible_collections.unified.deploy.plugins.module_utils._change.files import Wanted, replace

from . import openpgp

KEYRINGS, SOURCES, LISTS = "/etc/apt/keyrings", "/etc/apt/sources.list.d", "/var/lib/apt/lists"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
WORD = re.compile(r"[A-Za-z0-9/._+~-]+")
# What the host's own configuration allows must not weaken this (apt-secure(8), apt.conf(5)).
STRICT = [
    option
    for name, value in {
        "Acquire::AllowInsecureRepositories": "false",
        "Acquire::AllowWeakRepositories": "false",
        "Acquire::AllowDowngradeToInsecureRepositories": "false",
        "Acquire::https::Verify-Peer": "true",
        "Acquire::https::Verify-Host": "true",
        "APT::Update::Error-Mode": "any",
    }.items()
    for option in ("-o", f"{name}={value}")
]

# apt keeps its cache for one set of sources: whoever asks it about another set must not write that one's in its place.
ASIDE = ("-oDir::Cache::pkgcache=", "-oDir::Cache::srcpkgcache=")


class SourceError(ChangeError):
    """The repository is not to be trusted, or cannot be read; nothing was changed."""


class Source(t.NamedTuple):
    """A repository.

    Attributes:
        fingerprints: of the keys that may sign it; one of them is enough.
        key: what the key's file holds.
        keyring: a keyring of the host, in place of a key: the distribution's own.
    """

    name: str
    url: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    architectures: tuple[str, ...]
    fingerprints: tuple[str, ...] = ()
    key: bytes = b""
    keyring: str = ""

    @property
    def path(self) -> str:
        return f"{SOURCES}/unified-{self.name}.sources"

    @property
    def key_path(self) -> str:
        return self.keyring or f"{KEYRINGS}/unified-{self.name}.gpg"

    def text(self, keyring: str = "") -> str:
        """The file for apt (sources.list(5), DEB822-STYLE FORMAT)."""
        lines = [
            ("Types", "deb"),
            ("URIs", self.url),
            ("Suites", " ".join(self.suites)),
            ("Components", " ".join(self.components)),
            ("Architectures", " ".join(self.architectures)),
            ("Signed-By", keyring or self.key_path),
            ("Allow-Insecure", "no"),
            ("Allow-Weak", "no"),
            ("Allow-Downgrade-To-Insecure", "no"),
        ]
        return "".join(f"{name}: {value}\n" for name, value in lines if value)


def check(source: Source) -> None:
    """Refuse what would write another line than meant, or fetch without protection.

    Raises:
        SourceError: a word has characters that none has, or the address is not protected.
    """
    if not NAME.fullmatch(source.name):
        raise SourceError(f"'{source.name}' cannot be the name of a file of apt")
    address(source)
    words = [*source.suites, *source.components, *source.architectures]
    if not source.suites or not all(WORD.fullmatch(word) for word in words):
        raise SourceError(f"{source.name}: suites, components and architectures are words: {' '.join(words)}")
    flat = all(suite.endswith("/") for suite in source.suites)
    if flat == bool(source.components):
        raise SourceError(f"{source.name}: a suite that ends with / has no components, and any other needs some")


def address(source: Source) -> None:
    """Refuse an address that would write another line than meant, or that is not protected.

    Raises:
        SourceError: it does.
    """
    if re.search(r"[\s\[\]]", source.url) or not source.url.startswith(("https://", "http://", "file:/")):
        raise SourceError(
            f"{source.name}: '{source.url}' is no address that can be used. Give https://... or file:/..."
        )
    if source.url.startswith("http://") and not source.keyring:
        raise SourceError(
            f"{source.name}: {source.url} is not protected on its way, and whoever is on it can hold back what is new. "
            "Give an address that begins with https://"
        )


def checked_key(source: Source) -> openpgp.Key:
    """The key that signs the repository.

    Raises:
        SourceError: it is another than the pinned one, or may no longer sign.
    """
    try:
        key = openpgp.key(source.key)
    except openpgp.KeyFileError as exc:
        raise SourceError(f"{source.name}: its key cannot be read: {exc}") from exc
    pinned = [one.replace(" ", "").upper() for one in source.fingerprints]
    if not pinned or not all(re.fullmatch(r"[0-9A-F]{40}|[0-9A-F]{64}", one) for one in pinned):
        raise SourceError(f"{source.name}: a key is pinned by its whole fingerprint of 40 or 64 hex digits")
    if key.fingerprint not in pinned:
        raise SourceError(
            f"{source.name}: the key is {key.fingerprint}, and not the pinned {' or '.join(pinned)}. "
            "Ask the vendor by another way which one is right"
        )
    if key.revoked:
        raise SourceError(f"{source.name}: the key {key.fingerprint} is revoked. Ask the vendor for its successor")
    if key.expires and key.expires <= time.time():
        since = time.strftime("%Y-%m-%d", time.gmtime(key.expires))
        raise SourceError(f"{source.name}: the key {key.fingerprint} expired on {since}. Get the vendor's present one")
    return key


def beside(source: Source) -> None:
    """Refuse what would keep apt from reading any of its sources: two entries of one repository with different keys.

    Raises:
        SourceError: apt could not read them together.
    """
    with tempfile.TemporaryDirectory(prefix="unified-apt-") as scratch:
        parts = f"{scratch}/parts"
        shutil.copytree(SOURCES, parts)
        with open(os.path.join(parts, os.path.basename(source.path)), "w", encoding="utf-8") as handle:
            handle.write(source.text())
        argv = ["apt-get", f"-oDir::Etc::SourceParts={parts}", *ASIDE, "indextargets", "--format", "$(SITE)"]
        answer = programs.run(argv)
    if answer.code:
        raise SourceError(
            f"{source.name}: apt could not read it beside its other sources: {answer.said}. Remove the other entry first"
        )


def trial(source: Source, packets: bytes) -> None:
    """Let apt read the repository into a directory of its own.

    Raises:
        SourceError: apt refuses it: unsigned, signed by another key, redirected to an unprotected address, not there.
    """
    with tempfile.TemporaryDirectory(prefix="unified-apt-") as scratch:
        os.chmod(scratch, 0o755)  # noqa: S103  # apt reads and verifies as its own user; nothing here is secret
        for part in ("lists/partial", "parts"):
            os.makedirs(f"{scratch}/{part}")
        keyring = source.keyring
        if not keyring:
            keyring = f"{scratch}/key.gpg"
            with open(keyring, "wb") as handle:
                handle.write(packets)
        with open(f"{scratch}/parts/trial.sources", "w", encoding="utf-8") as handle:
            handle.write(source.text(keyring))
        places = {
            "Dir::Etc::SourceList": "/dev/null",
            "Dir::Etc::SourceParts": f"{scratch}/parts",
            "Dir::State::Lists": f"{scratch}/lists",
        }
        _update(source, [*(f"-o{name}={value}" for name, value in places.items()), *ASIDE])


def _update(source: Source, options: list[str]) -> None:
    answer = programs.run(["apt-get", "-q", *STRICT, *options, "update"], timeout=300)
    if answer.code:
        reasons = [line for line in answer.err.splitlines() if line.startswith(("E:", "W:"))]
        reasons += re.findall(r"^Err:.*\n\s+(.+)", answer.out, re.MULTILINE)
        said = " ".join(reasons)
        raise SourceError(f"{source.name}: apt refuses {source.url}: {said[:600] or answer.said}")


def current(source: Source) -> bool:
    """Whether apt has read what stands in the host's file."""
    options = [f"-oDir::Etc::SourceList={source.path}", "-oDir::Etc::SourceParts=/dev/null", *ASIDE]
    answer = programs.run(["apt-get", *options, "indextargets", "--format", "$(FILENAME)", "Identifier: Packages"])
    files = answer.out.split()
    return bool(files) and all(os.path.exists(file) for file in files)


def put(source: Source, packets: bytes, *, dry: bool) -> dict[str, tuple[bytes, bytes]]:
    """Try the repository and write it; returns what differed, before and after by path.

    Raises:
        SourceError: as trial(); nothing was changed.
    """
    files = [Wanted(source.path, source.text().encode(), 0o644)]
    if not source.keyring:
        files.insert(0, Wanted(source.key_path, packets, 0o644))
    changed = {one.path: (content(one.path), one.content) for one in files if content(one.path) != one.content}
    if not changed and current(source):
        return {}
    beside(source)
    trial(source, packets)
    if dry:
        return changed or {source.path: (b"", b"")}
    if not source.keyring:
        os.makedirs(KEYRINGS, mode=0o755, exist_ok=True)
    replace(*files)
    only = [f"-oDir::Etc::SourceList={source.path}", "-oDir::Etc::SourceParts=/dev/null", "-oAPT::Get::List-Cleanup=0"]
    _update(source, [*only, *ASIDE])
    return changed or {LISTS: (b"", b"")}


def remove(name: str, *, dry: bool) -> dict[str, tuple[bytes, bytes]]:
    """Take the repository away; returns what was there."""
    if not NAME.fullmatch(name):
        raise SourceError(f"'{name}' cannot be the name of a file of apt")
    there = {}
    for path in (f"{SOURCES}/unified-{name}.sources", f"{KEYRINGS}/unified-{name}.gpg"):
        if os.path.lexists(path):
            there[path] = (content(path), b"")
            if not dry:
                os.unlink(path)
    return there


def content(path: str) -> bytes:
    """What the file holds; empty where there is none."""
    try:
        with open(path, "rb") as handle:
            return handle.read()
    except FileNotFoundError:
        return b""

# SPDX-License-Identifier: GPL-3.0-or-later
"""Is everything well with the secrets? Stores, references, and what lies in version control."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import json
import subprocess
import sys
import typing as t
from pathlib import Path

from ansible_collections.unified.deploy.plugins.module_utils import _redact, _sops, _sops_file

from .errors import MissingClientError, SecretError
from .resolver import Resolver

VAULTED = b"$ANSIBLE_VAULT;"


@dataclasses.dataclass(frozen=True)
class Finding:
    """One line of the report; `ok` is False for what must be mended."""

    check: str
    subject: str
    ok: bool
    detail: str = ""


def check_stores(resolver: Resolver, names: t.Iterable[str], warn_days: int) -> list[Finding]:
    """Every declared store: reachable, credentials accepted, and for how long."""
    findings = []
    for name in sorted(names):
        try:
            health = resolver.store(name).check()
        except SecretError as exc:
            findings.append(Finding("store", name, False, str(exc)))
            continue
        left = _days_left(health.expires)
        until = f", until {health.expires}" if health.expires else ""
        ok = left is None or left >= warn_days
        findings.append(
            Finding("store", name, ok, f"{health.identity}{until}" + ("" if ok else ": renew the credentials"))
        )
    return findings


def _days_left(expires: str) -> float | None:
    try:
        end = datetime.datetime.fromisoformat(expires.replace("Z", "+00:00"))
    except ValueError:
        return None
    if end.tzinfo is None:
        end = end.replace(tzinfo=datetime.timezone.utc)
    return (end - datetime.datetime.now(datetime.timezone.utc)).total_seconds() / 86400


def check_references(resolver: Resolver, references: t.Iterable[str]) -> list[Finding]:
    """Every reference resolves, or may be asked of its engine."""
    unique = sorted(set(references))
    resolver.prefetch(unique)
    findings = []
    for reference in unique:
        try:
            resolver.probe(reference)
            findings.append(Finding("reference", reference, True, "resolves"))
        except SecretError as exc:
            # A malformed reference may be a secret in the wrong place: the error shows what may be shown.
            findings.append(Finding("reference", exc.where or "reference", False, str(exc)))
    return findings


def values_of(resolver: Resolver, references: t.Iterable[str]) -> list[str]:
    """The values of those references that resolve."""
    values = []
    for reference in references:
        with contextlib.suppress(SecretError):
            values.append(resolver.resolve(reference))
    return values


def tracked(directory: Path) -> list[Path]:
    """Files in version control, or to be added to it.

    Raises:
        SecretError: the directory is in no repository.
    """
    argv = ["git", "-C", str(directory), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(argv, capture_output=True, check=False)
    if done.returncode:
        raise SecretError(
            "is in no git repository", where=str(directory), fix="Choose another directory, or run 'git init'"
        )
    names = [name for name in done.stdout.decode(errors="surrogateescape").split("\0") if name]
    return [path for path in (directory / name for name in names) if path.is_file()]


def protected(path: Path) -> bool:
    """Whether SOPS or ansible-vault encrypted the file."""
    content = path.read_bytes()
    if content.startswith(VAULTED):
        return True
    try:
        _sops.metadata(content, _sops.format_of(str(path)))
    except _sops.SopsError:
        return False
    return True


def check_encryption(directory: Path, files: t.Iterable[Path]) -> list[Finding]:
    """Files that a creation rule of a .sops.yaml names are encrypted, and nothing in them that should be is plain."""
    findings = []
    for path in files:
        config = _sops.config_for(str(path))
        if not config or path.name == ".sops.yaml":
            continue
        try:
            rule = _sops_file.rule_for(str(path), config)
        except _sops.SopsError as exc:
            if exc.kind != "no_recipients":
                findings.append(Finding("encryption", config, False, str(exc)))
            continue
        if not rule.get("path_regex"):
            continue  # a rule for every file says nothing about this one
        kind, name = _sops.format_of(str(path)), str(path.relative_to(directory))
        content = path.read_bytes()
        if content.startswith(VAULTED):
            findings.append(Finding("encryption", name, True, "encrypted by ansible-vault"))
            continue
        try:
            plain = _sops_file.plain_secrets(content, kind)
            _data, section = _sops.metadata(content, kind)
        except _sops.SopsError as exc:
            detail = f"is plain. Run 'sops encrypt --in-place {name}'" if exc.kind == "plain" else str(exc)
            findings.append(Finding("encryption", name, False, detail))
            continue
        added, removed = _sops_file.drifted(_sops_file.groups_of(rule), _sops.recipients(section))
        if plain:
            findings.append(Finding("encryption", name, False, f"plain in it: {', '.join(plain[:5])}"))
        elif added or removed:
            detail = f"recipients differ from the rule. Run 'sops updatekeys {name}'"
            findings.append(Finding("encryption", name, False, detail))
        else:
            findings.append(Finding("encryption", name, True, "encrypted"))
    return findings


def check_leaks(
    directory: Path, files: t.Sequence[Path], values: t.Iterable[str], references: t.Iterable[str]
) -> list[Finding]:
    """Resolved secrets that stand in tracked files, and what detect-secrets (https://github.com/Yelp/detect-secrets) finds.

    References are no secrets, though the scanner takes one behind a word like 'password' for it.
    """
    plain = [path for path in files if not protected(path)]
    findings = []
    needles = {form.encode() for value in values if len(value) >= 8 for form in _redact.forms(value) if len(form) >= 8}
    for path in plain:
        content = path.read_bytes()
        line = next(
            (content[: content.index(needle)].count(b"\n") + 1 for needle in needles if needle in content), None
        )
        if line:
            findings.append(
                Finding(
                    "leak",
                    f"{path}:{line}",
                    False,
                    "holds the value of a declared secret. Remove it, and change the secret",
                )
            )
    # Recipients are public keys, and look like secrets to a scanner.
    return findings + _scan(directory, [path for path in plain if path.name != ".sops.yaml"], references)


def _scan(directory: Path, files: t.Sequence[Path], references: t.Iterable[str]) -> list[Finding]:
    argv = [sys.executable, "-m", "detect_secrets", "scan", *(str(path.relative_to(directory)) for path in files)]
    done = subprocess.run(argv, capture_output=True, check=False, cwd=directory)
    if done.returncode:
        raise MissingClientError(
            "the scanner detect-secrets is missing or failed",
            fix="Run 'python3 -m pip install detect-secrets', or set scan: false",
        )
    baseline = directory / ".secrets.baseline"
    known = json.loads(baseline.read_text())["results"] if baseline.exists() else {}
    accepted = {(name, item["hashed_secret"]) for name, items in known.items() for item in items}
    # The scanner's own form of what it found.
    harmless = {hashlib.sha1(reference.encode(), usedforsecurity=False).hexdigest() for reference in references}
    return [
        Finding(
            "leak", f"{name}:{item['line_number']}", False,
            f"{item['type']}. Remove it and change the secret, or accept it in .secrets.baseline",
        )
        for name, items in sorted(json.loads(done.stdout)["results"].items())
        for item in items
        if (name, item["hashed_secret"]) not in accepted and item["hashed_secret"] not in harmless
    ]  # fmt: skip


def table(findings: t.Sequence[Finding], width: int = 100) -> str:
    """Lines for a terminal: what must be mended first, long texts wrapped."""
    import textwrap

    lines = []
    for finding in sorted(findings, key=lambda finding: (finding.ok, finding.check, finding.subject)):
        mark = "ok  " if finding.ok else "FAIL"
        head = f"{mark}  {finding.check:<10}  {finding.subject}"
        if finding.ok and len(head) + len(finding.detail) + 2 <= width:
            lines.append(f"{head}  {finding.detail}")
            continue
        indent = " " * 18
        lines += [head, *textwrap.wrap(finding.detail, width, initial_indent=indent, subsequent_indent=indent)]
    failed = sum(not finding.ok for finding in findings)
    return "\n".join([*lines, f"{len(findings)} checks, {failed} failed"])

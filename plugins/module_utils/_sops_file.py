# SPDX-License-Identifier: GPL-3.0-or-later
"""What a SOPS file should be against what it is: rules, recipients, values and what stays plain."""

from __future__ import annotations

import configparser
import json
import os
import re
import typing as t

from ansible_collections.unified.deploy.plugins.module_utils import _sops
from ansible_collections.unified.deploy.plugins.module_utils._sops import SopsError

LoadYaml = t.Callable[[str], t.Any]

SELECTION = ("encrypted_regex", "unencrypted_regex", "encrypted_suffix", "unencrypted_suffix")

SECRET_NAME = re.compile(
    r"(?i)(pass(word|wd|phrase)?|secret|token|api_?key|private_?key|credentials?|client_secret|access_?key)$"
)


def rule_for(path: str, config: str, load_yaml: LoadYaml) -> dict[str, t.Any]:
    """The creation rule of a .sops.yaml that sops would use for PATH.

    Raises:
        SopsError: the file cannot be read, or none of its rules matches.
    """
    try:
        with open(config, encoding="utf-8") as handle:
            rules = load_yaml(handle.read())["creation_rules"]
    except Exception as exc:
        raise SopsError(f"{config} has no readable creation_rules", fix="See https://getsops.io/docs/") from exc
    relative = os.path.relpath(os.path.abspath(path), os.path.dirname(os.path.abspath(config)))
    for rule in rules:
        if not rule.get("path_regex") or re.search(rule["path_regex"], relative):
            return dict(rule)
    raise SopsError(
        f"no creation rule of {config} matches {relative}", kind="no_recipients", fix="Add one, or give age or pgp"
    )


def groups_of(rule: t.Mapping[str, t.Any]) -> list[list[str]]:
    """Recipients by key group, in the order that _sops.recipients() gives."""

    def listed(value: t.Any) -> list[str]:
        if isinstance(value, str):
            return [part.strip() for part in value.replace("\n", ",").split(",") if part.strip()]
        return [str(entry if isinstance(entry, str) else next(iter(entry.values()))) for entry in value or []]

    names = ("age", "pgp", "kms", "gcp_kms", "azure_keyvault", "hc_vault_transit_uri", "hc_vault")
    groups = rule.get("key_groups") or [rule]
    return [sorted(recipient for name in names for recipient in listed(group.get(name))) for group in groups]


def drifted(wanted: list[list[str]], found: list[list[str]]) -> tuple[list[str], list[str]]:
    """Recipients to add and to remove. Keys of which sops keeps another name than the rule (KMS) compare by their end."""
    added = [name for number, group in enumerate(wanted) for name in group if name not in _group(found, number)]
    removed = [name for number, group in enumerate(found) for name in group if name not in _group(wanted, number)]
    return added, removed


def _group(groups: list[list[str]], number: int) -> list[str]:
    return groups[number] if number < len(groups) else []


def parse(text: str, kind: str, load_yaml: LoadYaml) -> t.Any:
    """The values of a plain text, as sops would show them as JSON."""
    try:
        if kind == "yaml":
            return load_yaml(text)
        if kind == "json":
            return json.loads(text)
        if kind == "dotenv":
            lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
            return dict(line.split("=", 1) for line in lines)
        if kind == "ini":
            parser = configparser.RawConfigParser(strict=False)
            parser.optionxform = str  # type: ignore[assignment,method-assign]  # sops keeps the case of names
            parser.read_string(text)
            return {name: dict(parser.items(name)) for name in parser.sections()}
    except Exception as exc:
        # The parser's message quotes the text.
        raise SopsError(f"the content is no valid {kind}", kind="malformed", fix="Check its syntax") from exc
    return {"data": text}


def shown(values: t.Any, kind: str) -> t.Any:
    """Values as they come back from a file of this kind: dotenv and INI keep texts only."""
    if kind == "dotenv":
        return {name: _text(value) for name, value in values.items()}
    if kind == "ini":
        sections = {name: {key: _text(value) for key, value in below.items()} for name, below in values.items()}
        return {name: below for name, below in sections.items() if below or name != "DEFAULT"}
    return json.loads(json.dumps(values, default=str))


def _text(value: t.Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def changes(wanted: t.Any, found: t.Any) -> dict[str, str]:
    """Path of each value that differs, with added, changed or removed."""
    after, before = dict(_sops.leaves(wanted)), dict(_sops.leaves(found))
    found_changes = {
        name: "added" if name not in before else "changed" for name in after if before.get(name, _NONE) != after[name]
    }
    found_changes.update({name: "removed" for name in before if name not in after})
    return dict(sorted(found_changes.items()))


_NONE = object()


def plain_secrets(content: bytes, kind: str, load_yaml: LoadYaml, allowed: t.Collection[str] = ()) -> list[str]:
    """Paths of values that stay plain in an encrypted file although everything is to be encrypted, or their name says secret."""
    if kind == "binary":
        return []
    data, section = _sops.metadata(content, kind, load_yaml)
    partial = any(section.get(name) for name in SELECTION if name != "unencrypted_suffix")
    suffix = section.get("unencrypted_suffix") or "_unencrypted"
    found = []
    for path, value in _sops.leaves(data):
        names = [name for name in path.split(".") if not name.isdigit()]
        if value in ("", None) or _sops.encrypted(value) or path in allowed or any(name in allowed for name in names):
            continue
        if any(SECRET_NAME.search(name) for name in names) or (
            not partial and not any(name.endswith(suffix) for name in names)
        ):
            found.append(path)
    return found

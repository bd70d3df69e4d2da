# SPDX-License-Identifier: GPL-3.0-or-later
"""What a SOPS file should be against what it is: rules, recipients, values and what stays plain."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
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


class File:
    """The file as it is, the rule for it, and what has to happen."""

    def __init__(self, given: t.Mapping[str, t.Any], sops: _sops.Sops, scratch: str, load_yaml: LoadYaml) -> None:
        self.given = given
        self.load_yaml = load_yaml
        self.path = os.path.abspath(self.given["path"])
        self.kind = _sops.format_of(self.path, self.given["format"])
        self.sops = sops
        self.scratch = scratch
        self.actions: list[str] = []
        self.values: dict[str, str] = {}
        own = {name: self.given[name] for name in ("age", "pgp", "key_groups") if self.given[name]}
        selection = {name: self.given[name] for name in ("encrypted_regex", "unencrypted_regex") if self.given[name]}
        if selection and not own:
            raise SopsError("encrypted_regex and unencrypted_regex need recipients", fix="Give age, pgp or key_groups")
        if own:
            groups = own.pop("key_groups", [])
            self.rule: dict[str, t.Any] = {**({"key_groups": [*([own] if own else []), *groups]}), **selection}
            if self.given["shamir_threshold"]:
                self.rule["shamir_threshold"] = self.given["shamir_threshold"]
        else:
            config = self.given["config"] or _sops.config_for(self.path)
            if not config:
                fix = "Add a .sops.yaml, or give age, pgp or key_groups"
                raise SopsError("has no recipients: there is no .sops.yaml above it", kind="no_recipients", fix=fix)
            self.rule = {
                name: value
                for name, value in rule_for(self.path, config, self.load_yaml).items()
                if name != "path_regex"
            }
        self.config = os.path.join(scratch, ".sops.yaml")
        with open(self.config, "w", encoding="utf-8") as handle:
            json.dump({"creation_rules": [self.rule]}, handle)

    def result(self) -> bytes | None:
        """The bytes to write, or None where the file is right."""
        before = None
        if os.path.exists(self.path):
            with open(self.path, "rb") as handle:
                before = handle.read()
        if self.given["data"] is None and self.given["content"] is None:
            if before is None:
                raise SopsError("there is no such file, and no data or content is given", fix="Give one of them")
            return self._keys(before)
        section = self._section(before)
        wanted = self._wanted()
        if section is not None:
            found = self._found(before or b"")
            self.values = changes(wanted, found)
            if not self.values and not self._selection_differs(section):
                return self._keys(before or b"")
        else:
            self.values = {name: "added" for name, _value in _sops.leaves(wanted)}
        self.actions.append("encrypted")
        return self._checked(self._encrypt())

    def _section(self, before: bytes | None) -> dict[str, t.Any] | None:
        if before is None:
            return None
        try:
            return _sops.metadata(before, self.kind, self.load_yaml)[1]
        except SopsError as exc:
            if exc.kind == "plain":
                return None
            raise

    def _wanted(self) -> t.Any:
        values = self.given["data"]
        if values is None:
            values = parse(self.given["content"], self.kind, self.load_yaml)
        if not isinstance(values, (dict, list)) or (self.kind in ("dotenv", "ini") and not isinstance(values, dict)):
            raise SopsError(f"data of a {self.kind} file is a mapping", fix="Give names and values")
        if self.kind == "binary" and self.given["data"] is not None:
            raise SopsError("a binary file has content, not data", fix="Give content, or a format")
        return shown(values, self.kind)

    def _found(self, before: bytes) -> t.Any:
        if self.kind == "binary":
            return {"data": self.sops.decrypt(self.path, self.kind).decode(errors="surrogateescape")}
        return shown(json.loads(self.sops.decrypt(self.path, self.kind, "json")), self.kind)

    def _selection_differs(self, section: dict[str, t.Any]) -> bool:
        return any((self.rule.get(name) or None) != (section.get(name) or None) for name in SELECTION[:3])

    def _encrypt(self) -> bytes:
        text, kind = self.given["content"], self.kind
        if text is None:
            text, kind = json.dumps(self.given["data"]), "json"
        return self.sops.encrypt(text.encode(errors="surrogateescape"), self.path, kind, self.kind, config=self.config)

    def _checked(self, after: bytes) -> bytes:
        plain = plain_secrets(after, self.kind, self.load_yaml, self.given["allow_plain"])
        if plain:
            raise SopsError(
                f"these values would stay plain: {', '.join(plain[:10])}",
                kind="plain",
                fix="Widen encrypted_regex, or name them in allow_plain",
            )
        return after

    def _keys(self, before: bytes) -> bytes | None:
        """Recipients and data key, on a copy."""
        section = _sops.metadata(before, self.kind, self.load_yaml)[1]
        added, removed = drifted(groups_of(self.rule), _sops.recipients(section))
        rotate = self.given["rotate"] == "always" or (removed and self.given["rotate"] == "on_removal")
        if not added and not removed and not rotate:
            return None
        copy = os.path.join(self.scratch, os.path.basename(self.path))
        shutil.copyfile(self.path, copy)
        if added or removed:
            self.sops.update_keys(copy, self.kind, self.config)
            self.actions.append("recipients updated")
        if rotate:
            self.actions.append("data key rotated")
            return self.sops.rotate(copy, self.kind)
        with open(copy, "rb") as handle:
            return handle.read()

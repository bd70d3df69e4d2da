# SPDX-License-Identifier: GPL-3.0-or-later
"""What a SOPS file should be against what it is: rules, recipients, values and what stays plain."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import typing as t

from ansible_collections.unified.deploy.plugins.module_utils import _sops, _yaml12
from ansible_collections.unified.deploy.plugins.module_utils._sops import SopsError
from ansible_collections.unified.deploy.plugins.module_utils._sops_format import check_shape, parse, shown

SELECTION = ("encrypted_regex", "unencrypted_regex", "encrypted_suffix", "unencrypted_suffix")

SECRET_NAME = re.compile(
    r"(?i)((pass(word|wd|phrase)?|secret|token|api_?key|private_?key|credentials?|client_secret|access_?key)|(^|[_.-])(pw|pwd|pin|psk|dsn))$"
)
# Values that are secret whatever their name: private keys, addresses and connection strings with a password, well-known tokens.
SECRET_VALUE = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|AGE-SECRET-KEY-|[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@|(?i:\b(password|passwd|pwd)\s*=\s*[^;&\s]+)"
    r"|\b(AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}|\bglpat-[\w-]{20}|\bxox[abprs]-[\w-]{10}|\bhv[sb]\.[\w-]{24}"
)
# A word of letters of both cases and digits that is as random as this is no name; detect-secrets takes the same limit.
RANDOM_WORD = re.compile(r"(?=\S*[a-z])(?=\S*[A-Z])(?=\S*[0-9])[A-Za-z0-9+/_=-]{24,}")
ENTROPY = 4.5

# More changes than this are one edit of the whole text: each of them starts sops once.
FEW = 20
GONE = object()


RECIPIENTS = ("age", "pgp", "key_groups")


def yaml_read(options: t.Mapping[str, t.Any]) -> str:
    """Which YAML must be read for these options of sops_file; empty where none."""
    if _sops.format_of(options["path"], options["format"]) == "yaml":
        return str(options["path"])
    return "" if any(options[name] for name in RECIPIENTS) else str(options["config"] or ".sops.yaml")


def rule_for(path: str, config: str) -> dict[str, t.Any]:
    """The creation rule of a .sops.yaml that sops would use for PATH.

    Raises:
        SopsError: the file cannot be read, or none of its rules matches.
    """
    try:
        with open(config, encoding="utf-8") as handle:
            rules = _yaml12.load(handle.read())["creation_rules"]
        relative = os.path.relpath(os.path.abspath(path), os.path.dirname(os.path.abspath(config)))
        matching = [rule for rule in rules if not rule.get("path_regex") or re.search(rule["path_regex"], relative)]
    except Exception as exc:
        line = f" ({exc})" if isinstance(exc, _yaml12.MalformedYamlError) else ""
        fix = "See https://getsops.io/docs/"
        raise SopsError(f"{config} has no readable creation_rules{line}", kind="no_rules", fix=fix) from exc
    if not matching:
        raise SopsError(
            f"no creation rule of {config} matches {relative}", kind="no_recipients", fix="Add one, or give age or pgp"
        )
    return dict(matching[0])


def groups_of(rule: t.Mapping[str, t.Any]) -> list[list[str]]:
    """Recipients by key group, written and sorted as _sops.recipients() gives them."""

    def listed(value: t.Any) -> list[str]:
        if isinstance(value, str):
            return [part.strip() for part in value.replace("\n", ",").split(",") if part.strip()]
        return [entry if isinstance(entry, str) else _address(entry) for entry in value or []]

    names = ("age", "pgp", "kms", "gcp_kms", "azure_keyvault", "hc_vault_transit_uri", "hc_vault")
    groups = rule.get("key_groups") or [rule]
    return [sorted(recipient for name in names for recipient in listed(group.get(name))) for group in groups]


def _address(entry: t.Mapping[str, t.Any]) -> str:
    """A recipient that a rule writes as a mapping: KMS, GCP KMS or Azure Key Vault."""
    if "vaultUrl" in entry:
        place = {"vault_url": entry["vaultUrl"], "name": entry.get("key"), "version": entry.get("version")}
        return _sops.ADDRESSES["azure_kv"](place)
    if "arn" in entry:
        return _sops.ADDRESSES["kms"](dict(entry))
    return str(next(iter(entry.values())))


def drifted(rule: list[list[str]], file: list[list[str]]) -> tuple[list[str], list[str]]:
    """Recipients to add to a file and to remove from it, so that it has those of its rule."""

    def lacking(these: list[list[str]], those: list[list[str]]) -> list[str]:
        return [
            name
            for number, group in enumerate(these)
            for name in group
            if not any(_one_recipient(name, other) for other in (those[number] if number < len(those) else []))
        ]

    return lacking(rule, file), lacking(file, rule)


def _one_recipient(one: str, other: str) -> bool:
    """Fingerprints may have spaces; an Azure key that a rule names without its version has one in the file."""
    one, other = (name if "://" in name else name.replace(" ", "") for name in (one, other))
    azure = ".vault." in one and "/keys/" in one
    return one.lower() == other.lower() or (azure and (one.startswith(f"{other}/") or other.startswith(f"{one}/")))


def changes(after: t.Any, before: t.Any) -> dict[str, str]:
    """Path of each value that differs, with added, changed or removed."""
    new, old = dict(_sops.leaves(after)), dict(_sops.leaves(before))
    differing = {
        path: "changed" if path in old else "added"
        for path, value in new.items()
        if path not in old or not _sops.same(value, old[path])
    }
    differing.update({path: "removed" for path in old if path not in new})
    return {_sops.written(path): differing[path] for path in sorted(differing, key=_sops.written)}


def steps(after: t.Any, before: t.Any, path: _sops.Path = ()) -> t.Iterator[tuple[_sops.Path, t.Any]]:
    """What to set, and with GONE what to unset; of lists the last elements first, so that none has another number meanwhile."""
    old, new = (dict(enumerate(value)) if isinstance(value, list) else value for value in (before, after))
    for key in reversed(list(old)):
        if key not in new:
            yield (*path, key), GONE
    for key, value in new.items():
        if isinstance(value, (dict, list)) and isinstance(old.get(key), type(value)) and old[key]:
            yield from steps(value, old[key], (*path, key))
        elif key not in old or not _sops.same(value, old[key]):
            yield (*path, key), value


def settable(path: _sops.Path, value: t.Any) -> bool:
    """Whether 'sops set' can do this: it takes no lists, and some characters of a path for its own."""
    return not isinstance(value, list) and not any(re.search(r"[][\"'\\]", str(part)) for part in path)


def plain_secrets(content: bytes, kind: str, allowed: t.Collection[str] = ()) -> list[str]:
    """Paths of values that stay plain in an encrypted file although everything is to be encrypted, or they look like secrets."""
    if kind == "binary":
        return []
    document, section = _sops.metadata(content, kind)
    partial = any(section.get(name) for name in SELECTION if name != "unencrypted_suffix")
    suffix = section.get("unencrypted_suffix") or "_unencrypted"
    plain = []
    for path, value in _sops.leaves(document):
        names = [str(part) for part in path if not isinstance(part, int)]
        known = _sops.written(path) in allowed or any(name in allowed for name in names)
        if value in ("", None, {}, []) or _sops.encrypted(value) or known:
            continue
        left_out = any(name.endswith(suffix) for name in names)
        if (not partial and not left_out) or any(SECRET_NAME.search(name) for name in names) or _secret(value):
            plain.append(_sops.written(path))
    return plain


def _secret(value: t.Any) -> bool:
    """Whether a plain text looks like a secret by itself."""
    if not isinstance(value, str) or (
        value.startswith(("age1", "ssh-", "https://")) and not SECRET_VALUE.search(value)
    ):
        return False
    return bool(SECRET_VALUE.search(value)) or any(_entropy(word[0]) > ENTROPY for word in RANDOM_WORD.finditer(value))


def _entropy(word: str) -> float:
    """Bits a character (Shannon)."""
    shares = [word.count(character) / len(word) for character in set(word)]
    return -sum(share * math.log2(share) for share in shares)


class File:
    """The file as it is, the rule for it, and what has to happen.

    Args:
        options: those of the module sops_file.
        scratch: a private directory; what lies in it is encrypted.
        memory: a private directory that is on no disk, where sops keeps the plain text while it is edited.
    """

    def __init__(self, options: t.Mapping[str, t.Any], sops: _sops.Sops, scratch: str, memory: str) -> None:
        self.options = options
        self.path = os.path.abspath(options["path"])
        self.kind = _sops.format_of(self.path, options["format"])
        self.sops = sops
        self.memory = memory
        self.actions: list[str] = []
        self.values: dict[str, str] = {}
        self.rule = self._rule()
        self.groups = groups_of(self.rule)
        self.config = os.path.join(scratch, ".sops.yaml")
        self.copy = os.path.join(scratch, os.path.basename(self.path))
        with open(self.config, "w", encoding="utf-8") as handle:
            json.dump({"creation_rules": [self.rule]}, handle)

    def _rule(self) -> dict[str, t.Any]:
        """The creation rule, of the options or of the nearest .sops.yaml."""
        own = {name: self.options[name] for name in RECIPIENTS if self.options[name]}
        selection = {
            name: self.options[name] for name in ("encrypted_regex", "unencrypted_regex") if self.options[name]
        }
        if selection and not own:
            raise SopsError("encrypted_regex and unencrypted_regex need recipients", fix="Give age, pgp or key_groups")
        if own:
            groups = own.pop("key_groups", [])
            needed = self.options["shamir_threshold"]
            return {
                "key_groups": [*([own] if own else []), *groups],
                **selection,
                **({"shamir_threshold": needed} if needed else {}),
            }
        config = self.options["config"] or _sops.config_for(self.path)
        if not config:
            fix = "Add a .sops.yaml, or give age, pgp or key_groups"
            raise SopsError("has no recipients: there is no .sops.yaml above it", kind="no_recipients", fix=fix)
        return {name: value for name, value in rule_for(self.path, config).items() if name != "path_regex"}

    @property
    def weakening(self) -> list[str]:
        return _sops.undone(self.groups, _sops.threshold(self.rule, self.groups))

    def result(self) -> bytes | None:
        """The bytes to write, or None where the file is right."""
        before = None
        if os.path.exists(self.path):
            with open(self.path, "rb") as handle:
                before = handle.read()
            shutil.copyfile(self.path, self.copy)
        section = self._section(before)
        if self.options["data"] is None and self.options["content"] is None:
            if before is None:
                raise SopsError("there is no such file, and no data or content is given", fix="Give one of them")
            if section is None:
                raise SopsError("is not encrypted by sops", kind="plain", fix="Give data or content")
        else:
            desired = self._desired()
            if section is None:
                self.values = {_sops.written(path): "added" for path, _value in _sops.leaves(desired)}
                return self._anew(self._text())
            current = self._current()
            self.values = changes(desired, current)
            if self._selection_differs(section):
                return self._anew(self._text())
            if self.values:
                self._edit(desired, current)
        return self._keys(section or {})

    def _section(self, before: bytes | None) -> dict[str, t.Any] | None:
        if before is None:
            return None
        try:
            return _sops.metadata(before, self.kind)[1]
        except SopsError as exc:
            if exc.kind == "plain":
                return None
            raise

    def _desired(self) -> t.Any:
        values = self.options["data"]
        if values is None:
            values = parse(self.options["content"], self.kind)
        if self.kind == "binary" and self.options["data"] is not None:
            raise SopsError("a binary file has content, not data", fix="Give content, or a format")
        if self.kind != "binary":
            check_shape(values, self.kind)
        return shown(values, self.kind)

    def _current(self) -> t.Any:
        if self.kind == "binary":
            return {"data": self.sops.decrypt(self.copy, self.kind).decode(errors="surrogateescape")}
        # Of YAML as YAML: what sops writes as JSON has lost the difference between 1 and 1.0, and cannot hold .inf.
        form = "yaml" if self.kind == "yaml" else "json"
        text = self.sops.decrypt(self.copy, self.kind, form).decode()
        try:
            return shown(_yaml12.load(text) if form == "yaml" else json.loads(text), self.kind)
        except ValueError as exc:
            what = str(exc) if isinstance(exc, _yaml12.MalformedYamlError) else "it is no JSON"
            raise SopsError(
                f"what sops decrypts cannot be read ({what})", kind="malformed", fix="See 'sops decrypt'"
            ) from None

    def _selection_differs(self, section: dict[str, t.Any]) -> bool:
        return any((self.rule.get(name) or None) != (section.get(name) or None) for name in SELECTION[:3])

    def _text(self) -> tuple[bytes, str]:
        """The plain text to encrypt, and its format."""
        if self.options["content"] is not None:
            return self.options["content"].encode(errors="surrogateescape"), self.kind
        return json.dumps(self.options["data"]).encode(), "json"

    def _anew(self, text: tuple[bytes, str]) -> bytes:
        self.actions.append("encrypted")
        return self._checked(self.sops.encrypt(text[0], self.path, text[1], self.kind, config=self.config))

    def _edit(self, desired: t.Any, current: t.Any) -> None:
        """Change the copy where values differ, and nowhere else."""
        self.actions.append("encrypted")
        if self.options["content"] is not None:
            self.sops.edit(self.copy, self.kind, self._text()[0], self.memory)
            return
        changing = list(steps(desired, current)) if isinstance(current, type(desired)) else []
        if changing and len(changing) <= FEW and all(settable(*step) for step in changing):
            for path, value in changing:
                if value is GONE:
                    self.sops.unset(self.copy, self.kind, path)
                else:
                    self.sops.set(self.copy, self.kind, path, value)
        elif self.kind in ("json", "yaml") and desired:
            self.sops.edit(self.copy, self.kind, json.dumps(desired, indent=4).encode(), self.memory)
        else:
            content, form = self._text()
            after = self.sops.encrypt(content, self.path, form, self.kind, config=self.config)
            with open(self.copy, "wb") as handle:
                handle.write(after)

    def _checked(self, after: bytes) -> bytes:
        plain = plain_secrets(after, self.kind, self.options["allow_plain"])
        if plain:
            raise SopsError(
                f"these values would stay plain: {', '.join(plain[:10])}",
                kind="plain",
                fix="Widen encrypted_regex, or name them in allow_plain",
            )
        return after

    def _keys(self, section: dict[str, t.Any]) -> bytes | None:
        """Recipients, threshold and data key of the copy; its bytes where anything changed."""
        added, removed = drifted(self.groups, _sops.recipients(section))
        groups = _sops.recipients(section)
        if len(self.groups) > 1 and _sops.threshold(self.rule, self.groups) != _sops.threshold(section, groups):
            # sops has no command for it.
            self.actions.append("threshold changed")
            text = self.sops.decrypt(self.copy, self.kind)
            return self._checked(self.sops.encrypt(text, self.path, self.kind, self.kind, config=self.config))
        rotate = self.options["rotate"] == "always" or (removed and self.options["rotate"] == "on_removal")
        if added or removed:
            self.sops.update_keys(self.copy, self.kind, self.config)
            self.actions.append("recipients updated")
        if rotate:
            self.actions.append("data key rotated")
            return self._checked(self.sops.rotate(self.copy, self.kind))
        if not self.actions:
            return None
        with open(self.copy, "rb") as handle:
            return self._checked(handle.read())

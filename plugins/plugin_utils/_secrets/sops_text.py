# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of SOPS files for those who read whole files: vars and inventory plugins, and the action sops_vars. Each is decrypted once a run."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import trust_as_template

from . import broker
from .errors import SecretError, UnsupportedError
from .reference import Reference
from .resolver import Resolver

STORE = "sops_files"
OPTIONS: dict[str, dict[str, t.Any]] = {
    "age_key_file": {"type": "path"},
    "gnupg_home": {"type": "path"},
    "timeout": {"type": "float", "default": 30},
}

_TEXTS: dict[tuple[str, ...], str] = {}


def text_of(path: str, options: t.Mapping[str, t.Any]) -> str:
    """The decrypted text of the file at an absolute PATH.

    Args:
        options: values of OPTIONS; without a key SOPS's own environment says where it is.

    Raises:
        SecretError: it is not there, not encrypted, cannot be decrypted or was changed without SOPS.
    """
    key = _key(path, options)
    if key not in _TEXTS:
        _TEXTS[key] = _resolver(options).resolve(_reference(path))
    return _TEXTS[key]


def read_ahead(paths: t.Sequence[str], options: t.Mapping[str, t.Any]) -> None:
    """Decrypt files together that will be asked for; what cannot be decrypted is told when it is."""
    missing = {path: _reference(path) for path in paths if _key(path, options) not in _TEXTS}
    if len(missing) < 2:
        return
    resolver = _resolver(options)
    failures = resolver.check(missing.values())
    for path, reference in missing.items():
        if reference not in failures:
            _TEXTS[_key(path, options)] = resolver.resolve(reference)


def _declared(options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {"type": "sops", **{name: options[name] for name in OPTIONS if options.get(name)}}


def _key(path: str, options: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    declared = _declared(options)
    return (path, *(str(declared.get(name)) for name in OPTIONS))


def _reference(path: str) -> str:
    return str(Reference(STORE, path))


def _resolver(options: t.Mapping[str, t.Any]) -> Resolver | broker.Shared:
    return broker.resolver({STORE: _declared(options)}, None, everywhere=True)


def mapping_of(loader: DataLoader, path: str, options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The variables in the file, as Ansible loads those of a plain one: texts may be templates.

    Raises:
        SecretError: as `text_of`, or it holds something else than names and values.
    """
    text = text_of(path, options)
    try:
        variables = loader.load(trust_as_template(text), file_name=path, show_content=False)
    except AnsibleError:
        # The parser's message may quote the text.
        raise UnsupportedError("what it holds is no YAML", where=path) from None
    if variables is None:
        return {}
    if not isinstance(variables, dict):
        raise UnsupportedError("holds no names and values", where=path, fix="Write them at its top level")
    return variables


def located(exc: SecretError, path: str) -> str:
    """The message without the reference that was made of the path."""
    return f"{path}: {exc.what}. {exc.fix}".removesuffix(". ")

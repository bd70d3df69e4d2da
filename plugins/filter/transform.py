# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters for secrets."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.unified.deploy.plugins.module_utils import _sops
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets import transform
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.errors import SecretError, UnsupportedError
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.stores.sops import Sops

FORMATS = {*_sops.FORMATS.values(), "binary"}

Function = t.Callable[..., t.Any]


def sops_decrypt(
    text: str,
    input_type: str = "yaml",
    output_type: str = "",
    age_key_file: str = "",
    gnupg_home: str = "",
    timeout: float = 30,
) -> str:
    """The plain text of a text that SOPS encrypted."""
    if not {input_type, output_type or input_type} <= FORMATS:
        raise UnsupportedError("no such format", where="sops_decrypt", fix=f"Write {', '.join(sorted(FORMATS))}")
    options = {"age_key_file": age_key_file, "gnupg_home": gnupg_home, "timeout": timeout}
    return Sops("sops_decrypt", options).decrypted(str(text), input_type, output_type)


def _clear(function: Function) -> Function:
    """Errors as Ansible shows them; the value is in none of them."""

    def call(value: t.Any, *arguments: t.Any, **options: t.Any) -> t.Any:
        try:
            return function(value, *arguments, **options)
        except SecretError as exc:
            raise AnsibleFilterError(str(exc)) from None

    return call


class FilterModule:
    def filters(self) -> dict[str, Function]:
        functions = (
            transform.b64url_decode,
            transform.b64url_encode,
            transform.dotenv_quote,
            transform.extract,
            transform.from_dotenv,
            transform.mask,
            transform.multiline,
            sops_decrypt,
            transform.systemd_quote,
            transform.to_dotenv,
        )
        return {function.__name__: _clear(function) for function in functions}

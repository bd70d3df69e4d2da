# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a connection, the same for modules and stores; the documentation lies in doc_fragments/vault.py."""

from __future__ import annotations

import os
import typing as t

from .errors import VaultError
from .settings import seconds

AUTH_METHODS = ("token", "approle", "jwt", "kubernetes", "cert", "userpass", "ldap", "aws", "azure", "gcp", "agent")

OPTIONS: dict[str, dict[str, t.Any]] = {
    "url": {"type": "str"},
    "namespace": {"type": "str"},
    "ca_path": {"type": "path"},
    "validate_certs": {"type": "bool"},
    "server_name": {"type": "str"},
    "proxy": {"type": "str"},
    "auth_method": {"type": "str", "choices": list(AUTH_METHODS), "default": "token"},
    "auth_mount": {"type": "str"},
    "token": {"type": "str", "no_log": True},
    "token_path": {"type": "path", "no_log": False},
    "role": {"type": "str"},
    "role_id": {"type": "str"},
    "secret_id": {"type": "str", "no_log": True},
    "wrapped_secret_id": {"type": "str", "no_log": True},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "jwt": {"type": "str", "no_log": True},
    "jwt_path": {"type": "path", "no_log": False},
    "aws_region": {"type": "str"},
    "iam_server_id": {"type": "str"},
    "azure_resource": {"type": "str"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},
    "timeout": {"type": "float"},
    "retries": {"type": "int"},
}

# What an option is where it is not given: a variable, as BAO_... and then as VAULT_..., the same that the servers' own client reads
# (https://openbao.org/docs/commands/#environment-variables).
ENVIRONMENT: dict[str, tuple[str, ...]] = {
    "url": ("AGENT_ADDR", "ADDR"),
    "namespace": ("NAMESPACE",),
    "ca_path": ("CACERT", "CAPATH"),
    "validate_certs": ("SKIP_VERIFY",),
    "server_name": ("TLS_SERVER_NAME",),
    "proxy": ("PROXY_ADDR", "HTTP_PROXY"),
    "token": ("TOKEN",),
    "client_cert": ("CLIENT_CERT",),
    "client_key": ("CLIENT_KEY",),
    "timeout": ("CLIENT_TIMEOUT",),
    "retries": ("MAX_RETRIES",),
}
DEFAULTS: dict[str, t.Any] = {"validate_certs": True, "timeout": 10.0, "retries": 3}
_YES, _NO = ("1", "t", "true"), ("0", "f", "false")


def variables(option: str) -> list[str]:
    """Names of the variables of an option, in the order in which they count."""
    return [f"{prefix}_{name}" for name in ENVIRONMENT.get(option, ()) for prefix in ("BAO", "VAULT")]


def completed(options: t.Mapping[str, t.Any], environment: t.Mapping[str, str] | None = None) -> dict[str, t.Any]:
    """OPTIONS, and for what they leave out the environment's values, or the defaults.

    A token of the environment does not count where the options say where the token is.

    Raises:
        VaultError: a variable has a value that is none.
    """
    values = {name: value for name, value in options.items() if value is not None}
    # What an option of the first kind says is not completed by a variable of the second: token and file, certificate and key.
    settled = {"token": "token_path", "client_key": "client_cert"}
    environment = os.environ if environment is None else environment
    for option in ENVIRONMENT:
        name = next((name for name in variables(option) if environment.get(name)), "")
        if name and option not in values and not options.get(settled.get(option, "")):
            values[option] = _value(option, name, environment[name])
    return {**{name: option.get("default") for name, option in OPTIONS.items()}, **DEFAULTS, **values}


def _value(option: str, name: str, text: str) -> t.Any:
    number: t.Any
    if option == "validate_certs":
        if text.lower() in (*_YES, *_NO):
            return text.lower() in _NO
        number = None
    elif option == "timeout":
        number = seconds(text)
    elif option == "retries":
        number = int(text) if text.isdigit() else None
    else:
        return text
    if number is None:
        raise VaultError(
            f"{name} in the environment has a value that is none", kind="invalid", fix="Correct or unset it"
        )
    return float(number) if option == "timeout" else number

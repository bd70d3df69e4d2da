# SPDX-License-Identifier: GPL-3.0-or-later
"""How to log in: what each auth method is sent (https://openbao.org/api-docs/auth/)."""

from __future__ import annotations

import os
import typing as t

from . import cloud
from .errors import VaultError
from .paths import segment

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/token"
TOKEN_FILE = "~/.vault-token"

Options = t.Mapping[str, t.Any]
Login = t.Tuple[str, t.Dict[str, t.Any]]


def login_of(options: Options) -> Login:
    """Path and body of the login that OPTIONS ask for.

    Raises:
        VaultError: an option is missing, or a file cannot be read.
    """
    method = options["auth_method"]
    mount = str(options.get("auth_mount") or method).strip("/")
    path, body = METHODS[method](options)
    return f"auth/{mount}/login{path}", {name: value for name, value in body.items() if value is not None}


def _approle(options: Options) -> Login:
    return "", {"role_id": need(options, "role_id"), "secret_id": options.get("secret_id")}


def _jwt(options: Options) -> Login:
    path = options.get("jwt_path")
    token = options.get("jwt") or (text_of(path, "JWT") if path else need(options, "jwt"))
    return "", {"role": need(options, "role"), "jwt": token}


def _kubernetes(options: Options) -> Login:
    token = options.get("jwt") or text_of(options.get("jwt_path") or SERVICE_ACCOUNT, "JWT")
    return "", {"role": need(options, "role"), "jwt": token}


def _cert(options: Options) -> Login:
    need(options, "client_cert")
    return "", {"name": options.get("role")}


def _password(options: Options) -> Login:
    return f"/{segment(need(options, 'username'), 'username')}", {"password": need(options, "password")}


def _aws(options: Options) -> Login:
    return "", cloud.aws(options)


def _azure(options: Options) -> Login:
    need(options, "role")
    return "", cloud.azure(options)


def _gcp(options: Options) -> Login:
    need(options, "role")
    return "", cloud.gcp(options)


METHODS: dict[str, t.Callable[[Options], Login]] = {
    "approle": _approle,
    "aws": _aws,
    "azure": _azure,
    "cert": _cert,
    "gcp": _gcp,
    "jwt": _jwt,
    "kubernetes": _kubernetes,
    "ldap": _password,
    "userpass": _password,
}


def token_of(options: Options) -> str:
    """The token that OPTIONS give, or that of the file where the servers' own client keeps it.

    Raises:
        VaultError: the file cannot be read.
    """
    if options.get("token"):
        return str(options["token"])
    return text_of(options.get("token_path") or os.path.expanduser(TOKEN_FILE), "token")


def need(options: Options, option: str) -> str:
    if not options.get(option):
        raise VaultError(f"auth_method {options['auth_method']} needs '{option}'", kind="invalid", fix="Set it")
    return str(options[option])


def text_of(path: str, what: str) -> str:
    try:
        with open(path, encoding="utf-8") as handle:
            return handle.read().strip()
    except (OSError, UnicodeDecodeError) as exc:
        reason = getattr(exc, "strerror", None) or "it is no text"
        fix = f"Give a {what}, or another auth_method"
        raise VaultError(f"no {what}: {path}: {reason}", kind="unauthorized", fix=fix) from None

# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets engines and auth methods are enabled and tuned the same way."""

from __future__ import annotations

import typing as t

from .client import Answer, VaultClient
from .errors import VaultError
from .settings import differing, names_diff


def settle_mount(client: VaultClient, table: str, given: t.Mapping[str, t.Any], *, check_mode: bool) -> Answer:
    """Bring one entry of sys/mounts or sys/auth to what is wanted: one read, and one write where it differs."""
    path = given["path"].strip("/")
    found = client.request("GET", f"sys/{table}")["data"].get(f"{path}/")
    if given["state"] == "absent":
        if found and not check_mode:
            client.delete(f"sys/{table}/{path}")
        return {
            "changed": bool(found),
            "changed_names": [],
            "diff": {"before": f"{path}\n" if found else "", "after": ""},
        }
    described = {} if given["description"] is None else {"description": given["description"]}
    if found is None:
        if not check_mode:
            options = {key: str(value) for key, value in given["options"].items()}
            body = {"type": given["type"], "config": given["config"], "options": options, **described}
            client.write(f"sys/{table}/{path}", **body)
        wanted = {"type": given["type"], **given["options"], **given["config"], **described}
        return {"changed": True, "changed_names": sorted(wanted), "diff": names_diff(wanted, None, wanted)}
    if found["type"] != given["type"]:
        raise VaultError(
            f"sys/{table}/{path} has type {found['type']}, not {given['type']}",
            kind="invalid",
            fix="Choose another path, or remove it first: what it holds would be lost",
        )
    wanted = {**given["options"], **given["config"], **described}
    shown = {**(found.get("options") or {}), **found["config"], "description": found["description"]}
    changed = differing(wanted, shown)
    if changed and not check_mode:
        options = {key: str(value) for key, value in given["options"].items()}
        tuned: Answer = {**given["config"], **described, **({"options": options} if options else {})}
        client.write(f"sys/{table}/{path}/tune", **tuned)
    return {"changed": bool(changed), "changed_names": changed, "diff": names_diff(changed, shown, wanted)}

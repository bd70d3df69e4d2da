# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets engines and auth methods are enabled and tuned the same way."""

from __future__ import annotations

import typing as t

from .client import Answer, VaultClient
from .errors import VaultError
from .settings import differing, names_diff


def settle_mount(client: VaultClient, table: str, params: t.Mapping[str, t.Any], *, check_mode: bool) -> Answer:
    """Bring one entry of sys/mounts or sys/auth to what is wanted: one read, and one write where it differs."""
    path = params["path"].strip("/")
    current = client.request("GET", f"sys/{table}")["data"].get(f"{path}/")
    if params["state"] == "absent":
        if current and not check_mode:
            client.delete(f"sys/{table}/{path}")
        return {
            "changed": bool(current),
            "changed_names": [],
            "diff": {"before": f"{path}\n" if current else "", "after": ""},
        }
    described = {} if params["description"] is None else {"description": params["description"]}
    if current is None:
        if not check_mode:
            options = {key: str(value) for key, value in params["options"].items()}
            body = {"type": params["type"], "config": params["config"], "options": options, **described}
            client.write(f"sys/{table}/{path}", **body)
        desired = {"type": params["type"], **params["options"], **params["config"], **described}
        return {"changed": True, "changed_names": sorted(desired), "diff": names_diff(desired, None, desired)}
    if current["type"] != params["type"]:
        raise VaultError(
            f"sys/{table}/{path} has type {current['type']}, not {params['type']}",
            kind="invalid",
            fix="Choose another path, or remove it first: what it holds would be lost",
        )
    desired = {**params["options"], **params["config"], **described}
    shown = {**(current.get("options") or {}), **current["config"], "description": current["description"]}
    changed = differing(desired, shown)
    if changed and not check_mode:
        options = {key: str(value) for key, value in params["options"].items()}
        tuned: Answer = {**params["config"], **described, **({"options": options} if options else {})}
        client.write(f"sys/{table}/{path}/tune", **tuned)
    return {"changed": bool(changed), "changed_names": changed, "diff": names_diff(changed, shown, desired)}

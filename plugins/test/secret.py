# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests for references and encrypted texts."""

from __future__ import annotations

import typing as t

from ansible_collections.unified.deploy.plugins.module_utils import _sops
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.errors import MalformedReferenceError
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.reference import parse


def secret_reference(value: t.Any) -> bool:
    try:
        parse(value)
    except MalformedReferenceError:
        return False
    return True


def sops_encrypted(value: t.Any) -> bool:
    for kind in ("yaml", "dotenv", "ini"):
        try:
            _sops.metadata(str(value).encode(), kind)
            return True
        except _sops.SopsError:
            continue
    return False


class TestModule:
    __test__ = False  # not one of pytest's

    def tests(self) -> dict[str, t.Callable[[t.Any], bool]]:
        return {"secret_reference": secret_reference, "sops_encrypted": sops_encrypted}

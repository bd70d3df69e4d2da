# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stores say of their secrets without showing them."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.unified.deploy.plugins.plugin_utils._controller_action import ControllerAction, Result
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets import values
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.reference import parse
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.resolver import Resolver


class ActionModule(ControllerAction):
    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        "references": {"type": "list", "elements": "str", "default": []},
        "store": {"type": "str"},
        "prefix": {"type": "str", "default": ""},
    }
    CONSTRAINTS: t.ClassVar[dict[str, t.Any]] = {"required_one_of": [["references", "store"]]}
    _requires_connection = False

    def act(self, arguments: Result, task_vars: Result) -> Result:
        resolver = Resolver(values.declared_stores(self, task_vars), getattr(self._loader, "_vault", None))
        secrets = {text: self._described(resolver, text) for text in arguments["references"]}
        paths: list[str] = []
        if arguments["store"]:
            store = resolver.store(arguments["store"])
            store.require("list", arguments["prefix"])
            paths = store.list(arguments["prefix"])
        return {"changed": False, "secrets": secrets, "paths": paths}

    @staticmethod
    def _described(resolver: Resolver, text: str) -> Result:
        reference = parse(text)
        store = resolver.store(reference.store, text)
        reference = store.document_key(reference)
        store.require("describe", text)
        versions = store.versions(reference) if "versions" in store.capabilities and not reference.options else []
        return {
            **dataclasses.asdict(store.describe(reference)),
            "versions": [dataclasses.asdict(version) for version in versions],
        }

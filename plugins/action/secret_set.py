# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""References to values on the controller, then one module call."""

from __future__ import annotations

import os
import re
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.template import trust_as_template
from ansible_collections.unified.deploy.plugins.plugin_utils._controller_action import ControllerAction, Result
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets import values
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.errors import SecretError
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.transform import FORMATS

# What is delivered, and what each is known by.
KINDS = {"files": "path", "credentials": "name", "podman": "name"}


class ActionModule(ControllerAction):
    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        "name": {"type": "str", "default": "default"},
        "files": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "path": {"type": "path", "required": True},
                "reference": {"type": "str"},
                "values": {"type": "dict"},
                "format": {"type": "str", "choices": ["dotenv", "json", "yaml"], "default": "dotenv"},
                "template": {"type": "path"},
                "mode": {"type": "str", "default": "0600"},
                "owner": {"type": "str", "default": "root"},
                "group": {"type": "str", "default": "root"},
                "at_boot": {"type": "bool", "default": False},
                "restart": {"type": "list", "elements": "str", "default": []},
                "reload": {"type": "list", "elements": "str", "default": []},
            },
            "mutually_exclusive": [["reference", "values"]],
            "required_one_of": [["reference", "values"]],
        },
        "credentials": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "name": {"type": "str", "required": True},
                "reference": {"type": "str", "required": True},
                "encrypted": {"type": "str", "choices": ["auto", "always", "never"], "default": "auto"},
                "restart": {"type": "list", "elements": "str", "default": []},
                "reload": {"type": "list", "elements": "str", "default": []},
            },
        },
        "podman": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "name": {"type": "str", "required": True},
                "reference": {"type": "str", "required": True},
                "restart": {"type": "list", "elements": "str", "default": []},
                "reload": {"type": "list", "elements": "str", "default": []},
            },
        },
        "preflight": {"type": "bool", "default": False},
    }

    def act(self, arguments: Result, task_vars: Result) -> Result:
        self._check(arguments)
        items = [item for kind in KINDS for item in arguments[kind]]
        references = [reference for item in items for reference in values.references_of(item)]
        values.refuse_dynamic(references)
        secrets = values.values_of(values.resolver_of(self, task_vars), references)
        content = {kind: [self._item(item, secrets, task_vars) for item in arguments[kind]] for kind in KINDS}
        if arguments["preflight"]:
            return {"changed": False, "references": len(secrets)}
        return self.module("secret_delivery", {"name": arguments["name"], "request": content}, task_vars)

    def _check(self, arguments: Result) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", arguments["name"]):
            raise AnsibleActionFail(
                f"name '{arguments['name']}' is none for a set. Use letters, digits, '-', '_' and '.'"
            )
        for kind, key in KINDS.items():
            names = [item[key] for item in arguments[kind]]
            for number, name in enumerate(names):
                where = f"{kind}[{number}] ({name})"
                if name in names[:number]:
                    raise AnsibleActionFail(f"{where}: {kind}[{names.index(name)}] writes the same. Merge the two")
                if kind != "files" and (not name or "/" in name or name.startswith(("-", "."))):
                    raise AnsibleActionFail(f"{where}: is no name. Use letters, digits, '-', '_' and '.'")
        for number, item in enumerate(arguments["files"]):
            self._check_file(f"files[{number}] ({item['path']})", item)

    @staticmethod
    def _check_file(where: str, item: Result) -> None:
        path = item["path"]
        if not path.startswith("/"):
            raise AnsibleActionFail(f"{where}: the path is not absolute. Begin it with '/'")
        if not path.isprintable():
            raise AnsibleActionFail(f"{path!r}: the path has a character that does not show")
        # Two spellings of one path would be two files for the record, and /run/../etc would count as below /run.
        plain = "/" + os.path.normpath(path).lstrip("/")
        if path != plain:
            raise AnsibleActionFail(f"{where}: write the path as {plain}")
        try:
            mode = int(item["mode"], 8)
        except ValueError:
            raise AnsibleActionFail(
                f"{where}: mode '{item['mode']}' is not octal. Write it in quotes, as \"0600\""
            ) from None
        if mode & 0o007:
            raise AnsibleActionFail(
                f'{where}: with mode {item["mode"]} everybody could read it. Use "0600", or "0640" and a group, in quotes'
            )
        if item["at_boot"] and not item["path"].startswith("/run/"):
            raise AnsibleActionFail(f"{where}: at_boot is for files below /run. Others are still there after a reboot")
        if item["template"] and not item["values"]:
            raise AnsibleActionFail(f"{where}: a template needs 'values'. Name the references it uses")

    def _item(self, item: Result, secrets: dict[str, str], task_vars: Result) -> Result:
        keys = ("path", "name", "mode", "owner", "group", "at_boot", "encrypted", "restart", "reload")
        kept = {key: item[key] for key in keys if key in item}
        if item["reference"]:
            return {**kept, "content": secrets[item["reference"]]}
        named = {name: secrets[reference] for name, reference in item["values"].items()}
        if item["template"]:
            return {**kept, "content": self._rendered(item["template"], named, task_vars)}
        try:
            return {**kept, "content": FORMATS[item["format"]](named)}
        except SecretError as exc:
            raise AnsibleActionFail(f"{item['path']}: {exc}") from None

    def _rendered(self, template: str, secrets: dict[str, str], task_vars: Result) -> str:
        try:
            path = self._find_needle("templates", template)
            source, _private = self._loader._get_file_contents(path)
            available = {**task_vars, "secrets": secrets}
            templar = self._templar.copy_with_new_env(available_variables=available)
            return str(templar.template(trust_as_template(source.decode()), preserve_trailing_newlines=True))
        except AnsibleError as exc:
            # The message of a template's error may quote what it was rendering: only where it happened is kept.
            raise AnsibleActionFail(
                f"{template} cannot be rendered ({type(exc).__name__}). Check its names and syntax"
            ) from None

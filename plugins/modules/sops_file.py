#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files encrypted by SOPS."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sops_file
short_description: Manage files encrypted by SOPS
version_added: 0.2.0
description:
  - Reads and compares before it writes. An unchanged file keeps its bytes and its time of modification.
  - Recipients come from the creation rule of a C(.sops.yaml), or from O(age), O(pgp) and O(key_groups). Where those of the file differ,
    C(sops updatekeys) brings them in line, and a new data key is made when a recipient was removed, since it knows the old one.
  - Runs where the programs C(sops) and, for YAML, the Python package C(PyYAML) are; mostly on the controller.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  path:
    description: The encrypted file.
    type: path
    required: true
  state:
    description: Whether the file is there.
    type: str
    choices: [present, absent]
    default: present
  data:
    description: Wanted values. Excludes O(content).
    type: raw
  content:
    description: Wanted text, for example of M(ansible.builtin.template#lookup). Comments are kept, but not compared.
    type: str
  format:
    description: The file's format. By default the name's ending decides, and V(binary) is taken for what is unknown.
    type: str
    choices: [yaml, json, dotenv, ini, binary]
  config:
    description: The C(.sops.yaml) to use. By default the nearest one above O(path).
    type: path
  age:
    description: age recipients, instead of a creation rule's.
    type: list
    elements: str
  pgp:
    description: PGP fingerprints, instead of a creation rule's.
    type: list
    elements: str
  key_groups:
    description: Key groups, each with V(age) and V(pgp); a key of O(shamir_threshold) groups is needed to decrypt.
    type: list
    elements: dict
  shamir_threshold:
    description: Number of key groups needed to decrypt.
    type: int
  encrypted_regex:
    description: Only values below names that match are encrypted. Needs recipients given here.
    type: str
  unencrypted_regex:
    description: Values below names that match stay plain. Needs recipients given here.
    type: str
  allow_plain:
    description:
      - Names or paths of values that may stay plain although their name says secret.
      - Anything else that should be encrypted and would not be is refused.
    type: list
    elements: str
    default: []
  rotate:
    description: When the data key is made anew. V(always) always reports a change.
    type: str
    choices: [on_removal, always, never]
    default: on_removal
  age_key:
    description: Private age keys, for reading.
    type: str
  age_key_file:
    description: File of private age keys, for reading.
    type: path
  gnupg_home:
    description: GnuPG's home directory.
    type: path
extends_documentation_fragment:
  - ansible.builtin.files
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: Shows names and whether they change, never values.
    support: full
  idempotent:
    description: An unchanged file is decrypted once and not written, except with O(rotate=always).
    support: full
"""

EXAMPLES = r"""
- name: Keep the application's passwords in the repository
  unified.deploy.sops_file:
    path: "{{ playbook_dir }}/secrets/app.sops.yaml"
    data:
      database:
        password: "{{ lookup('ansible.builtin.password', '/dev/null') }}"
  delegate_to: localhost

- name: Take away a recipient, and make a new data key
  unified.deploy.sops_file:
    path: secrets/app.sops.yaml
    age: [age1gd9w3sn8ugd2ttwk5lshckxxa6qz3ny6l76szyzaeywyn8dr499q2wjt5d]
"""

RETURN = r"""
actions:
  description: What was done or, in check mode, would be.
  type: list
  elements: str
  returned: success
  sample: [encrypted, recipients updated, data key rotated]
values:
  description: Paths of values that change, each with added, changed or removed.
  type: dict
  returned: success
recipients:
  description: Recipients, by key group.
  type: list
  elements: list
  returned: success
"""

import json
import os
import shutil
import tempfile
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.unified.deploy.plugins.module_utils import _sops, _sops_file
from ansible_collections.unified.deploy.plugins.module_utils._sops import SopsError

try:
    import yaml

    load_yaml = yaml.safe_load
except ImportError:
    load_yaml = None  # type: ignore[assignment]


class File:
    """The file as it is, the rule for it, and what has to happen."""

    def __init__(self, module: AnsibleModule, sops: _sops.Sops, scratch: str) -> None:
        self.given = module.params
        self.path = os.path.abspath(self.given["path"])
        self.kind = _sops.format_of(self.path, self.given["format"])
        self.sops = sops
        self.scratch = scratch
        self.actions: list[str] = []
        self.values: dict[str, str] = {}
        own = {name: self.given[name] for name in ("age", "pgp", "key_groups") if self.given[name]}
        selection = {name: self.given[name] for name in ("encrypted_regex", "unencrypted_regex") if self.given[name]}
        if selection and not own:
            raise SopsError("encrypted_regex and unencrypted_regex need recipients", fix="Give age, pgp or key_groups")
        if own:
            groups = own.pop("key_groups", [])
            self.rule: dict[str, t.Any] = {**({"key_groups": [*([own] if own else []), *groups]}), **selection}
            if self.given["shamir_threshold"]:
                self.rule["shamir_threshold"] = self.given["shamir_threshold"]
        else:
            config = self.given["config"] or _sops.config_for(self.path)
            if not config:
                fix = "Add a .sops.yaml, or give age, pgp or key_groups"
                raise SopsError("has no recipients: there is no .sops.yaml above it", kind="no_recipients", fix=fix)
            self.rule = {
                name: value
                for name, value in _sops_file.rule_for(self.path, config, load_yaml).items()
                if name != "path_regex"
            }
        self.config = os.path.join(scratch, ".sops.yaml")
        with open(self.config, "w", encoding="utf-8") as handle:
            json.dump({"creation_rules": [self.rule]}, handle)

    def result(self) -> bytes | None:
        """The bytes to write, or None where the file is right."""
        before = None
        if os.path.exists(self.path):
            with open(self.path, "rb") as handle:
                before = handle.read()
        if self.given["data"] is None and self.given["content"] is None:
            if before is None:
                raise SopsError("there is no such file, and no data or content is given", fix="Give one of them")
            return self._keys(before)
        section = self._section(before)
        wanted = self._wanted()
        if section is not None:
            found = self._found(before or b"")
            self.values = _sops_file.changes(wanted, found)
            if not self.values and not self._selection_differs(section):
                return self._keys(before or b"")
        else:
            self.values = {name: "added" for name, _value in _sops.leaves(wanted)}
        self.actions.append("encrypted")
        return self._checked(self._encrypt())

    def _section(self, before: bytes | None) -> dict[str, t.Any] | None:
        if before is None:
            return None
        try:
            return _sops.metadata(before, self.kind, load_yaml)[1]
        except SopsError as exc:
            if exc.kind == "plain":
                return None
            raise

    def _wanted(self) -> t.Any:
        values = self.given["data"]
        if values is None:
            values = _sops_file.parse(self.given["content"], self.kind, load_yaml)
        if not isinstance(values, (dict, list)) or (self.kind in ("dotenv", "ini") and not isinstance(values, dict)):
            raise SopsError(f"data of a {self.kind} file is a mapping", fix="Give names and values")
        if self.kind == "binary" and self.given["data"] is not None:
            raise SopsError("a binary file has content, not data", fix="Give content, or a format")
        return _sops_file.shown(values, self.kind)

    def _found(self, before: bytes) -> t.Any:
        if self.kind == "binary":
            return {"data": self.sops.decrypt(self.path, self.kind).decode(errors="surrogateescape")}
        return _sops_file.shown(json.loads(self.sops.decrypt(self.path, self.kind, "json")), self.kind)

    def _selection_differs(self, section: dict[str, t.Any]) -> bool:
        return any((self.rule.get(name) or None) != (section.get(name) or None) for name in _sops_file.SELECTION[:3])

    def _encrypt(self) -> bytes:
        text, kind = self.given["content"], self.kind
        if text is None:
            text, kind = json.dumps(self.given["data"]), "json"
        return self.sops.encrypt(text.encode(errors="surrogateescape"), self.path, kind, self.kind, config=self.config)

    def _checked(self, after: bytes) -> bytes:
        plain = _sops_file.plain_secrets(after, self.kind, load_yaml, self.given["allow_plain"])
        if plain:
            raise SopsError(
                f"these values would stay plain: {', '.join(plain[:10])}",
                kind="plain",
                fix="Widen encrypted_regex, or name them in allow_plain",
            )
        return after

    def _keys(self, before: bytes) -> bytes | None:
        """Recipients and data key, on a copy."""
        section = _sops.metadata(before, self.kind, load_yaml)[1]
        added, removed = _sops_file.drifted(_sops_file.groups_of(self.rule), _sops.recipients(section))
        rotate = self.given["rotate"] == "always" or (removed and self.given["rotate"] == "on_removal")
        if not added and not removed and not rotate:
            return None
        copy = os.path.join(self.scratch, os.path.basename(self.path))
        shutil.copyfile(self.path, copy)
        if added or removed:
            self.sops.update_keys(copy, self.kind, self.config)
            self.actions.append("recipients updated")
        if rotate:
            self.actions.append("data key rotated")
            return self.sops.rotate(copy, self.kind)
        with open(copy, "rb") as handle:
            return handle.read()


def write(module: AnsibleModule, path: str, content: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".sops-")
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        module.atomic_move(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "data": {"type": "raw", "no_log": True},
            "content": {"type": "str", "no_log": True},
            "format": {"type": "str", "choices": ["yaml", "json", "dotenv", "ini", "binary"]},
            "config": {"type": "path"},
            "age": {"type": "list", "elements": "str"},
            "pgp": {"type": "list", "elements": "str"},
            "key_groups": {"type": "list", "elements": "dict", "no_log": False},
            "shamir_threshold": {"type": "int"},
            "encrypted_regex": {"type": "str"},
            "unencrypted_regex": {"type": "str"},
            "allow_plain": {"type": "list", "elements": "str", "default": []},
            "rotate": {"type": "str", "choices": ["on_removal", "always", "never"], "default": "on_removal"},
            "age_key": {"type": "str", "no_log": True},
            "age_key_file": {"type": "path", "no_log": False},
            "gnupg_home": {"type": "path"},
        },
        mutually_exclusive=[("data", "content"), ("encrypted_regex", "unencrypted_regex")],
        add_file_common_args=True,
        supports_check_mode=True,
    )
    if load_yaml is None:
        module.fail_json(msg=missing_required_lib("PyYAML"))
    path = module.params["path"]
    if module.params["state"] == "absent":
        there = os.path.exists(path)
        if there and not module.check_mode:
            os.unlink(path)
        module.exit_json(changed=there, actions=["removed"] if there else [], values={}, recipients=[])
    keys = {name: module.params[name] or "" for name in ("age_key", "age_key_file", "gnupg_home")}

    def run(argv: t.Sequence[str], data: bytes, environment: t.Mapping[str, str]) -> tuple[int, bytes, bytes]:
        return module.run_command(
            list(argv), data=data, binary_data=True, encoding=None, environ_update=dict(environment)
        )

    scratch = tempfile.mkdtemp(dir=module.tmpdir)
    try:
        program = module.get_bin_path("sops", required=True)
        wanted = File(module, _sops.Sops(run, program, **keys), scratch)
        content = wanted.result()
        if not os.path.exists(path) and module.params["mode"] is None:
            module.params["mode"] = "0600"
        if content is not None and not module.check_mode:
            write(module, path, content)
    except SopsError as exc:
        module.fail_json(msg=f"{path}: {exc}")
    except OSError as exc:
        module.fail_json(msg=f"{exc.filename or path}: {exc.strerror}; nothing was changed")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    changed = content is not None
    if os.path.exists(path):
        arguments = module.load_file_common_arguments(module.params)
        changed = module.set_fs_attributes_if_different(arguments, changed)
    rows = [*(f"{name}: {what}" for name, what in wanted.values.items()), *wanted.actions]
    module.exit_json(
        changed=changed, actions=wanted.actions, values=wanted.values, recipients=_sops_file.groups_of(wanted.rule),
        diff={"before": "", "after": "".join(f"{row}\n" for row in rows)},
    )  # fmt: skip


if __name__ == "__main__":
    main()

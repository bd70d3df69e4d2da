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
  - Reads and compares before it writes. An unchanged file keeps its bytes and its time of modification, and in a changed one every value
    that did not change keeps its bytes - a review of one value shows three lines, its own and those of time and authentication code.
  - YAML is read as C(sops) reads it (version 1.2) - C(yes), C(12:30) and dates in quotes are texts.
  - Recipients come from the creation rule of a C(.sops.yaml), or from O(age), O(pgp) and O(key_groups). Where those of the file differ,
    C(sops updatekeys) brings them in line, and a new data key is made when a recipient was removed, since it knows the old one.
  - Runs where the programs C(sops) and, for a YAML file or a C(.sops.yaml), the Python package C(PyYAML) are; mostly on the controller.
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
    description: The values. What is not named goes; comments and the order of names are kept. Excludes O(content).
    type: raw
  content:
    description: The text, for example of P(ansible.builtin.template#lookup). Its comments are kept, but not compared.
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
      - Names or paths of values that may stay plain although their name says secret, or they look like one themselves - private keys,
        addresses and connection strings with a password, tokens, long random words.
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
seealso:
  - module: unified.deploy.sops_info
  - module: unified.deploy.sops_vars
  - module: unified.deploy.age_key
  - module: unified.deploy.secret_value
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
changes:
  description: Paths of values that change, each with added, changed or removed.
  type: dict
  returned: success
recipients:
  description: Recipients, by key group.
  type: list
  elements: list
  returned: success
"""

import os
import shutil
import tempfile
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.unified.deploy.plugins.module_utils import _sops, _sops_file, _yaml12
from ansible_collections.unified.deploy.plugins.module_utils._memory import private_directory
from ansible_collections.unified.deploy.plugins.module_utils._sops import SopsError


def write(module: AnsibleModule, path: str, content: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path) or ".", prefix=".sops-")
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
    # A short value would be masked wherever it stands by chance, in the name of an action for one. Results hold names only.
    module.no_log_values = {value for value in module.no_log_values if len(str(value)) >= 4}
    path = module.params["path"]
    if module.params["state"] == "absent":
        there = os.path.exists(path)
        try:
            if there and not module.check_mode:
                os.unlink(path)
        except OSError as exc:
            module.fail_json(msg=f"{path} cannot be removed: {exc.strerror}")
        module.exit_json(changed=there, actions=["removed"] if there else [], changes={}, recipients=[])
    if _yaml12.yaml is None and (what := _sops_file.yaml_read(module.params)):
        module.fail_json(msg=missing_required_lib("PyYAML", reason=f"to read {what}"))
    keys = {name: module.params[name] or "" for name in ("age_key", "age_key_file", "gnupg_home")}

    def run(argv: t.Sequence[str], stdin: bytes, environment: t.Mapping[str, str]) -> tuple[int, bytes, bytes]:
        return module.run_command(
            list(argv), data=stdin, binary_data=True, encoding=None, environ_update=dict(environment)
        )

    scratch = tempfile.mkdtemp(dir=module.tmpdir)
    memory = private_directory(scratch)
    try:
        program = module.get_bin_path("sops", required=True)
        file = _sops_file.File(module.params, _sops.Sops(run, program, **keys), scratch, memory)
        content = file.result()
        if not os.path.exists(path) and module.params["mode"] is None:
            module.params["mode"] = "0600"
        if content is not None and not module.check_mode:
            write(module, path, content)
    except SopsError as exc:
        module.fail_json(msg=f"{path}: {exc}")
    except OSError as exc:
        module.fail_json(msg=f"{exc.filename or path}: {exc.strerror}; nothing was changed")
    finally:
        shutil.rmtree(memory, ignore_errors=True)
        shutil.rmtree(scratch, ignore_errors=True)
    changed = content is not None
    if os.path.exists(path):
        arguments = module.load_file_common_arguments(module.params)
        changed = module.set_fs_attributes_if_different(arguments, changed)
    if file.weakening:
        module.warn(
            f"{path}: the classic recipients {', '.join(file.weakening)} undo the protection of the post-quantum ones: "
            "whoever breaks one of them reads the file. Use post-quantum keys (age_key) only"
        )
    rows = [*(f"{name}: {what}" for name, what in file.values.items()), *file.actions]
    module.exit_json(
        changed=changed, actions=file.actions, changes=file.values, recipients=file.groups,
        diff={"before": "", "after": "".join(f"{row}\n" for row in rows)},
    )  # fmt: skip


if __name__ == "__main__":
    main()

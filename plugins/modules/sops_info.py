#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be said of SOPS files without a key."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sops_info
short_description: Show recipients and names of files encrypted by SOPS
version_added: 0.2.0
description:
  - Reads what SOPS leaves in plain. It needs no key, and neither the program C(sops).
author:
  - The unified.deploy authors (@unified-deploy)
options:
  paths:
    description: Files to read.
    type: list
    elements: path
    required: true
seealso:
  - module: unified.deploy.sops_file
  - module: unified.deploy.secret_info
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Who can read this?
  unified.deploy.sops_info:
    paths: [secrets/app.sops.yaml]
  register: sops
"""

RETURN = r"""
errors:
  description: Why a file cannot be read, by path. The module fails where there is one, after all files were looked at.
  type: dict
  returned: always
files:
  description: What is known of each file that can be read, by path.
  type: dict
  returned: always
  contains:
    encrypted:
      description: Whether SOPS encrypted it.
      type: bool
    format:
      description: yaml, json, dotenv, ini or binary.
      type: str
    recipients:
      description: Recipients by key group.
      type: list
      elements: list
    classic_recipients:
      description: Recipients that undo the protection of the file's post-quantum ones, with a warning. Empty where all is well.
      type: list
      elements: str
    last_modified:
      description: When it was last encrypted, ISO 8601.
      type: str
    version:
      description: The version of SOPS that wrote it.
      type: str
    names:
      description: Paths of its values.
      type: list
      elements: str
    plain:
      description: Paths of values that are plain and by their name should not be, or would not be by the file's own rule.
      type: list
      elements: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.unified.deploy.plugins.module_utils import _sops, _sops_file, _yaml12
from ansible_collections.unified.deploy.plugins.module_utils._sops import SopsError


def describe(path: str) -> dict[str, t.Any]:
    """What the file says of itself."""
    kind = _sops.format_of(path)
    if kind == "yaml" and _yaml12.yaml is None:
        raise SopsError(missing_required_lib("PyYAML"))
    with open(path, "rb") as handle:
        content = handle.read()
    try:
        document, section = _sops.metadata(content, kind)
    except SopsError as exc:
        if exc.kind == "plain" or kind == "binary":
            return {"encrypted": False, "format": kind}
        raise
    groups = _sops.recipients(section)
    return {
        "encrypted": True,
        "format": kind,
        "recipients": groups,
        "classic_recipients": _sops.undone(groups, _sops.threshold(section, groups)),
        "last_modified": str(section.get("lastmodified", "")),
        "version": str(section.get("version", "")),
        "names": sorted(_sops.written(name) for name, _value in _sops.leaves(document)),
        "plain": _sops_file.plain_secrets(content, kind),
    }


def main() -> t.NoReturn:
    spec = {"paths": {"type": "list", "elements": "path", "required": True}}
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    files, errors = {}, {}
    for path in module.params["paths"]:
        try:
            files[path] = describe(path)
        except OSError as exc:
            errors[path] = str(exc.strerror)
        except SopsError as exc:
            errors[path] = str(exc)
        else:
            if files[path].get("classic_recipients"):
                module.warn(
                    f"{path}: its classic recipients undo the protection of the post-quantum ones: whoever breaks one of them reads the "
                    "file. Use post-quantum keys (age_key) only"
                )
    if errors:
        listed = "; ".join(f"{path}: {error}" for path, error in errors.items())
        module.fail_json(
            msg=f"{len(errors)} of {len(module.params['paths'])} files cannot be read: {listed}",
            files=files,
            errors=errors,
        )
    module.exit_json(changed=False, files=files, errors=errors)


if __name__ == "__main__":
    main()

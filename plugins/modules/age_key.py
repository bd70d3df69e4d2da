#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""age identities."""

from __future__ import annotations

DOCUMENTATION = r"""
module: age_key
short_description: Make an age key once
version_added: 0.2.0
description:
  - Makes a private key with C(age-keygen) where there is none, readable by its owner only, and returns its recipient.
  - A key that is there is never replaced, and never removed - what was encrypted to it would be lost.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  path:
    description: The file of the private key.
    type: path
    required: true
  post_quantum:
    description:
      - Whether the key resists quantum computers. Its recipient has 1,959 characters. V(auto) makes such a key where age is 1.3 or newer.
    type: str
    choices: [auto, "true", "false"]
    default: auto
extends_documentation_fragment:
  - ansible.builtin.files
seealso:
  - module: unified.deploy.sops_file
  - module: unified.deploy.secret_value
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: Shows the recipient.
    support: full
  idempotent:
    description: A key that is there is not touched.
    support: full
"""

EXAMPLES = r"""
- name: A key for SOPS
  unified.deploy.age_key:
    path: ~/.config/sops/age/keys.txt
  register: key
"""

RETURN = r"""
recipient:
  description: The public key. Empty in check mode where there is no key yet.
  type: str
  returned: success
post_quantum:
  description: Whether the key resists quantum computers.
  type: bool
  returned: success
"""

import contextlib
import os
import stat
import tempfile
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.unified.deploy.plugins.module_utils._change.paths import make_directories


def make(module: AnsibleModule, program: str, path: str) -> None:
    """Make the key beside its place and link it in: two runs at once give one key."""
    choice = module.params["post_quantum"]
    make_directories(os.path.dirname(path) or ".", 0o700)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(path) or ".", prefix=".age-") as directory:
        temporary = os.path.join(directory, "key")
        code, _out, err = module.run_command([program, *(["-pq"] if choice != "false" else []), "-o", temporary])
        if code and choice == "auto" and "flag provided but not defined" in err:
            code, _out, err = module.run_command([program, "-o", temporary])
        if code:
            fix = "Post-quantum keys need age 1.3 or newer" if "not defined" in err else "Run it by hand to see why"
            module.fail_json(msg=f"{path}: age-keygen ended with {code}. {fix}")
        os.chmod(temporary, 0o600)
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "post_quantum": {"type": "str", "choices": ["auto", "true", "false"], "default": "auto"},
        },
        add_file_common_args=True,
        supports_check_mode=True,
    )
    path = module.params["path"]
    program = module.get_bin_path("age-keygen", required=True)
    changed = not os.path.exists(path)
    try:
        if changed and not module.check_mode:
            make(module, program, path)
        recipient = ""
        if os.path.exists(path):
            if module.params["mode"] is None and stat.S_IMODE(os.stat(path).st_mode) & 0o077:
                module.params["mode"] = "0600"
            arguments = module.load_file_common_arguments(module.params)
            changed = module.set_fs_attributes_if_different(arguments, changed)
            code, recipient, _err = module.run_command([program, "-y", path])
            if code:
                module.fail_json(msg=f"{path}: is no age key. Move it away, or choose another path")
    except OSError as exc:
        module.fail_json(msg=f"{exc.filename or path}: {exc.strerror}; nothing was changed")
    recipient = recipient.strip()
    module.exit_json(
        changed=changed, recipient=recipient, post_quantum=recipient.startswith("age1pq"),
        diff={"before": "", "after": f"{recipient}\n" if changed else ""},
    )  # fmt: skip


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's half of unified.deploy.host_certificate."""

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_files
short_description: Make a key once, and write a certificate for it
version_added: 0.2.0
description:
  - The host's half of M(unified.deploy.host_certificate). Use that one.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  cert_path:
    description: The certificate.
    type: path
    required: true
  key_path:
    description: Its key.
    type: path
    required: true
  issuer_path:
    description: The authority's certificate.
    type: path
    required: true
  group:
    description: Group that may read the key.
    type: str
    default: root
  certificate:
    description: A new certificate to write.
    type: str
  issuer:
    description: The authority's certificate to write.
    type: str
seealso:
  - module: unified.deploy.host_certificate
  - module: unified.deploy.certificate_authority
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: The action shows what changes.
    support: none
  idempotent:
    description: Files that are as wanted are not touched.
    support: full
"""

EXAMPLES = r"""
- name: Read the public key
  unified.deploy.certificate_files:
    cert_path: /etc/app/tls.pem
    key_path: /etc/app/tls.key
    issuer_path: /etc/app/ca.pem
"""

RETURN = r"""
certificate:
  description: The certificate that is there.
  type: str
  returned: success
issuer:
  description: The authority's certificate that is there.
  type: str
  returned: success
public_key:
  description: The public key, PEM. Empty in check mode where there is no key.
  type: str
  returned: success
"""

import grp
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.unified.deploy.plugins.module_utils._change.files import Wanted, attributes_set, replace, text
from ansible_collections.unified.deploy.plugins.module_utils._change.paths import make_directories


def openssl(module: AnsibleModule, *arguments: str) -> str:
    program = module.get_bin_path("openssl", required=True)
    code, out, err = module.run_command([program, *arguments])
    if code:
        module.fail_json(msg=f"'openssl {arguments[0]}' ended with {code}: {err.strip().splitlines()[-1:]}")
    return str(out)


def settle(module: AnsibleModule) -> dict[str, t.Any]:
    options, changed = module.params, False
    try:
        group = grp.getgrnam(options["group"]).gr_gid
    except KeyError:
        if not module.check_mode:
            module.fail_json(msg=f"there is no group {options['group']} on this host. Create it first")
        group = 0
    mode = 0o640 if group else 0o600
    key = Wanted(options["key_path"], b"", mode, 0, group)
    if not os.path.exists(key.path):
        changed = True
        if not module.check_mode:
            for path in (options["cert_path"], options["key_path"], options["issuer_path"]):
                make_directories(os.path.dirname(path), 0o755)
            made = openssl(module, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
            replace(key._replace(content=made.encode()))
    elif not module.check_mode:
        changed = attributes_set(key)
    if options["certificate"]:
        changed = True
        if not module.check_mode:
            replace(
                Wanted(options["issuer_path"], options["issuer"].encode(), 0o644, 0, 0),
                Wanted(options["cert_path"], options["certificate"].encode(), 0o644, 0, 0),
            )
    public = openssl(module, "pkey", "-in", key.path, "-pubout") if os.path.exists(key.path) else ""
    return {
        "changed": changed,
        "certificate": text(options["cert_path"]),
        "issuer": text(options["issuer_path"]),
        "public_key": public,
    }


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            "cert_path": {"type": "path", "required": True},
            "key_path": {"type": "path", "required": True, "no_log": False},
            "issuer_path": {"type": "path", "required": True},
            "group": {"type": "str", "default": "root"},
            "certificate": {"type": "str"},
            "issuer": {"type": "str"},
        },
        required_together=[("certificate", "issuer")],
        supports_check_mode=True,
    )
    result: dict[str, t.Any] = {}
    try:
        result = settle(module)
    except OSError as exc:
        module.fail_json(msg=f"{exc.filename or 'a file'}: {exc.strerror}; the old files are as they were")
    module.exit_json(**result)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have the key trusted that a host's own kernel modules are signed with."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_mok
short_description: Have the Machine Owner Key trusted that DKMS signs modules with
version_added: 0.2.0
description:
  - Makes the key once, or takes one from the controller, and requests its import once. Somebody at the host's console confirms it at the next boot,
    with the password that was given here.
  - Does nothing where the kernel takes any module (no Secure Boot, no lockdown, no C(module.sig_enforce)), and where the key is enrolled or its
    import is requested already.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  manage:
    description: Whether the key is made and its import requested. Otherwise the state is reported only.
    type: bool
    default: false
  password:
    description: What the console asks for at the next boot. Needed where an import is to be requested. It is not kept.
    type: str
    default: ""
  private_key:
    description: A private key in PEM, from SOPS for one, in place of one that is made on the host. It is never put in the place of another.
    type: str
    default: ""
  certificate:
    description: The certificate of O(private_key), in DER as base64.
    type: str
    default: ""
seealso:
  - module: unified.deploy.gpu_driver
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: Has nothing to show in diff mode.
    support: none
  idempotent:
    description: An import that is requested is not requested again.
    support: full
"""

EXAMPLES = r"""
- name: Have the key of this host's modules trusted
  unified.deploy.gpu_mok:
    manage: true
    password: "{{ lookup('unified.deploy.secret', 'sops:secrets/mok.yml#password') }}"
"""

RETURN = r"""
state:
  description:
    - V(off) where the kernel takes any module, V(absent) where the key is not trusted, V(pending) where the next boot asks for it, V(enrolled) where
      it is trusted. In check mode what it would be.
  type: str
  returned: success
"""

import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change.step import run_module
from ansible_collections.unified.deploy.plugins.module_utils._gpu.steps import mok


def main() -> t.NoReturn:
    run_module(mok.SPEC, mok.act)


if __name__ == "__main__":
    main()

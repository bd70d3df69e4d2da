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
  - Does nothing where Secure Boot is off, and where the key is enrolled or its import is requested already.
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

import base64
import binascii
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError
from ansible_collections.unified.deploy.plugins.module_utils._change.files import Wanted, replace
from ansible_collections.unified.deploy.plugins.module_utils._gpu import boot
from ansible_collections.unified.deploy.plugins.module_utils._gpu.tree import Tree

DIRECTORY = "/var/lib/dkms"


class MokError(Exception):
    """The key cannot be made or requested."""


def state() -> str:
    """How the kernel stands to the host's own keys: the best of them counts."""
    read = boot.secure_boot(Tree())
    if read["state"] not in ("on", "setup") and read["lockdown"] in ("", "none"):
        return "off"
    states = {key["state"] for key in read["keys"]}
    return next((one for one in ("enrolled", "pending") if one in states), "absent")


def make(private: str, certificate: str) -> None:
    """The key that DKMS signs with, where there is none yet.

    Raises:
        MokError: the certificate is none, or DKMS could not make a key.
    """
    key, public = os.path.join(DIRECTORY, "mok.key"), os.path.join(DIRECTORY, "mok.pub")
    if os.path.exists(public):
        return
    if private:
        try:
            der = base64.b64decode(certificate, validate=True)
        except (binascii.Error, ValueError) as exc:
            raise MokError("certificate is not DER as base64 (openssl x509 -outform DER | base64)") from exc
        if not der.startswith(b"\x30"):
            raise MokError("certificate is not DER as base64 (openssl x509 -outform DER | base64)")
        os.makedirs(DIRECTORY, mode=0o755, exist_ok=True)
        replace(Wanted(key, private.encode(), 0o600), Wanted(public, der, 0o644))
        return
    answer = programs.run(["dkms", "generate_mok"])
    if answer.code or not os.path.exists(public):
        raise MokError(f"dkms could not make a key: {answer.said}")


def request(password: str) -> None:
    """Ask shim to import the key at the next boot (mokutil(1)).

    Raises:
        MokError: there is no password, or mokutil refuses.
    """
    if not 1 <= len(password) <= 256 or "\n" in password:
        raise MokError("a password of one line and at most 256 characters is needed, which the console will ask for")
    public = os.path.join(DIRECTORY, "mok.pub")
    answer = programs.run(["mokutil", "--import", public], stdin=f"{password}\n{password}\n")
    if answer.code:
        raise MokError(f"mokutil ended with {answer.code}: {answer.said.replace(password, '(password)')}")


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            "manage": {"type": "bool", "default": False},
            "password": {"type": "str", "default": "", "no_log": True},
            "private_key": {"type": "str", "default": "", "no_log": True},
            "certificate": {"type": "str", "default": ""},
        },
        required_together=[("private_key", "certificate")],
        supports_check_mode=True,
    )
    before = state()
    requesting = module.params["manage"] and before == "absent"
    try:
        if requesting and not module.check_mode:
            make(module.params["private_key"], module.params["certificate"])
            # The key may have been trusted before this knew of it.
            if state() == "absent":
                request(module.params["password"])
    except (MokError, ChangeError) as exc:
        module.fail_json(msg=str(exc))
    except OSError as exc:
        module.fail_json(msg=f"{exc.filename}: {exc.strerror}")
    after = "pending" if requesting and module.check_mode else state()
    if requesting and after == "absent":
        module.fail_json(msg="mokutil ended well, and no import is requested. Does the host boot by shim?")
    module.exit_json(changed=requesting, state=after)


if __name__ == "__main__":
    main()

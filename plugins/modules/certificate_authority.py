#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a certificate authority once, its key encrypted by SOPS."""

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_authority
short_description: Make a certificate authority once
version_added: 0.2.0
description:
  - Makes a self-signed certificate authority (RFC 5280) with a key on the curve P-384. Its key is written encrypted by SOPS only.
  - A certificate that is there is never replaced.
  - Runs on the controller.
requirements:
  - cryptography
  - sops
author:
  - The unified.deploy authors (@unified-deploy)
options:
  path:
    description: The certificate. It is public.
    type: path
    required: true
  key_path:
    description: The key, a SOPS file. A reference to it is C(sops://) and this path.
    type: path
    required: true
  common_name:
    description: Name of the authority.
    type: str
    required: true
  days:
    description: How long it is valid, in days.
    type: int
    default: 3650
  age:
    description: Age recipients of the key. Without them and O(pgp) the creation rules of C(.sops.yaml) name the recipients.
    type: list
    elements: str
    default: []
  pgp:
    description: Fingerprints of PGP recipients of the key.
    type: list
    elements: str
    default: []
seealso:
  - module: unified.deploy.host_certificate
  - module: unified.deploy.certificate_files
  - module: unified.deploy.vault_pki_root
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: Says which file is made.
    support: full
  idempotent:
    description: An authority that is there is left alone.
    support: full
"""

EXAMPLES = r"""
- name: Make the authority of the cluster
  unified.deploy.certificate_authority:
    path: vault/ca.pem
    key_path: vault/ca.key.sops
    common_name: Vault of example.org
    age: [age1gd9w3sn8ugd2ttwk5lshckxxa6qz3ny6l76szyzaeywyn8dr499q2wjt5d]
  delegate_to: localhost
"""

RETURN = r"""
expires:
  description: Until when the certificate is valid, ISO 8601. Empty in check mode where there is none.
  type: str
  returned: success
"""

import datetime
import os
import traceback
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.unified.deploy.plugins.module_utils._certificate import ends
from ansible_collections.unified.deploy.plugins.module_utils._change.files import Wanted, replace
from ansible_collections.unified.deploy.plugins.module_utils._change.paths import make_directories
from ansible_collections.unified.deploy.plugins.module_utils._sops import SopsError
from ansible_collections.unified.deploy.plugins.module_utils._wrapped import OPTIONS, Sealed, Wrapper

CRYPTOGRAPHY_ERROR = ""
try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
except ImportError:
    CRYPTOGRAPHY_ERROR = traceback.format_exc()


def make(common_name: str, days: int) -> tuple[bytes, bytes, str]:
    """A new authority: certificate, key, and when it ends."""
    key = ec.generate_private_key(ec.SECP384R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    # Clocks of hosts differ.
    start, end = now - datetime.timedelta(hours=1), now + datetime.timedelta(days=days)
    usage = dict.fromkeys(
        (
            "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
            "encipher_only", "decipher_only",
        ),
        False,
    )  # fmt: skip
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA384())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(pem), private, end.isoformat(timespec="seconds")


def expires(path: str) -> str:
    with open(path, "rb") as handle:
        certificate = x509.load_pem_x509_certificate(handle.read())
    return ends(certificate).isoformat(timespec="seconds")


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "key_path": {"type": "path", "required": True, "no_log": False},
            "common_name": {"type": "str", "required": True},
            "days": {"type": "int", "default": 3650},
            **OPTIONS,
        },
        supports_check_mode=True,
    )
    if CRYPTOGRAPHY_ERROR:
        module.fail_json(msg=missing_required_lib("cryptography"), exception=CRYPTOGRAPHY_ERROR)
    path, key_path = os.path.abspath(module.params["path"]), os.path.abspath(module.params["key_path"])
    until, missing = "", not os.path.exists(path)
    try:
        if not missing:
            until = expires(path)
        elif not module.check_mode:
            wrapper = Wrapper(module)
            sealed = Sealed(key_path, b"{}", module.params["age"], module.params["pgp"])
            wrapper.prove([sealed])
            certificate, key, until = make(module.params["common_name"], module.params["days"])
            make_directories(os.path.dirname(path), 0o755)
            wrapper.write([sealed._replace(content=key)])
            replace(Wanted(path, certificate, 0o644))
    except SopsError as exc:
        module.fail_json(msg=str(exc))
    except ValueError:
        module.fail_json(msg=f"{path} is no certificate. Move it away, or name another path")
    except OSError as exc:
        module.fail_json(msg=f"{exc.filename or path}: {exc.strerror}; nothing was made")
    rows = f"{path}\n{key_path}\n" if missing else ""
    module.exit_json(changed=missing, expires=until, diff={"before": "", "after": rows})


if __name__ == "__main__":
    main()

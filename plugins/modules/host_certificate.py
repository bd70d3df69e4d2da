#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep a host's certificate; the work is done by the action of this name and by certificate_files."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_certificate
short_description: Keep a host's TLS certificate, signed by an authority on the controller
version_added: 0.2.0
description:
  - The host makes its key (on the curve P-256) and never gives it away. The controller signs its certificate.
  - The certificate is issued anew before it ends, and when its names, its key or its authority are others. The key stays.
  - The authority's key is read by its reference only when a certificate is issued. Stores are declared in the variable C(secret_stores).
requirements:
  - cryptography on the controller
  - openssl on the host
author:
  - The unified.deploy authors (@unified-deploy)
options:
  common_name:
    description: Common name. It is one of the names too.
    type: str
    required: true
  alt_names:
    description: More DNS names.
    type: list
    elements: str
    default: []
  ip_sans:
    description: IP addresses.
    type: list
    elements: str
    default: []
  cert_path:
    description: The certificate on the host.
    type: path
    required: true
  key_path:
    description: Its key on the host.
    type: path
    required: true
  issuer_path:
    description: The authority's certificate on the host.
    type: path
    required: true
  group:
    description: Group that may read the key. By default nobody but root may.
    type: str
    default: root
  ca_certificate:
    description: The authority's certificate on the controller.
    type: path
    required: true
  ca_key:
    description: Reference of the authority's key.
    type: str
    required: true
  days:
    description: How long a certificate is valid, in days.
    type: int
    default: 397
  renew_days:
    description: How many days before its end it is issued anew.
    type: int
    default: 60
seealso:
  - module: unified.deploy.certificate_authority
  - module: unified.deploy.certificate_files
  - module: unified.deploy.vault_certificate
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: Says why a certificate is issued.
    support: full
  idempotent:
    description: A certificate that is good is left alone.
    support: full
"""

EXAMPLES = r"""
- name: Keep the certificate of the server
  unified.deploy.host_certificate:
    common_name: "{{ inventory_hostname }}"
    ip_sans: ["{{ ansible_host }}", 127.0.0.1]
    cert_path: /etc/app/tls.pem
    key_path: /etc/app/tls.key
    issuer_path: /etc/app/ca.pem
    ca_certificate: pki/ca.pem
    ca_key: sops://pki/ca.key.sops
"""

RETURN = r"""
reason:
  description: Why a new one was issued. Empty where the old one is good.
  type: str
  returned: success
expires:
  description: Until when the certificate is valid, ISO 8601. Empty in check mode where there is none.
  type: str
  returned: success
"""

# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that all Vault modules have; a unit test compares them with module_utils/_vault/client.py."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
requirements:
  - hvac
author:
  - The unified.deploy authors (@unified-deploy)
options:
  url:
    description:
      - Address of OpenBao or HashiCorp Vault, or C(unix://) and the path of an agent's socket.
      - By default E(BAO_ADDR) or E(VAULT_ADDR).
    type: str
  namespace:
    description: Namespace. By default E(VAULT_NAMESPACE).
    type: str
  ca_path:
    description: The CA of the server's certificate. By default E(VAULT_CACERT), or the system's.
    type: path
  auth_method:
    description: How to authenticate. V(agent) leaves it to the agent behind O(url).
    type: str
    choices: [token, approle, jwt, kubernetes, cert, agent]
    default: token
  auth_mount:
    description: Where the auth method is mounted. By default its name.
    type: str
  token:
    description: Token. By default O(token_path), E(BAO_TOKEN), E(VAULT_TOKEN) or C(~/.vault-token).
    type: str
  token_path:
    description: File with the token.
    type: path
  role:
    description: Role to log in with, for V(jwt), V(kubernetes) and V(cert).
    type: str
  role_id:
    description: Role id, for V(approle).
    type: str
  secret_id:
    description: Secret id, for V(approle).
    type: str
  jwt:
    description: JSON web token, for V(jwt) and V(kubernetes).
    type: str
  jwt_path:
    description: File with the JSON web token. For V(kubernetes) the pod's own by default.
    type: path
  client_cert:
    description: Client certificate, for V(cert).
    type: path
  client_key:
    description: Key of the client certificate.
    type: path
  timeout:
    description: Seconds to wait for an answer.
    type: float
    default: 10.0
  retries:
    description: How often a request is sent again that the server could not take (429, 503; reads also 500, 502, 504).
    type: int
    default: 3
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
"""

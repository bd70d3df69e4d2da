# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that all Vault modules have; a unit test compares them with module_utils/_vault/options.py."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
author:
  - The unified.deploy authors (@unified-deploy)
options:
  url:
    description:
      - Address of OpenBao or HashiCorp Vault, or C(unix://) and the path of an agent's socket.
      - By default E(BAO_AGENT_ADDR), E(VAULT_AGENT_ADDR), E(BAO_ADDR) or E(VAULT_ADDR), the first of them that is set. Each variable that is named
        here counts under both names, and is read where the module runs.
    type: str
  namespace:
    description: Namespace. By default E(BAO_NAMESPACE) or E(VAULT_NAMESPACE).
    type: str
  ca_path:
    description:
      - The CA of the server's certificate, or a directory of CAs named by their hashes.
      - By default E(BAO_CACERT), E(VAULT_CACERT), E(BAO_CAPATH) or E(VAULT_CAPATH), or the system's.
    type: path
  validate_certs:
    description:
      - Whether the server's certificate is checked. Without that, whoever is on the way can read the token and all secrets.
      - By default V(true), unless E(BAO_SKIP_VERIFY) or E(VAULT_SKIP_VERIFY) says otherwise.
    type: bool
  server_name:
    description: Name that the server's certificate has to have. By default E(BAO_TLS_SERVER_NAME), E(VAULT_TLS_SERVER_NAME), or the host of O(url).
    type: str
  proxy:
    description:
      - Address of a proxy, C(http://host:port). Empty for none.
      - By default E(BAO_PROXY_ADDR), E(VAULT_PROXY_ADDR), E(BAO_HTTP_PROXY) or E(VAULT_HTTP_PROXY), or what E(HTTPS_PROXY), E(HTTP_PROXY) and
        E(NO_PROXY) say.
    type: str
  auth_method:
    description:
      - How to authenticate. V(agent) leaves it to the agent behind O(url).
      - V(aws), V(azure) and V(gcp) log in as the machine where the module or lookup runs, by what its cloud says of it. V(aws) takes the
        credentials of E(AWS_ACCESS_KEY_ID), E(AWS_SECRET_ACCESS_KEY) and E(AWS_SESSION_TOKEN), or those of the container's or instance's role, and
        the STS of E(AWS_REGION).
    type: str
    choices: [token, approle, jwt, kubernetes, cert, userpass, ldap, aws, azure, gcp, agent]
    default: token
  auth_mount:
    description: Where the auth method is mounted. By default its name.
    type: str
  token:
    description: Token. By default that of O(token_path), E(BAO_TOKEN), E(VAULT_TOKEN) or C(~/.vault-token).
    type: str
  token_path:
    description: File with the token. It is read again when its token has ended, since an agent may have written a new one.
    type: path
  role:
    description: Role to log in with, for V(jwt) (and the mounts of OIDC, see O(auth_mount)), V(kubernetes), V(cert), V(aws),
      V(azure) and V(gcp).
    type: str
  role_id:
    description: Role id, for V(approle).
    type: str
  secret_id:
    description: Secret id, for V(approle).
    type: str
  wrapped_secret_id:
    description:
      - Wrapping token with the secret id, for V(approle). It can be opened once, so that a secret id that somebody else took on the way is noticed.
    type: str
  username:
    description: User, for V(userpass) and V(ldap).
    type: str
  password:
    description: Password, for V(userpass) and V(ldap).
    type: str
  jwt:
    description: JSON web token, for V(jwt) and V(kubernetes).
    type: str
  jwt_path:
    description: File with the JSON web token. For V(kubernetes) the pod's own by default.
    type: path
  aws_region:
    description:
      - Region whose STS answers for V(aws), where the server has its C(sts_endpoint) in it or C(use_sts_region_from_client). Without it the global
        one does, as it does for servers that have neither. Variables of AWS's own programs do not count.
    type: str
  iam_server_id:
    description: Value of the header C(X-Vault-AWS-IAM-Server-ID), for V(aws), where the server asks for one.
    type: str
  azure_resource:
    description: Resource that the identity's token is for, for V(azure). By default C(https://management.azure.com/).
    type: str
  client_cert:
    description: Client certificate, shown to every server that asks for one. By default E(BAO_CLIENT_CERT) or E(VAULT_CLIENT_CERT).
    type: path
  client_key:
    description: Key of the client certificate. By default E(BAO_CLIENT_KEY) or E(VAULT_CLIENT_KEY), or it lies in the same file.
    type: path
  timeout:
    description: Seconds to wait for an answer. By default E(BAO_CLIENT_TIMEOUT), E(VAULT_CLIENT_TIMEOUT), or 10.
    type: float
  retries:
    description:
      - How often a request is sent again that did not reach the server, or that it could not take (412, 429, 503). Reads are sent again also
        after 500, 502, 504 and lost connections. A server that does not answer, or is sealed, is not asked again.
      - By default E(BAO_MAX_RETRIES), E(VAULT_MAX_RETRIES), or 3.
    type: int
attributes:
  action_group:
    description: Use C(group/unified.deploy.vault) in C(module_defaults) to set the options of the connection once.
    support: full
    membership:
      - unified.deploy.vault
  check_mode:
    description: Can run in check mode.
    support: full
"""

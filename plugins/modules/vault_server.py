#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one server of a cluster as it is configured."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_server
short_description: Run one server of an OpenBao or Vault cluster as it is configured
version_added: 0.2.0
description:
  - Enables and starts the server's unit, shows it a new certificate, unseals it, and restarts it where its program or one of its files is
    newer than what runs. What has to be done is seen from the running process, so a run that was cut off is finished by the next.
  - A server is restarted only while all its peers are unsealed and have a vote and one server leads, so that a restart never costs the quorum.
    Autopilot gives a server that joined its vote about ten seconds later; until then it is of no use to a majority.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  unit:
    description: Name of the systemd service, without its suffix.
    type: str
    required: true
  url:
    description: Address of this server.
    type: str
    required: true
  peers:
    description: Addresses of the other servers.
    type: list
    elements: str
    default: []
  ca_path:
    description: The CA of the servers' certificates.
    type: path
    required: true
  cert_path:
    description: The certificate that the server has to show.
    type: path
    required: true
  program:
    description: The server's program.
    type: path
    required: true
  files:
    description: Files that the server reads when it starts.
    type: list
    elements: path
    default: []
  audit_path:
    description:
      - The audit log. A server that leads has to have it; without it the module fails.
    type: path
  foreseen:
    description: In check mode, whether earlier tasks would change the program or a file. Otherwise it is seen from the process.
    type: bool
    default: false
  restart:
    description:
      - Whether a server that needs it is restarted. V(standby) leaves the one that leads alone, since leadership should never go back from a
        newer version to an older one; a server without peers is restarted then too.
    type: str
    choices: [never, standby, always]
    default: never
  join:
    description: Whether to wait until the server has joined a cluster that is initialised.
    type: bool
    default: false
  unseal_keys:
    description: Unseal keys, given if the server is sealed.
    type: list
    elements: str
    default: []
  token:
    description:
      - A token that may C(read) C(sys/storage/raft/configuration), which says who has a vote. Without one that may, a server that joined the cluster
        now is given 25 seconds, and votes are not looked at before a restart.
    type: str
    default: ""
  timeout:
    description: Seconds to wait for each thing that takes time.
    type: int
    default: 90
seealso:
  - module: unified.deploy.vault_init
  - module: unified.deploy.vault_snapshot
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: Says what is done.
    support: full
  idempotent:
    description: A server that runs as it is configured is left alone.
    support: full
"""

EXAMPLES = r"""
- name: Restart the standby servers, one after another
  unified.deploy.vault_server:
    unit: openbao
    url: https://10.0.0.1:8200
    peers: [https://10.0.0.2:8200, https://10.0.0.3:8200]
    ca_path: /etc/openbao/tls/ca.pem
    cert_path: /etc/openbao/tls/server.pem
    program: /usr/local/bin/bao
    files: [/etc/openbao/server.hcl]
    restart: standby
    unseal_keys: "{{ query('unified.deploy.secret', *keys) }}"
  throttle: 1
"""

RETURN = r"""
actions:
  description: What was done or, in check mode, would be.
  type: list
  elements: str
  returned: success
  sample: [enabled, started, unsealed]
initialized:
  description: Whether it belongs to an initialised cluster.
  type: bool
  returned: success
sealed:
  description: Whether it is sealed.
  type: bool
  returned: success
active:
  description: Whether it leads.
  type: bool
  returned: success
stale:
  description: Whether it still has to be restarted.
  type: bool
  returned: success
version:
  description: The running version.
  type: str
  returned: success
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.unified.deploy.plugins.module_utils._vault.node import NodeError
from ansible_collections.unified.deploy.plugins.module_utils._vault.server import NOTHING, Server, settle


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            "unit": {"type": "str", "required": True},
            "url": {"type": "str", "required": True},
            "peers": {"type": "list", "elements": "str", "default": []},
            "ca_path": {"type": "path", "required": True},
            "cert_path": {"type": "path", "required": True},
            "program": {"type": "path", "required": True},
            "files": {"type": "list", "elements": "path", "default": []},
            "audit_path": {"type": "path"},
            "foreseen": {"type": "bool", "default": False},
            "restart": {"type": "str", "choices": ["never", "standby", "always"], "default": "never"},
            "join": {"type": "bool", "default": False},
            "unseal_keys": {"type": "list", "elements": "str", "default": [], "no_log": True},
            "token": {"type": "str", "default": "", "no_log": True},
            "timeout": {"type": "int", "default": 90},
        },
        supports_check_mode=True,
    )
    health, stale, server = NOTHING, False, None
    try:
        server = Server(module.params, module.run_command, dry=module.check_mode)
        health, stale = settle(server)
    except NodeError as exc:
        module.fail_json(msg=str(exc), actions=server.actions if server else [])
    except OSError as exc:
        module.fail_json(msg=f"{exc.filename or 'a file'}: {exc.strerror}")
    actions = server.actions if server else []
    for warning in server.warnings if server else []:
        module.warn(warning)
    module.exit_json(
        changed=bool(actions), actions=actions, stale=stale, **health._asdict(),
        diff={"before": "", "after": "".join(f"{module.params['unit']}: {action}\n" for action in actions)},
    )  # fmt: skip


if __name__ == "__main__":
    main()

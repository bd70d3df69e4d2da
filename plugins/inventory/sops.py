# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories encrypted by SOPS."""

from __future__ import annotations

DOCUMENTATION = r"""
name: sops
short_description: Read an inventory encrypted by SOPS
version_added: 0.2.0
author:
  - The unified.deploy authors (@unified-deploy)
description:
  - Reads a YAML inventory, as P(ansible.builtin.yaml#inventory) does, from a file encrypted by SOPS whose name ends in C(.sops.yaml),
    C(.sops.yml) or C(.sops.json). One that cannot be decrypted ends the run.
  - Enable it before C(yaml), which would take such a file for a plain one - C(enable_plugins = unified.deploy.sops, yaml, ini).
options:
  age_key_file:
    description: File of private age keys. Without it SOPS looks where it always does.
    type: path
    env:
      - name: UNIFIED_SOPS_AGE_KEY_FILE
    ini:
      - section: unified_sops
        key: age_key_file
  gnupg_home:
    description: GnuPG's home directory.
    type: path
    env:
      - name: UNIFIED_SOPS_GNUPG_HOME
    ini:
      - section: unified_sops
        key: gnupg_home
  timeout:
    description: Seconds that one file may take.
    type: float
    default: 30
    env:
      - name: UNIFIED_SOPS_TIMEOUT
    ini:
      - section: unified_sops
        key: timeout
"""

EXAMPLES = r"""
# ansible-inventory -i inventory.sops.yaml --graph, where 'sops decrypt inventory.sops.yaml' says
all:
  hosts:
    web1:
      ansible_host: 192.0.2.1
"""

import typing as t

from ansible.plugins.inventory.yaml import InventoryModule as YamlInventory
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.errors import SecretError
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.sops_text import OPTIONS, located, mapping_of


class InventoryModule(YamlInventory):  # type: ignore[misc]  # ansible has no type information
    NAME = "unified.deploy.sops"

    def verify_file(self, path: str) -> bool:
        return path.endswith((".sops.yaml", ".sops.yml", ".sops.json"))

    def parse(self, inventory: t.Any, loader: t.Any, path: str, cache: bool = True) -> None:
        # Past the parse() of the plugin for plain files.
        super(YamlInventory, self).parse(inventory, loader, path)
        self.set_options()
        try:
            groups = mapping_of(loader, path, {option: self.get_option(option) for option in OPTIONS})
        except SecretError as exc:
            # After an ordinary error Ansible asks the next plugin, and that for plain files takes the encrypted texts for values.
            raise SystemExit(f"ERROR! {located(exc, path)}") from None
        for name, group in groups.items():
            self._parse_group(name, group)

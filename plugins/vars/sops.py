# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of hosts and groups in files encrypted by SOPS."""

from __future__ import annotations

DOCUMENTATION = r"""
name: sops
short_description: Read variables of hosts and groups from files encrypted by SOPS
version_added: 0.2.0
author:
  - The unified.deploy authors (@unified-deploy)
description:
  - Reads C(<name>.sops.yaml), C(<name>.sops.yml) and C(<name>.sops.json) in C(host_vars) and C(group_vars), and all such files in a
    directory of the host's or group's name.
  - Each file is decrypted once a run, and only when one of its hosts is asked for, or hosts are asked for in the order of the inventory and one
    of its hosts is among the next few. Those are decrypted at the same time. What is decrypted stays in memory.
  - A file that is not encrypted, is only half encrypted, cannot be read or was changed without SOPS ends the run. Links are followed.
  - Encrypted variables win over plain ones of the same host or group.
  - Values are variables like others - texts may be templates.
  - Enable it with C(vars_plugins_enabled = host_group_vars, unified.deploy.sops) in C(ansible.cfg), in this order - C(host_group_vars) takes
    such files in directories for plain ones.
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
  stage:
    description: When it is asked.
    type: str
    choices: [all, inventory, task]
    env:
      - name: UNIFIED_SOPS_STAGE
    ini:
      - section: unified_sops
        key: stage
"""

import os
import typing as t

from ansible import constants
from ansible.errors import AnsibleParserError
from ansible.inventory.group import InventoryObjectType
from ansible.inventory.host import Host
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.vars import BaseVarsPlugin
from ansible.utils.path import basedir
from ansible.utils.vars import combine_vars
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.errors import SecretError
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.sops_text import (
    OPTIONS,
    located,
    mapping_of,
    read_ahead,
)

DIRECTORIES = {InventoryObjectType.HOST: "host_vars", InventoryObjectType.GROUP: "group_vars"}
ENDINGS = (".sops.yaml", ".sops.yml", ".sops.json")

# How many hosts' files are decrypted at the same time; sops works with one core a file.
AHEAD = min(8, os.cpu_count() or 1)

_VARIABLES: dict[tuple[str, str], dict[str, t.Any]] = {}
# The host that was asked for last, by directory.
_LAST: dict[str, str] = {}


class VarsModule(BaseVarsPlugin):  # type: ignore[misc]  # ansible has no type information
    is_stateless = True

    def get_vars(self, loader: DataLoader, path: str, entities: t.Any) -> dict[str, t.Any]:
        variables: dict[str, t.Any] = {}
        for entity in entities if isinstance(entities, list) else [entities]:
            directory = os.path.join(os.path.realpath(basedir(path)), DIRECTORIES[entity.base_type])
            key = (directory, entity.name)
            if key not in _VARIABLES:
                if isinstance(entity, Host):
                    self._ahead(os.path.dirname(directory), entity)
                _VARIABLES[key] = self._load(loader, directory, entity.name)
            if _VARIABLES[key]:
                variables = combine_vars(variables, _VARIABLES[key])
        return variables

    def _ahead(self, directory: str, host: Host) -> None:
        """Have the files of the next hosts decrypted together, where the one before this in the inventory was asked for just before."""
        names = [each.name for each in _hosts(host)]
        place = names.index(host.name) if host.name in names else 0
        last, _LAST[directory] = _LAST.get(directory), host.name
        if not place or names[place - 1] != last:
            return
        places: dict[str, None] = {}
        for each in _hosts(host)[place : place + AHEAD]:
            for kind, entity in [("host_vars", each), *(("group_vars", group) for group in each.get_groups())]:
                places.update(dict.fromkeys(files_of(os.path.join(directory, kind), entity.name)))
        read_ahead(list(places), {option: self.get_option(option) for option in OPTIONS})

    def _load(self, loader: DataLoader, directory: str, name: str) -> dict[str, t.Any]:
        variables: dict[str, t.Any] = {}
        files = files_of(directory, name)
        if files:
            _refuse_wrong_order()
        options = {option: self.get_option(option) for option in OPTIONS}
        for path in files:
            try:
                variables = combine_vars(variables, mapping_of(loader, path, options))
            except SecretError as exc:
                raise AnsibleParserError(located(exc, path)) from None
        return variables


def _hosts(host: Host) -> list[Host]:
    """All hosts of the inventory, in its order."""
    return next((group.get_hosts() for group in host.get_groups() if group.name == "all"), [])


def files_of(directory: str, name: str) -> list[str]:
    """Encrypted files of a host or group, in the order in which later ones win: its own file, then those of its directory by name."""
    if os.sep in name:
        return []  # a container's name may be a path
    own = [path for path in (os.path.join(directory, name + ending) for ending in ENDINGS) if os.path.lexists(path)]
    return own + list(_below(os.path.join(directory, name), ()))


def _below(directory: str, above: tuple[str, ...]) -> t.Iterator[str]:
    """Encrypted files of a directory and those in it; links are followed, as the plugin for plain files does.

    Raises:
        AnsibleParserError: a directory cannot be listed.
    """
    place = os.path.realpath(directory)
    if place in above or not os.path.isdir(place):
        return
    try:
        names = sorted(name for name in os.listdir(place) if not name.startswith("."))
    except OSError as exc:
        raise AnsibleParserError(f"{directory}: {exc.strerror}") from None
    paths = [os.path.join(directory, name) for name in names]
    folders = [path for path in paths if os.path.isdir(path)]
    yield from (path for path in paths if path.endswith(ENDINGS) and path not in folders)
    for folder in folders:
        yield from _below(folder, (*above, place))


def _refuse_wrong_order() -> None:
    """Where the plugin for plain files comes later, the encrypted texts would win."""
    enabled = [str(name).removeprefix("ansible.builtin.") for name in constants.VARIABLE_PLUGINS_ENABLED]
    ours = "unified.deploy.sops"
    if ours in enabled and "host_group_vars" in enabled[enabled.index(ours) :]:
        raise AnsibleParserError(
            "vars_plugins_enabled names unified.deploy.sops before host_group_vars, which would put encrypted texts in the place of "
            "values. Write 'vars_plugins_enabled = host_group_vars, unified.deploy.sops'"
        )

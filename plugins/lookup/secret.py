# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look up secrets by reference."""

from __future__ import annotations

DOCUMENTATION = r"""
name: secret
short_description: Read secrets by reference
version_added: 0.2.0
description:
  - Reads a secret from a store by a reference of the form C(<store>://<path>[#<field>][?<option>=<value>]).
  - Stores that need no options, as V(env), V(file), V(literal), V(ansible_vault), V(sops) and V(pass), need no declaration.
  - Each secret is read once a run, however many tasks and hosts look it up.
  - C(<store>+<engine>://<path>) asks an engine of a Vault or OpenBao store, for a user of a database for example. What it makes is renewed
    while the run lasts, and revoked at its end.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  _terms:
    description: References.
    required: true
  stores:
    description:
      - Declared stores, by name. Each has a V(type) and the options of that type.
      - See the guide for types and their options. An option that is a credential may be a reference to another store.
    type: dict
    default: {}
    vars:
      - name: secret_stores
  default:
    description: Value to return where a secret does not exist. Other failures still end the task.
    type: str
  optional:
    description: Whether a secret that does not exist is left out of the result.
    type: bool
    default: false
notes:
  - Set C(no_log=true) on tasks that pass the value on.
"""

EXAMPLES = r"""
- name: Write a password
  ansible.builtin.copy:
    content: "{{ lookup('unified.deploy.secret', 'file:///etc/keys/app.yml#database.password') }}"
    dest: /etc/app/password
    mode: "0600"
  no_log: true

- name: Use a database as a user who is there for this run only
  community.postgresql.postgresql_query:
    login_user: "{{ lookup('unified.deploy.secret', 'prod+db://creds/app#username') }}"
    login_password: "{{ lookup('unified.deploy.secret', 'prod+db://creds/app#password') }}"
    query: SELECT 1
  no_log: true

- name: Use a store of one's own
  ansible.builtin.debug:
    msg: "{{ lookup('unified.deploy.secret', 'team://app.yml#user') }}"
  vars:
    secret_stores:
      team:
        type: ansible_vault
        base: "{{ playbook_dir }}/secrets"
"""

RETURN = r"""
_raw:
  description: The secrets' texts, in the order of the references.
  type: list
  elements: str
"""

import json
import multiprocessing
import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.broker import Shared, resolver
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.errors import NotFoundError, SecretError
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.resolver import Resolver

_RESOLVERS: dict[tuple[int, str, str], Resolver | Shared] = {}


class LookupModule(LookupBase):  # type: ignore[misc]  # ansible has no type information
    def run(self, terms: list[str], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        # Ansible passes over what it does not know, and a mistyped 'default' would never be missed.
        if unknown := sorted(set(kwargs) - set(self.get_options())):
            raise AnsibleLookupError(f"there is no option {', '.join(unknown)}. Use default, optional or stores")
        for number, term in enumerate(terms, 1):
            if not isinstance(term, str):
                fix = "Write <store>://<path>, and '*' before a list of references"
                raise AnsibleLookupError(f"a reference is text; number {number} is none. {fix}")
        stores = self._resolver(self.get_option("stores"), variables or {})
        default, texts = self.get_option("default"), []
        # All in as few requests as the stores allow.
        failures = stores.check(terms) if len(terms) > 1 else {}
        for term in terms:
            try:
                if term in failures:
                    raise failures[term]
                texts.append(stores.resolve(term))
            except NotFoundError as exc:
                if default is not None:
                    texts.append(default)
                elif not self.get_option("optional"):
                    raise AnsibleLookupError(str(exc)) from exc
            except SecretError as exc:
                raise AnsibleLookupError(str(exc)) from exc
        return texts

    def _resolver(self, declared: dict[str, t.Any], variables: dict[str, t.Any]) -> Resolver | Shared:
        vault = getattr(self._loader, "_vault", None)
        # What a declaration's templates give may differ from host to host.
        host = variables.get("inventory_hostname", "")
        key = (id(vault), str(host), json.dumps(declared, sort_keys=True, default=str))
        if key not in _RESOLVERS:
            # Without variables there is nothing that could be a template.
            templated = self._templar.template(declared) if self._templar else declared
            made = resolver(templated, vault, everywhere=True)
            if isinstance(made, Shared) and not multiprocessing.parent_process():
                # The run itself, which decides on meta tasks and files to include: what it had open would be that of all workers that it
                # forks, and what they write it would not see.
                return made
            _RESOLVERS[key] = made
        return _RESOLVERS[key]

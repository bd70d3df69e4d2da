#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deliver secrets to a host in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: secret_set
short_description: Deliver secrets to a host in one call
version_added: 0.2.0
description:
  - Resolves references on the controller, then brings files, systemd credentials and Podman secrets of a host to them in one call.
  - All references are resolved before the host is touched, and all failures are listed at once.
  - Consumers are restarted or reloaded only where one of their secrets changed. One that could not be is tried again by the next run.
  - What an earlier run of the same O(name) delivered and is no longer declared is removed.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  name:
    description: Name of this set of secrets. Sets do not remove each other's secrets, those that moved from one to another among them.
    type: str
    default: default
  files:
    description: Files. They have mode 0600 and belong to root where nothing else is said; below C(/run) they never reach a disk in plain.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Where the file lies.
        type: path
        required: true
      reference:
        description: Reference of the only secret in it. Excludes O(files[].values).
        type: str
      values:
        description: Names to references, written as O(files[].format) says, or given to O(files[].template) as C(secrets).
        type: dict
      format:
        description: How O(files[].values) are written.
        type: str
        choices: [dotenv, json, yaml]
        default: dotenv
      template:
        description: A template on the controller that uses C(secrets).
        type: path
      mode:
        description: Mode of the file. A file that everybody may read is refused.
        type: str
        default: "0600"
      owner:
        description: Owner.
        type: str
        default: root
      group:
        description: Group.
        type: str
        default: root
      at_boot:
        description:
          - Whether a file below C(/run) comes back at boot. A copy that only this host can open, with its TPM or its own key, lies in
            C(/etc/credstore.encrypted), and a unit opens it before any ordinary unit starts. Needs systemd 250.
        type: bool
        default: false
      restart:
        description: Units to restart when it changes, where they are active.
        type: list
        elements: str
        default: []
      reload:
        description: Units to reload when it changes, where they are active.
        type: list
        elements: str
        default: []
  credentials:
    description: Credentials for C(LoadCredential=) and C(LoadCredentialEncrypted=) of systemd units.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the credential.
        type: str
        required: true
      reference:
        description: Reference of the secret.
        type: str
        required: true
      encrypted:
        description: Whether it is encrypted on disk. V(auto) does so where the host can, with its TPM or its own key, and warns where
          it cannot.
        type: str
        choices: [auto, always, never]
        default: auto
      restart:
        description: Units to restart when it changes, where they are active.
        type: list
        elements: str
        default: []
      reload:
        description: Units to reload when it changes, where they are active.
        type: list
        elements: str
        default: []
  podman:
    description: Secrets of Podman.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the secret.
        type: str
        required: true
      reference:
        description: Reference of the secret.
        type: str
        required: true
      restart:
        description: Units to restart when it changes, where they are active.
        type: list
        elements: str
        default: []
      reload:
        description: Units to reload when it changes, where they are active.
        type: list
        elements: str
        default: []
  preflight:
    description: Whether references are only resolved, and the host is not touched.
    type: bool
    default: false
notes:
  - Stores are declared in the variable C(secret_stores), as for the lookup P(unified.deploy.secret#lookup).
seealso:
  - module: unified.deploy.secret_delivery
  - module: unified.deploy.secret_exec
  - module: unified.deploy.secret_value
  - plugin: unified.deploy.secret
    plugin_type: lookup
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: Shows names and whether they change, never values.
    support: full
  idempotent:
    description: What is there already is not touched.
    support: full
"""

EXAMPLES = r"""
- name: Give the application its secrets
  unified.deploy.secret_set:
    files:
      - path: /run/app/env
        at_boot: true
        values:
          DATABASE_PASSWORD: vault://app#password
          API_TOKEN: sops:///srv/secrets/app.yaml#token
        restart: [app.service]
    credentials:
      - name: tls-key
        reference: vault://tls/web#key
        reload: [nginx.service]
  become: true
"""

RETURN = r"""
changes:
  description: What was changed, each as kind and name.
  type: list
  elements: str
  returned: success
restarted:
  description: Units that were restarted or reloaded.
  type: list
  elements: str
  returned: success
"""

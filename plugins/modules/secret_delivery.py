#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The half of secret_set that runs on the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: secret_delivery
short_description: The half of secret_set that runs on the host
version_added: 0.2.0
description:
  - Puts values in place that M(unified.deploy.secret_set) resolved. Use that one.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  name:
    description: Name of this set of secrets.
    type: str
    required: true
  request:
    description: Files, credentials and Podman secrets with their content.
    type: dict
    required: true
seealso:
  - module: unified.deploy.secret_set
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
- name: Deliver a password, by the action that resolves references and calls this module
  unified.deploy.secret_set:
    files:
      - path: /run/app/password
        reference: prod://app/database#password
        restart: [app.service]
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

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.unified.deploy.plugins.module_utils import _deliver
from ansible_collections.unified.deploy.plugins.module_utils._deliver import DeliveryError
from ansible_collections.unified.deploy.plugins.module_utils._deliver_boot import BootCopy, BootUnit


class Delivery:
    """One run: what is declared against what is there."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.record = _deliver.Record(module.params["name"])
        request = module.params["request"]
        # Only values are secret: with the names masked too, no message could say what it is about; nor with a short value, which is in all words.
        module.no_log_values = {
            item["content"] for kind in request.values() for item in kind if len(item["content"]) >= 4
        }
        ids = _deliver.podman_ids(self.run) if request["podman"] else {}
        name, lasting = module.params["name"], [item for item in request["files"] if item["at_boot"]]
        encryption = _deliver.Encryption(self.run, make=not module.check_mode)
        copies = [BootCopy(name, item, encryption) for item in lasting]
        credentials = [_deliver.Credential(item, encryption) for item in request["credentials"]]
        self.items: list[t.Any] = [
            *(_deliver.File(item) for item in request["files"]),
            *copies,
            *credentials,
            *(_deliver.PodmanSecret(item, self.run, ids) for item in request["podman"]),
        ]
        self.unit = BootUnit(name, copies, self.run)
        before = {key: dict(entry) for key, entry in self.record.entries.items()}
        self.changed = [item for item in self.items if not item.current(self.record)]
        for warning in (item.warning for item in credentials if item.warning):
            module.warn(warning)
        self.looked = self.record.entries != before
        # Files that are right already, delivered by another set or by hand: from now on they are this set's.
        self.adopted = [
            item
            for item in self.items
            if item not in self.changed and f"{item.kind} {item.name}" not in self.record.entries
        ]
        declared = {f"{item.kind} {item.name}" for item in self.items}
        self.removed = sorted(set(self.record.entries) - declared)

    def run(self, argv: t.Sequence[str], stdin: bytes) -> tuple[int, str, str]:
        if self.module.get_bin_path(argv[0]) is None:
            return 127, "", f"{argv[0]} is not installed"
        code, out, err = self.module.run_command(list(argv), data=stdin, binary_data=True)
        return int(code), str(out), str(err)

    def deliver(self) -> None:
        """Prepare all, then put all in place; the record says after each step what is true."""
        try:
            for item in self.changed:
                item.prepare()
            for key in self.removed:
                if not self.record.elsewhere(key):
                    _deliver.remove(key, self.record.entries[key], self.run)
                self._owe(self.record.entries.pop(key))
            for item in self.changed:
                self._owe(self._enter(item, item.commit(self.record)))
            for item in self.adopted:
                self._enter(item, {})
            self.unit.settle()
        finally:
            for item in self.changed:
                item.drop()
            if self.changed or self.removed or self.adopted or self.looked:
                self.record.save()

    def _enter(self, item: t.Any, entry: t.Mapping[str, str]) -> dict[str, str]:
        units = {verb: ",".join(item.item[verb] or []) for verb in ("restart", "reload")}
        entry = {**entry, **units, "digest": self.record.digest(item.item["content"])}
        self.record.entries[f"{item.kind} {item.name}"] = entry
        return entry

    def _owe(self, entry: t.Mapping[str, str]) -> None:
        for verb in ("reload", "restart"):
            for unit in filter(None, entry.get(verb, "").split(",")):
                if self.record.pending.get(unit) != "restart":
                    self.record.pending[unit] = verb

    def restart(self) -> tuple[list[str], list[str]]:
        """Restart what is owed: units that were, and those that there are not. One that is not active reads its secrets when it starts."""
        verbs = {"restart": "try-restart", "reload": "try-reload-or-restart"}
        done: list[str] = []
        absent: list[str] = []
        for unit, verb in sorted(self.record.pending.items()):
            code, _out, err = self.run(["systemctl", verbs[verb], "--", unit], b"")
            unknown = bool(code) and "not found" in err
            if code and not unknown:
                self.record.save()
                raise DeliveryError(
                    f"the secrets are delivered, but 'systemctl {verbs[verb]} {unit}' ended with {code}. See 'journalctl -u {unit}'; "
                    "the next run tries again"
                )
            del self.record.pending[unit]
            (absent if unknown else done).append(unit)
        if done or absent:
            self.record.save()
        return done, absent


def main() -> t.NoReturn:
    spec = {"name": {"type": "str", "required": True}, "request": {"type": "dict", "required": True, "no_log": True}}
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    restarted: list[str] = []
    try:
        delivery = Delivery(module)
        pending = sorted(delivery.record.pending)
        changes = [*(f"{item.kind} {item.name}" for item in delivery.changed), *delivery.removed]
        if not delivery.unit.current:
            changes.append(f"unit {delivery.unit.name}")
        if not module.check_mode:
            delivery.deliver()
            restarted, absent = delivery.restart()
            for unit in absent:
                module.warn(
                    f"there is no unit {unit} on this host, so nothing of that name was restarted. Correct it, or install it"
                )
    except DeliveryError as exc:
        module.fail_json(msg=str(exc))
    except OSError as exc:
        module.fail_json(msg=f"{exc.filename or 'a file'}: {exc.strerror}; the old files are as they were")
    rows = [f"{item.kind} {item.name}: changed" for item in delivery.changed] + [
        f"{key}: removed" for key in delivery.removed
    ]
    if not delivery.unit.current:
        rows.append(f"unit {delivery.unit.name}: {'changed' if delivery.unit.content else 'removed'}")
    module.exit_json(
        changed=bool(changes or pending), changes=changes, restarted=restarted,
        diff={"before": "", "after": "".join(f"{row}\n" for row in rows)},
    )  # fmt: skip


if __name__ == "__main__":
    main()

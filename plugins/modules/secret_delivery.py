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
- name: See M(unified.deploy.secret_set)
  unified.deploy.secret_set:
    files: []
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


class Delivery:
    """One run: what is declared against what is there."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.record = _deliver.Record(module.params["name"])
        request = module.params["request"]
        # Only values are secret: with the names masked too, no message could say what it is about.
        module.no_log_values = {item["content"] for kind in request.values() for item in kind if item["content"]}
        ids = _deliver.podman_ids(self.run) if request["podman"] else {}
        self.items: list[t.Any] = [
            *(_deliver.File(item) for item in request["files"]),
            *(_deliver.Credential(item, self.run) for item in request["credentials"]),
            *(_deliver.PodmanSecret(item, self.run, ids) for item in request["podman"]),
        ]
        self.changed = [item for item in self.items if not item.current(self.record)]
        declared = {f"{item.kind} {item.name}" for item in self.items}
        self.removed = sorted(set(self.record.entries) - declared)

    def run(self, argv: t.Sequence[str], data: bytes) -> tuple[int, str, str]:
        if self.module.get_bin_path(argv[0]) is None:
            return 127, "", f"{argv[0]} is not installed"
        code, out, err = self.module.run_command(list(argv), data=data, binary_data=True)
        return int(code), str(out), str(err)

    def deliver(self) -> None:
        """Prepare all, then put all in place; the record says after each step what is true."""
        try:
            for item in self.changed:
                item.prepare()
            for key in self.removed:
                _deliver.remove(key, self.record.entries[key], self.run)
                self._owe(self.record.entries.pop(key))
            for item in self.changed:
                entry = item.commit(self.record)
                units = {"restart": ",".join(item.item["restart"] or []), "reload": ",".join(item.item["reload"] or [])}
                entry = {**entry, **units, "digest": self.record.digest(item.item["content"])}
                self.record.entries[f"{item.kind} {item.name}"] = entry
                self._owe(entry)
        finally:
            for item in self.changed:
                item.drop()
            if self.changed or self.removed:
                self.record.save()

    def _owe(self, entry: t.Mapping[str, str]) -> None:
        for verb in ("reload", "restart"):
            for unit in filter(None, entry.get(verb, "").split(",")):
                if self.record.pending.get(unit) != "restart":
                    self.record.pending[unit] = verb

    def restart(self) -> list[str]:
        """Restart what is owed. A unit that is not active reads its secrets when it starts."""
        verbs = {"restart": "try-restart", "reload": "try-reload-or-restart"}
        done = []
        for unit, verb in sorted(self.record.pending.items()):
            code, _out, err = self.run(["systemctl", verbs[verb], "--", unit], b"")
            if code and "not found" not in err:
                self.record.save()
                raise DeliveryError(
                    f"the secrets are delivered, but 'systemctl {verbs[verb]} {unit}' ended with {code}. See 'journalctl -u {unit}'; "
                    "the next run tries again"
                )
            del self.record.pending[unit]
            done.append(unit)
        if done:
            self.record.save()
        return done


def main() -> t.NoReturn:
    spec = {"name": {"type": "str", "required": True}, "request": {"type": "dict", "required": True, "no_log": True}}
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    restarted: list[str] = []
    try:
        delivery = Delivery(module)
        pending = sorted(delivery.record.pending)
        changes = [*(f"{item.kind} {item.name}" for item in delivery.changed), *delivery.removed]
        if not module.check_mode:
            delivery.deliver()
            restarted = delivery.restart()
    except DeliveryError as exc:
        module.fail_json(msg=str(exc))
    except OSError as exc:
        module.fail_json(msg=f"{exc.filename or 'a file'}: {exc.strerror}; the old files are as they were")
    rows = [f"{item.kind} {item.name}: changed" for item in delivery.changed] + [
        f"{key}: removed" for key in delivery.removed
    ]
    module.exit_json(
        changed=bool(changes or pending), changes=changes, restarted=restarted,
        diff={"before": "", "after": "".join(f"{row}\n" for row in rows)},
    )  # fmt: skip


if __name__ == "__main__":
    main()

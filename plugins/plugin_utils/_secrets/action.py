# SPDX-License-Identifier: GPL-3.0-or-later
"""What the actions that bring secrets to hosts share: declared stores, references to values, quiet module calls."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail

from .._controller_action import ControllerAction, Result
from . import broker
from .broker import Shared
from .resolver import Resolver


class SecretAction(ControllerAction):
    """An action whose module gets values in the place of references."""

    def declared(self, task_vars: Result) -> Result:
        declared = self._templar.template(task_vars.get("secret_stores", {}))
        if not isinstance(declared, dict):
            raise AnsibleActionFail("secret_stores is no mapping. Write store names, and type and options below them")
        return declared

    def resolver(self, task_vars: Result) -> Resolver | Shared:
        return broker.resolver(self.declared(task_vars), getattr(self._loader, "_vault", None))

    def resolve(self, resolver: Resolver | Shared, references: t.Iterable[str]) -> dict[str, str]:
        """The value of each reference.

        Raises:
            AnsibleActionFail: lists everything that cannot be had.
        """
        wanted = list(dict.fromkeys(references))
        failures = resolver.check(wanted)
        if failures:
            listed = "\n".join(f"  - {failure}" for failure in failures.values())
            raise AnsibleActionFail(f"{len(failures)} of {len(wanted)} secrets cannot be had:\n{listed}")
        return {reference: resolver.resolve(reference) for reference in wanted}

    @staticmethod
    def references_of(item: Result) -> t.Iterator[str]:
        """The references of one file, credential or Podman secret."""
        if item.get("reference"):
            yield item["reference"]
        yield from (item.get("values") or {}).values()

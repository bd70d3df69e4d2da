# SPDX-License-Identifier: GPL-3.0-or-later
"""What actions ask for: the resolver of a task's declared stores, and the values of many references at once."""

from __future__ import annotations

import typing as t

from . import broker
from .broker import Shared
from .errors import MalformedReferenceError, SecretError, UnsupportedError
from .reference import parse
from .resolver import Resolver


def declared_stores(action: t.Any, task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """``secret_stores`` of the host, templated.

    Raises:
        UnsupportedError: it is no mapping.
    """
    declared = action._templar.template(task_vars.get("secret_stores", {}))
    if not isinstance(declared, dict):
        raise UnsupportedError("secret_stores is no mapping", fix="Write store names, and type and options below them")
    return declared


def resolver_of(action: t.Any, task_vars: t.Mapping[str, t.Any]) -> Resolver | Shared:
    """The run's resolver for what this host declares."""
    return broker.resolver(declared_stores(action, task_vars), getattr(action._loader, "_vault", None))


def values_of(resolver: Resolver | Shared, references: t.Iterable[str]) -> dict[str, str]:
    """The value of each reference.

    Raises:
        SecretError: lists everything that cannot be had.
    """
    references = list(dict.fromkeys(references))
    failures = resolver.check(references)
    if failures:
        listed = "\n".join(f"  - {failure}" for failure in failures.values())
        raise SecretError(f"{len(failures)} of {len(references)} secrets cannot be had:\n{listed}")
    return {reference: resolver.resolve(reference) for reference in references}


def references_of(item: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """The references of one file, credential or Podman secret that is to be delivered."""
    if item.get("reference"):
        yield item["reference"]
    yield from (item.get("values") or {}).values()


def refuse_dynamic(references: t.Iterable[str]) -> None:
    """Raises UnsupportedError where one is of a secret that ends with the run: on a host it would be dead."""
    for text in references:
        try:
            reference = parse(text)
        except MalformedReferenceError:
            continue  # told where it is resolved
        if reference.engine:
            raise UnsupportedError(
                "what an engine makes ends with the run, and would be dead on the host",
                where=str(reference),
                fix="Have the host ask for it itself, or use it in a task",
            )

# SPDX-License-Identifier: GPL-3.0-or-later
"""Verify: a Goss file from the selected rules."""

from __future__ import annotations

import json
import typing as t

from .evidence import Evidence
from .kinds.base import Check
from .kinds.matchers import Template, lookup, matching
from .kinds.registry import KINDS
from .plan import Verdict, installed

# Only resources that start no program: 1,000 of them take 0.1 s. Goss ignores what it does not know, silently.
ATTRIBUTES = {
    "file": {"path", "exists", "filetype", "mode", "owner", "group", "contents"},
    "kernel-param": {"name", "value"},
    "matching": {"content", "matches"},
    "mount": {"mountpoint", "exists", "opts"},
}
JUDGED = ("pass", "fail", "waived")


class GossError(ValueError):
    """The generator made something that Goss would not check as meant: a defect of ours."""


def generate(verdicts: t.Mapping[str, Verdict], evidence: Evidence) -> str:
    """The text of a Goss file that judges every rule that was judged pass, fail or waived.

    Contents of ``matching`` are templates over the evidence: run it by hand with
    ``goss -g goss.yml --vars evidence.json validate``.
    """
    groups: dict[str, list[str]] = {resource: [] for resource in ATTRIBUTES}
    for identifier, verdict in verdicts.items():
        if verdict.verdict not in JUDGED:
            continue
        for number, check in enumerate(checks(verdict, evidence)):
            validate(identifier, check)
            fields = {**check.attributes, "meta": {"rule": identifier}}
            text = ", ".join(f"{json.dumps(name)}: {_value(value)}" for name, value in fields.items())
            groups[check.resource].append(f"  {_value(f'{identifier}#{number}')}: {{{text}}}\n")
    return "".join(f"{resource}:\n{''.join(entries)}" for resource, entries in groups.items() if entries)


def checks(verdict: Verdict, evidence: Evidence) -> list[Check]:
    """A rule's checks. One that waits for a package fails on the package's absence."""
    demand = verdict.demand
    names = demand.rule.when.get("package", ())
    if names and not installed(names, evidence):
        packages = [package for name in names for package in evidence.platform.package_names(name)]
        alternatives = " ".join(f'(hasKey {lookup("package")} "{package}")' for package in packages)
        return [matching(Template(f"{{{{ or {alternatives} false }}}}"), True)]
    made = KINDS[demand.rule.kind].asserts(demand, evidence)
    if not made:
        raise GossError(f"{demand.rule.id} has no check: it would pass unseen")
    return made


def validate(identifier: str, check: Check) -> None:
    known = ATTRIBUTES.get(check.resource)
    if known is None:
        raise GossError(f"{identifier}: Goss resource '{check.resource}' is not used here")
    unknown = sorted(set(check.attributes) - known)
    if unknown:
        raise GossError(f"{identifier}: '{check.resource}' has no attribute '{unknown[0]}'")
    if isinstance(check.attributes.get("mode"), str) and len(check.attributes["mode"]) != 4:
        raise GossError(f"{identifier}: mode is compared as text and needs four digits")


def _value(value: t.Any) -> str:
    if isinstance(value, Template):
        return str(value)
    # What looks like a template in a path or pattern is text.
    return json.dumps(value, ensure_ascii=False).replace("{{", '{{ "{{" }}')

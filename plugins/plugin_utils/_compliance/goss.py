# SPDX-License-Identifier: GPL-3.0-or-later
"""Verify: a Goss file from the selected rules."""

from __future__ import annotations

import json
import re
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
_unescaped = json.JSONEncoder(ensure_ascii=False).encode
# What JSON writes for a character beyond the first 65,536; YAML knows it as one escape of eight digits.
_PAIR = re.compile(r"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})")


class GossError(ValueError):
    """The generator made something that Goss would not check as meant: a defect of ours."""


def checks_of(verdicts: t.Mapping[str, Verdict], evidence: Evidence) -> dict[str, list[Check]]:
    """The checks of every rule that was judged pass, fail or waived, but not by people."""
    return {
        identifier: [_askable(check) for check in checks(verdict, evidence)]
        for identifier, verdict in verdicts.items()
        if verdict.verdict in JUDGED and not verdict.attested
    }


def independent(checks_by_rule: t.Mapping[str, t.Sequence[Check]]) -> frozenset[str]:
    """Rules of which Goss sees for itself what the verdict is about (`Check.decides`)."""
    return frozenset(rule for rule, asked in checks_by_rule.items() if any(check.decides for check in asked))


def render(checks_by_rule: t.Mapping[str, t.Sequence[Check]]) -> str:
    """The text of a Goss file.

    Contents of ``matching`` are templates over the evidence: run it by hand with
    ``goss -g goss.yml --vars evidence.json validate``.

    Raises:
        GossError: Goss would pass over something in it silently.
    """
    groups: dict[str, list[str]] = {resource: [] for resource in ATTRIBUTES}
    for identifier, asked in checks_by_rule.items():
        for number, check in enumerate(asked):
            validate(identifier, check)
            fields = {**check.attributes, "meta": {"rule": identifier}}
            text = ", ".join(f'"{name}": {_value(value)}' for name, value in fields.items())
            groups[check.resource].append(f"  {_value(f'{identifier}#{number}')}: {{{text}}}\n")
    return "".join(f"{resource}:\n{''.join(entries)}" for resource, entries in groups.items() if entries)


def generate(verdicts: t.Mapping[str, Verdict], evidence: Evidence) -> str:
    """The text of a Goss file that judges every rule that was judged pass, fail or waived."""
    return render(checks_of(verdicts, evidence))


def _askable(check: Check) -> Check:
    """CHECK, or one that fails where it names something that no YAML can: a file name that is not UTF-8."""
    try:
        _unescaped(check.attributes).encode()
    except UnicodeEncodeError:
        return matching(Template(json.dumps("a name that is not UTF-8 cannot be asked of Goss")), "")
    return check


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
    if check.decides and check.resource == "matching":
        raise GossError(f"{identifier}: 'matching' reads our evidence again and decides nothing")
    unknown = sorted(set(check.attributes) - known)
    if unknown:
        raise GossError(f"{identifier}: '{check.resource}' has no attribute '{unknown[0]}'")
    if isinstance(check.attributes.get("mode"), str) and len(check.attributes["mode"]) != 4:
        raise GossError(f"{identifier}: mode is compared as text and needs four digits")


def _value(value: t.Any) -> str:
    if isinstance(value, Template):
        return str(value)
    # What looks like a template in a path or pattern is text.
    return _PAIR.sub(_astral, json.dumps(value)).replace("{{", '{{ "{{" }}')


def _astral(pair: re.Match[str]) -> str:
    high, low = int(pair[1], 16), int(pair[2], 16)
    return f"\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08X}"

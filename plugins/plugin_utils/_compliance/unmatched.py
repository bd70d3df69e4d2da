# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of the overlay that change no verdict of a host: waivers of nothing that fails, answers to nothing that is asked."""

from __future__ import annotations

import typing as t
from pathlib import Path

from .schema import lines_of
from .selection import Attestation, Selection, Waiver

Entry = dict[str, str]
_NOT_WAIVED = {
    "pass": "it passes, so that there is nothing to waive",
    "attested": "people attest that it holds, so that there is nothing to waive",
    "not_applicable": "it does not apply",
    "not_checked": "it was not checked: an attestation answers it, a waiver does not",
    "error": "it could not be judged, which no waiver hides",
    "fail": "the waiver of all controls that ask for it, or of the rule, would cover it",
}
_NOT_ANSWERED = "programs judge it, so that nobody is asked"


def unmatched(selection: Selection, rules: t.Mapping[str, t.Any], controls: t.Mapping[str, t.Any]) -> list[Entry]:
    """The entries with their place in the overlay (``where``: file and line), key (``entry``) and ``why`` they match nothing.

    What the filters of a narrowed run leave out is passed over: nothing is known of it.

    Args:
        rules: of the host's model, by id.
        controls: of the host's model, by ``<benchmark>:<id>``, each with its verdict.
    """
    overlay, entries = selection.overlay, []
    for section, answers in (("waivers", overlay.waivers), ("attestations", overlay.attestations)):
        for name, answer in answers.items():
            if name not in selection.left_out.rules and name not in selection.left_out.controls:
                why = _why(name, answer, rules, controls)
                entries += [(section, answer.index, name, why)] if why else []
    if not entries:
        return []
    lines = lines_of(Path(overlay.path), 0, [entry[:2] for entry in entries]) if overlay.path else [0] * len(entries)
    return [
        {
            "overlay": overlay.path,
            "where": f"{overlay.path}:{line}",
            "entry": f"{section}[{index}]",
            "name": name,
            "why": why,
        }
        for line, (section, index, name, why) in zip(lines, entries)
    ]


def _why(name: str, answer: Waiver | Attestation, rules: t.Mapping[str, t.Any], controls: t.Mapping[str, t.Any]) -> str:
    """Why an entry changes nothing; empty where it does."""
    if name in controls:
        judged, below = controls[name], [rules[rule] for rule in controls[name]["rules"]]
    elif name in rules:
        judged, below = rules[name], [rules[name]]
    else:
        return "no benchmark that was selected asks for it"
    kind = "waiver" if isinstance(answer, Waiver) else "attestation"
    if any(rule[kind] for rule in below) or (
        not below and kind == "attestation" and judged["verdict"] != "not_applicable"
    ):
        return ""
    if kind == "waiver":
        return "" if judged["verdict"] == "waived" else _NOT_WAIVED[judged["verdict"]]
    return _NOT_WAIVED["not_applicable"] if judged["verdict"] == "not_applicable" else _NOT_ANSWERED

# SPDX-License-Identifier: GPL-3.0-or-later
"""Select: benchmarks, levels and an overlay become the rules to judge, with merged values and who asked for them."""

from __future__ import annotations

import datetime
import difflib
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from .._errors import CatalogueError, SelectionError
from .catalogue import Benchmark, Catalogue, Control, constraints
from .constraint import Constraint, EmptyMeetError
from .kinds.base import Demand
from .kinds.registry import KINDS
from .schema import check_file, line_of, load_documents, load_schema

# What a host can be for; the overlay's schema and every `purpose` condition use these names.
PURPOSES = frozenset(
    [
        "container_host",
        "desktop",
        "dhcp_server",
        "dns_server",
        "ftp_server",
        "kubernetes_node",
        "ldap_server",
        "log_rsyslog",
        "log_server",
        "mail_server",
        "nfs_server",
        "print_server",
        "router",
        "rsync_server",
        "samba_server",
        "snmp_agent",
        "tftp_server",
        "time_chrony",
        "web_proxy",
        "web_server",
    ]
)


@dataclass(frozen=True)
class Waiver:
    reason: str
    owner: str
    until: datetime.date


@dataclass(frozen=True)
class Attestation:
    """A person's answer to a control, valid to the end of UNTIL."""

    answer: str
    by: str
    until: datetime.date
    note: str = ""


@dataclass(frozen=True)
class Overlay:
    """What a site adds to the benchmarks."""

    path: str = ""
    purposes: frozenset[str] = frozenset()
    values: t.Mapping[str, t.Any] = field(default_factory=dict)
    waivers: t.Mapping[str, Waiver] = field(default_factory=dict)
    attestations: t.Mapping[str, Attestation] = field(default_factory=dict)
    banner: str = ""


@dataclass(frozen=True)
class SelectedControl:
    benchmark: str
    control: Control
    section: str
    applicable: bool

    @property
    def id(self) -> str:
        return f"{self.benchmark}:{self.control.id}"


@dataclass(frozen=True)
class Selection:
    """Controls and demands, in the benchmark's order; OVERLAY for waivers and attestations."""

    controls: tuple[SelectedControl, ...]
    demands: t.Mapping[str, Demand]
    overlay: Overlay
    benchmarks: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Filters:
    """Narrow a selection: sections (prefixes of control ids), kinds and rules. Empty means all."""

    sections: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()


def unknown(what: str, name: str, known: t.Iterable[str], *, where: str = "") -> SelectionError:
    names = sorted(known)
    close = difflib.get_close_matches(name, names, 3)
    hint = (
        f"Did you mean {' or '.join(close)}?"
        if close
        else f"Known are {', '.join(names[:12])}{' ...' if len(names) > 12 else ''}"
    )
    return SelectionError(f"unknown {what} '{name}'", where=where, fix=hint)


def load_overlay(path: str, catalogue: Catalogue, today: datetime.date) -> Overlay:
    """Read and check a site's overlay.

    Raises:
        CatalogueError: not YAML, an unknown key, a value of the wrong type.
        SelectionError: an unknown rule, control or purpose, or an expired waiver or attestation.
    """
    if not path:
        return Overlay()
    file = Path(path).expanduser()
    documents = load_documents(file)
    check_file(file, documents, load_schema(catalogue.root / "schema" / "overlay.json"))
    data = (documents[0] if documents else None) or {}
    controls = {
        f"{name}:{control}" for name, benchmark in catalogue.benchmarks.items() for control in benchmark.controls
    }

    def at(*keys: str | int) -> str:
        return f"{file}:{line_of(file, 0, keys)}"

    for index, purpose in enumerate(data.get("purposes", ())):
        if purpose not in PURPOSES:
            raise unknown("purpose", purpose, PURPOSES, where=at("purposes", index))
    for rule, raw in data.get("values", {}).items():
        if rule not in catalogue.rules:
            raise unknown("rule", rule, catalogue.rules, where=at("values", rule))
        constraints(KINDS[catalogue.rules[rule].kind], raw, at("values", rule))
    found: dict[str, dict[str, t.Any]] = {"waivers": {}, "attestations": {}}
    for section, kept in found.items():
        for index, entry in enumerate(data.get(section, ())):
            name = entry.get("rule") or entry["control"]
            known = catalogue.rules if "rule" in entry else controls
            if name not in known:
                raise unknown("rule" if "rule" in entry else "control", name, known, where=at(section, index))
            try:
                until = datetime.date.fromisoformat(entry["until"])
            except ValueError as exc:
                raise SelectionError(
                    f"until: '{entry['until']}' is no date", where=at(section, index), fix="Write it as YYYY-MM-DD"
                ) from exc
            if until < today:
                what = f"the {section[:-1]} of '{name}' ended on {until}"
                raise SelectionError(
                    what, where=at(section, index), fix="Mend the host and remove the entry, or give it a new date"
                )
            kept[name] = (
                Waiver(entry["reason"], entry["owner"], until)
                if section == "waivers"
                else Attestation(entry["answer"], entry["by"], until, entry.get("note", ""))
            )
    return Overlay(
        path=str(file),
        purposes=frozenset(data.get("purposes", ())),
        values=data.get("values", {}),
        waivers=found["waivers"],
        attestations=found["attestations"],
        banner=data.get("banner", ""),
    )


def benchmark_for(catalogue: Catalogue, name: str, host: t.Mapping[str, t.Any]) -> Benchmark:
    """The benchmark NAME (``cis_debian13``), or the one of the series NAME (``cis``) for this host's system.

    Raises:
        SelectionError: unknown, or written for another system; names the right one.
    """
    here = f"{host['os']} {host['version']}"
    series = name.split("_")[0]
    fitting = [
        b
        for b in catalogue.benchmarks.values()
        if b.id.startswith(f"{series}_") and (b.os, b.os_version) == (host["os"], host["version"])
    ]
    chosen = catalogue.benchmarks.get(name)
    if chosen is None:
        if name != series:
            raise unknown("benchmark", name, catalogue.benchmarks)
        if not any(known.startswith(f"{series}_") for known in catalogue.benchmarks):
            raise unknown(
                "benchmark", name, [*catalogue.benchmarks, *{known.split("_")[0] for known in catalogue.benchmarks}]
            )
        if not fitting:
            have = ", ".join(
                f"{b.os} {b.os_version}" for b in catalogue.benchmarks.values() if b.id.startswith(f"{series}_")
            )
            raise SelectionError(f"no {series} benchmark for {here}", fix=f"Supported are {have}")
        return fitting[0]
    if (chosen.os, chosen.os_version) != (host["os"], host["version"]):
        right = (
            f"Use '{fitting[0].id}', or '{series}' to let each host choose"
            if fitting
            else "There is none for this system yet"
        )
        raise SelectionError(
            f"benchmark '{name}' is for {chosen.os} {chosen.os_version}, this host is {here}", fix=right
        )
    return chosen


def purpose_allows(when: t.Mapping[str, t.Any], unless: t.Mapping[str, t.Any], purposes: frozenset[str]) -> bool:
    wanted, refused = when.get("purpose"), unless.get("purpose", ())
    return (wanted is None or bool(purposes & set(wanted))) and not purposes & set(refused)


def select(
    catalogue: Catalogue,
    wishes: t.Sequence[tuple[str, str]],
    overlay: Overlay,
    host: t.Mapping[str, t.Any],
    filters: Filters = Filters(),
) -> Selection:
    """Merge what every benchmark asks of this host.

    Args:
        wishes: pairs of a benchmark's name and a level.
        host: the section ``host`` of the evidence.

    Raises:
        SelectionError: something unknown, a benchmark for another system, or two controls that contradict each other.
    """
    for kind in filters.kinds:
        if kind not in KINDS:
            raise unknown("kind", kind, KINDS)
    for rule in filters.rules:
        if rule not in catalogue.rules:
            raise unknown("rule", rule, catalogue.rules)
    controls: list[SelectedControl] = []
    asked: dict[str, list[tuple[str, dict[str, Constraint]]]] = {}
    chosen = []
    for name, level in wishes:
        benchmark = benchmark_for(catalogue, name, host)
        if level not in benchmark.levels:
            raise unknown(f"level of {benchmark.id}", level, benchmark.levels)
        chosen.append((benchmark.id, level))
        included = benchmark.included_levels(level)
        for section in filters.sections:
            if not any(_in_section(control, section) for control in benchmark.controls):
                raise unknown(f"section of {benchmark.id}", section, benchmark.sections)
        for control in benchmark.controls.values():
            if not included & set(control.levels):
                continue
            rules = [rule for rule in control.rules if _wanted(catalogue, rule, filters)]
            if filters.sections and not any(_in_section(control.id, section) for section in filters.sections):
                continue
            if (filters.kinds or filters.rules) and not rules:
                continue
            applicable = purpose_allows(control.when, control.unless, overlay.purposes)
            selected = SelectedControl(benchmark.id, control, benchmark.section(control.id), applicable)
            controls.append(selected)
            for rule in rules if applicable else ():
                own = catalogue.rule_constraints(rule, benchmark.family)
                asked.setdefault(rule, []).append((selected.id, {**own, **control.values.get(rule, {})}))
    demands = {rule: _merge(catalogue, rule, asks, overlay) for rule, asks in asked.items()}
    return Selection(tuple(controls), demands, overlay, tuple(chosen))


def _in_section(control: str, section: str) -> bool:
    return control == section or control.startswith(f"{section}.")


def _wanted(catalogue: Catalogue, rule: str, filters: Filters) -> bool:
    return (not filters.kinds or catalogue.rules[rule].kind in filters.kinds) and (
        not filters.rules or rule in filters.rules
    )


def _merge(catalogue: Catalogue, rule: str, asks: list[tuple[str, dict[str, Constraint]]], overlay: Overlay) -> Demand:
    merged: dict[str, Constraint] = {}
    first: dict[str, str] = {}
    for control, values in asks:
        for name, constraint in values.items():
            if name not in merged:
                merged[name], first[name] = constraint, control
                continue
            try:
                merged[name] = merged[name].meet(constraint)
            except EmptyMeetError:
                raise SelectionError(
                    f"{rule}: {first[name]} asks for {merged[name].describe()} and {control} for {constraint.describe()}: nothing satisfies both",
                    fix="Leave one of them out, or give the rule a value in the overlay",
                ) from None
    where = overlay.path or "overlay"
    own = constraints(KINDS[catalogue.rules[rule].kind], overlay.values[rule], where) if rule in overlay.values else {}
    # The site's word is final: it may loosen what a benchmark asks, and the report shows the value it chose.
    merged.update(own)
    data = catalogue.rules[rule]
    if own and data.remediate == "manual":
        # What only the site knew, it has now said.
        data = type(data)(**{**data.__dict__, "remediate": "automatic", "reason": ""})
    return Demand(data, merged, tuple(control for control, _values in asks))


__all__ = ["CatalogueError", "Filters", "Overlay", "Selection", "load_overlay", "select"]

# SPDX-License-Identifier: GPL-3.0-or-later
"""Select: benchmarks, levels and an overlay become the rules to judge, with merged values and who asked for them."""

from __future__ import annotations

import datetime
import difflib
import typing as t
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from .._errors import CatalogueError, SelectionError
from .benchmark import Benchmark, Control, in_section
from .catalogue import Catalogue, constraints, port
from .constraint import Constraint, EmptyMeetError
from .kinds.base import Demand, Port, Rule, Site
from .kinds.boot_password import fingerprint
from .kinds.registry import KINDS
from .platform import Platform, platform_of
from .schema import check_file, line_of, load_documents


@dataclass(frozen=True)
class Waiver:
    """A failure that is accepted to the end of UNTIL; INDEX is its place in the overlay's list."""

    reason: str
    owner: str
    until: datetime.date
    index: int = 0


@dataclass(frozen=True)
class Attestation:
    """A person's answer to a control, valid to the end of UNTIL; INDEX is its place in the overlay's list."""

    answer: str
    by: str
    until: datetime.date
    note: str = ""
    index: int = 0


@dataclass(frozen=True)
class Overlay:
    """What a site adds to the benchmarks.

    Attributes:
        ports: what must stay open: those that are written, and those that the purposes imply.
        boot_password: as `Site` has it; it comes from a variable, for the overlay is no place for secrets.
    """

    path: str = ""
    purposes: frozenset[str] = frozenset()
    ports: tuple[Port, ...] = ()
    values: t.Mapping[str, t.Any] = field(default_factory=dict)
    waivers: t.Mapping[str, Waiver] = field(default_factory=dict)
    attestations: t.Mapping[str, Attestation] = field(default_factory=dict)
    banner: str = ""
    boot_password: str = ""


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
class Filters:
    """Narrow a selection: sections (prefixes of control ids), kinds and rules. Empty means all."""

    sections: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.sections or self.kinds or self.rules)


@dataclass(frozen=True)
class LeftOut:
    """Rules and controls that the benchmarks ask for at the levels that are wanted, and that the filters leave out."""

    rules: frozenset[str] = frozenset()
    controls: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Selection:
    """Controls and demands, in the benchmark's order; OVERLAY for waivers and attestations."""

    controls: tuple[SelectedControl, ...]
    demands: t.Mapping[str, Demand]
    overlay: Overlay
    benchmarks: tuple[tuple[str, str], ...]
    filters: Filters = Filters()
    left_out: LeftOut = LeftOut()


def unknown(what: str, name: str, known: t.Iterable[str], *, where: str = "") -> SelectionError:
    names = sorted(known)
    close = difflib.get_close_matches(name, names, 3)
    hint = (
        f"Did you mean {' or '.join(close)}?"
        if close
        else f"Known are {', '.join(names[:12])}{' ...' if len(names) > 12 else ''}"
    )
    return SelectionError(f"unknown {what} '{name}'", where=where, fix=hint)


def load_overlay(path: str, catalogue: Catalogue, today: datetime.date, boot_password: str = "") -> Overlay:
    """Read and check a site's overlay.

    Args:
        boot_password: hash of the boot menu's password, of which the overlay gets the fingerprint.

    Raises:
        CatalogueError: not YAML, more than one document, an unknown key, a value of the wrong type.
        SelectionError: an unknown rule, control or purpose, two entries on one, or an expired waiver or attestation; a hash that
            is none.
    """
    password = fingerprint(boot_password)
    if not path:
        return Overlay(boot_password=password)
    file = Path(path).expanduser()
    documents = load_documents(file, most=1)
    check_file(file, documents, catalogue.schema("overlay"))
    raw = (documents[0] if documents else None) or {}

    def at(*keys: str | int) -> str:
        return f"{file}:{line_of(file, 0, keys)}"

    for index, purpose in enumerate(raw.get("purposes", ())):
        if purpose not in catalogue.purposes:
            raise unknown("purpose", purpose, catalogue.purposes, where=at("purposes", index))
    for rule, value in raw.get("values", {}).items():
        if rule not in catalogue.rules:
            raise unknown("rule", rule, catalogue.rules, where=at("values", rule))
        try:
            for platform in catalogue.platforms.values():
                constraints(KINDS[catalogue.rules[rule].kind], value, platform)
        except (ValueError, CatalogueError) as exc:
            raise SelectionError(f"{rule}: {exc}", where=at("values", rule)) from exc
    ports = [one for purpose in raw.get("purposes", ()) for one in catalogue.purposes[purpose].ports]
    for index, entry in enumerate(raw.get("ports", ())):
        try:
            ports.append(port(entry))
        except ValueError as exc:
            raise SelectionError(f"{exc}", where=at("ports", index)) from exc
    waivers, attestations = (
        _dated(section, raw.get(section, ()), catalogue, today, at) for section in ("waivers", "attestations")
    )
    return Overlay(
        path=str(file),
        purposes=frozenset(raw.get("purposes", ())),
        ports=tuple(dict.fromkeys(ports)),
        values=raw.get("values", {}),
        waivers={
            name: Waiver(entry["reason"], entry["owner"], _date(entry["until"]), index)
            for name, (index, entry) in waivers.items()
        },
        attestations={
            name: Attestation(entry["answer"], entry["by"], _date(entry["until"]), entry.get("note", ""), index)
            for name, (index, entry) in attestations.items()
        },
        banner=raw.get("banner", ""),
        boot_password=password,
    )


def _date(written: str) -> datetime.date:
    # The schema has seen to the form: Python's own would take 20260101 and 2026-W01-1 too.
    return datetime.date.fromisoformat(written)


def _dated(
    section: str,
    entries: t.Sequence[dict[str, t.Any]],
    catalogue: Catalogue,
    today: datetime.date,
    at: t.Callable[..., str],
) -> dict[str, tuple[int, dict[str, t.Any]]]:
    """The waivers or attestations by rule or control, each with its place in the list, once and not ended."""
    made: dict[str, tuple[int, dict[str, t.Any]]] = {}
    for index, entry in enumerate(entries):
        name = entry.get("rule") or entry["control"]
        _known(name, "rule" in entry, catalogue, partial(at, section, index))
        if name in made:
            what = f"there are two {section} for '{name}'"
            raise SelectionError(what, where=at(section, index), fix="Leave one of them")
        try:
            until = _date(entry["until"])
        except ValueError as exc:
            fix = "Write it as YYYY-MM-DD"
            raise SelectionError(f"until: '{entry['until']}' is no date", where=at(section, index), fix=fix) from exc
        if until < today:
            what = f"the {section[:-1]} of '{name}' ended on {until}"
            fix = "Mend the host and remove the entry, or give it a new date"
            raise SelectionError(what, where=at(section, index), fix=fix)
        made[name] = index, entry
    return made


def _known(name: str, is_rule: bool, catalogue: Catalogue, where: t.Callable[[], str]) -> None:
    """Raise SelectionError unless NAME is a rule, or a control as ``<benchmark>:<id>``."""
    if is_rule:
        if name not in catalogue.rules:
            raise unknown("rule", name, catalogue.rules, where=where())
        return
    benchmark, _mark, control = name.partition(":")
    if benchmark not in catalogue.benchmarks:
        raise unknown("control", name, (f"{one}:..." for one in catalogue.benchmarks), where=where())
    if control not in catalogue.benchmarks[benchmark].controls:
        controls = (f"{benchmark}:{one}" for one in catalogue.benchmarks[benchmark].controls)
        raise unknown("control", name, controls, where=where())


def benchmark_for(catalogue: Catalogue, name: str, platform: Platform, release: str) -> Benchmark:
    """The benchmark NAME (``cis_debian13``), or the one of the series NAME (``cis``) for a platform's release.

    Raises:
        SelectionError: unknown, or written for another system; names the right one.
    """
    here = f"{platform.id} {release}"
    benchmarks, series = catalogue.benchmarks, catalogue.benchmarks.series
    if name in series:
        fitting = [one for one in series[name] if benchmarks.fits(one, platform, release)]
        if not fitting:
            have = ", ".join(_platforms(catalogue, one) for one in series[name])
            raise SelectionError(f"no {name} benchmark for {here}", fix=f"Supported are {have}")
        return benchmarks[fitting[0]]
    if name not in benchmarks:
        raise unknown("benchmark", name, [*benchmarks, *series])
    if not benchmarks.fits(name, platform, release):
        own = benchmarks[name].series
        fitting = [one for one in series[own] if benchmarks.fits(one, platform, release)]
        right = (
            f"Use '{fitting[0]}', or '{own}' to let each host choose"
            if fitting
            else "There is none for this system yet"
        )
        what = f"benchmark '{name}' is for {_platforms(catalogue, name)}, this host is {here}"
        raise SelectionError(what, fix=right)
    return benchmarks[name]


def _platforms(catalogue: Catalogue, benchmark: str) -> str:
    platforms = catalogue.benchmarks.platforms(benchmark)
    return ", ".join(f"{platform} {release}" for platform, releases in platforms.items() for release in releases)


def purpose_allows(when: t.Mapping[str, t.Any], unless: t.Mapping[str, t.Any], purposes: frozenset[str]) -> bool:
    asked, refused = when.get("purpose"), unless.get("purpose", ())
    return (asked is None or bool(purposes & set(asked))) and not purposes & set(refused)


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
        SelectionError: something unknown, a benchmark for another system, two controls that contradict each other, or filters
            that leave nothing.
    """
    for kind in filters.kinds:
        if kind not in KINDS:
            raise unknown("kind", kind, KINDS)
    for rule in filters.rules:
        if rule not in catalogue.rules:
            raise unknown("rule", rule, catalogue.rules)
    platform, release = platform_of(catalogue.platforms, host)
    chosen: dict[tuple[str, str], Benchmark] = {}
    for name, level in wishes:
        benchmark = benchmark_for(catalogue, name, platform, release)
        if level not in benchmark.levels:
            raise unknown(f"level of {benchmark.id}", level, benchmark.levels)
        chosen[benchmark.id, level] = benchmark
    _refuse_unknown_sections(filters, chosen.values())
    controls: dict[str, SelectedControl] = {}
    rules_left_out: set[str] = set()
    controls_left_out: set[str] = set()
    asked: dict[str, dict[str, dict[str, Constraint]]] = {}
    for (_name, level), benchmark in chosen.items():
        included = benchmark.included_levels(level)
        for control in benchmark.controls.values():
            if not included & set(control.levels):
                continue
            applicable = purpose_allows(control.when, control.unless, overlay.purposes)
            selected = SelectedControl(benchmark.id, control, benchmark.section(control.id), applicable)
            rules = _narrowed(catalogue, control, filters)
            rules_left_out.update(set(control.rules) - set(rules or ()) if applicable else ())
            if rules is None:
                controls_left_out.add(selected.id)
                continue
            controls[selected.id] = selected
            for rule in rules if applicable else ():
                asked.setdefault(rule, {})[selected.id] = control.constraints(catalogue.rules[rule], platform)
    if not controls:
        raise _nothing(filters, chosen)
    site = Site(overlay.purposes, overlay.ports, overlay.boot_password)
    demands = {
        rule: _merge(catalogue.rules[rule].on(platform), asks, overlay, site, platform) for rule, asks in asked.items()
    }
    left_out = LeftOut(frozenset(rules_left_out - demands.keys()), frozenset(controls_left_out - controls.keys()))
    return Selection(tuple(controls.values()), demands, overlay, tuple(chosen), filters, left_out)


def _narrowed(catalogue: Catalogue, control: Control, filters: Filters) -> list[str] | None:
    """The rules of a control that the filters leave; None where they leave the control out."""
    if filters.sections and not any(in_section(control.id, section) for section in filters.sections):
        return None
    rules = [rule for rule in control.rules if _selected(catalogue, rule, filters)]
    return None if (filters.kinds or filters.rules) and not rules else rules


def _nothing(filters: Filters, chosen: t.Iterable[tuple[str, str]]) -> SelectionError:
    asked = (
        ("compliance_sections", filters.sections),
        ("compliance_kinds", filters.kinds),
        ("compliance_rules", filters.rules),
    )
    narrowing = " and ".join(f"{name} ({', '.join(values)})" for name, values in asked if values)
    benchmarks = ", ".join(f"{name} at level {level}" for name, level in chosen)
    return SelectionError(
        f"nothing is selected: {benchmarks or 'no benchmark'} has nothing"
        + (f" that fits {narrowing} together" if narrowing else ""),
        fix="Widen or empty these variables, or choose another level in compliance_benchmarks",
    )


def _refuse_unknown_sections(filters: Filters, benchmarks: t.Iterable[Benchmark]) -> None:
    """A section must stand in one of the benchmarks that are merged; not all number alike."""
    benchmarks = list(benchmarks)
    for section in filters.sections:
        if not any(in_section(control, section) for benchmark in benchmarks for control in benchmark.controls):
            names = ", ".join(benchmark.id for benchmark in benchmarks)
            sections = {prefix for benchmark in benchmarks for prefix in benchmark.sections}
            raise unknown(f"section of {names}", section, sections)


def _selected(catalogue: Catalogue, rule: str, filters: Filters) -> bool:
    return (not filters.kinds or catalogue.rules[rule].kind in filters.kinds) and (
        not filters.rules or rule in filters.rules
    )


def _merge(
    rule: Rule, asks: t.Mapping[str, t.Mapping[str, Constraint]], overlay: Overlay, site: Site, platform: Platform
) -> Demand:
    """What all controls ask of a rule at once; a value of the overlay takes their place."""
    own = constraints(KINDS[rule.kind], overlay.values[rule.id], platform) if rule.id in overlay.values else {}
    merged: dict[str, Constraint] = {}
    replaced: dict[str, tuple[Constraint, ...]] = {name: () for name in own}
    first: dict[str, str] = {}
    for control, values in asks.items():
        for name, constraint in values.items():
            if name in own:
                replaced[name] += () if constraint in replaced[name] else (constraint,)
                continue
            if name not in merged:
                merged[name], first[name] = constraint, control
                continue
            try:
                merged[name] = merged[name].meet(constraint)
            except EmptyMeetError:
                what = (
                    f"{rule.id}: {first[name]} asks for {merged[name].describe()} and {control} for "
                    f"{constraint.describe()}: nothing satisfies both"
                )
                raise SelectionError(
                    what, fix="Leave one of them out, or give the rule a value in the overlay"
                ) from None
    # The site's word is final: it may loosen what a benchmark asks, and the report shows both values.
    merged.update(own)
    if own and rule.remediate == "manual":
        # What only the site knew, it has now said.
        rule = replace(rule, remediate="automatic", reason="")
    return Demand(rule, merged, tuple(asks), site, bool(own), replaced)


__all__ = ["CatalogueError", "Filters", "Overlay", "Selection", "load_overlay", "select"]

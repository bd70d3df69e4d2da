# SPDX-License-Identifier: GPL-3.0-or-later
"""A driver from packages: built and proven for every kernel that can boot before apt touches the old one, or not installed."""

from __future__ import annotations

import os
import re
import shutil
import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._change.files import text

from . import archive, boot, kernels, proof, refusals, transaction
from .archive import DriverError
from .tree import Tree

# Where apt's own user can write, and what a killed run left is found again.
WORK = "/var/cache/unified-gpu"
NEWEST = "newest"
# Source packages of other branches and flavours of a driver, as Debian and Ubuntu call them. What only uses a driver, such as nvidia-cuda-toolkit and
# nvidia-container-toolkit, bears its name too.
OF_DRIVERS = (
    r"{0}|{0}-(?:graphics-drivers|open-gpu-kernel-modules|settings|persistenced|modprobe|xconfig|support)(?:-.+)?"
)


class UnbuiltError(DriverError):
    """A kernel that can boot would not have the driver, for its modules do not build for it, or would not load."""


Proofs = t.Dict[str, t.List[str]]
"""By kernel what keeps its modules from loading."""


class Driver(t.NamedTuple):
    """What is to be installed.

    Attributes:
        name: of the vendor, by which packages of older versions of the driver are known: nvidia.
        packages: of one branch and version.
        extra: firmware and user space, in whatever version apt prefers.
        branch: of the packages; empty where the kernel has the driver, and only `extra` is installed.
        version: upstream version; NEWEST of the branch; empty for what is there, or else the newest.
    """

    name: str
    packages: tuple[str, ...]
    extra: tuple[str, ...] = ()
    branch: str = ""
    version: str = ""


class Outcome(t.NamedTuple):
    """What came of it.

    Attributes:
        said: what was or would be done.
        versions: of the driver's packages, by name.
        proofs: by kernel; an empty list is a proof.
    """

    said: list[str]
    versions: dict[str, str]
    proofs: Proofs


class Plan(t.NamedTuple):
    """What apt is to do."""

    name: str
    targets: list[str]
    needed: list[str]
    pins: str
    sources: frozenset[str]
    steps: archive.Steps


def present(driver: Driver, *, dry: bool) -> Outcome:
    """Bring the host to the driver.

    Raises:
        DriverError: it cannot be had, built or loaded; the host has what it had before.
    """
    said: list[str] = []
    if transaction.begun():
        if dry:
            return Outcome(["finish or undo what a killed run began"], {}, {})
        said += transaction.recover()
    shutil.rmtree(WORK, ignore_errors=True)
    os.makedirs(f"{WORK}/archives/partial", mode=0o755)
    try:
        releases = kernels.bootable(Tree())
        plan = planned(driver, releases)
        if dry:
            said, proofs = foreseen(plan, releases)
            return Outcome(said, _versions(plan), proofs)
        if plan.steps.installed or plan.steps.removed:
            said += carried_out(plan, releases)
        said += _files(plan)
        said += completed(plan, releases)
        proofs = prove(plan, releases)
        if plan.sources:
            transaction.remember(proven_modules(plan, releases))
        said += [f"forgot the drift of {release}" for release in transaction.drifted(releases)]
        transaction.end_drift(releases)
        return Outcome(said, _versions(plan), proofs)
    finally:
        shutil.rmtree(WORK, ignore_errors=True)


def planned(driver: Driver, releases: t.Sequence[str]) -> Plan:
    """What apt would do, refused where it would take away what is no driver, or where there is no kernel to prove anything for."""
    if driver.packages and not releases:
        raise DriverError(
            "no kernel that can boot was seen in /boot or /lib/modules, so that nothing can be proven. Install one"
        )
    there = archive.installed()
    chosen = archive.chosen(driver.packages, driver.branch, version(driver, there)) if driver.packages else []
    needed = ["dkms", *archive.headers(releases)] if chosen else []
    chosen += archive.companions(driver.extra, chosen)
    named = {one.name for one in chosen}
    targets = [f"{one.name}={one.version}" for one in chosen] + [name for name in driver.extra if name not in named]
    pins = archive.preferences(chosen)
    steps = archive.simulate([*needed, *targets], pins, WORK)
    sources = frozenset(one.source for one in chosen)
    parts = re.compile(OF_DRIVERS.format(re.escape(driver.name)))
    strange = [
        name
        for name in sorted(steps.removed)
        if name in there and there[name].source not in sources and not parts.fullmatch(there[name].source)
    ]
    if strange:
        raise DriverError(
            f"apt would remove {', '.join(strange)}, which are no parts of a driver. Remove them, or what they are for, first"
        )
    return Plan(driver.name, targets, needed, pins, sources, steps)


def version(driver: Driver, there: t.Mapping[str, archive.Package]) -> str:
    """The upstream version to install, empty for the newest of the branch: what is there stays until another is asked for."""
    if driver.version:
        return "" if driver.version == NEWEST else driver.version
    versions = {archive.upstream(there[name].version) if name in there else "" for name in driver.packages}
    kept = versions.pop() if len(versions) == 1 else ""
    return kept if kept.split(".")[0] == driver.branch else ""


def _versions(plan: Plan) -> dict[str, str]:
    return dict(target.split("=", 1) for target in plan.targets if "=" in target)


def foreseen(plan: Plan, releases: t.Sequence[str]) -> tuple[list[str], Proofs]:
    """What would be done, in words; and the proofs of what is installed, where nothing would come."""
    said = [f"install {name} {version}" for name, version in plan.steps.installed.items()]
    said += [f"remove {name}" for name in plan.steps.removed]
    said += [f"write {path}" for path, content in _desired_files(plan).items() if text(path) != content.strip()]
    if said:
        return said, {}
    proofs = proven(plan, releases)
    said += [f"{release}: {one}" for release, listed in proofs.items() for one in listed]
    return said + [f"forget the drift of {release}" for release in transaction.drifted(releases)], proofs


def carried_out(plan: Plan, releases: t.Sequence[str]) -> list[str]:
    """Build what would come, and only then install it; undone where apt or the proof fails.

    Raises:
        DriverError: with what stands in the way.
    """
    room(releases)
    if fresh := [name for name in plan.needed if name in plan.steps.installed]:
        # They stay where the driver does not build: they hurt nobody, and the next try needs them.
        transaction.begin(plan.steps._replace(replaced={}, removed={}), plan.sources)
        _install(fresh, "the headers and DKMS")
        transaction.end()
    now = refusals.circumstances(_fetch(plan, "--print-uris"), releases)
    if before := refusals.known(now):
        raise UnbuiltError(before)
    _fetch(plan, "--download-only")
    if blocking := tried(releases):
        refusals.remember(now, blocking)
        raise UnbuiltError("; ".join(blocking))
    lost = transaction.begin(plan.steps, plan.sources)
    transaction.write(archive.PREFERENCES, plan.pins)
    _install(plan.targets, "the driver")
    try:
        completed(plan, releases)
        prove(plan, releases)
    except DriverError as exc:
        raise type(exc)(f"{exc}. {transaction.undo()}") from exc
    transaction.end()
    done = [f"installed {name} {version}" for name, version in plan.steps.installed.items()]
    done += [f"removed {name}" for name in plan.steps.removed]
    return done + [f"could not keep {one}, which the archive lacks: it would not have come back" for one in lost]


def prove(plan: Plan, releases: t.Sequence[str]) -> Proofs:
    """The proofs of the installed modules.

    Raises:
        DriverError: something keeps one from loading.
    """
    proofs = proven(plan, releases)
    if blocking := [f"{release}: {problem}" for release, listed in proofs.items() for problem in listed]:
        raise DriverError("; ".join(blocking))
    return proofs


def tried(releases: t.Sequence[str]) -> list[str]:
    """Build the modules of the downloaded packages for every kernel, and say what keeps them from loading."""
    root = f"{WORK}/root"
    for name in sorted(os.listdir(f"{WORK}/archives")):
        file = f"{WORK}/archives/{name}"
        # Ubuntu's dkms.conf and the sources that it builds are in two packages.
        if name.endswith(".deb") and "/usr/src/" in programs.run(["dpkg-deb", "-c", file], timeout=300).out:
            answer = programs.run(["dpkg-deb", "-x", file, root], timeout=300)
            if answer.code:
                raise DriverError(f"{name} cannot be unpacked: {answer.said}")
    keys = proof.trusted_keys(Tree())
    said = []
    for release in releases:
        built: list[str] = []
        for module in proof.sources(root):
            files, refused = proof.build(module, release, f"{WORK}/trial")
            built += files
            if refused:
                said.append(f"{module.name} {module.version} does not build for {release}: {refused}")
        said += [f"{release}: {one}" for one in proof.problems(built, release, WORK, keys=keys)] if built else []
    return said


def unbuilt(sources: t.Collection[str], releases: t.Sequence[str]) -> list[tuple[str, proof.Sources]]:
    """Kernels for which DKMS has not installed a module of the driver, with the module."""
    return [(release, one) for one in modules(sources) for release in releases if not proof.placed(one, release)]


def modules(sources: t.Collection[str]) -> list[proof.Sources]:
    """What DKMS has from packages of these sources."""
    there = archive.installed()
    ours = []
    for one in proof.sources("/"):
        owner = programs.run(["dpkg-query", "-S", f"{one.directory}/{one.name}-{one.version}/dkms.conf"]).out.partition(
            ":"
        )[0]
        if owner in there and there[owner].source in sources:
            ours.append(one)
    return ours


def completed(plan: Plan, releases: t.Sequence[str]) -> list[str]:
    """Build for kernels that came since.

    Raises:
        DriverError: it does not build; what is built for other kernels stays.
    """
    said = []
    for release, module in unbuilt(plan.sources, releases):
        argv = ["dkms", "install", "-m", module.name, "-v", module.version, "-k", release]
        answer = programs.run(argv, timeout=proof.BUILD_SECONDS)
        if answer.code:
            log = Tree("/").text("var/lib/dkms", module.name, module.version, "build", "make.log")
            why = proof.refusal(log) or answer.said
            raise UnbuiltError(
                f"{module.name} {module.version} does not build for {release}: {why}. Do not boot that kernel"
            )
        said.append(f"built {module.name} for {release}")
    return said


def proven(plan: Plan, releases: t.Sequence[str]) -> Proofs:
    """What keeps the installed modules from loading, by kernel; nothing where only the kernel's own drivers are decided."""
    ours, keys = modules(plan.sources), proof.trusted_keys(Tree())
    proofs: Proofs = {}
    for release in releases if plan.sources else ():
        missing = [
            f"{one.name} {one.version} is not installed for it" for one in ours if not proof.placed(one, release)
        ]
        files = [file for one in ours for file in proof.placed(one, release)]
        if not ours:
            # Built and signed by the distribution for this kernel.
            files, missing = proof.prebuilt(plan.name, release, signed=keys is not None)
        os.makedirs(WORK, mode=0o755, exist_ok=True)
        proofs[release] = missing + proof.problems(files, release, WORK, keys=keys if ours else None)
    return proofs


def proven_modules(plan: Plan, releases: t.Sequence[str]) -> dict[str, str]:
    """The driver's modules by the names of their files, with the keys that signed them where the kernel insists on one."""
    files = [file for one in modules(plan.sources) for release in releases for file in proof.placed(one, release)]
    # What came with the kernel's packages may be signed with another key for another kernel.
    return proof.names(files, keys=proof.trusted_keys(Tree()) is not None) if files else {plan.name: ""}


def room(releases: t.Sequence[str]) -> None:
    """Refuse where /boot has no room for the largest initramfs once more: it is written beside the old one.

    Raises:
        DriverError: there is too little.
    """
    sizes = [os.path.getsize(path) for one in releases if os.path.exists(path := f"/boot/initrd.img-{one}")]
    free = shutil.disk_usage("/boot").free if sizes else 0
    if sizes and free < max(sizes) * 1.2:
        raise DriverError(
            f"/boot has {free >> 20} MiB left, and a new initramfs needs {int(max(sizes) * 1.2) >> 20}. Remove old kernels"
        )


def _install(targets: t.Sequence[str], what: str) -> None:
    answer = programs.run(
        [*archive.INSTALL, f"-oDir::Cache::archives={WORK}/archives", "install", *targets], timeout=archive.SECONDS
    )
    if answer.code:
        why = proof.refusal(answer.out + answer.err) or answer.said
        raise DriverError(f"apt could not install {what}: {why}. {transaction.undo()}")


def _fetch(plan: Plan, how: str) -> list[str]:
    """Get the driver's packages with ``--download-only``, or say with ``--print-uris`` what would be got, with its digests."""
    shutil.rmtree(f"{WORK}/archives", ignore_errors=True)
    os.makedirs(f"{WORK}/archives/partial")
    places = [f"-oDir::Cache::archives={WORK}/archives", f"-oDir::Etc::Preferences={WORK}/preferences"]
    answer = programs.run([*archive.INSTALL, *places, how, "install", *plan.targets], timeout=archive.SECONDS)
    if answer.code:
        raise DriverError(f"the driver's packages cannot be downloaded: {answer.said}")
    return sorted(line for line in answer.out.splitlines() if line.startswith("'"))


def _desired_files(plan: Plan) -> dict[str, str]:
    names = [name for name, one in archive.installed().items() if one.source in plan.sources]
    return {archive.PREFERENCES: plan.pins, archive.UNATTENDED: archive.unattended(names)}


def _files(plan: Plan) -> list[str]:
    """Pin and exclusion as they are to be."""
    differing = [path for path, content in _desired_files(plan).items() if text(path) != content.strip()]
    for path in differing:
        transaction.write(path, _desired_files(plan)[path])
    return [f"wrote {path}" for path in differing]


def reboot_reason(driver: Driver) -> str:
    """Why the running kernel does not use the driver that is installed; empty where it does, or where none is."""
    there = archive.installed()
    built = {one.version for one in modules({there[name].source for name in driver.packages if name in there})}
    if not built:
        return ""
    loaded, versions = boot.loaded(Tree()).get(driver.name), " ".join(sorted(built))
    if loaded is None:
        return f"{driver.name} {versions} is installed and not loaded"
    if loaded["version"] not in built:
        return f"{driver.name} {loaded['version']} is loaded, and {versions} installed"
    # The open and the closed modules of one version.
    return "" if proof.same_build(driver.name, Tree()) else f"another build of {driver.name} {versions} is loaded"

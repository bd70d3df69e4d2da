# SPDX-License-Identifier: GPL-3.0-or-later
"""A driver where dnf installs: packages beside the kernel's own drivers come and go; NVIDIA's is proven once the operator has installed it."""

from __future__ import annotations

import contextlib
import os
import shutil
import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._change.journal import read_json
from ansible_collections.unified.deploy.plugins.module_utils._change.record import make_private, write_json

from . import boot, kernels, proof, transaction
from .archive import SECONDS, DriverError
from .driver import NEWEST, WORK, Driver, Outcome, Proofs
from .tree import Tree

DNF = ("dnf", "-y", "--setopt=install_weak_deps=False")
DECLINED = "Operation aborted."


def present(driver: Driver, *, dry: bool) -> Outcome:
    """Install what is beside the driver, and prove the driver.

    Raises:
        DriverError: dnf cannot install it, and the host has what it had before; or NVIDIA's driver is not there, or would not load.
    """
    missing = [name for name in driver.extra if not versions(name)]
    if lacking := [name for name in driver.packages if not fits(driver, versions(stem(name)))]:
        raise DriverError(by_hand(driver, lacking, missing))
    releases = kernels.bootable(Tree())
    if driver.packages and not releases:
        raise DriverError(
            "no kernel that can boot was seen in /boot or /lib/modules, so that nothing can be proven. Install one"
        )
    proofs = prove(driver, releases)
    begun = transaction.begun()
    said = ["end what a killed run began"] if begun and not missing else []
    if missing or begun:
        if dry:
            resolve(missing)
        else:
            install(missing)
        said += [f"install {name}" for name in missing]
    if drifted := transaction.drifted(releases):
        said += [f"forget the drift of {release}" for release in drifted]
        if not dry:
            transaction.end_drift(releases)
    return Outcome(said, {name: versions(stem(name))[0] for name in driver.packages}, proofs)


def by_hand(driver: Driver, packages: t.Sequence[str], extra: t.Sequence[str]) -> str:
    """What to do for NVIDIA's driver: nobody has seen its packages for dnf, so the role cannot build and prove what is in them before they come.

    dnf(8): a module stream is ``name:stream``; dnf-versionlock(8) is what a pin of apt is. DKMS is in EPEL.
    """
    streams = [name for name in packages if ":" in name]
    plain = [name for name in (*packages, *extra) if ":" not in name]
    steps = ["dnf install dkms kernel-devel-matched", *(f"dnf module install {stream}" for stream in streams)]
    steps += [f"dnf install {' '.join(plain)}"] if plain else []
    steps += ["dkms status", "dnf versionlock add 'nvidia-*' 'kmod-nvidia-*' 'libnvidia-*'"]
    wanted = f"branch {driver.branch}" + (f", version {driver.version}" if driver.version not in ("", NEWEST) else "")
    return f"with dnf the role does not install NVIDIA's driver ({wanted}). By hand, then run this again: {'; '.join(steps)}"


def stem(name: str) -> str:
    """The package that tells whether a module stream (``name:stream``) is installed."""
    return name.partition(":")[0]


def versions(name: str) -> list[str]:
    """The installed versions of a package, without release; none where it is not there (rpm(8))."""
    answer = programs.run(["rpm", "-q", "--qf", "%{VERSION}\\n", name])
    return [] if answer.code else answer.out.split()


def fits(driver: Driver, there: t.Sequence[str]) -> bool:
    """Whether a package is there, of the branch, and in the version if one is asked for."""
    of_branch = [one for one in there if one.partition(".")[0] == driver.branch]
    return bool(of_branch) and (driver.version in ("", NEWEST) or driver.version in of_branch)


def everything() -> dict[str, str]:
    """Every installed package, by name and architecture, with all its versions."""
    rows = [line.split() for line in programs.must(["rpm", "-qa", "--qf", "%{NAME}.%{ARCH} %{EVR}\\n"]).splitlines()]
    there: dict[str, list[str]] = {}
    for name, version in rows:
        there.setdefault(name, []).append(version)
    return {name: " ".join(sorted(listed)) for name, listed in there.items()}


def resolve(names: t.Sequence[str]) -> None:
    """Let dnf say whether it could install these.

    Raises:
        DriverError: it could not.
    """
    answer = programs.run(["dnf", "--assumeno", *DNF[2:], "install", *names], timeout=SECONDS) if names else None
    if answer and answer.code and DECLINED not in answer.out + answer.err:
        raise DriverError(f"dnf finds no way to install {' '.join(names)}: {answer.said}")


def install(names: t.Sequence[str]) -> None:
    """Install in one transaction of dnf; what came is remembered as ours, what a killed run had begun too.

    Raises:
        DriverError: dnf failed, and what it did is undone.
    """
    earlier = read_json(transaction.TRANSACTION)
    before = everything()
    original = earlier["original"] if earlier else before
    make_private(transaction.STATE)
    write_json(transaction.TRANSACTION, {"original": original})
    answer = programs.run([*DNF, "install", *names], timeout=SECONDS) if names else programs.Answer(0, "", "")
    if answer.code:
        said = undone(before)
        remember(original)
        raise DriverError(f"dnf cannot install {' '.join(names)}: {answer.said}. {said}")
    remember(original)


def undone(before: t.Mapping[str, str]) -> str:
    """Bring back the packages of before, by dnf's own history (dnf(8)); returns what to tell."""
    if everything() == before:
        return "Nothing was changed"
    answer = programs.run([*DNF, "history", "undo", "last"], timeout=SECONDS)
    if everything() == before:
        return "The packages of before are there again"
    return f"It could not be undone wholly (dnf history undo last): {answer.said}"


def remember(original: t.Mapping[str, str]) -> None:
    """Write down what came since ORIGINAL as ours, and end the transaction."""
    came = set(everything()) - set(original)
    write_json(
        transaction.RECORD, {**transaction.record(), "installed": sorted({*transaction.record()["installed"], *came})}
    )
    with contextlib.suppress(FileNotFoundError):
        os.unlink(transaction.TRANSACTION)


def prove(driver: Driver, releases: t.Sequence[str]) -> Proofs:
    """The proofs of the installed modules, for each kernel that can boot; nothing where only the kernel's own drivers are decided.

    Raises:
        DriverError: something keeps one from loading.
    """
    if not driver.packages:
        return {}
    keys = proof.trusted_keys(Tree())
    ours = [one for one in proof.sources("/") if driver.name in one.name]
    proofs: Proofs = {}
    os.makedirs(WORK, mode=0o755, exist_ok=True)
    try:
        for release in releases:
            missing = [
                f"{one.name} {one.version} is not installed for it" for one in ours if not proof.placed(one, release)
            ]
            files = [file for one in ours for file in proof.placed(one, release)]
            if not ours:
                # A package of modules that were built for the kernel (kmod-...).
                files, missing = proof.prebuilt(driver.name, release, signed=keys is not None)
            proofs[release] = missing + proof.problems(files, release, WORK, keys=keys if ours else None)
    finally:
        shutil.rmtree(WORK, ignore_errors=True)
    if blocking := [f"{release}: {problem}" for release, listed in proofs.items() for problem in listed]:
        raise DriverError("; ".join(blocking))
    return proofs


def absent(*, dry: bool) -> Outcome:
    """Take away what was installed.

    Raises:
        DriverError: other packages need it.
    """
    if transaction.begun() and not dry:
        install([])
    there = everything()
    names = [name for name in transaction.record()["installed"] if name in there]
    if names:
        answer = programs.run(["rpm", "-e", "--test", "--allmatches", *names])
        if answer.code:
            raise DriverError(f"others need what the role installed: {answer.said}. Remove them first")
    if not dry:
        if names:
            # What these packages need came with them, or was there before.
            answer = programs.run(
                ["dnf", "-y", "--setopt=clean_requirements_on_remove=False", "remove", *names], timeout=SECONDS
            )
            if answer.code:
                raise DriverError(f"dnf cannot remove {' '.join(names)}: {answer.said}")
        shutil.rmtree(transaction.STATE, ignore_errors=True)
    return Outcome([f"remove {name}" for name in names], {}, {})


def reboot_reason(driver: Driver) -> str:
    """Why the running kernel does not use the driver that is installed; empty where it does, or where it has its own."""
    if not driver.packages:
        return ""
    there = [version for name in driver.packages for version in versions(stem(name))]
    loaded = boot.loaded(Tree()).get(driver.name)
    if loaded is None:
        return f"{driver.name} {' '.join(there)} is installed and not loaded"
    return (
        ""
        if loaded["version"] in there
        else f"{driver.name} {loaded['version']} is loaded, and {' '.join(there)} installed"
    )

# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role does for a host's decisions: from where, which packages, which files."""

from __future__ import annotations

import typing as t

from .model import Decision, Target
from .nvidia import VENDOR_REPOSITORY
from .tables import Tables

# Debian's architecture as the vendor's paths have it.
VENDOR_ARCHITECTURES = {"amd64": "x86_64", "arm64": "sbsa"}
OPTION_FILE_HEAD = "# Written by the role unified.deploy.gpu.\n"


def installation(
    tables: Tables, decisions: t.Collection[Decision], target: Target, programs: t.Iterable[str] = ()
) -> dict[str, t.Any]:
    """What is to be installed, as JSON has it.

    Args:
        programs: packages of what looks at the GPUs afterwards.

    Returns:
        ``packages`` of the driver with their ``branch`` and module ``name``, ``extra`` packages of any version, ``repository`` (the arguments of
        gpu_repository, or empty), ``modprobe`` (the text of the file in /etc/modprobe.d), ``units`` that start with the host, why it cannot
        be installed by the role (``refused``, empty where it can), and what the operator could ask for ``instead``.
    """
    given = [one for one in decisions if one.action == "passthrough"]
    driving = [one for one in decisions if one.action in ("install", "vendor", "kernel", "software")]
    driven = [one for one in driving if one.branch]
    packages: list[str] = []
    for one in driven:
        names = () if one.branch and one.branch.packages else vendor_packages(tables, one, target)
        packages += [name for name in (*names, *one.packages) if name not in packages]
    extra = [name for one in driving for name in (*one.firmware, *(() if one.branch else one.packages))]
    if driven:
        extra += tables.packages("nvidia", target.purpose, target.system, target.architecture)
    extra += programs
    branch = driven[0].branch if driven else None
    refused = ""
    if driven and not packages:
        refused = f"the names of the packages of {driven[0].repository} are not known to us. Install the driver by hand"
    return {
        "name": driven[0].driver if driven else "",
        "branch": branch.number if branch else "",
        "packages": packages,
        "extra": list(dict.fromkeys(extra)),
        "repository": repository(tables, branch.repository, target) if branch else {},
        "modprobe": modprobe([*driving, *given], tables.policy["claimed_by"]),
        "units": units(driven, target),
        "refused": refused,
        "instead": instead(driven),
    }


def instead(driven: t.Sequence[Decision]) -> str:
    """The other drivers that every device could have, with the variables that ask for them; empty where there is none.

    For where the decided one does not build: which kernels a driver builds for is in no table.
    """
    taken = {one.branch for one in driven}
    common = (
        [branch for branch in driven[0].branches if all(branch in one.branches for one in driven)] if driven else []
    )
    others = {
        (branch.number, branch.flavour, "vendor" if branch.repository == VENDOR_REPOSITORY else "distribution"): None
        for branch in common
        if branch not in taken
    }
    listed = [
        f'gpu_driver: "{number}", gpu_flavour: {flavour}, gpu_repository: {place}' for number, flavour, place in others
    ]
    return f"What could be asked for instead: {'; or '.join(listed)}" if listed else ""


def vendor_packages(tables: Tables, decision: Decision, target: Target) -> tuple[str, ...]:
    """The names in the vendor's own repository, which are the same for every branch; empty where they are not known."""
    names = tables.policy["vendor_packages"].get(decision.repository, {}).get(decision.flavour, {})
    return tuple(names.get("compute" if target.purpose == "compute" else "desktop", ()))


def repository(tables: Tables, name: str, target: Target) -> dict[str, t.Any]:
    """The arguments of gpu_repository for a vendor's repository; empty for the distribution's own."""
    row = tables.repository(name, target.system)
    base = tables.policy["repository_urls"].get(name, "")
    if name == "distribution" or row is None or not base:
        return {}
    path = row["path"].replace("<distro>", target.system)
    path = path.replace("<x86_64|sbsa>", VENDOR_ARCHITECTURES.get(target.architecture, target.architecture))
    url = f"{base}/{path}"
    return {
        "name": name,
        "url": url,
        "suites": ["/"],
        "components": [],
        "fingerprints": row["fingerprint"].split(),
        "key": "",
        "key_url": url + row["key_file"],
        "keyring": "",
    }


def modprobe(decisions: t.Sequence[Decision], claimed_by: t.Mapping[str, t.Sequence[str]]) -> str:
    """The file in /etc/modprobe.d: what must not take the devices, and the options of what is to; empty where there is nothing to say.

    Args:
        claimed_by: by vendor the drivers before which vfio-pci must be there (softdep of modprobe.d(5)).
    """
    lines = []
    if any(one.driver == "nvidia" for one in decisions):
        lines += ["blacklist nouveau", "options nouveau modeset=0"]
    options: dict[tuple[str, str], list[str]] = {}
    for parameter in dict.fromkeys(parameter for one in decisions for parameter in one.parameters):
        module, _dot, option = parameter.partition(".")
        name, _sign, value = option.partition("=")
        options.setdefault((module, name), []).append(value)
    # Of a parameter that stands twice a module takes the last.
    lines += [f"options {module} {name}={','.join(values)}" for (module, name), values in options.items()]
    for identity in options.get(("vfio-pci", "ids"), ()):
        lines += [f"softdep {driver} pre: vfio-pci" for driver in claimed_by.get(identity.partition(":")[0], ())]
    return OPTION_FILE_HEAD + "".join(f"{line}\n" for line in dict.fromkeys(lines)) if lines else ""


def units(driven: t.Sequence[Decision], target: Target) -> list[str]:
    """Services that start with the host: the driver's state between users, and the coupling over NVSwitches."""
    if not driven or target.purpose != "compute":
        return []
    return ["nvidia-persistenced.service", *(["nvidia-fabricmanager.service"] if target.fabric else [])]

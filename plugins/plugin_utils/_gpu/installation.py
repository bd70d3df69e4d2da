# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role does for a host's decisions: from where, which packages, which files."""

from __future__ import annotations

import typing as t

from .model import Decision, Target
from .tables import Tables

# Debian's architecture as the vendor's paths have it.
VENDOR_ARCHITECTURES = {"amd64": "x86_64", "arm64": "sbsa"}
OPTION_FILE_HEAD = "# Written by the role unified.deploy.gpu.\n"


def installation(
    tables: Tables, decisions: t.Iterable[Decision], target: Target, programs: t.Iterable[str] = ()
) -> dict[str, t.Any]:
    """What is to be installed, as JSON has it.

    Args:
        programs: packages of what looks at the GPUs afterwards.

    Returns:
        ``packages`` of the driver with their ``branch`` and module ``name``, ``extra`` packages of any version, ``repository`` (the arguments of
        gpu_repository, or empty), ``modprobe`` (the text of the file in /etc/modprobe.d), ``units`` that start with the host, and why it cannot
        be installed by the role (``refused``, empty where it can).
    """
    driving = [one for one in decisions if one.action in ("install", "vendor", "kernel")]
    driven = [one for one in driving if one.branch]
    packages: list[str] = []
    for one in driven:
        packages += [name for name in one.packages or vendor_packages(tables, one, target) if name not in packages]
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
        "modprobe": modprobe(driving),
        "units": units(driven, target),
        "refused": refused,
    }


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


def modprobe(decisions: t.Sequence[Decision]) -> str:
    """The file in /etc/modprobe.d: what must not take the devices, and the options of what is to; empty where there is nothing to say."""
    lines = []
    if any(one.driver == "nvidia" for one in decisions):
        lines += ["blacklist nouveau", "options nouveau modeset=0"]
    for parameter in dict.fromkeys(parameter for one in decisions for parameter in one.parameters):
        module, _dot, option = parameter.partition(".")
        lines.append(f"options {module} {option}")
    return OPTION_FILE_HEAD + "".join(f"{line}\n" for line in lines) if lines else ""


def units(driven: t.Sequence[Decision], target: Target) -> list[str]:
    """Services that start with the host: the driver's state between users, and the coupling over NVSwitches."""
    if not driven or target.purpose != "compute":
        return []
    return ["nvidia-persistenced.service", *(["nvidia-fabricmanager.service"] if target.fabric else [])]

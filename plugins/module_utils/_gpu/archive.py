# SPDX-License-Identifier: GPL-3.0-or-later
"""What apt would do for a driver: which versions, from which source packages, and what would go for it."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._change.files import text

PREFERENCES = "/etc/apt/preferences.d/unified-gpu"
UNATTENDED = "/etc/apt/apt.conf.d/52unified-gpu"
SECONDS = 1800
INSTALL = (
    "apt-get",
    "-q",
    "-y",
    "--no-install-recommends",
    "--allow-downgrades",
    "-oDPkg::Lock::Timeout=60",
    "-oDpkg::Options::=--force-confold",
    "-oAPT::Get::AllowUnauthenticated=false",
)
STEP = re.compile(r"^(Inst|Remv) ([^\s:]+)(?::\w+)?(?: \[(\S+)\])?(?: \((\S+))?")


def uses_apt(manager: str) -> bool:
    """Whether packages come by apt: as it is asked for, or else where the host has it."""
    return manager == "apt" or (manager == "auto" and os.path.exists("/usr/bin/apt-get"))


class DriverError(Exception):
    """The driver cannot be had as it is decided; the host keeps what it has."""


class Package(t.NamedTuple):
    """A version of a binary package, and the source that it was built from."""

    name: str
    version: str
    source: str


class Steps(t.NamedTuple):
    """What apt would do, versions by name.

    Attributes:
        replaced: the version that is there, of what would be installed in another one.
    """

    installed: dict[str, str]
    replaced: dict[str, str]
    removed: dict[str, str]


def available(names: t.Iterable[str]) -> dict[str, list[Package]]:
    """The versions that apt knows of each package, in the order of its lists; the one that is installed too."""
    known: dict[str, list[Package]] = {name: [] for name in names}
    answer = programs.run(["apt-cache", "show", "--all-versions", *known]) if known else programs.Answer(0, "", "")
    for paragraph in answer.out.split("\n\n"):
        fields: dict[str, str] = dict(re.findall(r"^(Package|Version|Source): (.+)$", paragraph, re.MULTILINE))
        name = fields.get("Package", "")
        one = Package(name, fields.get("Version", ""), fields.get("Source", name).partition(" ")[0])
        if one not in known.get(name, [one]):
            known[name].append(one)
    return known


def upstream(version: str) -> str:
    """A version without epoch and revision of the packaging: 580.178.04 of 580.178.04-0ubuntu1 (deb-version(7))."""
    return version.partition(":")[2 if ":" in version else 0].rpartition("-")[0] or version.rpartition(":")[2]


def newest(packages: t.Sequence[Package]) -> Package:
    best = packages[0]
    for one in packages[1:]:
        if programs.run(["dpkg", "--compare-versions", one.version, "gt", best.version]).code == 0:
            best = one
    return best


def of_branch(name: str, known: t.Sequence[Package], branch: str, version: str) -> Package:
    """The newest version of a package that belongs to a branch of the driver, or the version that is asked for.

    Args:
        known: the package's versions.

    Raises:
        DriverError: apt does not know it, or the name has moved on to another branch.
    """
    if not known:
        raise DriverError(
            f"apt knows no package {name}. Does the host have the repository, and has it run apt-get update?"
        )
    fits = [
        one for one in known if upstream(one.version).split(".")[0] == branch and version in ("", upstream(one.version))
    ]
    if not fits:
        others = ", ".join(sorted({one.version for one in known}))
        raise DriverError(
            f"{name} is not of the branch {branch}{f' and version {version}' if version else ''} any longer, but {others}: the name has "
            "moved. Decide for another branch (gpu_driver), or use a mirror that has it"
        )
    return newest(fits)


def chosen(names: t.Sequence[str], branch: str, version: str = "") -> list[Package]:
    """The driver's packages, all of one upstream version: the fabric manager must equal the driver.

    Raises:
        DriverError: one is not there, or no version is common to all.
    """
    known = available(names)
    packages = [of_branch(name, known[name], branch, version) for name in names]
    if len({upstream(one.version) for one in packages}) > 1:
        common = set.intersection(*({upstream(one.version) for one in known[name]} for name in names))
        common = {one for one in common if one.split(".")[0] == branch}
        if not common:
            listed = ", ".join(f"{one.name} {one.version}" for one in packages)
            raise DriverError(
                f"the packages of the driver have no version in common: {listed}. Wait for the repository to have all of one"
            )
        each = [of_branch(names[0], known[names[0]], branch, one) for one in common]
        return [of_branch(name, known[name], branch, upstream(newest(each).version)) for name in names]
    return packages


def companions(names: t.Sequence[str], driver: t.Sequence[Package]) -> list[Package]:
    """Of packages beside the driver's, those that the archive has in its version: they are pinned with it."""
    if not driver:
        return []
    version = upstream(driver[0].version)
    known = available(names)
    fits = [[one for one in known[name] if upstream(one.version) == version] for name in names]
    return [newest(listed) for listed in fits if listed]


def preferences(packages: t.Sequence[Package]) -> str:
    """The pin (apt_preferences(5)): of these sources this version, and no other, whatever the binary packages are called.

    Above 1000 apt takes it for an older version too: what the asked packages depend on goes back with them.
    """
    pinned = {one.source: one.version for one in packages}
    return "".join(
        f"Package: src:{source}\nPin: version {version}\nPin-Priority: 1001\n\n"
        f"Package: src:{source}\nPin: release *\nPin-Priority: -1\n\n"
        for source, version in sorted(pinned.items())
    )


def unattended(names: t.Sequence[str]) -> str:
    """What unattended-upgrades leaves alone: regular expressions over names of packages."""
    expressions = [re.sub(r"([+.])", r"\\\1", name) for name in sorted(names)]
    listed = "".join(f'  "^{expression}$";\n' for expression in expressions)
    return f"Unattended-Upgrade::Package-Blacklist {{\n{listed}}};\n" if names else ""


def settled(names: t.Sequence[str], pins: str) -> bool:
    """Whether all of this is installed, in the version that is asked for or else the one that apt would take, so that apt has nothing to do.

    It is asked before a simulation, which takes apt half a second.
    """
    answer = programs.run(["apt-cache", "policy", *(name.partition("=")[0] for name in names)])
    rows = re.findall(r"^(\S+):\n  Installed: (\S+)\n  Candidate: (\S+)$", answer.out, re.MULTILINE)
    there = {name: version for name, version, _candidate in rows}
    wanted = {name: candidate for name, _version, candidate in rows}
    for name in names:
        bare, _equals, version = name.partition("=")
        if bare not in there or there[bare] != (version or wanted[bare]):
            return False
    return text(PREFERENCES) == pins.strip() and not broken()


def simulate(names: t.Sequence[str], pins: str, scratch: str) -> Steps:
    """What apt would do with the pin in place.

    Raises:
        DriverError: apt finds no way.
    """
    if settled(names, pins):
        return Steps({}, {}, {})
    file = os.path.join(scratch, "preferences")
    with open(file, "w", encoding="utf-8") as handle:
        handle.write(pins)
        if os.path.exists("/etc/apt/preferences"):
            with open("/etc/apt/preferences", encoding="utf-8") as own:
                handle.write("\n" + own.read())
    answer = programs.run(
        [*INSTALL, "-s", "-oDebug::NoLocking=1", f"-oDir::Etc::Preferences={file}", "install", *names]
    )
    if answer.code:
        lines = [line for line in (answer.out + answer.err).splitlines() if line.startswith(("E:", " "))]
        raise DriverError(f"apt finds no way to install {' '.join(names)}: {' '.join(' '.join(lines).split())[:600]}")
    return parsed(answer.out)


def parsed(output: str) -> Steps:
    """The lines Inst and Remv of a simulation."""
    steps = Steps({}, {}, {})
    for line in output.splitlines():
        match = STEP.match(line)
        if not match:
            continue
        verb, name, old, new = match.groups()
        if verb == "Remv":
            steps.removed[name] = old or ""
        else:
            steps.installed[name] = new or ""
            if old:
                steps.replaced[name] = old
    return steps


def installed() -> dict[str, Package]:
    """Every package that is on the host, configured or not, with its source."""
    form = "${Package} ${db:Status-Status} ${source:Package} ${Version}\n"
    rows = [line.split() for line in programs.run(["dpkg-query", "-W", f"-f={form}"]).out.splitlines()]
    gone = ("config-files", "not-installed")
    return {row[0]: Package(row[0], row[3], row[2]) for row in rows if len(row) == 4 and row[1] not in gone}


class Needs(t.NamedTuple):
    """What a package depends on, and what other names it stands for.

    Attributes:
        depends: of each list one, by name.
    """

    depends: list[list[str]]
    provides: list[str]


def needs() -> dict[str, Needs]:
    """Of every package that is on the host."""
    form = "${Package}\t${db:Status-Status}\t${Pre-Depends}, ${Depends}\t${Provides}\n"
    rows = [line.split("\t") for line in programs.run(["dpkg-query", "-W", f"-f={form}"]).out.splitlines()]
    return {
        row[0]: Needs(_relations(row[2]), [name for group in _relations(row[3]) for name in group])
        for row in rows
        if len(row) == 4 and row[1] not in ("config-files", "not-installed")
    }


def _relations(field: str) -> list[list[str]]:
    """Names of a relationship field, without versions and architectures (deb-control(5)): alternatives in a list."""
    groups = [
        [re.split(r"[\s:(\[]", one.strip(), maxsplit=1)[0] for one in group.split("|")] for group in field.split(",")
    ]
    return [group for group in groups if group != [""]]


def broken() -> list[str]:
    """Packages that dpkg did not finish."""
    form = "${Package} ${db:Status-Status}\n"
    rows = [line.split() for line in programs.run(["dpkg-query", "-W", f"-f={form}"]).out.splitlines()]
    return [row[0] for row in rows if len(row) == 2 and row[1] not in ("installed", "config-files", "not-installed")]


def headers(releases: t.Sequence[str]) -> list[str]:
    """Packages of headers: for each kernel, and those that follow the kernel's meta packages, so that the next kernel has some too.

    Raises:
        DriverError: a kernel's headers are nowhere to be had.
    """
    there = installed()
    names = [
        name.replace("linux-image-", "linux-headers-", 1)
        for name in there
        if re.fullmatch(r"linux-image-[a-z][a-z0-9.-]*(?<!-dbg)", name)
    ]
    known = available([name for name in names if name not in there])
    needed = [name for name in names if name in there or known[name]]
    for release in releases:
        name = f"linux-headers-{release}"
        if os.path.exists(f"/lib/modules/{release}/build/Makefile"):
            continue
        if name not in there and not available([name])[name]:
            raise DriverError(
                f"the kernel {release} can boot, and no package has its headers ({name}). Remove that kernel, or get them"
            )
        needed.append(name)
    return sorted(set(needed))

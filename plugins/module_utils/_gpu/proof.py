# SPDX-License-Identifier: GPL-3.0-or-later
"""Building kernel modules where nothing uses them, and proving what was built.

A module loads if it was built for the kernel (vermagic), finds its symbols in the kernel's version (modversions), and is signed with a
trusted key where the kernel insists: see modprobe(8), depmod(8), https://docs.kernel.org/kbuild/modules.html.
"""

from __future__ import annotations

import os
import re
import shutil
import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change import programs

from . import boot, kernels, module_file
from .health import module_files
from .tree import Tree

BUILD_SECONDS = 1800
FAILURE = re.compile(r"\b(?:error|fatal error|ERROR): |^ERROR: modpost|\*\*\* ")
SYMBOL = re.compile(r"needs unknown symbol|disagrees about version of symbol")


class Sources(t.NamedTuple):
    """What DKMS builds: ``<name>-<version>`` below a directory."""

    name: str
    version: str
    directory: str


def sources(root: str) -> list[Sources]:
    """The modules with a dkms.conf below ``usr/src``.

    The names come from the file, not from the directory: a name may have dashes too (dkms(8)).
    """
    there = []
    base = os.path.join(root, "usr/src")
    for entry in sorted(os.listdir(base)) if os.path.isdir(base) else []:
        path = os.path.join(base, entry, "dkms.conf")
        if os.path.isfile(path):
            with open(path, encoding="utf-8", errors="replace") as handle:
                pairs = dict(
                    re.findall(r"^\s*(PACKAGE_NAME|PACKAGE_VERSION)=[\"']?([^\"'\s#]+)", handle.read(), re.MULTILINE)
                )
            name, version = pairs.get("PACKAGE_NAME", ""), pairs.get("PACKAGE_VERSION", "")
            if entry == f"{name}-{version}":
                there.append(Sources(name, version, base))
    return there


def build(module: Sources, release: str, scratch: str) -> tuple[list[str], str]:
    """Build a module for a kernel in directories of its own.

    Returns:
        The files, and the line with which the compiler or DKMS refused; empty where it did not.
    """
    trees = ["--dkmstree", f"{scratch}/dkms", "--sourcetree", module.directory]
    os.makedirs(f"{scratch}/dkms", exist_ok=True)
    argv = ["dkms", "build", "-m", module.name, "-v", module.version, "-k", release, *trees]
    answer = programs.run(argv, timeout=BUILD_SECONDS)
    place = f"{scratch}/dkms/{module.name}/{module.version}"
    files = [
        os.path.join(directory, name)
        for directory, _directories, names in os.walk(f"{place}/{release}")
        for name in names
        if ".ko" in name
    ]
    if answer.code or not files:
        log = Tree(place).text("build", "make.log")
        return [], refusal(log) or refusal(answer.out + answer.err) or f"dkms ended with {answer.code}: {answer.said}"
    return sorted(files), ""


def refusal(log: str) -> str:
    """The first line that says why a build failed; empty where none does."""
    return next((line.strip()[:300] for line in log.splitlines() if FAILURE.search(line)), "")


def problems(files: t.Sequence[str], release: str, scratch: str, *, keys: t.Mapping[str, bytes] | None) -> list[str]:
    """What keeps modules from loading into a kernel; empty where nothing does.

    Args:
        files: modules that are loaded together: symbols of one are there for the others.
        keys: certificates that the kernel trusts, DER by path, where it insists on signatures; else None.
    """
    said = []
    for file in files:
        name = os.path.basename(file)
        kernel = _kmod("modinfo", "-F", "vermagic", file).out.partition(" ")[0].strip()
        if kernel != release:
            said.append(f"{name} was built for '{kernel or 'no kernel'}', not for {release}")
        if keys is not None and not signed(file, keys, scratch):
            said.append(f"{name} is not signed with a key that this host's kernel trusts")
    return said + unresolved(files, release, scratch)


def signed(file: str, keys: t.Mapping[str, bytes], scratch: str) -> bool:
    """Whether one of the keys signed the module. What zstd packed (Ubuntu) is unpacked by the program: Python 3.14 is the first that can."""
    if file.endswith(".zst"):
        packed, file = file, os.path.join(scratch, os.path.basename(file)[: -len(".zst")])
        programs.run(["zstd", "-dqf", packed, "-o", file])
    with open(file, "rb") as handle:
        return module_file.describe(os.path.basename(file), handle.read(), keys)["signer"] in keys


def unresolved(files: t.Sequence[str], release: str, scratch: str) -> list[str]:
    """Symbols that the kernel, by the symbols of its headers, and the modules beside do not have, or have in another version."""
    symbols = f"/lib/modules/{release}/build/Module.symvers"
    if not os.path.exists(symbols):
        return [f"the headers of {release} have no Module.symvers, so that its symbols cannot be checked"]
    base = f"{scratch}/depmod-{release}"
    place = f"{base}/lib/modules/{release}/updates"
    shutil.rmtree(base, ignore_errors=True)
    os.makedirs(place)
    for file in files:
        shutil.copyfile(file, os.path.join(place, os.path.basename(file)))
    # Of a kernel's symbols depmod takes from that file only those that the kernel itself has: modules must lie there.
    for number, file in enumerate(providers(files, release, Tree())):
        os.symlink(file, f"{base}/lib/modules/{release}/{number}-{os.path.basename(file)}")
    answer = _kmod("depmod", "-n", "-e", "-E", symbols, "-b", base, release)
    said = [line.replace(f"{place}/", "") for line in answer.err.splitlines() if place in line and SYMBOL.search(line)]
    if answer.code:
        said.append(f"depmod ended with {answer.code}: {answer.said}")
    return said


def providers(files: t.Sequence[str], release: str, tree: Tree) -> list[str]:
    """The kernel's own modules that export what these need, by the third column of Module.symvers (the kernel's Documentation/kbuild/modules.rst)."""
    needed = {
        line.split()[1]
        for file in files
        for line in _kmod("modprobe", "--dump-modversions", file).out.splitlines()
        if len(line.split()) == 2
    }
    rows = (line.split("\t") for line in tree.text(f"lib/modules/{release}/build/Module.symvers").splitlines())
    names = sorted({row[2] for row in rows if len(row) > 2 and row[1] in needed and row[2] != "vmlinux"})
    base = tree.path(f"lib/modules/{release}/kernel")
    return [
        path
        for name in names
        for kind in ("", ".xz", ".zst", ".gz")
        if os.path.exists(path := f"{base}/{name}.ko{kind}")
    ]


def prebuilt(name: str, release: str, *, signed: bool) -> tuple[list[str], list[str]]:
    """The file of a module that came with the kernel's packages, and what is missing of it.

    Args:
        signed: whether the kernel insists on signatures. It trusts its own distribution's.
    """
    file = _kmod("modinfo", "-k", release, "-n", name).out.strip()
    if not file:
        return [], [f"the installed packages have no module {name} for it"]
    unsigned = signed and not _kmod("modinfo", "-F", "signer", file).out.strip()
    return [file], [f"{os.path.basename(file)} is not signed"] if unsigned else []


def same_build(name: str, tree: Tree) -> bool:
    """Whether the loaded module is the one that lies there for the running kernel; true where one of them says nothing of its source."""
    loaded = tree.text("sys/module", name, "srcversion")
    release = tree.text("proc/sys/kernel/osrelease")
    there = _kmod("modinfo", "-k", release, "-F", "srcversion", *module_files(tree, name)).out.split()
    return not loaded or not there or loaded in there


def names(files: t.Iterable[str], *, keys: bool) -> dict[str, str]:
    """By which names kmod finds modules, which are not the ones they have in the kernel: Debian's nvidia lies in nvidia-current.ko.

    Args:
        keys: whether to tell of each module the key that signed it.
    """
    return {
        os.path.basename(file).partition(".ko")[0]: _kmod("modinfo", "-F", "sig_key", file).out.strip() if keys else ""
        for file in files
    }


def _kmod(*argv: str) -> programs.Answer:
    """One of kmod's programs: all are links to one, which asks by what name it was called."""
    return programs.run(["sh", "-c", 'exec "$@"', "sh", *argv])


def trusted_keys(tree: Tree) -> dict[str, bytes] | None:
    """The host's own certificates that its kernel trusts, where it insists on signatures; None where it does not."""
    state = boot.secure_boot(tree)
    if not state["enforced"]:
        return None
    return {one["path"]: tree.content(one["path"].lstrip("/")) for one in state["keys"] if one["state"] == "enrolled"}


def placed(module: Sources, release: str) -> list[str]:
    """The files of a module that DKMS installed for a kernel."""
    # 'dkms status' is a script of a third of a second.
    if not kernels.linked(Tree(), module.name, module.version, release):
        return []
    names = set()
    for _directory, _directories, files in os.walk(f"/var/lib/dkms/{module.name}/{module.version}/{release}"):
        names |= {file.partition(".ko")[0] for file in files if ".ko" in file}
    # Debian's and Ubuntu's DKMS installs in the one, the RHEL family's in the other (dkms(8), DEST_MODULE_LOCATION).
    return sorted(
        os.path.join(directory, file)
        for place in ("updates", "extra")
        for directory, _directories, files in os.walk(f"/lib/modules/{release}/{place}")
        for file in files
        if file.partition(".ko")[0] in names and ".ko" in file
    )

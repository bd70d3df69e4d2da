# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot loaders that read a plain list of entries: systemd-boot, extlinux (U-Boot), and the Raspberry Pi's firmware."""

from __future__ import annotations

import glob
import os
import re

from .boot_words import Entry, Stored, words
from .configuration import drop_ins, text
from .shell_words import assigned

# Where the EFI system partition or the extended boot loader partition is mounted (bootctl(1)).
PARTITIONS = ("/efi", "/boot/efi", "/boot")
SNIPPETS = tuple(f"{partition}/loader/entries/*.conf" for partition in PARTITIONS)
# kernel-install(8): the first that is there.
KERNEL_CMDLINE = ("/etc/kernel/cmdline", "/usr/lib/kernel/cmdline")
# Where neither is there, new entries get the running kernel's parameters; an entry that it made names the part of it that did.
RUNNING = "/proc/cmdline"
MACHINE_ID = "/etc/machine-id"
KERNEL_INSTALL = "90-loaderentry.install"
EXTLINUX = ("/boot/extlinux/extlinux.conf", "/extlinux/extlinux.conf")
# u-boot-update(8) reads them in this order.
U_BOOT = "/etc/default/u-boot"
U_BOOT_DROP_INS = ("/usr/share/u-boot-menu/conf.d", "/etc/u-boot-menu/conf.d")
U_BOOT_DROP_IN = f"{U_BOOT_DROP_INS[-1]}/zz-unified.conf"
U_BOOT_PARAMETERS = "U_BOOT_PARAMETERS"
U_BOOT_UPDATE = "U_BOOT_UPDATE"
U_BOOT_DEFAULT = "ro quiet"
UNIFIED = "a unified kernel image: its parameters are part of it (ukify(1))"
# What other boot loaders have their entries in.
UNREAD = {
    "/boot/armbianEnv.txt": "U-Boot's script",
    "/boot/boot.scr": "U-Boot",
    "/boot/firmware/boot.scr": "U-Boot",
    "/boot/limine.conf": "Limine",
    "/boot/refind_linux.conf": "rEFInd",
    "/boot/syslinux/syslinux.cfg": "SYSLINUX",
    "/boot/uEnv.txt": "U-Boot",
}
FIRMWARE = ("/boot/firmware", "/boot")
# What the firmware reads, the second where it tries another system for once.
CONFIGS = ("config.txt", "tryboot.txt")
# Debian's package raspi-firmware makes cmdline.txt anew for every kernel; the first calls for it, the second is what it adds.
RASPBERRY_HOOK = "/etc/kernel/postinst.d/z50-raspi-firmware"
RASPBERRY_EXTRA = "/etc/default/raspi-extra-cmdline"


def snippet_fields(content: str) -> dict[str, list[str]]:
    """An entry of the Boot Loader Specification, type 1: the values of each field."""
    fields: dict[str, list[str]] = {}
    for line in content.splitlines():
        name, *rest = line.strip().split(None, 1) or [""]
        if rest and not name.startswith("#"):
            fields.setdefault(name, []).append(rest[0].strip())
    return fields


def snippet_title(fields: dict[str, list[str]], path: str) -> str:
    return " ".join([*fields.get("title", [])[:1], *fields.get("version", [])[:1]]) or os.path.basename(path)


def systemd_boot(left_out: dict[str, str]) -> Stored | None:
    if not any(glob.glob(f"{partition}/EFI/systemd/systemd-boot*.efi") for partition in PARTITIONS):
        return None
    entries: dict[tuple[int, int], Entry] = {}
    for path in sorted(path for pattern in SNIPPETS for path in glob.glob(pattern)):
        content = text(path, left_out) or ""
        fields = snippet_fields(content)
        line = words(" ".join(fields.get("options", [])))
        # A kernel is a program of UEFI, too.
        if "linux" in fields or ("efi" in fields and any(word.startswith(("root=", "initrd=")) for word in line)):
            # One partition can be mounted at two places.
            facts = os.stat(path)
            entry = Entry(snippet_title(fields, path), path, maker(content, fields), line)
            entries.setdefault((facts.st_dev, facts.st_ino), entry)
        elif "uki" in fields:
            left_out[path] = UNIFIED
    future, sources = kernel_cmdline(left_out)
    if future is None and any(entry.made_by for entry in entries.values()):
        running = words(text(RUNNING, left_out) or "")
        future, sources = [[word for word in running if not word.startswith(("BOOT_IMAGE=", "initrd="))]], [RUNNING]
    return Stored(list(entries.values()), future, sources)


def maker(content: str, fields: dict[str, list[str]]) -> str:
    """What writes an entry each time its kernel or initramfs is installed on this host; empty for people and other systems."""
    if not re.search(rf"^# File created by \S*/{re.escape(KERNEL_INSTALL)}\b", content, re.MULTILINE):
        return ""
    here = (text(MACHINE_ID, {}) or "").strip()
    return KERNEL_INSTALL if fields.get("machine-id", [here])[0] == here else ""


def unread(left_out: dict[str, str]) -> None:
    """Leave out what may start a kernel besides the boot loaders that are read."""
    for image in (path for partition in PARTITIONS for path in glob.glob(f"{partition}/EFI/Linux/*.efi")):
        left_out[image] = UNIFIED
    for path, name in UNREAD.items():
        if os.path.exists(path):
            left_out[path] = f"{name} reads it, and this collection does not: remove it where nothing boots from it"


def kernel_cmdline(left_out: dict[str, str]) -> tuple[list[list[str]] | None, list[str]]:
    """What kernel-install(8) writes into entries of new kernels, and the file that says so; None where none does."""
    for path in KERNEL_CMDLINE:
        content = text(path, left_out)
        if content is not None:
            lines = [line for line in content.splitlines() if not line.lstrip().startswith("#")]
            return [words(" ".join(lines))], [path]
    return None, []


def extlinux(left_out: dict[str, str]) -> Stored | None:
    path = next((path for path in EXTLINUX if os.path.exists(path)), "")
    if not path:
        return None
    content = text(path, left_out) or ""
    future, sources = u_boot(left_out)
    written = future is not None and re.search(r"^#.*u-boot-update", content, re.MULTILINE)
    if taken := re.search(r"^\s*(?:menu\s+)?include\s+(\S+)", content, re.MULTILINE | re.IGNORECASE):
        left_out[path] = f"it takes in {taken[1]}, which is not read: look into that by hand"
    made = labels(content, path, "u-boot-update" if written else "")
    if variable := re.search(r"\$\{\w+\}", " ".join(word for entry in made for word in entry.words)):
        left_out[path] = f"{variable[0]} in a kernel's parameters is a variable of U-Boot's, which is not known here"
    return Stored(made, future, sources)


def labels(content: str, path: str, made_by: str) -> list[Entry]:
    """The entries of an extlinux.conf, as U-Boot reads it (doc/README.pxe): a label, and fields until the next."""
    entries: list[Entry] = []
    boots: set[int] = set()
    for line in content.splitlines():
        name, *rest = line.strip().split(None, 1) or [""]
        word = name.lower()
        if word == "label":
            entries.append(Entry(rest[0] if rest else "", path, made_by, []))
        elif entries and word in ("linux", "kernel", "fit"):
            boots.add(len(entries) - 1)
        elif entries and word == "append" and rest:
            entries[-1].words = words(rest[0])
    return [entry for place, entry in enumerate(entries) if place in boots]


def u_boot(left_out: dict[str, str]) -> tuple[list[list[str]] | None, list[str]]:
    """What u-boot-update(8) writes, and the files that say so; None where it is not installed, or switched off."""
    if not any(os.path.exists(place) for place in (U_BOOT, *U_BOOT_DROP_INS)):
        return None, []
    paths = [U_BOOT, *(path for directory in U_BOOT_DROP_INS for path in drop_ins(directory))]
    variables = assigned(paths, (U_BOOT_PARAMETERS, U_BOOT_UPDATE), left_out)
    if (variables.get(U_BOOT_UPDATE) or "true") != "true":
        return None, []
    if variables.get(U_BOOT_PARAMETERS):
        return [words(variables[U_BOOT_PARAMETERS])], paths
    path = KERNEL_CMDLINE[0]
    content = text(path, left_out)
    if content is None:
        return [U_BOOT_DEFAULT.split()], paths
    # It takes the file for one line: further ones come between root= and the rest, and end what is appended.
    return [words(content) if len(content.splitlines()) == 1 else []], [path]


def raspberry(left_out: dict[str, str]) -> Stored | None:
    for directory in FIRMWARE:
        if not os.path.exists(f"{directory}/config.txt"):
            continue
        paths = [path for config in CONFIGS for path in command_lines(directory, config, left_out)]
        if not paths:
            continue
        if re.search(r"^\s*boot_partition=", text(f"{directory}/autoboot.txt", left_out) or "", re.MULTILINE):
            left_out[f"{directory}/autoboot.txt"] = "it lets another partition boot, whose parameters are not read"
        made_by = RASPBERRY_HOOK if RASPBERRY_EXTRA in (text(RASPBERRY_HOOK, left_out) or "") else ""
        entries = [
            Entry(os.path.relpath(path, directory), path, made_by, first_line(path, left_out))
            for path in dict.fromkeys(paths)
        ]
        return Stored(entries, *(([first_line(RASPBERRY_EXTRA, left_out)], [RASPBERRY_EXTRA]) if made_by else ()))
    return None


def first_line(path: str, left_out: dict[str, str]) -> list[str]:
    """The words of a file's first line, where no more than that is read."""
    return words((text(path, left_out) or "").partition("\n")[0])


def command_lines(directory: str, config: str, left_out: dict[str, str]) -> list[str]:
    """The files with parameters that the firmware may read as CONFIG says: which filters hold, is known to the board."""
    if not os.path.exists(f"{directory}/{config}"):
        return []
    chosen = {"cmdline": ["cmdline.txt"], "os_prefix": [""]}
    choose(directory, config, chosen, left_out)
    # A prefix without files is none.
    paths = [
        next((path for path in (f"{directory}/{prefix}{name}", f"{directory}/{name}") if os.path.exists(path)), "")
        for name in chosen["cmdline"]
        for prefix in chosen["os_prefix"]
    ]
    return [path for path in paths if path]


def choose(
    directory: str, config: str, chosen: dict[str, list[str]], left_out: dict[str, str], read: tuple[str, ...] = ()
) -> None:
    """Put what CONFIG says into CHOSEN: what stands below a filter is one of several."""
    always = True
    for line in (text(f"{directory}/{config}", left_out) or "").splitlines():
        name, mark, value = line.strip().partition("=")
        if name.startswith("["):
            always = name == "[all]"
        elif name.startswith("include ") and name not in read:
            choose(directory, name.split(None, 1)[1], chosen, left_out, (*read, name))
        elif mark and name in chosen:
            chosen[name] = [value] if always else [*chosen[name], value]

# SPDX-License-Identifier: GPL-3.0-or-later
"""How each boot loader is told to start kernels with a parameter: in entries that are there, and in those of later kernels."""

from __future__ import annotations

import re
import typing as t

from ...module_utils._collect.boot_entries import (
    FIRMWARE,
    KERNEL_CMDLINE,
    RASPBERRY_EXTRA,
    SNIPPETS,
    U_BOOT_DEFAULT,
    U_BOOT_DROP_IN,
    U_BOOT_PARAMETERS,
)
from ...module_utils._collect.boot_words import plain, words
from .kinds.base import Desired, Evidence, Platform
from .kinds.settings import MARK

Places = t.Mapping[str, t.Any]
# What starts Linux in GRUB's menu.
KERNEL_LINE = r"^\s*linux"


class Loader:
    """One boot loader. None of it touches a host.

    Attributes:
        name: as the section ``boot`` has it.
        shown: as its makers write it.
    """

    name: t.ClassVar[str]
    shown: t.ClassVar[str]

    def texts(self, platform: Platform) -> list[str]:
        """Paths and patterns of the files that `store` starts from."""
        return []

    def obstacle(self, platform: Platform) -> str:
        """Why this collection does not write its parameters on PLATFORM; empty where it does."""
        return ""

    def own(self, entry: Places) -> bool:
        """Whether `store` changes that entry."""
        return True

    def store(self, key: str, value: str, bad: Bad, evidence: Evidence, desired: Desired) -> None:
        """Plan that KEY has VALUE in every entry of its own."""
        raise NotImplementedError


class Bad(t.NamedTuple):
    """Where a parameter is not as a rule wants it: entries, and the values of those made later."""

    entries: list[Places]
    later: list[Places]


class Grub(Loader):
    name, shown = "grub", "GRUB"

    def texts(self, platform: Platform) -> list[str]:
        return [path for path in (platform.path("grub_drop_in"),) if path]

    def obstacle(self, platform: Platform) -> str:
        if platform.path("grub_drop_in"):
            return ""
        return f"GRUB on {platform.id} reads no drop-in files: add it to GRUB_CMDLINE_LINUX in /etc/default/grub and make the menu anew"

    def own(self, entry: Places) -> bool:
        return str(entry["made_by"]) in ("10_linux", "10_linux_zfs", "20_linux_xen")

    def store(self, key: str, value: str, bad: Bad, evidence: Evidence, desired: Desired) -> None:
        path = evidence.platform.path("grub_drop_in")
        if bad.later:
            line = f'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX {key}={value}"'
            if not add_line(path, key, line, evidence, desired):
                return
        if bad.later or any(self.own(entry) for entry in bad.entries):
            entries = evidence["boot"]["loaders"][self.name]["entries"]
            for menu in {str(entry["source"]) for entry in entries if entry["made_by"]}:
                make_menu(menu, evidence, desired)


def make_menu(path: str, evidence: Evidence, desired: Desired) -> None:
    desired.derive(path, evidence.platform.tool("grub_menu"), "-o", "%s", keeps=KERNEL_LINE)


class Snippets(Loader):
    """GRUB with an entry a file: grubby(8) changes those, and what kernel-install(8) writes into new ones."""

    name, shown = "bls", "GRUB (Boot Loader Specification)"

    def obstacle(self, platform: Platform) -> str:
        return "" if platform.tool("boot_entries") else f"{platform.id} has no tool that writes boot loader entries"

    def own(self, entry: Places) -> bool:
        return "/loader/entries/" in str(entry["source"])

    def store(self, key: str, value: str, bad: Bad, evidence: Evidence, desired: Desired) -> None:
        if not bad.later and not any(self.own(entry) for entry in bad.entries):
            return
        command = [evidence.platform.tool("boot_entries"), "--update-kernel=ALL", "--args="]
        for planned in desired.commands:
            if planned[:2] == command[:2]:
                planned[2] = with_word(planned[2].replace("=", "= ", 1), key, f"{key}={value}").replace("= ", "=", 1)
                return
        desired.run(*command[:2], f"--args={key}={value}")


class SystemdBoot(Loader):
    name, shown = "systemd-boot", "systemd-boot"

    def texts(self, platform: Platform) -> list[str]:
        return [*SNIPPETS, *KERNEL_CMDLINE]

    def store(self, key: str, value: str, bad: Bad, evidence: Evidence, desired: Desired) -> None:
        for entry in bad.entries:
            path = str(entry["source"])
            desired.file(path, with_option(desired.text(path, evidence), key, f"{key}={value}"), mode="0600")
        if bad.later:
            path, packaged = KERNEL_CMDLINE
            base = desired.text(path, evidence) or desired.text(packaged, evidence)
            desired.file(path, with_parameter(base or self._of_an_entry(evidence, desired), key, f"{key}={value}"))

    @staticmethod
    def _of_an_entry(evidence: Evidence, desired: Desired) -> str:
        """The parameters of an entry, of this host's where it made one: what kernel-install(8) would take from the running kernel."""
        entries = evidence["boot"]["loaders"]["systemd-boot"]["entries"]
        entry = next((one for one in entries if one["made_by"]), entries[0])
        options = re.findall(r"^\s*options\s+(.*)$", desired.text(str(entry["source"]), evidence), re.MULTILINE)
        return " ".join(word for word in " ".join(options).split() if not word.startswith("systemd.machine_id="))


class Extlinux(Loader):
    name, shown = "extlinux", "extlinux (U-Boot)"

    def texts(self, platform: Platform) -> list[str]:
        return [U_BOOT_DROP_IN, KERNEL_CMDLINE[0]]

    def obstacle(self, platform: Platform) -> str:
        return "" if platform.tool("extlinux_menu") else f"{platform.id} has no tool that writes extlinux.conf"

    def own(self, entry: Places) -> bool:
        return bool(entry["made_by"])

    def store(self, key: str, value: str, bad: Bad, evidence: Evidence, desired: Desired) -> None:
        future = evidence["boot"]["loaders"][self.name]["future"]
        if future is None:
            return
        if bad.later and future["sources"] == [KERNEL_CMDLINE[0]]:
            # u-boot-update(8) takes a comment for parameters.
            base = desired.text(KERNEL_CMDLINE[0], evidence)
            desired.file(KERNEL_CMDLINE[0], with_parameter(base, key, f"{key}={value}", comments=False))
        elif bad.later:
            line = f'{U_BOOT_PARAMETERS}="${{{U_BOOT_PARAMETERS}:-{U_BOOT_DEFAULT}}} {key}={value}"'
            if not add_line(U_BOOT_DROP_IN, key, line, evidence, desired):
                return
        if bad.later or any(self.own(entry) for entry in bad.entries):
            desired.run(evidence.platform.tool("extlinux_menu"))


class Raspberry(Loader):
    name, shown = "raspberry", "the Raspberry Pi's firmware"
    PATHS: t.ClassVar = tuple(f"{directory}/cmdline.txt" for directory in FIRMWARE)

    def texts(self, platform: Platform) -> list[str]:
        return [*self.PATHS, RASPBERRY_EXTRA]

    def own(self, entry: Places) -> bool:
        return entry["source"] in self.PATHS

    def store(self, key: str, value: str, bad: Bad, evidence: Evidence, desired: Desired) -> None:
        for path in (str(entry["source"]) for entry in bad.entries if self.own(entry)):
            first, _mark, others = desired.text(path, evidence).partition("\n")
            desired.file(path, f"{with_word(first, key, f'{key}={value}')}\n{others}", mode="0755")
        if bad.later:
            first, _mark, others = desired.text(RASPBERRY_EXTRA, evidence).partition("\n")
            desired.file(RASPBERRY_EXTRA, f"{with_word(first, key, f'{key}={value}')}\n{others}")


LOADERS: dict[str, Loader] = {one.name: one for one in (Snippets(), Extlinux(), Grub(), Raspberry(), SystemdBoot())}
"""Every boot loader that the collector knows."""


def with_word(line: str, key: str, word: str) -> str:
    """A command line with WORD for the parameter KEY, and no other for it; what ``--`` sets apart stays behind it."""
    ours, mark, others = f" {line} ".partition(" -- ")
    kept = [one for one in words(ours) if not sets(one, key)]
    return " ".join([*kept, word, *(["--", *others.split()] if mark else [])])


def with_parameter(content: str, key: str, word: str, *, comments: bool = True) -> str:
    """The text of /etc/kernel/cmdline with WORD for the parameter KEY. Comments stay lines of their own: kernel-install(8) drops those."""
    lines = content.splitlines()
    notes = [line for line in lines if line.lstrip().startswith("#")]
    line = with_word(" ".join(line for line in lines if line not in notes), key, word)
    return "\n".join([*(notes if comments else ()), line, ""])


def sets(word: str, key: str) -> bool:
    """Whether a word of a command line is the parameter KEY."""
    return plain(word.strip('"').partition("=")[0]) == plain(key)


def with_option(content: str, key: str, word: str) -> str:
    """An entry of the Boot Loader Specification with WORD for the parameter KEY in its last line of options."""
    lines = content.splitlines()
    places = [place for place, line in enumerate(lines) if line.split()[:1] == ["options"]]
    if not places:
        return "\n".join([*lines, f"options {word}", ""])
    for place in places[:-1]:
        lines[place] = " ".join(one for one in words(lines[place]) if not sets(one, key))
    lines[places[-1]] = f"options {with_word(lines[places[-1]].strip().removeprefix('options'), key, word)}"
    return "\n".join([*lines, ""])


def add_line(path: str, key: str, line: str, evidence: Evidence, desired: Desired) -> bool:
    """Plan `with_line` for the file PATH; false where it has the line already, so that something else takes its effect away."""
    before = desired.text(path, evidence)
    after = with_line(before, key, line)
    if after != before:
        desired.file(path, after)
    return after != before


def with_line(content: str, key: str, line: str) -> str:
    """A file of assignments with LINE, which adds the parameter KEY, at its end, and no other line of ours for KEY."""
    if line in content.splitlines():
        return content
    ours = re.compile(rf'{re.escape(line[: line.rindex(f"{key}=")])}{re.escape(key)}=[^" ]*"')
    kept = [one for one in content.splitlines() if not ours.fullmatch(one)]
    return "\n".join([*(kept or [MARK]), line, ""])

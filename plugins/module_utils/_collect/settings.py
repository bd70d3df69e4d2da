# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration files of keys and values, merged as the program that reads them merges them.

Items: by program, ``{key: {value, source, written}}``, ``written`` being the text that stands in the file where it is another
than the value; ``unread``, programs that know no such file in the version that is installed; under ``daemons`` when a unit's main process started
(`daemon.Daemons.started`), under ``changed`` when the files of a program changed (`daemon.changed`).
"""

from __future__ import annotations

import getopt
import glob
import os
import re
import typing as t

from .configuration import drop_ins, logical_lines, text, texts
from .daemon import Daemons, changed
from .host import kernel_arguments
from .section import Reader, Section

# systemd reads the first of these, then the drop-ins of all (systemd-system.conf(5), "Configuration directories").
SYSTEMD_BASES = ("/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd")
SYSTEMD = {
    "journald": ("journald.conf", "Journal"),
    "coredump": ("coredump.conf", "Coredump"),
    "timesyncd": ("timesyncd.conf", "Time"),
}
# timesyncd.conf(5): lists of several lines add up.
SYSTEMD_LISTS = ("NTP", "FallbackNTP")
# systemd.syntax(7), "Boolean arguments"; of journald.conf(5), those that rules speak of. Compress= takes a size, too.
BOOLEANS = {
    **dict.fromkeys(("1", "yes", "y", "true", "t", "on"), "yes"),
    **dict.fromkeys(("0", "no", "n", "false", "f", "off"), "no"),
}
BOOLEAN_KEYS = ("Compress", "ForwardToSyslog")
# systemd-journald.service(8), "Kernel command line": wins over every file.
KERNEL_ARGUMENTS = {
    "systemd.journald.forward_to_syslog": ("journald", "ForwardToSyslog"),
    "systemd.journald.max_level_store": ("journald", "MaxLevelStore"),
}
PAM = {"faillock": "/etc/security/faillock.conf", "pwhistory": "/etc/security/pwhistory.conf"}
SHELL = {
    "aide_default": "/etc/default/aide",
    "ufw": "/etc/default/ufw",
    "ufw_main": "/etc/ufw/ufw.conf",
}
USERADD = "/etc/default/useradd"
PWQUALITY = "/etc/security/pwquality.conf"
LOGIN_DEFS = "/etc/login.defs"
# Shown in octal digits; without a leading 0 they are decimal to useradd (login.defs(5), getdef_num of shadow's lib/getdef.c).
LOGIN_MODES = ("UMASK", "HOME_MODE")
AUDITD = "/etc/audit/auditd.conf"
PAM_MODULES = ("/usr/lib/*/security", "/usr/lib64/security", "/lib/*/security", "/usr/lib/security")
Values = dict[str, dict[str, str]]


class Settings(Reader):
    """Args: request: units whose start matters."""

    def __init__(self, request: list[str] | None = None) -> None:
        super().__init__(request)
        self.daemons = Daemons(list(request or ()))

    def read(self) -> Section:
        left_out: dict[str, str] = {}
        items: dict[str, t.Any] = {}
        files = {"auditd": [AUDITD]}
        for program, (name, section) in SYSTEMD.items():
            items[program], files[program] = systemd(program, name, section, left_out)
        for argument, (program, key) in KERNEL_ARGUMENTS.items():
            for value in kernel_arguments().get(argument, []):
                items[program][key] = {"value": boolean(value or "yes"), "source": "the kernel command line"}
        items["unread"] = [program for program in PAM if not reads(program, left_out)]
        for program, path in PAM.items():
            items[program] = {} if program in items["unread"] else pam(program, [path], left_out)
        # pwquality.conf(5): the drop-ins come first, so the main file wins.
        items["pwquality"] = pam("pwquality", [*drop_ins(f"{PWQUALITY}.d"), PWQUALITY], left_out)
        items["auditd"] = auditd(text(AUDITD, left_out, f"auditd {AUDITD}") or "", AUDITD)
        items["login_defs"] = login_defs(text(LOGIN_DEFS, left_out, f"login_defs {LOGIN_DEFS}") or "", LOGIN_DEFS)
        for program, path in SHELL.items():
            items[program] = shell(text(path, left_out, f"{program} {path}") or "", path)
        items["useradd"] = useradd(text(USERADD, left_out, f"useradd {USERADD}") or "", USERADD)
        items["daemons"] = self.daemons.started()
        if others := [one for words in self.daemons.arguments("auditd") if (one := besides(words))]:
            left_out[f"auditd {AUDITD}"] = f"auditd is started with {others[0]}"
        items["changed"] = {program: changed(paths) for program, paths in files.items()}
        return Section(items, left_out)


def systemd(program: str, name: str, section: str, left_out: dict[str, str]) -> tuple[Values, list[str]]:
    """The settings of a program of systemd's, and the files and directories that they come from."""
    main = next((f"{base}/{name}" for base in SYSTEMD_BASES if os.path.lexists(f"{base}/{name}")), "")
    directories = [f"{base}/{name}.d" for base in SYSTEMD_BASES]
    paths = [*([main] if main else []), *drop_ins(*directories)]
    values: Values = {}
    for path, content in texts(paths, left_out, f"{program} ").items():
        merge_unit_file(content, path, section, values)
    return values, [*paths, *directories]


def merge_unit_file(content: str, path: str, section: str, values: Values) -> None:
    """Add to VALUES what a file in systemd's syntax (systemd.syntax(7)) sets in SECTION; keys outside are ignored."""
    here = ""
    for line in logical_lines(content, "#;"):
        if line.startswith("["):
            here = line
            continue
        key, mark, value = (part.strip() for part in line.partition("="))
        if here != f"[{section}]" or not mark:
            continue
        if not value:
            values.pop(key, None)  # back to the default
            continue
        merged = boolean(value) if key in BOOLEAN_KEYS else value
        if key in SYSTEMD_LISTS and key in values:
            merged = f"{values[key]['value']} {value}"
        values[key] = {"value": merged, "source": path, "written": value}


def boolean(value: str) -> str:
    """yes or no for what systemd takes for it; a size switches compression on; else the value itself."""
    word = "yes" if re.fullmatch(r"\d{2,}[KMGT]?B?|[2-9]B?|[1-9][KMGT]B?", value) else value.lower()
    return BOOLEANS.get(word, value)


def pam(program: str, paths: list[str], left_out: dict[str, str]) -> Values:
    """Settings of a PAM module: ``key = value``, ``key value`` or a bare flag; ``#`` begins a comment anywhere."""
    values: Values = {}
    for path, content in texts(paths, left_out, f"{program} ").items():
        for line in content.splitlines():
            setting = re.match(r"([^\s=]+)\s*=?\s*(.*)$", line.split("#", 1)[0].strip())
            if setting:
                values[setting[1]] = {"value": setting[2] or "yes", "source": path}
    return values


def reads(program: str, left_out: dict[str, str]) -> bool:
    """Whether the module pam_PROGRAM that is installed knows its file at all: Linux-PAM 1.5.2's pam_pwhistory has none."""
    modules = [path for base in PAM_MODULES for path in glob.glob(f"{base}/pam_{program}.so")]
    for path in modules:
        try:
            with open(path, "rb") as handle:
                return f"/{program}.conf".encode() in handle.read()
        except OSError as exc:
            left_out[f"{program} {path}"] = exc.strerror or str(exc)
    return False


def besides(arguments: t.Sequence[str]) -> str:
    """By which of its arguments auditd does something else than its configuration says (auditd(8)); empty where by none."""
    try:
        options = dict(getopt.gnu_getopt(arguments, "flns:c:")[0])
    except getopt.GetoptError as exc:
        return f"arguments that are not known here: {exc}"
    directory, state = os.path.normpath(options.get("-c", os.path.dirname(AUDITD))), options.get("-s", "enable")
    if directory != os.path.dirname(AUDITD):
        return f"{directory} in its place, which is not read here"
    # auditd-event.c, init_event
    if "-f" in options:
        return "-f, by which records go to its standard output and not to its log"
    return f"-s {state}, by which it does not switch auditing on" if state != "enable" else ""


def auditd(content: str, path: str) -> Values:
    """auditd.conf(5): keys in any case, one a line."""
    values: Values = {}
    for line in content.splitlines():
        key, mark, value = (part.strip() for part in line.partition("="))
        if mark and not key.startswith("#"):
            values[key.lower()] = {"value": value, "source": path}
    return values


def login_defs(content: str, path: str) -> Values:
    """login.defs(5): a name, blanks, a value; ``=`` is no separator, and ``#`` begins a comment at a line's start only."""
    values: Values = {}
    for line in content.splitlines():
        key, *rest = line.strip().split(None, 1)[:2] or [""]
        if key and not key.startswith("#") and rest:
            written = rest[0].strip()
            value = written.lstrip('"').partition('"')[0]
            if key in LOGIN_MODES and re.fullmatch(r"[1-9]\d{0,9}", value):
                value = f"{int(value):03o}"
            values[key] = {"value": value, "source": path, "written": written}
    return values


def useradd(content: str, path: str) -> Values:
    """useradd(8) reads names at a line's start and values to its end; a number in quotes is none, and it goes on without."""
    pairs = re.findall(r"^(\w+)=(.*)$", content, re.MULTILINE)
    return {name: {"value": value, "source": path} for name, value in pairs}


def shell(content: str, path: str) -> Values:
    """Files that shells or programs like them source: ``KEY=value``, quoted or not."""
    values: Values = {}
    for line in content.splitlines():
        setting = re.match(r"\s*(?:export\s+)?(\w+)=(\"[^\"]*\"|'[^']*'|[^\s#]*)", line)
        if setting:
            values[setting[1]] = {"value": setting[2].strip("\"'"), "source": path}
    return values

# SPDX-License-Identifier: GPL-3.0-or-later
"""sudo's settings and rules, as sudo's own parser has them (cvtsudoers(1), sudoers(5)), or what sudo lists for each account."""

from __future__ import annotations

import json
import os
import re
import stat
import typing as t

from .account import rows
from .command import Command, CommandError, read
from .section import Reader, Section
from .sudo_listing import Listing, merged, parse

POLICY, MAIN = "/etc/sudoers", "/etc/sudo.conf"
SCOPES = {"": "", "@": "host", ":": "user", ">": "runas", "!": "command"}
# How the converter names members of lists, and how sudoers writes them.
MEMBERS = {
    "username": "",
    "usergroup": "%",
    "userid": "#",
    "usergid": "%#",
    "netgroup": "+",
    "nonunixgroup": "%:",
    "nonunixgid": "%:#",
    "hostname": "",
    "networkaddr": "",
    "command": "",
    "useralias": "",
    "hostalias": "",
    "runasalias": "",
    "cmndalias": "",
}
Entry = dict[str, t.Any]
LOCAL = {"compat", "files", "systemd"}
"""Sources of this host's own (nsswitch.conf(5))."""
MOST = 200
"""Accounts that sudo is asked about one by one."""
OTHER_PLUGINS = {
    f"{language}_{role}" for language in ("sudoers", "python") for role in ("io", "audit", "approval", "group")
}
"""Plugins that decide on nobody's rules (sudo_plugin(5), sudo_plugin_python(5)); what another one is its name does not tell."""


class Sudo(Reader):
    """Defaults in the order in which they are read, every rule with what it asks of the user, and what lies where Defaults put ``logs``."""

    def __init__(self, request: None = None) -> None:
        super().__init__(request)
        # A site's cvtsudoers.conf could filter what is shown.
        convert = ("cvtsudoers", "-c", "/dev/null", "-e", "-f")
        self.json = Command(*convert, "json", POLICY)
        # Only this form tells a user's Defaults from those of a target user.
        self.text = Command(*convert, "sudoers", POLICY)
        self.check = Command("visudo", "-c")

    def read(self) -> Section:
        if read(POLICY) is None:
            return Section({"installed": False, "files": [], "defaults": [], "rules": [], "logs": {}})
        files = re.findall(r"^(/.*?): ", self.check.text(accept=(0, 1)), re.MULTILINE) or [POLICY]
        texts = {path: re.sub(r"\\\n\s*", " ", read(path) or "") for path in dict.fromkeys(files)}
        left_out = {**_elsewhere(), **_another_policy()}
        if self.json.installed:
            defaults, rules = self._converted(texts)
            defaults += _of_directories(defaults, left_out)
        else:
            defaults, rules = _listed(left_out)
        logs = {entry["value"]: _kind(entry["value"]) for entry in defaults if entry["name"] == "logfile"}
        return Section(
            {"installed": True, "files": list(texts), "defaults": defaults, "rules": rules, "logs": logs}, left_out
        )

    def _converted(self, texts: t.Mapping[str, str]) -> tuple[list[Entry], list[Entry]]:
        policy = json.loads(self.json.output())
        marks = re.findall(r"^Defaults([@:!>]?)", self.text.text(), re.MULTILINE)
        blocks = policy.get("Defaults", [])
        if len(marks) != len(blocks):
            raise ValueError(f"cvtsudoers shows {len(marks)} Defaults in one form and {len(blocks)} in another")
        defaults = [entry for mark, block in zip(marks, blocks) for entry in _defaults(SCOPES[mark], block, texts)]
        return defaults, [rule for entry in policy.get("User_Specs", []) for rule in _rules(entry, texts)]


def _kind(path: str) -> str:
    """What lies at the path of a log: ``file``, ``missing`` (sudo makes it), or something that keeps nothing."""
    try:
        return "file" if stat.S_ISREG(os.stat(path).st_mode) else "no regular file"
    except OSError:
        return "missing"


def _listing(user: str) -> Listing:
    return parse(user, Command("sudo", "-n", "-ll", "-U", user).text())


def _listed(left_out: dict[str, str]) -> tuple[list[Entry], list[Entry]]:
    """What sudo itself says of each account of this host: what names no account here is not seen, and gives nobody anything."""
    users = list(dict.fromkeys(row[0] for row in rows("/etc/passwd", 7)))
    if users[MOST:]:
        left_out[""] = f"cvtsudoers is not installed, and sudo was asked about {MOST} of {len(users)} accounts only"
    if others := _sources("passwd") - LOCAL:
        left_out[f"accounts of {' '.join(sorted(others))}"] = (
            "cvtsudoers is not installed: what sudo lets them do is not seen"
        )
    return merged({user: _listing(user) for user in users[:MOST]})


def _of_directories(defaults: t.Sequence[Entry], left_out: dict[str, str]) -> list[Entry]:
    """Defaults of a directory service, which counts after the files: what root has and the files do not say."""
    if not _sources("sudoers") - LOCAL:
        return []
    try:
        listing = _listing("root")
    except CommandError as exc:
        listing = Listing({}, [], [])
        left_out["Defaults of a directory service"] = str(exc)
    known = {(one["name"], one["value"]) for one in defaults}
    return [
        {"scope": "", "for": [], "name": name, "value": value, "source": "a directory service"}
        for name, value in listing.options.items()
        if (name, value) not in known
    ]


def _another_policy() -> dict[str, str]:
    """A policy that sudo asks in place of its own sudoers (sudo.conf(5): keywords have no case, lines may go on)."""
    for line in re.sub(r"\\\n\s*", " ", read(MAIN) or "").splitlines():
        keyword, *words = line.split("#", 1)[0].split() or [""]
        elsewhere = keyword.lower() == "path" and words[:1] == ["plugin_dir"] and not words[-1].startswith("/usr/lib")
        if keyword.lower() == "plugin" and len(words) > 1 and words[0] not in OTHER_PLUGINS:
            own = words[0] == "sudoers_policy" and re.fullmatch(r"(/usr/lib\S*/)?sudoers\.so", words[1])
            elsewhere = not own or any(word.startswith("sudoers_file=") for word in words[2:])
        if elsewhere:
            return {"": f"{MAIN} takes its rules from elsewhere: '{' '.join([keyword, *words])}'"}
    return {}


def _elsewhere() -> dict[str, str]:
    """Sources of rules that only a directory service knows (sudoers.ldap(5))."""
    sources = sorted(_sources("sudoers") - LOCAL)
    return {f"sudoers of {source}": "rules of a directory service are not read" for source in sources}


def _sources(database: str) -> set[str]:
    """Where a database is looked up (nsswitch.conf(5))."""
    line = re.search(rf"^\s*{database}\s*:\s*([^#\n]*)", read("/etc/nsswitch.conf") or "", re.MULTILINE)
    return set(re.sub(r"\[[^\]]*\]", " ", line[1] if line else "").split())


def _defaults(scope: str, block: Entry, texts: t.Mapping[str, str]) -> list[Entry]:
    made = []
    for option in block.get("Options", ()):
        for name, value in option.items():
            if name == "operation":
                continue
            mark = "!" if value is False else r"(?<!!)"
            source = _source(texts, rf"^\s*Defaults\S*\s.*{mark}\b{re.escape(name)}\b")
            made.append({"scope": scope, "for": _members(block.get("Binding", ())), "name": name, "value": _value(value), "source": source})  # fmt: skip
    return made


def _rules(entry: Entry, texts: t.Mapping[str, str]) -> list[Entry]:
    users, hosts = _members(entry.get("User_List", ())), _members(entry.get("Host_List", ()))
    made = []
    for part in entry.get("Cmnd_Specs", ()):
        options = {name: value for option in part.get("Options", ()) for name, value in option.items()}
        made.append(
            {
                "users": users,
                "hosts": hosts,
                "runas": _members(part.get("runasusers", ())),
                "commands": _members(part.get("Commands", ())),
                "authenticate": options.get("authenticate"),
                "source": _source(texts, rf"^\s*{re.escape(users[0])}\b.*NOPASSWD", "NOPASSWD")
                if options.get("authenticate") is False and users
                else "",
            }
        )
    return made


def _members(entries: t.Iterable[Entry]) -> list[str]:
    made = []
    for entry in entries:
        negated = "!" if entry.get("negated") else ""
        made += [f"{negated}{MEMBERS.get(kind, f'{kind} ')}{name}" for kind, name in entry.items() if kind in MEMBERS]
    return made


def _value(value: t.Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(str(one) for one in value) if isinstance(value, list) else str(value)


def _source(texts: t.Mapping[str, str], *patterns: str) -> str:
    """The last file with a line that the first fitting pattern matches: the converter does not tell files."""
    for pattern in patterns:
        for path in reversed(list(texts)):
            if re.search(pattern, texts[path], re.MULTILINE):
                return path
    return ""

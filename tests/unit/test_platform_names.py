"""No unit, package, group, path or tool of one distribution stands outside catalogue/platforms."""

from __future__ import annotations

import ast
import re
import typing as t
from pathlib import Path

import yaml
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.catalogue import ROOT as CATALOGUE
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.platform import NAMED, TABLES

PLUGINS = CATALOGUE.parents[3] / "plugins"
ROOMS = ("plugin_utils/_compliance", "module_utils/_collect", "module_utils/_change")
# Words that are a name on one platform and something of no platform's elsewhere.
COMMON = {
    "adm": "the group that has always read logs",
    "aide": "the program's own name",
    "apt": "the kind of this name judges this very program, and only where the platform has it",
    "audit": "what the kernel calls it; also a package",
    "cron": "the name of the thing, as platforms have it; also a package",
    "pam": "the name of the thing; also a package",
    "auditd": "the daemon's own name; also a package",
    "daemon": "what a program in the background is called; also a group",
    "root": "the group of number 0",
    "syslog": "the interface of that name; also an account of one platform",
}
# What speaks one tool's own language: file to the names it may know.
INTERFACES = {
    # What must be saved before a tool runs, or be on the disk after it, whichever the platform has.
    "module_utils/_change/commands.py": {
        "authselect", "firewalld", "firewalld.service", "grub-mkconfig", "grub2-mkconfig", "grubby", "pam-auth-update", "u-boot-update", "ufw", "ufw.service",
    },
    # A way back for packages speaks to each package manager that a run may have used.
    "module_utils/_change/packages.py": {"dnf"},
    # Settings of ufw's that a way back loads again, where they are; what people start by a clock is no service that a batch took along.
    "module_utils/_change/states.py": {"/etc/ufw/sysctl.conf", "cron.service", "crond.service"},
    # Who wrote a boot menu tells how it is changed.
    "module_utils/_collect/boot_entries.py": {"u-boot-update"},
    # The database of that name (getent(1)), no group.
    "module_utils/_collect/account.py": {"shadow"},
    # A reader looks for each tool that it knows how to ask, and says which is there.
    "module_utils/_collect/readers.py": {"authselect"},
    "module_utils/_collect/firewall.py": {"firewalld", "ufw"},
    "module_utils/_collect/pam.py": {"authselect"},
    "module_utils/_collect/settings.py": {"ufw"},
    "module_utils/_collect/sysctl.py": {"ufw"},
    "module_utils/_collect/ufw_files.py": {"ufw"},
    "plugin_utils/_compliance/answers.py": {"authselect"},
    "plugin_utils/_compliance/firewall_tools.py": {"firewalld", "ufw"},
    "plugin_utils/_compliance/kinds/aide.py": {"aideinit"},
    "plugin_utils/_compliance/kinds/firewall.py": {"firewalld", "ufw"},
    # What it asks for is a rule of ufw's; with another tool it does not apply.
    "plugin_utils/_compliance/kinds/loopback.py": {"ufw"},
    "plugin_utils/_compliance/kinds/pam.py": {"authselect"},
    # The settings of systemd-timesyncd: where it is not, they do not apply.
    "plugin_utils/_compliance/kinds/settings.py": {"systemd-timesyncd.service"},
    # ufw has sysctl settings of its own, which it applies last.
    "plugin_utils/_compliance/kinds/sysctl.py": {"ufw"},
    "plugin_utils/_compliance/pam_tools.py": {"authselect", "pam-auth-update"},
}  # fmt: skip
# Rules that are about a name itself, which no platform resolves inside a condition on evidence.
# The kernel knows its own modules by these names.
NAMED_RULES = {("account.yml", "shadow_group_empty"): "shadow", ("boot.yml", "security"): "apparmor"}


def distinct(catalogue: t.Any) -> set[str]:
    """Names that one platform has and another does not."""
    names: set[str] = set()
    for table in TABLES:
        tables = [getattr(platform, table) for platform in catalogue.platforms.values()]
        for name in tables[0]:
            values = [frozenset([one[name]] if isinstance(one[name], str) else one[name]) for one in tables]
            names |= frozenset.union(*values) - frozenset.intersection(*values)
    return names - {""} - set(COMMON)


def literals(path: Path) -> t.Iterator[tuple[int, str]]:
    """Words of the texts in a Python file, but for its documentation."""
    tree = ast.parse(path.read_text())
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            for word in re.split(r"[\s,;:=\"'()]+", node.value):
                yield node.lineno, word


def words(raw: t.Any) -> t.Iterator[str]:
    """Words of a rule's values, but for what people read and for names that platforms resolve."""
    if isinstance(raw, dict):
        for key, value in raw.items():
            if key not in ("title", "why", "reason", "question", "package", "purpose") and not _named(raw):
                yield from words(value)
    elif isinstance(raw, list):
        for item in raw:
            yield from words(item)
    elif isinstance(raw, str):
        yield from re.split(r"[\s,=]+", raw)


def _named(raw: dict[str, t.Any]) -> bool:
    """Whether this is ``{group: name}``: what the platform calls it."""
    return len(raw) == 1 and set(raw) <= set(NAMED) and isinstance(next(iter(raw.values())), str)


def test_code_has_no_name_of_one_distribution(catalogue: t.Any) -> None:
    names = distinct(catalogue)
    misplaced = {
        f"{path.relative_to(PLUGINS)}:{line}: {word}"
        for room in ROOMS
        for path in sorted((PLUGINS / room).rglob("*.py"))
        for line, word in literals(path)
        if word in names - INTERFACES.get(str(path.relative_to(PLUGINS)), set())
    }
    assert sorted(misplaced) == []


def test_rules_have_no_name_of_one_distribution(catalogue: t.Any) -> None:
    names = distinct(catalogue)
    misplaced = {
        f"{path.name}: {key}: {word}"
        for path in sorted((CATALOGUE / "rules").glob("*.yml"))
        for document in yaml.safe_load_all(path.read_text())
        for key, rule in document["rules"].items()
        for word in words({**document.get("defaults", {}), **rule})
        if word in names and NAMED_RULES.get((path.name, key)) != word
    }
    assert sorted(misplaced) == []


def test_names_are_looked_for_where_they_differ(catalogue: t.Any) -> None:
    """The search itself: it knows what differs, and leaves what all platforms share."""
    names = distinct(catalogue)
    assert {"cron.service", "crond.service", "libpam-modules", "crontab", "dnf", "ufw"} <= names
    assert not {"systemd-journald.service", "sudo", "utmp", "grub"} & names
    assert list(words({"group": {"in": [{"group": "cron"}, "root"]}, "title": "crontab"})) == ["root"]

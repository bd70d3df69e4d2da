"""Scenarios of kind `package`. What must not be there is put there as an empty package of that name."""

from __future__ import annotations

from pathlib import Path

import yaml

from .scenario import Scenario

CATALOGUE = Path(__file__).resolve().parents[2] / "roles/compliance/files/catalogue"
RULES = yaml.safe_load((CATALOGUE / "rules/package.yml").read_text())["rules"]
NAMES = yaml.safe_load((CATALOGUE / "platforms/debian.yml").read_text())["packages"]
ABSENT = tuple(rule for rule, fields in RULES.items() if fields["state"] == "absent")
# Removing one of these leaves a host that can be hardened again.
REMOVABLE = ("aide", "apparmor", "journal_remote", "pwquality")
# What the rules of other kinds are about.
NEEDED = ("aide", "pwquality")


def _made(name: str, *, postinst: str = "") -> str:
    """Build and install an empty package."""
    script = (
        f"printf '#!/bin/sh\\n{postinst}\\n' > $d/DEBIAN/postinst; chmod 755 $d/DEBIAN/postinst; " if postinst else ""
    )
    fields = f"Package: {name}\\nVersion: 9:99\\nArchitecture: all\\nMaintainer: Nobody <nobody@example.com>\\nDescription: empty\\n"
    install = "dpkg -i $d.deb || true" if postinst else "dpkg -i $d.deb"
    return f"d=$(mktemp -d); mkdir $d/DEBIAN; chmod 755 $d $d/DEBIAN; printf '{fields}' > $d/DEBIAN/control; {script}dpkg-deb -b $d $d.deb; {install}"


SCENARIOS = (
    *(Scenario(f"package/{rule}", "installed", _made(NAMES[rule][0])) for rule in ABSENT if rule != "timesyncd"),
    *(
        Scenario(f"package/{rule}", "alternative_installed", _made(NAMES[rule][1]))
        for rule in ABSENT
        if len(NAMES[rule]) > 1
    ),
    Scenario(
        "package/talk",
        "unpacked_but_not_set_up",
        _made(NAMES["talk"][0], postinst="exit 1"),
        held="is there in part",
        alone=True,
    ),
    Scenario(
        "package/talk",
        "only_its_configuration_is_left",
        f"{_made(NAMES['talk'][0])}; dpkg -r {NAMES['talk'][0]}",
        "pass",
    ),
    *(
        Scenario(
            f"package/{rule}",
            "removed",
            f"DEBIAN_FRONTEND=noninteractive apt-get -qqy remove {NAMES[rule][-1]}",
            alone=rule in NEEDED,
        )
        for rule in REMOVABLE
    ),
)
WITHOUT = {
    "package/auditd": "only the kernel hosts use it, and there the whole kind `audit` hangs on it",
    "package/cron": "aide-common needs it",
    "package/pam_modules": "no login works without it, and so no test",
    "package/pam_runtime": "no login works without it, and so no test",
    "package/rsyslog": "the test hosts keep their logs in the journal (purpose log_rsyslog)",
    "package/rsyslog_tls": "the test hosts keep their logs in the journal (purpose log_rsyslog)",
    "package/sudo": "the tests become root by it",
    "package/firewall": "the firewall's own scenarios need it",
}
_STATES = "installed|half-configured|half-installed|unpacked|triggers-awaited|triggers-pending"
_GONE = "! dpkg -s {name} 2>/dev/null | grep -E '^Status: .* (" + _STATES + ")$'"
_HERE = "dpkg -s {name} | grep -x 'Status: .* ok installed'"
OBSERVERS = {
    f"package/{rule}": " && ".join((_HERE if rule not in ABSENT else _GONE).format(name=name) for name in NAMES[rule])
    for rule in RULES
}

"""Kind `boot` has no scenario of one host among many: only a machine of its own has a boot loader (tests/arch)."""

from __future__ import annotations

from .scenario import Scenario

MENU = "/boot/grub/grub.cfg"
VALUES = {"apparmor": "1", "audit": "1", "audit_backlog_limit": "8192", "security": "apparmor"}
SCENARIOS: tuple[Scenario, ...] = ()
WITHOUT = {f"boot/{name}": "only a virtual machine has a boot loader: tests/arch breaks it there" for name in VALUES}
OBSERVERS = {
    f"boot/{name}": f"grep -qw {name}={value} /proc/cmdline && ! grep -E '^\\s*linux\\s' {MENU} | grep -vw {name}={value}"
    for name, value in VALUES.items()
}

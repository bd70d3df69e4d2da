"""Kinds `boot` and `boot_password`: only a machine of its own has a boot loader, and tests/arch is where one is broken."""

from __future__ import annotations

from .scenario import Scenario

MENU = "/boot/grub/grub.cfg"
VALUES = {"apparmor": "1", "audit": "1", "audit_backlog_limit": "8192", "security": "apparmor"}
SCENARIOS: tuple[Scenario, ...] = ()
RULES = (*(f"boot/{name}" for name in VALUES), "boot_password/menu")
WITHOUT = {rule: "only a virtual machine has a boot loader: tests/arch breaks it there" for rule in RULES}
OBSERVERS = {
    f"boot/{name}": f"grep -qw {name}={value} /proc/cmdline && ! grep -E '^\\s*linux\\s' {MENU} | grep -vw {name}={value}"
    for name, value in VALUES.items()
}
# As GRUB does, which sources what the menu names.
OBSERVERS["boot_password/menu"] = (
    f"grep -q 'superusers=' {MENU} && grep -qE '^GRUB2_PASSWORD=grub\\.pbkdf2\\.' /boot/grub/user.cfg"
)

"""Kind `loopback`, for which only Debian 12's benchmark asks."""

from __future__ import annotations

from .scenario import Scenario

SCENARIOS: tuple[Scenario, ...] = ()
WITHOUT = {
    "loopback/traffic": "the hosts of the scenarios are Debian 13, whose benchmark does not ask for it; tests/unit/test_loopback.py"
}
OBSERVERS = {
    "loopback/traffic": "iptables -S ufw-before-input | grep -x -- '-A ufw-before-input -i lo -j ACCEPT'"
    " && iptables -S ufw-before-output | grep -x -- '-A ufw-before-output -o lo -j ACCEPT'"
    " && ufw status | grep -E '^Anywhere +(DENY|REJECT) +127.0.0.0/8' && ufw status | grep -E '^Anywhere \\(v6\\) +(DENY|REJECT) +::1'",
}

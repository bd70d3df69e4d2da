"""Scenarios of kind `firewall`. The containers' firewall is real, in a network namespace of its own."""

from __future__ import annotations

from .scenario import Scenario

WEB = "systemd-run --quiet --unit=web8080 --collect python3 -m http.server 8080; sleep 1"
OWN = (
    "nft 'table inet site { chain input { type filter hook input priority 0; policy drop; "
    "ct state established,related accept; tcp dport { 22, 8080 } accept; }; }'"
)
OWN_ONLY = f"ufw --force disable; nft flush ruleset; {OWN}"
SCENARIOS = (
    Scenario("firewall/enabled", "off", "ufw --force disable", alone=True),
    Scenario("firewall/enabled", "flushed_by_another_service", "nft flush ruleset", alone=True),
    Scenario("firewall/enabled", "service_would_be_cut", f"ufw --force disable; {WEB}", held="it would close 8080/tcp (python3)", alone=True),
    Scenario("firewall/enabled", "service_that_is_allowed", f"ufw allow 8080/tcp; ufw --force disable; {WEB}", alone=True),
    Scenario("firewall/enabled", "rules_of_the_site", OWN_ONLY, held="filter rules of its own (table inet site)", alone=True),
    Scenario("firewall/default_incoming", "allowed", "ufw default allow incoming", alone=True),
    Scenario("firewall/default_incoming", "rejected_is_not_denied", "ufw default reject incoming", alone=True),
    Scenario("firewall/default_incoming", "kernel_accepts", "nft 'chain ip filter INPUT { policy accept; }'", alone=True),
    Scenario("firewall/default_incoming", "own_rule_accepts_everything",
             "sed -i '/^COMMIT/i -A ufw-before-input -j ACCEPT' /etc/ufw/before.rules; ufw reload", held="accepts everything", alone=True),
    Scenario("firewall/default_incoming", "rule_put_before_all", "iptables -I INPUT -p tcp -j ACCEPT", held="accepts everything", alone=True),
    Scenario("firewall/default_incoming", "rule_with_a_comment", "iptables -I INPUT -m comment --comment site -j ACCEPT",
             held="accepts everything", alone=True),
    Scenario("firewall/default_incoming", "every_state_of_a_connection", "iptables -I INPUT -m conntrack --ctstate NEW,RELATED,ESTABLISHED -j ACCEPT",
             held="accepts everything", alone=True),
    Scenario("firewall/default_incoming", "every_port", "ufw allow 1:65535/tcp", held="accepts everything", alone=True),
    Scenario("firewall/default_incoming", "connections_that_stand",
             "iptables -I INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "pass", alone=True),
    Scenario("firewall/enabled", "without_ipv6", "sed -i 's/^IPV6=.*/IPV6=no/' /etc/default/ufw; ufw reload", "pass", alone=True),
    Scenario("firewall/enabled", "without_ipv6_and_open_to_it",
             "sed -i 's/^IPV6=.*/IPV6=no/' /etc/default/ufw; ufw reload; ip6tables -P INPUT ACCEPT", alone=True),
    Scenario("firewall/enabled", "unit_starts_something_else",
             "d=/etc/systemd/system/ufw.service.d; mkdir -p $d; printf '[Service]\\nExecStart=\\nExecStart=/bin/true\\n' > $d/x.conf; systemctl daemon-reload",
             held="/etc/systemd/system/ufw.service.d/x.conf", alone=True),
    Scenario("firewall/default_incoming", "everybody_is_allowed", "ufw allow from any", held="accepts everything", alone=True),
    Scenario("firewall/default_incoming", "rule_that_the_next_start_loads",
             "sed -i '0,/^COMMIT/s//-A ufw-before-input -j ACCEPT\\nCOMMIT/' /etc/ufw/before.rules", held="/etc/ufw/before.rules", alone=True),
    Scenario("firewall/default_incoming", "script_of_the_next_start", "printf '#!/bin/sh\\n' > /etc/ufw/after.init; chmod 755 /etc/ufw/after.init",
             "error", alone=True),
    Scenario("firewall/default_incoming", "packets_without_a_mark", "nft insert rule ip filter INPUT meta mark 0 accept",
             held="accepts everything", alone=True),
    Scenario("firewall/default_incoming", "every_port_by_a_comparison", "nft insert rule ip filter INPUT tcp dport gt 1 accept",
             held="accepts everything", alone=True),
    Scenario("firewall/default_incoming", "set_of_everybody",
             "nft add set ip filter everybody '{ type ipv4_addr; flags interval; elements = { 0.0.0.0/1, 128.0.0.0/1 }; }'"
             "; nft insert rule ip filter INPUT ip saddr @everybody accept", held="accepts everything", alone=True),
    Scenario("firewall/default_incoming", "own_rule_accepts_the_loopback",
             "sed -i '/^COMMIT/i -A ufw-before-input -i lo -p tcp -j ACCEPT' /etc/ufw/before.rules; ufw reload", "pass", alone=True),
    Scenario("firewall/enabled", "not_started_at_boot", "systemctl disable -q ufw.service", alone=True),
    Scenario("firewall/default_outgoing", "allowed", "true", held="which outgoing connections it needs", alone=True),
)  # fmt: skip
WITHOUT = {"firewall/default_routed": "test hosts are container hosts by their overlay, for which it does not apply"}
_ACCEPTS = (
    "^-A (INPUT|ufw-(before|user|after)-input)( -p (tcp|udp))?"
    "( -m [a-z]+| --comment [a-z]+| --ctstate [A-Z,]*NEW[A-Z,]*| --dports [01]:65535)* -j ACCEPT$"
)
OBSERVERS = {
    "firewall/default_outgoing": "ufw status verbose | grep -E '(deny|reject) \\(outgoing\\)'",
    "firewall/default_routed": "ufw status verbose | grep -E '(deny|reject|disabled) \\(routed\\)'",
    "firewall/enabled": "ufw status | grep -x 'Status: active' >/dev/null && iptables -S INPUT | grep ufw-before-input >/dev/null"
    " && ip6tables -S INPUT | grep -E 'ufw6-before-input|-P INPUT DROP' >/dev/null"
    " && systemctl -q is-enabled ufw.service && systemctl show -p ExecStart ufw.service | grep 'ufw-init start'",
    "firewall/default_incoming": "ufw status verbose | grep 'deny (incoming)' >/dev/null && iptables -S INPUT | grep -x -- '-P INPUT DROP' >/dev/null"
    f" && ! iptables -S | grep -E '{_ACCEPTS}' >/dev/null && ! grep -hE '{_ACCEPTS}' /etc/ufw/*.rules"
    " && ! nft list chain ip filter INPUT | grep -E '(mark 0x00000000|dport > 1|@everybody) accept'",
}

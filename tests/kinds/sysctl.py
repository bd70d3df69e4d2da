"""Scenarios of kind `sysctl`."""

from __future__ import annotations

from . import ask
from .scenario import Scenario

OURS = "/etc/sysctl.d/zz-unified.conf"
BAD = {
    "fs.protected_hardlinks": "0",
    "fs.protected_symlinks": "0",
    "fs.suid_dumpable": "2",
    "kernel.dmesg_restrict": "0",
    "kernel.kptr_restrict": "0",
    "kernel.randomize_va_space": "1",
    "net.ipv4.conf.all.accept_redirects": "1",
    "net.ipv4.conf.all.accept_source_route": "1",
    "net.ipv4.conf.all.log_martians": "0",
    "net.ipv4.conf.all.rp_filter": "2",
    "net.ipv4.conf.all.secure_redirects": "1",
    "net.ipv4.conf.all.send_redirects": "1",
    "net.ipv4.conf.default.accept_redirects": "1",
    "net.ipv4.conf.default.accept_source_route": "1",
    "net.ipv4.conf.default.log_martians": "0",
    "net.ipv4.conf.default.rp_filter": "2",
    "net.ipv4.conf.default.secure_redirects": "1",
    "net.ipv4.conf.default.send_redirects": "1",
    "net.ipv4.icmp_echo_ignore_broadcasts": "0",
    "net.ipv4.icmp_ignore_bogus_error_responses": "0",
    "net.ipv4.tcp_syncookies": "0",
    "net.ipv6.conf.all.accept_ra": "1",
    "net.ipv6.conf.all.accept_redirects": "1",
    "net.ipv6.conf.all.accept_source_route": "1",
    "net.ipv6.conf.default.accept_ra": "1",
    "net.ipv6.conf.default.accept_redirects": "1",
    "net.ipv6.conf.default.accept_source_route": "1",
}
FORWARDING = (
    "net.ipv4.conf.all.forwarding",
    "net.ipv4.conf.default.forwarding",
    "net.ipv4.ip_forward",
    "net.ipv6.conf.all.forwarding",
    "net.ipv6.conf.default.forwarding",
)
REDIRECTS = "sysctl/net.ipv4.conf.all.send_redirects"
DMESG, KPTR = "sysctl/kernel.dmesg_restrict", "sysctl/kernel.kptr_restrict"
ASLR = "sysctl/kernel.randomize_va_space"
MARTIANS = "sysctl/net.ipv4.conf.all.log_martians"
ROUTE = "sysctl/net.ipv4.conf.all.accept_source_route"


def _unset(key: str, bad: str) -> str:
    return f"sed -i '/^{key} /d' {OURS}; sysctl -qw {key}={bad}"


SCENARIOS = (
    *(Scenario(f"sysctl/{key}", "line_removed_and_live_value_changed", _unset(key, bad)) for key, bad in BAD.items()),
    Scenario(DMESG, "live_value_only", "sysctl -qw kernel.dmesg_restrict=0"),
    Scenario(DMESG, "stored_value_only", f"sed -i 's/^kernel.dmesg_restrict = 1/kernel.dmesg_restrict = 0/' {OURS}"),
    Scenario(ASLR, "line_commented", f"sed -i 's/^kernel.randomize_va_space/#&/' {OURS}"),
    Scenario(ASLR, "tabs_around_the_sign", f"sed -i 's/^kernel.randomize_va_space = 2/kernel.randomize_va_space\\t=\\t2/' {OURS}", "pass"),
    Scenario(ASLR, "slashes_in_the_key", f"sed -i 's#^kernel.randomize_va_space#kernel/randomize_va_space#' {OURS}", "pass"),
    Scenario(ASLR, "failure_ignored", f"sed -i 's/^kernel.randomize_va_space/-&/' {OURS}", "pass"),
    Scenario(KPTR, "wrong_value_before_the_right_one", f"sed -i '1i kernel.kptr_restrict = 0' {OURS}", "pass"),
    Scenario(KPTR, "wrong_value_after_the_right_one", f"echo 'kernel.kptr_restrict = 0' >> {OURS}"),
    Scenario(KPTR, "wrong_value_in_an_earlier_file", "echo 'kernel.kptr_restrict=0' > /etc/sysctl.d/10-site.conf", "pass"),
    Scenario(
        DMESG, "later_file_wins", "echo 'kernel.dmesg_restrict=0' > /etc/sysctl.d/zzz-site.conf", held="zzz-site.conf"
    ),
    Scenario(KPTR, "file_of_another_suffix_is_not_read", "echo 'kernel.kptr_restrict=0' > /etc/sysctl.d/zzz.txt", "pass"),
    Scenario(
        DMESG,
        "main_file_is_not_read_at_boot",
        f"sed -i '/^kernel.dmesg_restrict/d' {OURS}; echo 'kernel.dmesg_restrict=1' >> /etc/sysctl.conf",
    ),
    Scenario(
        ROUTE,
        "excluded_from_a_glob",
        f"sed -i '/^net.ipv4.conf.all.accept_source_route/d' {OURS}; printf '%s\\n' '-net.ipv4.conf.all.accept_source_route'"
        " 'net.ipv4.conf.*.accept_source_route = 0' > /etc/sysctl.d/20-glob.conf",
    ),
    Scenario(
        MARTIANS,
        "only_in_the_file_of_a_firewall_that_is_off",
        f"sed -i '/^net.ipv4.conf.all.log_martians/d' {OURS}; sed -i 's/^ENABLED=.*/ENABLED=no/' /etc/ufw/ufw.conf",
        alone=True,
    ),
    Scenario(
        DMESG, "nothing_loads_it_at_boot", "systemctl mask -q systemd-sysctl.service", held="systemd-sysctl.service is masked", alone=True,
    ),
    Scenario(
        DMESG, "credential_of_the_host", "mkdir -p /etc/credstore; echo 'kernel.dmesg_restrict=0' > /etc/credstore/sysctl.extra",
        held="/etc/credstore/sysctl.extra",
    ),
    Scenario(
        REDIRECTS,
        "one_interface_live",
        "sysctl -qw net.ipv4.conf.$(ls /proc/sys/net/ipv4/conf | grep -vE '^(all|default)$' | head -1).send_redirects=1",
    ),
    Scenario(
        REDIRECTS, "one_interface_by_name_in_an_earlier_file",
        "echo 'net.ipv4.conf.lo.send_redirects = 1' > /etc/sysctl.d/10-lo.conf",
    ),
    Scenario(
        REDIRECTS, "one_interface_by_name_in_a_later_file",
        "echo 'net.ipv4.conf.lo.send_redirects = 1' > /etc/sysctl.d/zzz-lo.conf", held="zzz-lo.conf",
    ),
    Scenario(
        "sysctl/net.ipv4.conf.all.rp_filter", "one_interface_loose", "sysctl -qw net.ipv4.conf.lo.rp_filter=2"
    ),
    Scenario(
        "sysctl/net.ipv4.conf.all.rp_filter", "one_interface_off_is_made_strict_by_all",
        "sysctl -qw net.ipv4.conf.lo.rp_filter=0", "pass",
    ),
    Scenario(
        "sysctl/net.ipv4.conf.all.rp_filter", "networkd_makes_one_interface_loose",
        "mkdir -p /etc/systemd/network /run/systemd/netif; touch /run/systemd/netif/state;"
        " printf '[Network]\\nIPv4ReversePathFilter=loose\\n' > /etc/systemd/network/00-a.network",
        held="IPv4ReversePathFilter in /etc/systemd/network/00-a.network",
    ),
    Scenario(
        "sysctl/net.ipv4.conf.all.rp_filter", "networkd_makes_an_interface_loose_that_there_is_not",
        "mkdir -p /etc/systemd/network /run/systemd/netif; touch /run/systemd/netif/state;"
        " printf '[Match]\\nName=none*\\n[Network]\\nIPv4ReversePathFilter=loose\\n' > /etc/systemd/network/00-a.network", "pass",
    ),
    Scenario(
        "sysctl/net.ipv4.conf.all.log_martians", "one_interface_off_is_made_to_log_by_all",
        "sysctl -qw net.ipv4.conf.lo.log_martians=0", "pass",
    ),
)  # fmt: skip
WITHOUT = {
    **{f"sysctl/{key}": "the hosts of the tests are container hosts, which forward" for key in FORWARDING},
    "sysctl/kernel.yama.ptrace_scope": "the example overlay waives it",
}
# Which interfaces there are, Goss has from the evidence.
OBSERVERS = {
    "sysctl/net.ipv4.conf.all.accept_redirects": ask.interfaces("ipv4", "accept_redirects", "0", "0"),
    "sysctl/net.ipv4.conf.all.forwarding": ask.interfaces("ipv4", "forwarding", "0", "0"),
    "sysctl/net.ipv4.conf.all.rp_filter": ask.interfaces("ipv4", "rp_filter", "[01]", "1")
    + """
files=$(grep -rl '^IPv4ReversePathFilter=loose' /etc/systemd/network || true)
for file in $files; do grep '^Name=none' "$file"; done
""",
    "sysctl/net.ipv4.conf.all.secure_redirects": ask.interfaces("ipv4", "secure_redirects", "0", "0"),
    "sysctl/net.ipv4.conf.all.send_redirects": ask.interfaces("ipv4", "send_redirects", "0", "0"),
    "sysctl/net.ipv4.ip_forward": ask.interfaces("ipv4", "forwarding", "0", "0"),
    "sysctl/net.ipv6.conf.all.accept_ra": ask.interfaces("ipv6", "accept_ra", "0", "0"),
    "sysctl/net.ipv6.conf.all.accept_redirects": ask.interfaces("ipv6", "accept_redirects", "0", "0"),
}

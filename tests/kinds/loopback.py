"""Kind `loopback`, for which only Debian 12's benchmark asks."""

from __future__ import annotations

from .scenario import Scenario

RULE = "loopback/traffic"
BEFORE = "/etc/ufw/before.rules"


def take_out(pattern: str) -> str:
    """Take lines out of what ufw loads before all else."""
    return f"grep -E '{pattern}' {BEFORE} && sed -i -E '/{pattern}/d' {BEFORE}; ufw reload"


SCENARIOS = (
    Scenario(RULE, "not_refused", "ufw delete deny in from 127.0.0.0/8", host="debian12"),
    Scenario(RULE, "not_refused_over_ipv6", "ufw delete deny in from ::1", host="debian12"),
    Scenario(RULE, "only_one_address", "ufw delete deny in from 127.0.0.0/8; ufw deny in from 127.0.0.1", host="debian12"),
    Scenario(RULE, "rejected", "ufw delete deny in from 127.0.0.0/8; ufw reject in from 127.0.0.0/8", "pass", host="debian12"),
    Scenario(RULE, "accepted_before", "ufw insert 1 allow in from 127.0.0.1", held="stands before it", host="debian12"),
    Scenario(RULE, "nothing_comes_in_over_lo", take_out("^-A ufw-before-input -i lo "), held="before.rules", host="debian12"),
    Scenario(RULE, "nothing_goes_out_over_lo", take_out("^-A ufw-before-output -o lo "), held="before.rules", host="debian12"),
    Scenario(RULE, "flushed", "nft flush ruleset", host="debian12"),
)  # fmt: skip
WITHOUT: dict[str, str] = {}
_REFUSED = "^Anywhere {0} *(DENY|REJECT) (IN )? *{1}( |$)"
OBSERVERS = {
    RULE: f"""
iptables -S ufw-before-input | grep -x -- '-A ufw-before-input -i lo -j ACCEPT'
iptables -S ufw-before-output | grep -x -- '-A ufw-before-output -o lo -j ACCEPT'
ufw status | grep -E ' (ALLOW.*127[.]|.* 127[.]0[.]0[.]0/8)' | head -1 | grep -E '{_REFUSED.format("", "127.0.0.0/8")}'
ufw status | grep -E '{_REFUSED.format("[(]v6[)]", "::1")}'
""",
}

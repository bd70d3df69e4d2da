"""Hosts with a past: what is not ours stays, what we set wins, and what cannot be done is said."""

from __future__ import annotations

import typing as t

import pytest

from tests.hosts.uml import restart
from tests.integration.conftest import Play, Target

CLOUD = "/etc/ssh/sshd_config.d/50-cloud-init.conf"
CONTRARY = "/etc/sysctl.d/99-zz-site.conf"


class Past(t.NamedTuple):
    """What was done to a host before, the rules that meet it, and what must be seen after a hardening.

    Attributes:
        sees: a script, and what it prints.
        held: by rule, words of the reason why it is not changed.
        said: words of the run's output about what it could not change.
    """

    make: str
    rules: list[str]
    sees: tuple[str, str]
    held: dict[str, str] = {}
    said: str = ""


PASTS = {
    "drop-in of cloud-init": Past(
        f"printf 'PermitRootLogin yes\\nPasswordAuthentication yes\\n' > {CLOUD}",
        ["sshd/PermitRootLogin"],
        (
            f"sshd -T | grep '^permitrootlogin'; cat {CLOUD}",
            "permitrootlogin no\nPermitRootLogin yes\nPasswordAuthentication yes\n",
        ),
    ),
    "Match block that weakens": Past(
        "printf 'Match User olga\\n  MaxAuthTries 9\\n' >> /etc/ssh/sshd_config",
        ["sshd/MaxAuthTries"],
        ("tail -2 /etc/ssh/sshd_config", "Match User olga\n  MaxAuthTries 9\n"),
        {"sshd/MaxAuthTries": "'Match User olga' in /etc/ssh/sshd_config"},
    ),
    "contrary file of sysctl.d": Past(
        f"echo 'kernel.kptr_restrict = 0' > {CONTRARY}; sysctl -qw kernel.kptr_restrict=0",
        ["sysctl/kernel.kptr_restrict"],
        (f"cat {CONTRARY}", "kernel.kptr_restrict = 0\n"),
    ),
    "immutable file": Past(
        "chmod 644 /etc/crontab; chattr +i /etc/crontab",
        ["file//etc/crontab"],
        ("stat -c %a /etc/crontab; chattr -i /etc/crontab", "644\n"),
        said="immutable (chattr -i)",
    ),
    "odd accounts": Past(
        "useradd --badname -m 'o$dd'; echo 'toor:x:0:0::/root:/bin/sh' >> /etc/passwd; echo 'toor:*:1::::::' >> /etc/shadow",
        ["account/uid_zero", "home/directory"],
        ("tail -1 /etc/passwd; stat -c %a '/home/o$dd'", "toor:x:0:0::/root:/bin/sh\n700\n"),
        {"account/uid_zero": ""},
    ),
    "/tmp without programs": Past(
        "mount -t tmpfs -o noexec,mode=1777 tmpfs /tmp",
        ["file//etc/passwd-"],
        ("findmnt -no OPTIONS /tmp | grep -c noexec", "1\n"),
    ),
    "file of sudo with a tag of its own": Past(
        "echo 'olga ALL=(root) NOPASSWD: /usr/bin/id' > /etc/sudoers.d/olga; chmod 440 /etc/sudoers.d/olga",
        ["sudo/use_pty"],
        ("cat /etc/sudoers.d/olga; sudo -l -U olga | grep -c use_pty", "olga ALL=(root) NOPASSWD: /usr/bin/id\n1\n"),
    ),
    "German commas, and a locale that is not there": Past(
        "DEBIAN_FRONTEND=noninteractive apt-get -qq install -y locales >/dev/null; localedef -i de_DE -f UTF-8 de_DE.UTF-8; "
        "printf 'LANG=de_DE.UTF-8\\nLC_NUMERIC=de_DE.UTF-8\\nLC_TIME=xx_XX.UTF-8\\n' | tee /etc/locale.conf /etc/default/locale "
        "> /etc/environment",
        ["pwquality/minlen", "account/password_max_days"],
        ("su -s /bin/bash - olga -c 'printf %.1f 1,5' 2>/dev/null; echo; grep -c xx_XX /etc/environment", "1,5\n1\n"),
    ),
    "/boot that is read-only": Past(
        "mkdir -p /boot/grub; echo old > /boot/grub/grub.cfg; chmod 644 /boot/grub/grub.cfg; "
        "mount --bind -o ro /boot /boot",
        ["file//boot/grub/grub.cfg"],
        ("stat -c %a /boot/grub/grub.cfg; umount -l /boot", "644\n"),
        said="read-only",
    ),
    "packet filter of its own": Past(
        "DEBIAN_FRONTEND=noninteractive apt-get -qq install -y ufw nftables >/dev/null; nft add table inet site; "
        "nft add chain inet site input '{ type filter hook input priority 0; policy accept; }'; "
        "nft add rule inet site input ct state established,related accept; nft add rule inet site input iif lo accept; "
        "nft add rule inet site input tcp dport '{ 22, 8080 }' accept; nft add rule inet site input drop",
        ["firewall/enabled"],
        ("nft list table inet site | grep -c 8080; ufw status", "1\nStatus: inactive\n"),
        {"firewall/enabled": "the host has filter rules of its own (table inet site)"},
    ),
    "hand-written PAM": Past(
        "sed -i '1i # by hand' /etc/pam.d/common-auth; echo 'auth optional pam_echo.so' >> /etc/pam.d/common-auth",
        ["pam/pam_faillock"],
        ("head -1 /etc/pam.d/common-auth; tail -1 /etc/pam.d/common-auth", "# by hand\nauth optional pam_echo.so\n"),
    ),
}


@pytest.fixture(scope="module")
def first(container: Target) -> Play:
    """The first hardening of a host that has all of this behind it."""
    container.shell("apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qq install -y goss >/dev/null")
    container.shell("useradd -m olga; " + "; ".join(past.make for past in PASTS.values()))
    rules = [rule for past in PASTS.values() for rule in past.rules]
    return container.play("harden_hosts", variables={"compliance_rules": rules})


@pytest.mark.parametrize("name", PASTS)
def test_past_of_a_host_stays_and_what_cannot_be_done_is_said(container: Target, first: Play, name: str) -> None:
    past = PASTS[name]
    script, expected = past.sees
    assert container.shell(script) == expected
    rules = first.model(container.host.name)["rules"]
    for rule in past.rules:
        shown = {key: rules[rule][key] for key in ("verdict", "held", "actual")}
        if rule in past.held:
            assert shown["verdict"] == "fail" and past.held[rule] in shown["held"], shown
        else:
            expected_verdicts = ("fail",) if past.said else ("pass", "not_applicable")
            assert shown["verdict"] in expected_verdicts or shown["held"], shown
    assert past.said in first.output


AUDIT = {
    "compliance_benchmarks": [{"name": "cis", "level": "l2_server"}],
    "compliance_kinds": ["audit"],
    "compliance_walk": False,
}


def test_audit_rules_that_a_site_made_immutable_wait_for_a_boot_and_fail_nothing(uml: Target) -> None:
    uml.shell("auditctl -w /etc/motd -p wa -k site; auditctl -e 2")
    waiting = uml.play("harden_hosts", variables=AUDIT).model(uml.host.name)
    assert waiting["reboot_required"] == ["the loaded audit rules are immutable until the next boot"]
    assert not [one for one in waiting["rules"].values() if one["verdict"] == "fail" and not one["held"]]
    assert uml.play("harden_hosts", variables=AUDIT).changed(uml.host.name) == 0
    restart(uml.host)
    rules = uml.play("audit_hosts", variables=AUDIT).model(uml.host.name)["rules"]
    assert {name for name, one in rules.items() if one["verdict"] in ("fail", "error")} == set()


def test_second_run_on_a_host_with_a_past_changes_nothing(container: Target, first: Play) -> None:
    rules = [rule for past in PASTS.values() if not past.said for rule in past.rules]
    play = container.play("harden_hosts", variables={"compliance_rules": rules})
    assert play.changed(container.host.name) == 0, play.output

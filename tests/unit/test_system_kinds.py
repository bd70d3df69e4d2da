"""System kinds judge what holds, hold what something else overrides, and plan nothing that mends nothing."""

from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._change import units as _units
from ansible_collections.unified.deploy.plugins.module_utils._collect.settings import LOGIN_DEFS, login_defs
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import goss as _goss
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import plan as _plan
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import selection as _selection
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import syscalls
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.constraint import Constraint
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.evidence import ARCHITECTURES
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds import audit as _audit
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.base import Connection, Demand
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.registry import KINDS as ALL_KINDS
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.settings import set_key
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.platform import Platform
from ansible_collections.unified.deploy.plugins.plugin_utils._errors import CatalogueError

KINDS = (
    "aide", "audit", "auditd", "coredump", "faillock", "journald", "kmod", "limits", "login_defs", "package", "pwhistory",
    "pwquality", "rsyslog", "service", "shell", "sysctl", "timesyncd",
)  # fmt: skip
JOURNALD, UNIT = "/etc/systemd/journald.conf.d/zz-unified.conf", "systemd-journald.service"
SYSCTL = "/etc/sysctl.d/zz-unified.conf"


def planned(catalogue: t.Any, evidence: t.Any, rule: str) -> tuple[_plan.Verdict, t.Any]:
    """The verdict on one rule, and what is wanted for it alone."""
    filters = _selection.Filters((), (), (rule,))
    overlay = _selection.Overlay(
        purposes=frozenset({"log_rsyslog", "time_chrony"} if rule.startswith("rsyslog") else ())
    )
    selection = _selection.select(catalogue, [("cis", "l2_server")], overlay, evidence["host"], filters)
    made = _plan.plan(selection, evidence, Connection(user="ansible"))
    # Whatever is planned, both judges' checks can be made of it.
    _goss.generate(made.verdicts, evidence)
    return made.verdicts[rule], made.desired


def test_every_rule_of_these_kinds_says_why_it_matters(catalogue: t.Any) -> None:
    rules = [rule for rule in catalogue.rules.values() if rule.kind in KINDS]
    assert len(rules) > 150
    assert [rule.id for rule in rules if not 10 <= len(rule.why) <= 200] == []
    assert len({rule.why for rule in rules}) > 0.97 * len(rules), "a sentence of its own for each"


def test_unit_whose_own_condition_does_not_hold_is_not_started_at_every_run(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["service"]["cron.service"].update(active="inactive", refused=True)
    verdict, desired = planned(catalogue, hardened, "service/cron")
    assert "a condition of its own does not hold" in verdict.held and desired.empty()


# Settings.


@pytest.mark.parametrize(
    "rule", ["pwquality/dictcheck", "pwquality/enforcing", "faillock/deny", "journald/Compress", "login_defs/UMASK"]
)
def test_programs_default_is_no_setting(catalogue: t.Any, hardened: t.Any, rule: str) -> None:
    kind, key = rule.split("/")
    assert planned(catalogue, hardened, rule)[0].verdict == "pass"
    del hardened["settings"][kind][key]
    text = hardened["text"]
    for path in list(text):
        text[path] = "".join(line + "\n" for line in (text[path] or "").splitlines() if not line.startswith(key))
    verdict, desired = planned(catalogue, hardened, rule)
    assert (verdict.verdict, verdict.actual, verdict.held) == ("fail", "not set", "")
    assert any(key in file["content"] for file in desired.files.values())


def argument(hardened: t.Any, service: str, module: str, *arguments: str) -> None:
    line = next(line for line in hardened["pam"][service] if line["module"] == module)
    line["args"] += list(arguments)


@pytest.mark.parametrize(
    ("rule", "service", "module", "word"),
    [
        ("pwquality/minclass", "common-password", "pam_pwquality.so", "minclass=0"),
        ("faillock/deny", "common-auth", "pam_faillock.so", "deny=1000"),
        ("faillock/deny", "common-auth", "pam_faillock.so", "conf=/etc/other.conf"),
        ("pwhistory/remember", "common-password", "pam_pwhistory.so", "remember=1"),
    ],
)
def test_argument_of_a_pam_module_wins_over_its_file_and_is_named(
    catalogue: t.Any, hardened: t.Any, rule: str, service: str, module: str, word: str
) -> None:
    argument(hardened, service, module, word)
    verdict, desired = planned(catalogue, hardened, rule)
    assert verdict.verdict == "fail"
    assert verdict.held.startswith(f"/etc/pam.d/{service} ({module} {word}) overrides")
    assert desired.empty()


def test_argument_that_is_strict_enough_passes_without_a_file(catalogue: t.Any, hardened: t.Any) -> None:
    for service, stack in hardened["pam"].items():
        if any(line["module"] == "pam_pwquality.so" for line in stack):
            argument(hardened, service, "pam_pwquality.so", "minclass=4")
    del hardened["settings"]["pwquality"]["minclass"]
    assert planned(catalogue, hardened, "pwquality/minclass")[0].verdict == "pass"


def test_file_that_the_installed_module_does_not_read_is_no_way_to_mend(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["settings"]["unread"] = ["faillock"]
    hardened["settings"]["faillock"] = {}
    verdict, desired = planned(catalogue, hardened, "faillock/deny")
    assert "reads no /etc/security/faillock.conf" in verdict.held
    assert desired.empty()


PROFILE = "/usr/share/pam-configs/unified_pwhistory"


def test_module_without_a_file_gets_its_settings_as_arguments_of_our_profile(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["settings"]["unread"] = ["pwhistory"]
    hardened["settings"]["pwhistory"] = {}
    selection = _selection.select(catalogue, [("cis", "l2_server")], _selection.Overlay(), hardened["host"])
    plan = _plan.plan(selection, hardened, _plan.Connection("ansible"))
    assert {"pwhistory/remember", "pwhistory/enforce_for_root"} <= set(plan.changes)
    line = plan.desired.files[PROFILE]["content"].splitlines()[-1].split()
    assert line[1] == "pam_pwhistory.so" and {"use_authtok", "remember=24", "enforce_for_root"} == set(line[2:])
    assert ["pam-auth-update", "--enable", "unified_pwhistory"] in plan.desired.commands
    assert "/etc/security/pwhistory.conf" not in plan.desired.files
    for entry in (entry for stack in hardened["pam"].values() for entry in stack):
        if entry["module"] == "pam_pwhistory.so":
            entry["args"] = line[2:]
    hardened["text"][PROFILE] = plan.desired.files[PROFILE]["content"]
    verdicts = _plan.judge(selection, hardened)
    assert (verdicts["pwhistory/remember"].verdict, verdicts["pwhistory/enforce_for_root"].verdict) == ("pass", "pass")


def test_profile_that_is_switched_on_again_keeps_its_arguments(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["text"][PROFILE] = hardened["text"][PROFILE].replace("use_authtok", "use_authtok remember=30")
    hardened["pam"]["common-password"] = [
        line for line in hardened["pam"]["common-password"] if line["module"] != "pam_pwhistory.so"
    ]
    verdict, desired = planned(catalogue, hardened, "pam/pam_pwhistory")
    assert verdict.verdict == "fail" and not verdict.held
    assert PROFILE not in desired.files and ["pam-auth-update", "--enable", "unified_pwhistory"] in desired.commands


def test_later_drop_in_is_named_and_nothing_is_restarted(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["settings"]["journald"]["Storage"] = {"value": "none", "source": "/etc/systemd/journald.conf.d/zzz.conf"}
    verdict, desired = planned(catalogue, hardened, "journald/Storage")
    assert verdict.held.startswith("/etc/systemd/journald.conf.d/zzz.conf overrides")
    assert desired.empty() and desired.units_restarted == []


def test_daemon_older_than_its_file_fails_and_only_it_is_restarted(catalogue: t.Any, hardened: t.Any) -> None:
    start = hardened["settings"]["daemons"][UNIT]
    hardened["settings"]["changed"]["journald"][JOURNALD] = start + 0.5
    verdict, desired = planned(catalogue, hardened, "journald/Storage")
    assert verdict.verdict == "fail" and f"{UNIT} started before {JOURNALD} changed" in verdict.actual
    assert (desired.units_restarted, desired.files, desired.commands) == ([UNIT], {}, [])


def test_file_dated_in_the_future_is_dated_anew_before_the_restart(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["settings"]["changed"]["journald"][JOURNALD] = hardened.collected.timestamp() + 86400
    _verdict, desired = planned(catalogue, hardened, "journald/Storage")
    assert desired.commands == [["touch", "--", JOURNALD]]
    assert desired.units_restarted == [UNIT]


def test_daemon_that_does_not_run_is_not_stale(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["settings"]["daemons"][UNIT] = None
    assert planned(catalogue, hardened, "journald/Storage")[0].verdict == "pass"


def test_file_of_another_program_that_was_not_read_changes_no_verdict(catalogue: t.Any, hardened: t.Any) -> None:
    left_out = hardened.document["sections"]["settings"]["left_out"]
    left_out["coredump /etc/systemd/coredump.conf"] = "not a regular file"
    assert planned(catalogue, hardened, "journald/Storage")[0].verdict == "pass"
    left_out["journald /etc/systemd/journald.conf"] = "not a regular file"
    assert planned(catalogue, hardened, "journald/Storage")[0].verdict == "error"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("Storage=none\n", "[Journal]\nStorage=persistent\n"),
        ("[Journal]\nStorage=none\n[Other]\nStorage=x\n", "[Journal]\nStorage=persistent\n[Other]\n"),
        ("[Other]\nx=1\n[Journal]\n#Storage=x\n", "[Other]\nx=1\n[Journal]\nStorage=persistent\n#Storage=x\n"),
    ],
)
def test_key_is_written_into_its_section_and_nowhere_else(content: str, expected: str) -> None:
    assert set_key(content, "Storage", "persistent", separator="=", section="Journal") == expected


# Kernel parameters and modules.


def parameter(evidence: t.Any, key: str, **changes: t.Any) -> t.Any:
    evidence["sysctl"][key].update(changes)
    return evidence["sysctl"][key]


@pytest.mark.parametrize(
    ("key", "value", "verdict"),
    [
        ("send_redirects", "1", "fail"),
        ("accept_redirects", "1", "fail"),
        ("accept_source_route", "1", "pass"),
        ("log_martians", "0", "pass"),
        ("rp_filter", "2", "fail"),
        ("rp_filter", "0", "pass"),
    ],
)
def test_interface_is_judged_as_the_kernel_combines_it_with_all(
    catalogue: t.Any, hardened: t.Any, key: str, value: str, verdict: str
) -> None:
    """include/linux/inetdevice.h: OR, AND and MAX of an interface's value and that of `all`."""
    rule = f"sysctl/net.ipv4.conf.all.{key}"
    assert planned(catalogue, hardened, rule)[0].verdict == "pass"
    hardened["sysctl"][f"net.ipv4.conf.all.{key}"]["interfaces"]["lo"]["live"] = value
    made, desired = planned(catalogue, hardened, rule)
    assert made.verdict == verdict
    assert desired.commands == ([["/usr/lib/systemd/systemd-sysctl", SYSCTL]] if verdict == "fail" else [])


@pytest.mark.parametrize("key", ["net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding"])
def test_forwarding_of_all_is_that_of_every_interface(catalogue: t.Any, hardened: t.Any, key: str) -> None:
    """net/ipv4/devinet.c, inet_forward_change: no interface needs a line, but one that has a wrong one fails."""
    entry = parameter(hardened, key, live="0", disk="0", source=SYSCTL, written=key)
    hardened["text"][SYSCTL] += f"{key} = 0\n"
    for own in entry["interfaces"].values():
        own.update(live="0", disk=None, source=None, written=None)
    assert planned(catalogue, hardened, f"sysctl/{key}")[0].verdict == "pass"
    entry["interfaces"]["lo"].update(disk="1", source="/etc/sysctl.d/10-x.conf", written="net.ipv4.conf.lo.forwarding")
    assert planned(catalogue, hardened, f"sysctl/{key}")[0].verdict == "fail"


@pytest.mark.parametrize(
    ("key", "where", "value", "written"),
    [
        ("net.ipv4.ip_forward", "", "1", "IPMasquerade"),
        ("net.ipv4.conf.all.rp_filter", "lo", "2", "IPv4ReversePathFilter"),
    ],
)
def test_parameter_that_networkd_sets_is_held_with_its_file(
    catalogue: t.Any, hardened: t.Any, key: str, where: str, value: str, written: str
) -> None:
    entry = parameter(hardened, key, live="0" if key.endswith("ip_forward") else "1")
    place = entry["interfaces"][where] if where else entry
    place.update(disk=value, source="/etc/systemd/network/x.network", written=written)
    made, desired = planned(catalogue, hardened, f"sysctl/{key}")
    assert made.verdict == "fail" and f"{written} in /etc/systemd/network/x.network" in made.actual
    assert "has systemd-networkd set" in made.held and desired.empty()


def test_interface_named_by_another_file_is_named_by_ours_too(catalogue: t.Any, hardened: t.Any) -> None:
    entry = hardened["sysctl"]["net.ipv4.conf.all.send_redirects"]["interfaces"]["lo"]
    written = "net.ipv4.conf.lo.send_redirects"
    entry.update(disk="1", source="/etc/sysctl.d/10-lo.conf", written=written)
    _verdict, desired = planned(catalogue, hardened, "sysctl/net.ipv4.conf.all.send_redirects")
    content = desired.files[SYSCTL]["content"]
    assert f"{written} = 0\n" in content and "net.ipv4.conf.*.send_redirects = 0\n" in content
    hardened["text"][SYSCTL] = content
    verdict, _desired = planned(catalogue, hardened, "sysctl/net.ipv4.conf.all.send_redirects")
    assert f"/etc/sysctl.d/10-lo.conf ({written} = 1) overrides" in verdict.held


@pytest.mark.parametrize(("enabled", "verdict"), [(False, "fail"), (True, "pass")])
def test_firewalls_file_counts_while_the_firewall_is_enabled(
    catalogue: t.Any, hardened: t.Any, enabled: bool, verdict: str
) -> None:
    path = "/etc/ufw/sysctl.conf"
    by_ufw = {"disk": "1", "source": path, "written": "net/ipv4/icmp_echo_ignore_broadcasts", "enabled": enabled}
    parameter(hardened, "net.ipv4.icmp_echo_ignore_broadcasts", disk=None, source=None, written=None, ufw=by_ufw)
    assert planned(catalogue, hardened, "sysctl/net.ipv4.icmp_echo_ignore_broadcasts")[0].verdict == verdict


def test_firewalls_file_that_says_otherwise_fails_and_is_mended_too(catalogue: t.Any, hardened: t.Any) -> None:
    path = "/etc/ufw/sysctl.conf"
    written = "net/ipv4/conf/all/log_martians"
    hardened["text"][path] = f"{written}=0\n"
    by_ufw = {"disk": "0", "source": path, "written": written, "enabled": True}
    parameter(hardened, "net.ipv4.conf.all.log_martians", ufw=by_ufw)
    verdict, desired = planned(catalogue, hardened, "sysctl/net.ipv4.conf.all.log_martians")
    assert verdict.verdict == "fail"
    assert desired.files[path]["content"] == f"{written}=1\n"


def module(evidence: t.Any, **changes: t.Any) -> None:
    evidence["kmod"]["cramfs"] = {
        "on_disk": True,
        "built_in": False,
        "loaded": False,
        "install": "/bin/false",
        "blacklist": True,
        "sources": {"install": "/etc/modprobe.d/00-unified.conf", "blacklist": "/etc/modprobe.d/00-unified.conf"},
        **changes,
    }
    evidence["text"]["/etc/modprobe.d/00-unified.conf"] = "install cramfs /bin/false\nblacklist cramfs\n"


def test_loaded_module_waits_for_the_next_boot(catalogue: t.Any, hardened: t.Any) -> None:
    module(hardened)
    assert planned(catalogue, hardened, "kmod/cramfs")[0].verdict == "pass"
    module(hardened, loaded=True)
    verdict, desired = planned(catalogue, hardened, "kmod/cramfs")
    assert (verdict.verdict, verdict.held) == ("fail", "the kernel module cramfs is gone at the next boot")
    assert desired.commands == [] and desired.reboot == [verdict.held]


@pytest.mark.parametrize("name", ["cramfs", "usb-storage"])
@pytest.mark.parametrize(
    ("lines", "sees"),
    [
        ("install {} /bin/false", True),
        ("install\t{}  /usr/bin/true ", True),
        ("install {} \\\n /bin/false", True),
        ("install \\\n {} /bin/false", True),
        ("install {} /sbin/modprobe --ignore-install {}", False),
        ("install {}2 /bin/false", False),
        ("#install {} /bin/false", False),
        ("blacklist {}", False),
    ],
)
def test_second_judge_sees_the_line_by_which_nothing_is_loaded(
    catalogue: t.Any, hardened: t.Any, name: str, lines: str, sees: bool
) -> None:
    hardened["kmod"][name].update(
        on_disk=True, install="/bin/false", blacklist=True, sources={"install": "/etc/x.conf"}
    )
    filters = _selection.Filters((), (), (f"kmod/{name}",))
    selection = _selection.select(catalogue, [("cis", "l2_server")], _selection.Overlay(), hardened["host"], filters)
    checks = _goss.checks_of(_plan.judge(selection, hardened), hardened)[f"kmod/{name}"]
    (pattern,) = next(one for one in checks if "contents" in one.attributes).attributes["contents"]
    for written in (name, name.replace("-", "_")):
        text = lines.replace("{}", written)
        # As Goss does: one line after the other.
        assert any(re.search(pattern.strip("/"), line) for line in text.splitlines()) is sees


def test_earlier_install_line_is_named(catalogue: t.Any, hardened: t.Any) -> None:
    local = "/etc/modprobe.d/00-local.conf"
    module(hardened, install="/sbin/modprobe --ignore-install cramfs", sources={"install": local, "blacklist": local})
    verdict, desired = planned(catalogue, hardened, "kmod/cramfs")
    assert verdict.held.startswith(f"{local} (install cramfs) overrides") and desired.empty()


# Audit.


def audited(evidence: t.Any, *lines: str, **changes: t.Any) -> None:
    """A host with a kernel of its own that has stored and loaded LINES."""
    rules = [_audit.canonical(line) for line in lines]
    evidence["host"]["container"] = False
    evidence["package"]["auditd"] = "4"
    evidence.document["sections"]["audit"]["items"] = {
        "installed": True,
        "disk": [
            {"rule": rule, "line": line, "source": "/etc/audit/rules.d/x.rules"} for rule, line in zip(rules, lines)
        ],
        "options": {},
        "live": rules,
        "enabled": "1",
        "unavailable": "",
        "calls": ["fchmodat2"],
        "compat": True,
        **changes,
    }


GROUP = "-w /etc/group -p wa -k identity"
LOAD = [["augenrules", "--load"]]


def test_line_that_a_later_one_takes_away_fails_for_the_second_judge_too(catalogue: t.Any, hardened: t.Any) -> None:
    """Its text still stands in the file, which is all that Goss sees of it."""
    audited(hardened, GROUP, disk=[], enabled="2")
    path = "/etc/audit/rules.d/50-unified.rules"
    hardened["text"][path] = f"{GROUP}\n"
    verdict, desired = planned(catalogue, hardened, "audit/group")
    assert verdict.verdict == "fail" and "a line read after it takes it away" in verdict.held and desired.empty()
    said = [(str(one.attributes["content"]), one.attributes["matches"]) for one in ALL_KINDS["audit"].asserts(verdict.demand, hardened)
            if one.resource == "matching"]  # fmt: skip
    assert ('"1"', "0") in said


def test_audit_that_cannot_be_asked_is_an_error_and_none_in_a_container(catalogue: t.Any, hardened: t.Any) -> None:
    audited(hardened, GROUP, live=None, unavailable="Operation not permitted")
    assert planned(catalogue, hardened, "audit/group")[0].verdict == "error"
    hardened["host"]["container"] = True
    assert planned(catalogue, hardened, "audit/group")[0].verdict == "not_applicable"
    del hardened["package"]["auditd"]
    assert planned(catalogue, hardened, "service/auditd")[0].verdict == "not_applicable"


@pytest.mark.parametrize(
    ("lines", "verdict"),
    [
        ([GROUP], "pass"),
        (["-w /etc/group -p rwa -k accounts"], "pass"),
        (["-w /etc/group -p w -k identity"], "fail"),
        (["-w /etc/group -p wa"], "fail"),
        (["-a always,exit -F path=/etc/group -F perm=wa -F key=x"], "pass"),
        (["-a always,exit -F path=/etc/group -F perm=wa -F auid>=1000 -F key=x"], "fail"),
        (["-a never,exit -F auid=1000", GROUP], "fail"),
        ([GROUP, "-a never,exit -F auid=1000"], "pass"),
        (["-a never,exit -F path=/var/log/x", GROUP], "pass"),
        (["-a never,exit -F arch=b64 -S adjtimex -F auid=unset", GROUP], "pass"),
        (["-a never,exit -F arch=b64 -S openat", GROUP], "fail"),
        (["-a never,task", GROUP], "fail"),
        ([GROUP, "-a task,never"], "fail"),
        (["-a always,exclude -F msgtype=CWD", GROUP], "pass"),
        (["-a always,exclude -F msgtype=PATH", GROUP], "fail"),
        (["-a never,exclude -F auid>=1000", GROUP], "fail"),
        (["-a always,exclude -F msgtype!=USER_LOGIN", GROUP], "fail"),
        (["-a never,filesystem -F fstype=tracefs", GROUP], "pass"),
        (["-a never,filesystem -F fstype=ext4", GROUP], "fail"),
    ],
)
def test_rule_passes_where_something_records_at_least_what_it_asks_for(
    catalogue: t.Any, hardened: t.Any, lines: list[str], verdict: str
) -> None:
    audited(hardened, *lines)
    assert planned(catalogue, hardened, "audit/group")[0].verdict == verdict


def test_rules_that_nobody_listens_to_fail_and_are_switched_on(catalogue: t.Any, hardened: t.Any) -> None:
    audited(hardened, GROUP, enabled="0")
    verdict, desired = planned(catalogue, hardened, "audit/group")
    assert verdict.verdict == "fail" and ["auditctl", "-e", "1"] in desired.commands
    audited(hardened, GROUP, options={"-e": {"value": "0", "source": "/etc/audit/rules.d/99.rules"}})
    assert "-e 0 in /etc/audit/rules.d/99.rules" in planned(catalogue, hardened, "audit/group")[0].held


def test_rule_that_is_not_stored_yet_is_planned_whatever_stands_elsewhere(catalogue: t.Any, hardened: t.Any) -> None:
    audited(hardened, "-a never,exit -F auid=1000")
    verdict, desired = planned(catalogue, hardened, "audit/group")
    assert verdict.held == "" and GROUP in desired.files[_audit.RULES]["content"]


def test_calls_of_several_rules_add_up(catalogue: t.Any, hardened: t.Any) -> None:
    tail = "-F auid>=1000 -F auid!=unset -k delete"
    both = [f"-a always,exit -F arch={arch} -S {{}} {tail}" for arch in ("b64", "b32")]
    audited(hardened, *(line.format(call) for line in both for call in ("unlink", "unlinkat")))
    assert planned(catalogue, hardened, "audit/delete")[0].verdict == "pass"
    audited(hardened, *(line.format("unlink") for line in both))
    verdict, desired = planned(catalogue, hardened, "audit/delete")
    assert verdict.verdict == "fail" and desired.commands == LOAD


@pytest.mark.parametrize(
    ("architecture", "compat", "expected"),
    [
        ("x86_64", True, ["b64 -S rename,renameat,renameat2", "b32 -S rename,renameat,renameat2"]),
        ("aarch64", True, ["b64 -S renameat,renameat2", "b32 -S rename,renameat,renameat2"]),
        ("aarch64", False, ["b64 -S renameat,renameat2"]),
        ("riscv64", True, ["b64 -S renameat2"]),
    ],
)
def test_calls_are_those_of_the_architecture(
    catalogue: t.Any, hardened: t.Any, architecture: str, compat: bool, expected: list[str]
) -> None:
    audited(hardened, compat=compat)
    hardened["host"]["architecture"] = architecture
    content = planned(catalogue, hardened, "audit/rename")[1].files[_audit.RULES]["content"]
    assert [line.split("arch=")[1].split(" -F")[0] for line in content.splitlines() if "arch=" in line] == expected


@pytest.mark.parametrize(
    ("kernel", "by_name", "shown"),
    [
        ("6.12.48-amd64", ["fchmodat2"], "fchmodat,fchmodat2 "),
        ("6.12.48-amd64", [], "fchmodat,452 "),
        ("6.1.0-40-amd64", [], "fchmodat "),
    ],
)
def test_new_call_is_asked_for_where_the_kernel_has_it(
    catalogue: t.Any, hardened: t.Any, kernel: str, by_name: list[str], shown: str
) -> None:
    audited(hardened, calls=by_name)
    hardened["host"]["kernel"] = kernel
    content = planned(catalogue, hardened, "audit/perm_chmod")[1].files[_audit.RULES]["content"]
    assert f"-S chmod,fchmod,{shown}" in content
    audited(hardened, *(line for line in content.splitlines() if line.startswith("-a")), calls=by_name)
    assert planned(catalogue, hardened, "audit/perm_chmod")[0].verdict == "pass"


def test_tables_of_calls_are_exhaustive(catalogue: t.Any) -> None:
    assert set(syscalls.TABLES) == set(ARCHITECTURES)
    assert {(a, table) for a, tables in syscalls.TABLES.items() for table in tables} == set(syscalls.LACKING)
    named = {c for r in catalogue.rules.values() for line in r.spec.get("rules", ()) for c in syscalls.calls(line)}
    assert named <= syscalls.KNOWN
    assert set().union(*syscalls.LACKING.values()) <= syscalls.KNOWN


def test_call_of_which_no_table_is_kept_is_a_mistake_in_the_catalogue(catalogue: t.Any) -> None:
    rule = catalogue.rules["audit/delete"]
    wrong = type(rule)(**{**rule.__dict__, "spec": {"rules": ["-a always,exit -F arch=b64 -S frobnicate -k x"]}})
    with pytest.raises(CatalogueError, match="frobnicate"):
        _audit.Audit().resolve(wrong, next(iter(catalogue.platforms.values())))


# Units, packages, limits, shells, logs, AIDE.


BOOT = ["multi-user.target"]


def unit(**changes: t.Any) -> dict[str, t.Any]:
    state = {"load": "loaded", "file": "disabled", "active": "inactive", "wanted_by": [], "drop_ins": [], "exec": []}
    reached = bool(changes.get("wanted_by", BOOT))
    return {
        **state,
        "fragment": "/usr/lib/systemd/system/x.service",
        "reached": reached,
        "replaced": False,
        "conditions": [],
        **changes,
    }


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        (unit(), "pass"),
        (unit(file="generated", wanted_by=BOOT), "fail"),
        (unit(file="generated"), "pass"),
        (unit(file="static", wanted_by=BOOT), "fail"),
        (unit(file="enabled-runtime"), "fail"),
        (unit(active="activating"), "fail"),
        (unit(load="masked", file="masked", wanted_by=BOOT), "pass"),
        (unit(load="masked", file="masked", active="active"), "fail"),
    ],
)
def test_unit_that_starts_by_whatever_way_is_in_use(
    catalogue: t.Any, hardened: t.Any, state: dict[str, t.Any], verdict: str
) -> None:
    hardened["service"]["rsync.service"] = state
    assert planned(catalogue, hardened, "service/rsync")[0].verdict == verdict


def test_program_that_another_unit_runs_is_in_use_and_held(catalogue: t.Any, hardened: t.Any) -> None:
    squid = hardened["service"]["squid.service"]
    for masked in ({}, {"load": "masked", "file": "masked"}):
        squid.update(masked)
        assert planned(catalogue, hardened, "service/squid")[0].verdict == "pass"
        hardened["process"]["squid"] = ["site-proxy.service"]
        verdict, desired = planned(catalogue, hardened, "service/squid")
        assert (verdict.verdict, verdict.actual) == ("fail", "site-proxy.service runs squid")
        assert "site-proxy.service overrides" in verdict.held and desired.empty()
        del hardened["process"]["squid"]
    # Its own unit is put out of use; what else runs it shows at the next run.
    squid.update(load="loaded", file="enabled", active="active")
    hardened["process"]["squid"] = ["", "squid.service"]
    verdict, desired = planned(catalogue, hardened, "service/squid")
    assert (verdict.actual, desired.units_masked) == (
        "squid.service enabled, active; no unit runs squid",
        ["squid.service"],
    )


def test_processes_that_could_not_be_seen_make_no_service_unused(catalogue: t.Any, hardened: t.Any) -> None:
    hardened.document["sections"]["process"]["left_out"] = {"812": "Permission denied: run as root"}
    assert planned(catalogue, hardened, "service/squid")[0].verdict == "error"
    assert planned(catalogue, hardened, "service/cron")[0].verdict == "pass"


def test_every_service_that_must_not_run_has_its_programs_named(catalogue: t.Any) -> None:
    unused = {
        rule.key for rule in catalogue.rules.values() if rule.kind == "service" and rule.spec["state"] == "unused"
    }
    for platform in catalogue.platforms.values():
        assert unused == set(platform.programs)


def test_instance_of_a_unit_is_in_use_too(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["service"]["apache2@shop.service"] = unit(file="disabled", active="active")
    verdict, desired = planned(catalogue, hardened, "service/web")
    assert verdict.verdict == "fail" and desired.units_masked[-1] == "apache2@shop.service"


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "pass"),
        ({"file": "enabled-runtime"}, "fail"),
        ({"file": "static", "wanted_by": []}, "fail"),
        ({"file": "static", "wanted_by": BOOT}, "pass"),
        ({"active": "failed"}, "fail"),
    ],
)
def test_unit_must_run_now_and_at_the_next_boot(
    catalogue: t.Any, hardened: t.Any, changes: dict[str, t.Any], verdict: str
) -> None:
    hardened["service"]["cron.service"] = unit(**{"file": "enabled", "active": "active", **changes})
    made, desired = planned(catalogue, hardened, "service/cron")
    assert made.verdict == verdict
    assert desired.units_enabled == ([] if verdict == "pass" else ["cron.service"])


def test_drop_in_that_runs_something_else_is_named(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["service"]["cron.service"] = unit(
        file="enabled", active="active", replaced=True, exec=["/bin/sleep"], drop_ins=["/etc/x.conf"]
    )
    verdict, desired = planned(catalogue, hardened, "service/cron")
    assert verdict.held.startswith("/etc/x.conf overrides") and desired.empty()


@pytest.mark.parametrize(
    ("changes", "started", "held"),
    [
        ({"elapses": False}, {}, "/etc/x.conf"),
        ({"gap": 365 * 86400.0}, {}, "/etc/x.conf"),
        ({"gap": None}, {}, "/etc/x.conf"),
        ({"conditions": ["/etc/y.conf"]}, {}, "/etc/y.conf"),
        ({}, {"load": "masked"}, "aide.service (masked)"),
        ({}, {"conditions": ["/etc/z.conf"]}, "/etc/z.conf"),
        ({}, {"replaced": True, "fragment": "/etc/systemd/system/aide.service"}, "/etc/systemd/system/aide.service"),
        ({"reached": False, "wanted_by": ["rescue.target"]}, {}, "rescue.target in /usr/lib/systemd/system/x.service"),
    ],
)
def test_timer_that_starts_nothing_fails_in_both_judges(
    catalogue: t.Any, hardened: t.Any, changes: dict[str, t.Any], started: dict[str, t.Any], held: str
) -> None:
    hardened["service"]["dailyaidecheck.timer"] = unit(
        file="enabled",
        active="active",
        **{"elapses": True, "gap": 86400.0, "triggers": "aide.service", "drop_ins": ["/etc/x.conf"], **changes},
    )
    hardened["service"]["aide.service"] = unit(file="static", **started)
    verdict, desired = planned(catalogue, hardened, "service/aide")
    assert verdict.verdict == "fail" and verdict.held.startswith(f"{held} overrides") and desired.empty()


@pytest.mark.parametrize(
    ("rule", "name"),
    [("sysctl/fs.suid_dumpable", "systemd-sysctl.service"), ("audit/group", "audit-rules.service")],
)
@pytest.mark.parametrize("state", [{"load": "masked"}, {"replaced": True}, {"conditions": ["/etc/x.conf"]}])
def test_what_nothing_loads_at_the_next_boot_does_not_hold(
    catalogue: t.Any, hardened: t.Any, rule: str, name: str, state: dict[str, t.Any]
) -> None:
    if rule == "audit/group":
        audited(hardened, GROUP)
    assert planned(catalogue, hardened, rule)[0].verdict == "pass"
    hardened["service"][name].update(state)
    verdict, desired = planned(catalogue, hardened, rule)
    assert verdict.verdict == "fail" and verdict.held.startswith(name) and desired.empty()


def test_database_that_aide_does_not_read_is_none(catalogue: t.Any, hardened: t.Any) -> None:
    assert planned(catalogue, hardened, "aide/database")[0].verdict == "pass"
    next(iter(hardened["aide"].values()))["configured"] = "/var/lib/aide/other.db"
    verdict, desired = planned(catalogue, hardened, "aide/database")
    assert verdict.verdict == "fail" and "/var/lib/aide/other.db" in verdict.held and desired.empty()


@pytest.mark.parametrize("facts", [{"kind": "other"}, {"size": 0}])
def test_database_that_aide_did_not_write_is_none(catalogue: t.Any, hardened: t.Any, facts: dict[str, t.Any]) -> None:
    hardened["aide"]["/var/lib/aide/aide.db"].update(facts)
    verdict, _desired = planned(catalogue, hardened, "aide/database")
    assert verdict.verdict == "fail" and "which AIDE did not write" in verdict.actual


def test_database_that_speaks_of_no_file_is_none(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["aide"]["/var/lib/aide/aide.db"]["entries"] = 0
    verdict, desired = planned(catalogue, hardened, "aide/database")
    assert verdict.verdict == "fail" and "speaks of no file" in verdict.actual and desired.commands


def test_daily_check_that_failed_or_is_switched_off_does_not_hold(catalogue: t.Any, hardened: t.Any) -> None:
    assert planned(catalogue, hardened, "service/aide")[0].verdict == "pass"
    hardened["service"]["dailyaidecheck.service"]["active"] = "failed"
    verdict, desired = planned(catalogue, hardened, "service/aide")
    assert verdict.verdict == "fail" and "journalctl -u dailyaidecheck.service" in verdict.held and desired.empty()
    hardened["service"]["dailyaidecheck.service"]["active"] = "inactive"
    hardened["settings"]["aide_default"]["CRON_DAILY_RUN"] = {"value": "no", "source": "/etc/default/aide"}
    hardened["text"]["/etc/default/aide"] = "CRON_DAILY_RUN=no\n"
    verdict, desired = planned(catalogue, hardened, "service/aide")
    assert "CRON_DAILY_RUN=no in /etc/default/aide" in verdict.actual and verdict.held == ""
    assert desired.files["/etc/default/aide"]["content"] == "CRON_DAILY_RUN=yes\n"
    hardened.document["sections"]["settings"]["left_out"]["aide_default /etc/default/aide"] = "not a regular file"
    assert planned(catalogue, hardened, "service/aide")[0].verdict == "error"


@pytest.mark.parametrize("name", ["unbound.service", "knot.service", "pdns.service"])
def test_every_name_server_is_one(catalogue: t.Any, hardened: t.Any, name: str) -> None:
    assert planned(catalogue, hardened, "service/dns")[0].verdict == "pass"
    hardened["service"][name] = unit(file="enabled", active="active")
    assert planned(catalogue, hardened, "service/dns")[0].verdict == "fail"


def test_credits_are_taken_from_the_length(catalogue: t.Any, hardened: t.Any) -> None:
    path = "/etc/security/pwquality.conf"
    hardened["settings"]["pwquality"]["dcredit"] = {"value": "3", "source": path}
    hardened["text"][path] = hardened["text"][path].replace("dcredit = -1", "dcredit = 3")
    verdict, desired = planned(catalogue, hardened, "pwquality/minlen")
    assert verdict.verdict == "fail" and "because of dcredit 3" in verdict.actual
    assert "dcredit = 0" in desired.files[path]["content"]
    assert "ucredit = -1" in desired.files[path]["content"], "what shortens nothing stays"
    hardened["settings"]["pwquality"]["minlen"]["value"] = "21"
    assert planned(catalogue, hardened, "pwquality/minlen")[0].verdict == "pass"


@pytest.mark.parametrize(
    ("even", "unlock", "verdict"),
    [(True, "1", "fail"), (True, "60", "pass"), (False, "60", "pass"), (False, "never", "pass"), (False, "0", "pass"),
     (False, "59", "fail"), (False, None, "fail")],
)  # fmt: skip
def test_root_locks_by_its_own_time_or_by_everybodys(
    catalogue: t.Any, hardened: t.Any, even: bool, unlock: str | None, verdict: str
) -> None:
    path, values = "/etc/security/faillock.conf", hardened["settings"]["faillock"]
    if not even:
        del values["even_deny_root"]
        hardened["text"][path] = hardened["text"][path].replace("even_deny_root\n", "")
    if unlock is not None:
        values["root_unlock_time"] = {"value": unlock, "source": path}
        hardened["text"][path] += f"root_unlock_time = {unlock}\n"
    made, desired = planned(catalogue, hardened, "faillock/even_deny_root")
    assert (made.verdict, made.held) == (verdict, "")
    assert desired.empty() == (verdict == "pass")
    if verdict == "fail":
        assert "\nroot_unlock_time" not in desired.files[path]["content"]
        assert "even_deny_root\n" in desired.files[path]["content"]


@pytest.mark.parametrize(
    ("value", "verdict"),
    [("900", "pass"), ("0", "pass"), ("never", "pass"), ("NEVER", "pass"), ("899", "fail"), ("700000", "fail"), ("1", "fail"), ("", "fail")],
)  # fmt: skip
def test_account_that_stays_locked_is_locked_long_enough(
    catalogue: t.Any, hardened: t.Any, value: str, verdict: str
) -> None:
    hardened["settings"]["faillock"]["unlock_time"]["value"] = value
    made, desired = planned(catalogue, hardened, "faillock/unlock_time")
    assert made.verdict == verdict
    hardened["pam"]["common-auth"][0]["args"].append("unlock_time=60")
    made, desired = planned(catalogue, hardened, "faillock/unlock_time")
    assert made.verdict == "fail" and ("unlock_time=60" in made.held or verdict == "fail")
    assert not desired.files or verdict == "fail", "a lock that stays is not made shorter"


def test_word_for_never_is_what_another_benchmark_asks_for(catalogue: t.Any, hardened: t.Any) -> None:
    kind = ALL_KINDS["faillock"]
    for value, verdict in (("0", "pass"), ("never", "pass"), ("900", "fail")):
        hardened["settings"]["faillock"]["unlock_time"]["value"] = value
        demand = Demand(catalogue.rules["faillock/unlock_time"], {"value": Constraint.parse(0)}, ())
        assert kind.judge(demand, hardened).verdict == verdict


@pytest.mark.parametrize(("level", "verdict"), [("emerg", "fail"), ("3", "fail"), ("info", "pass"), ("debug", "pass")])
def test_journal_that_keeps_only_the_worst_is_none(catalogue: t.Any, hardened: t.Any, level: str, verdict: str) -> None:
    hardened["settings"]["journald"]["MaxLevelStore"] = {"value": level, "source": "/etc/systemd/journald.conf"}
    made, desired = planned(catalogue, hardened, "journald/Storage")
    assert made.verdict == verdict and bool(desired.files) == (verdict == "fail")
    if verdict == "fail":
        assert "MaxLevelStore=debug" in desired.files[JOURNALD]["content"]


@pytest.mark.parametrize(
    ("key", "value", "verdict"),
    [("write_logs", "no", "fail"), ("write_logs", "yes", "pass"), ("log_format", "NOLOG", "fail"), ("log_format", "ENRICHED", "pass"),
     ("local_events", "no", "fail"), ("local_events", "yes", "pass")],
)  # fmt: skip
def test_audit_log_that_is_not_written_is_not_kept(
    catalogue: t.Any, hardened: t.Any, key: str, value: str, verdict: str
) -> None:
    path = "/etc/audit/auditd.conf"
    hardened["settings"]["auditd"].pop("log_format", None)
    hardened["settings"]["auditd"][key] = {"value": value, "source": path}
    hardened["settings"]["auditd"]["max_log_file_action"] = {"value": "keep_logs", "source": path}
    hardened["text"][path] = f"max_log_file_action = keep_logs\n{key} = {value}\n"
    made, desired = planned(catalogue, hardened, "auditd/max_log_file_action")
    assert made.verdict == verdict and bool(desired.files) == (verdict == "fail")
    if verdict == "fail":
        assert "of which nothing is written" in made.actual
        assert desired.files[path]["content"] == "max_log_file_action = keep_logs\n"


@pytest.mark.parametrize(
    ("umask", "mode", "left"),
    [
        ("027", "0750", None),
        ("027", "0700", None),
        ("077", "0750", None),
        ("027", "0777", "027"),
        ("077", "0755", "077"),
        ("027", "0x1ff", "027"),
        ("027", "511", "027"),
        # Both are wrong, and mended at once.
        ("022", "0755", "027"),
    ],
)
def test_umask_is_none_for_homes_with_a_mode_of_their_own(
    catalogue: t.Any, hardened: t.Any, umask: str, mode: str, left: str | None
) -> None:
    content = f"UMASK {umask}\nHOME_MODE {mode}\n"
    hardened["settings"]["login_defs"].update(login_defs(content, LOGIN_DEFS))
    hardened["text"][LOGIN_DEFS] = content
    made, desired = planned(catalogue, hardened, "login_defs/UMASK")
    assert (made.verdict, made.held) == ("fail" if left else "pass", "")
    assert made.verdict == "pass" or umask == "022" or "because of HOME_MODE" in made.actual
    assert [file["content"].split() for file in desired.files.values()] == ([["UMASK", left]] if left else [])


def test_history_that_is_kept_nowhere_is_none(catalogue: t.Any, hardened: t.Any) -> None:
    path = "/etc/security/pwhistory.conf"
    hardened["settings"]["pwhistory"]["file"] = {"value": "/dev/null", "source": path}
    hardened["text"][path] += "file = /dev/null\n"
    made, desired = planned(catalogue, hardened, "pwhistory/remember")
    assert made.verdict == "fail" and "/dev/null keeps none" in made.actual
    assert "/dev/null" not in desired.files[path]["content"]
    hardened["settings"]["pwhistory"]["file"]["value"] = "/var/lib/opasswd"
    assert planned(catalogue, hardened, "pwhistory/remember")[0].verdict == "pass"


def test_audit_daemon_with_a_directory_of_its_own_is_an_error(catalogue: t.Any, hardened: t.Any) -> None:
    settings_of = hardened.document["sections"]["settings"]
    settings_of["left_out"]["auditd /etc/audit/auditd.conf"] = "auditd is started with /etc/x in its place"
    hardened["package"]["auditd"] = "1"
    hardened["host"]["container"] = False
    assert "started with /etc/x" in planned(catalogue, hardened, "auditd/max_log_file")[0].actual


def test_number_in_quotes_is_none_to_useradd(catalogue: t.Any, hardened: t.Any) -> None:
    """It says: invalid numeric argument, will be ignored."""
    hardened["settings"]["useradd"]["INACTIVE"]["value"] = '"45"'
    hardened["text"]["/etc/default/useradd"] = 'INACTIVE="45"\n'
    verdict, desired = planned(catalogue, hardened, "useradd/INACTIVE")
    assert verdict.verdict == "fail" and desired.files["/etc/default/useradd"]["content"] == "INACTIVE=45\n"


def test_umask_that_only_the_shell_knows_fails(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["shell"]["umask"].append({"value": "$M", "source": "/etc/profile.d/zzz.sh"})
    verdict, _desired = planned(catalogue, hardened, "shell/umask")
    assert verdict.verdict == "fail" and verdict.held.startswith("/etc/profile.d/zzz.sh overrides")


def test_time_limit_that_no_login_gets_is_none(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["root_shell"]["timeout"] = ""
    verdict, desired = planned(catalogue, hardened, "shell/TMOUT")
    assert verdict.verdict == "fail" and "a condition that does not hold" in verdict.held and desired.empty()


@pytest.mark.parametrize(
    ("rule", "login"),
    [
        ("shell/umask", {"umask": "0022"}),
        ("shell/TMOUT", {"timeout": ""}),
        ("shell/TMOUT", {"timeout": "1800"}),
        ("shell/TMOUT", {"fixed": False}),
    ],
)
def test_setting_that_peoples_login_shells_do_not_get_is_none(
    catalogue: t.Any, hardened: t.Any, rule: str, login: dict[str, t.Any]
) -> None:
    hardened["shell"]["login"].update(login)
    verdict, desired = planned(catalogue, hardened, rule)
    assert verdict.verdict == "fail" and "people's login shells" in verdict.actual
    assert "what a script reads in" in verdict.held and desired.empty()
    hardened["shell"]["login"] = {"umask": "", "timeout": "", "fixed": False}
    hardened.document["sections"]["shell"]["left_out"]["login"] = "'setpriv' is not installed"
    assert planned(catalogue, hardened, rule)[0].verdict == "error"


def test_goss_asks_for_the_line_that_counts(catalogue: t.Any, hardened: t.Any) -> None:
    filters = _selection.Filters((), (), ("sysctl/kernel.kptr_restrict",))
    selection = _selection.select(catalogue, [("cis", "l2_server")], _selection.Overlay(), hardened["host"], filters)
    verdicts = _plan.plan(selection, hardened, Connection(user="ansible")).verdicts
    shown = [str(check.attributes) for check in _goss.checks(verdicts["sysctl/kernel.kptr_restrict"], hardened)]
    assert any('"disk"' in one and "match-regexp" in one for one in shown)


def test_unit_that_is_enabled_until_the_reboot_is_enabled_anew() -> None:
    current = {"cron.service": {"load": "loaded", "file": "enabled-runtime", "active": "active"}}
    assert _units.settling(current, _units.Units(enabled=["cron.service"]))["enable"] == ["cron.service"]


def test_unit_that_is_masked_until_the_reboot_is_held(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["service"]["cron.service"] = unit(file="masked-runtime", active="active")
    verdict, desired = planned(catalogue, hardened, "service/cron")
    assert "unmask --runtime cron.service" in verdict.held and desired.empty()


def test_limits_that_a_login_does_not_set_are_held(catalogue: t.Any, hardened: t.Any) -> None:
    assert planned(catalogue, hardened, "limits/core")[0].verdict == "pass"
    kept = hardened["pam"]["sshd"]
    hardened["pam"]["sshd"] = [line for line in kept if line["module"] != "pam_limits.so"]
    verdict, desired = planned(catalogue, hardened, "limits/core")
    assert verdict.held.startswith("/etc/pam.d/sshd (session without pam_limits.so)") and desired.empty()
    hardened["pam"]["sshd"] = kept
    argument(hardened, "sshd", "pam_limits.so", "conf=/etc/other.conf")
    assert "conf=/etc/other.conf" in planned(catalogue, hardened, "limits/core")[0].held


def test_package_that_is_there_in_part_is_neither_present_nor_absent(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["package"].update({"talk": "", "sudo": ""})
    verdict, desired = planned(catalogue, hardened, "package/sudo")
    assert (verdict.verdict, desired.packages_present) == ("fail", ["sudo"])
    verdict, desired = planned(catalogue, hardened, "package/talk")
    assert (verdict.verdict, "in part" in verdict.held, desired.packages_absent) == ("fail", True, [])


def red_hat(catalogue: t.Any) -> Platform:
    """A platform of the other family, as far as these rules need one. No host of it was ever asked."""
    debian = next(iter(catalogue.platforms.values()))
    names = {
        **debian.__dict__,
        "id": "rhel",
        "family": "redhat",
        "tools": {**debian.tools, "packages": "dnf", "integrity": "aide"},
    }
    return Platform(
        **{
            **names,
            "packages": {**debian.packages, "aide": ("aide",), "telnet": ("telnet",)},
            "units": {**debian.units, "cron": ("crond.service",)},
            "paths": {**debian.paths, "aide_database": "/var/lib/aide/aide.db.gz", "ufw_sysctl": ""},
        }
    )


def test_packages_of_the_other_family_are_judged_by_their_own_names(catalogue: t.Any, hardened: t.Any) -> None:
    platform = red_hat(catalogue)
    hardened.platform = platform
    hardened.document["sections"]["package"]["items"] = {"aide": "0.16-105.el9", "telnet": "0.17-85.el9"}
    hardened["service"]["crond.service"] = unit(file="enabled", active="active")
    hardened["aide"]["/var/lib/aide/aide.db.gz"] = {"size": 0, "owner": "", "kind": "absent", "configured": ""}
    hardened["package"]["cronie"] = "1"
    assert planned(catalogue, hardened, "package/aide")[0].verdict == "pass"
    assert planned(catalogue, hardened, "package/telnet")[1].packages_absent == ["telnet"]
    commands = planned(catalogue, hardened, "aide/database")[1].commands
    assert commands == [["aide", "--init"], ["mv", "--", "/var/lib/aide/aide.db.new.gz", "/var/lib/aide/aide.db.gz"]]


@pytest.mark.parametrize(
    ("line", "held"),
    [
        ({"domain": "bob", "item": "core", "value": "unlimited", "source": "/x"}, "bob unlimited in /x"),
        ({"domain": "@sudo", "item": "core", "value": "1", "source": "/x"}, "@sudo 1 in /x"),
        ({"domain": "root", "item": "core", "value": "unlimited", "source": "/x"}, ""),
        ({"domain": "bob", "item": "nofile", "value": "9", "source": "/x"}, ""),
    ],
)
def test_limit_of_a_user_or_group_wins_over_that_of_all(
    catalogue: t.Any, hardened: t.Any, line: dict[str, str], held: str
) -> None:
    hardened["limits"]["entries"].insert(0, line)
    verdict, desired = planned(catalogue, hardened, "limits/core")
    assert verdict.verdict == ("fail" if held else "pass") and held in verdict.held and desired.empty()


def test_user_who_is_exempt_from_limits_is_named(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["limits"]["exempt"] = [{"domain": "bob", "source": "/x"}]
    assert "bob is exempt in /x" in planned(catalogue, hardened, "limits/core")[0].held


def test_script_that_sets_another_value_is_named(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["shell"]["TMOUT"].append({"value": "0", "source": "/etc/profile.d/zzz.sh"})
    verdict, desired = planned(catalogue, hardened, "shell/TMOUT")
    assert verdict.held.startswith("/etc/profile.d/zzz.sh overrides") and desired.empty()


def test_timeout_that_whoever_it_holds_for_can_take_back_fails(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["shell"]["readonly"] = []
    assert planned(catalogue, hardened, "shell/TMOUT")[0].verdict == "fail"


RSYSLOG = {"includes": ["/etc/rsyslog.d"], "started": 100.0, "changed": {"/etc/rsyslog.conf": 50.0}, "listen": []}


@pytest.mark.parametrize(
    ("modes", "changes", "verdict"),
    [
        ([("0640", "/etc/rsyslog.conf")], {}, "pass"),
        ([], {}, "fail"),
        ([("0640", "/etc/rsyslog.conf"), ("0644", "/etc/rsyslog.d/zz.conf")], {}, "fail"),
        ([("0640", "/etc/rsyslog.conf")], {"started": 40.0}, "fail"),
        ([("0640", "/etc/rsyslog.conf")], {"started": None}, "pass"),
    ],
)
def test_every_mode_of_new_logs_must_be_closed_and_the_daemon_know_it(
    catalogue: t.Any, hardened: t.Any, modes: list[tuple[str, str]], changes: dict[str, t.Any], verdict: str
) -> None:
    hardened["package"]["rsyslog"] = "8"
    places = [{"value": value, "source": source} for value, source in modes]
    hardened.document["sections"]["rsyslog"]["items"] = {**RSYSLOG, "FileCreateMode": places, **changes}
    made, desired = planned(catalogue, hardened, "rsyslog/FileCreateMode")
    assert made.verdict == verdict
    assert bool(desired.units_restarted) == (verdict == "fail")


@pytest.mark.parametrize(
    ("rule", "line", "value"),
    [
        ("shell/TMOUT", "readonly TMOUT=600; export TMOUT", "600"),
        ("shell/TMOUT", "declare -xr TMOUT=600", "600"),
        ("shell/TMOUT", 'readonly TMOUT="600"', "600"),
        ("shell/umask", "umask 0027", "027"),
        ("shell/umask", "umask u=rwx,g=rx,o=", "027"),
        ("shell/umask", "umask -S u=rwx,g=rx,o=", "027"),
    ],
)
def test_second_judge_takes_every_form_that_sets_the_value(
    catalogue: t.Any, hardened: t.Any, rule: str, line: str, value: str
) -> None:
    path, key = "/etc/profile.d/zz-unified.sh", rule.partition("/")[2]
    hardened["shell"][key] = [{"value": value, "source": path}]
    verdict, _desired = planned(catalogue, hardened, rule)
    (check,) = [one for one in ALL_KINDS["shell"].asserts(verdict.demand, hardened)
                if one.resource == "file" and not one.attributes["contents"][0].endswith(f"{key}\\b/")]  # fmt: skip
    assert verdict.verdict == "pass" and re.search(check.attributes["contents"][0].strip("/"), line)


def test_aide_without_a_database_fails_and_makes_one(catalogue: t.Any, hardened: t.Any) -> None:
    path = "/var/lib/aide/aide.db"
    for kind in ("absent", "unknown"):
        hardened["aide"][path] = {"size": 0, "owner": "root", "kind": kind, "configured": "", "entries": 0}
        verdict, desired = planned(catalogue, hardened, "aide/database")
        assert verdict.verdict == "fail" and desired.commands == [
            ["sh", "-c", f"umask 027 && rm -f -- {path}.new && exec aideinit --yes --force"]
        ]


def test_source_that_nobody_signed_is_held_whatever_the_option_says(catalogue: t.Any, hardened: t.Any) -> None:
    rule = "apt/APT::Get::AllowUnauthenticated"
    selection = _selection.select(
        catalogue,
        [("stig_ready", "cat_3")],
        _selection.Overlay(),
        hardened["host"],
        _selection.Filters((), (), (rule,)),
    )
    hardened["apt"]["unverified"] = ["/etc/apt/sources.list.d/x.list: trusted=yes"]
    made = _plan.plan(selection, hardened, Connection(user="ansible")).verdicts[rule]
    assert made.verdict == "fail" and made.held.startswith("/etc/apt/sources.list.d/x.list tells apt to believe")
    hardened["apt"].update(
        unverified=[], options={**hardened["apt"]["options"], "binary::apt-get::apt::get::allowunauthenticated": "1"}
    )
    made = _plan.plan(selection, hardened, Connection(user="ansible")).verdicts[rule]
    assert made.verdict == "fail" and "overrides it for one program" in made.held


@pytest.mark.parametrize("scope", ["all", "default"])
def test_host_that_has_its_route_from_advertisements_keeps_it(catalogue: t.Any, hardened: t.Any, scope: str) -> None:
    """The kernel forgets it within half an hour, and after the next boot there is none."""
    parameter = hardened["sysctl"][f"net.ipv6.conf.{scope}.accept_ra"]
    parameter["live"] = "1"
    parameter["interfaces"] = {"eth0": {"live": "1", "disk": None, "source": None, "written": None, "advertised": True}}
    made, _desired = planned(catalogue, hardened, f"sysctl/net.ipv6.conf.{scope}.accept_ra")
    assert made.verdict == "fail" and "eth0 has its IPv6 address or route from a router's advertisements" in made.held
    parameter["interfaces"]["eth0"]["advertised"] = False
    assert planned(catalogue, hardened, f"sysctl/net.ipv6.conf.{scope}.accept_ra")[0].held == ""


def test_module_that_is_in_use_stays_for_the_next_boot(catalogue: t.Any, hardened: t.Any) -> None:
    """A root on USB, a mounted overlay: what blocks the module is a host that does not come up."""
    module = hardened["kmod"]["cramfs"]
    module.update(on_disk=True, loaded=True, used=True, install=None, blacklist=False)
    verdict, desired = planned(catalogue, hardened, "kmod/cramfs")
    assert verdict.verdict == "fail" and "cramfs is in use" in verdict.held and desired.empty()
    module["used"] = False
    assert planned(catalogue, hardened, "kmod/cramfs")[0].held == ""

from __future__ import annotations

import base64
import datetime
import json
import typing as t
import zlib
from types import SimpleNamespace

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._collect.readers import READERS
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import plan as _plan
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import results as _results
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import selection as _selection
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.evidence import conform, unpack
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.base import Connection
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.registry import KINDS
from ansible_collections.unified.deploy.plugins.plugin_utils._errors import EvidenceError


def planned(
    catalogue: t.Any, evidence: t.Any, *, level: str = "l1_server", user: str = "ansible", **overlay: t.Any
) -> _plan.Plan:
    selection = _selection.select(catalogue, [("cis", level)], _selection.Overlay(**overlay), evidence["host"])
    return _plan.plan(selection, evidence, Connection(user=user))


def test_fresh_host_fails_much_and_hardened_host_nothing_automatic(
    catalogue: t.Any, fresh: t.Any, hardened: t.Any
) -> None:
    site = {"values": {"sshd/AllowGroups": {"some_of": ["sudo"]}}, "purposes": frozenset({"container_host"})}
    before, after = planned(catalogue, fresh, **site), planned(catalogue, hardened, **site)
    assert len(before.changes) > 80
    assert after.changes == []
    assert not after.desired.files and not after.desired.commands and not after.desired.packages_present


def test_every_change_that_is_there_and_mends_nothing_is_held(catalogue: t.Any, fresh: t.Any) -> None:
    """All rules: what hardening writes is on the disk, and yet nothing holds, as if something else won over all of it."""
    site = {"values": {"sshd/AllowGroups": {"some_of": ["sudo"]}}, "purposes": frozenset({"container_host"})}
    first = planned(catalogue, fresh, level="l2_server", **site)
    fresh["text"].update({path: one["content"] for path, one in first.desired.files.items()})
    again = planned(catalogue, fresh, level="l2_server", **site)
    assert again.desired.files == {} and again.desired.units_restarted == [] and again.desired.units_reloaded == []
    by_files = [rule for rule in first.changes if rule not in again.changes]
    assert len(by_files) > 40
    assert [rule for rule in by_files if again.verdicts[rule].verdict != "fail" or not again.verdicts[rule].held] == []


def test_text_that_was_not_read_costs_no_other_rule(catalogue: t.Any, hardened: t.Any) -> None:
    before = {rule: one.verdict for rule, one in planned(catalogue, hardened, level="l2_server").verdicts.items()}
    hardened.document["sections"]["text"]["left_out"] = {"/etc/cron.allow": "is not a regular file"}
    after = {rule: one.verdict for rule, one in planned(catalogue, hardened, level="l2_server").verdicts.items()}
    assert after == before


def test_plan_is_pure_and_repeatable(catalogue: t.Any, fresh: t.Any) -> None:
    kept = json.dumps(fresh.document, sort_keys=True)
    assert planned(catalogue, fresh).desired == planned(catalogue, fresh).desired
    assert json.dumps(fresh.document, sort_keys=True) == kept


def test_rule_that_waits_for_a_package_fails_and_is_planned(catalogue: t.Any, fresh: t.Any) -> None:
    plan = planned(catalogue, fresh)
    verdict = plan.verdicts["firewall/enabled"]
    assert (verdict.verdict, verdict.waits_for) == ("fail", ("firewall",))
    assert "ufw" in plan.desired.packages_present
    assert "firewall/enabled" in plan.changes


def test_rule_does_not_wait_for_a_package_that_nobody_installs(catalogue: t.Any, fresh: t.Any) -> None:
    waiver = _selection.Waiver("later", "me", datetime.date(2030, 1, 1))
    plan = planned(catalogue, fresh, waivers={"package/firewall": waiver})
    assert plan.verdicts["package/firewall"].verdict == "waived"
    verdict = plan.verdicts["firewall/enabled"]
    assert (verdict.verdict, verdict.waits_for) == ("not_applicable", ())
    assert "firewall/enabled" not in plan.changes and "ufw" not in plan.desired.packages_present


def test_stricter_value_passes_and_stays(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["settings"]["pwquality"]["minlen"]["value"] = "32"
    plan = planned(catalogue, hardened)
    assert plan.verdicts["pwquality/minlen"].verdict == "pass"
    assert "/etc/security/pwquality.conf" not in plan.desired.files


def test_drifting_neighbour_keeps_the_stricter_value(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["text"]["/etc/security/pwquality.conf"] = "minlen = 32\ndifok = 0\n"
    hardened["settings"]["pwquality"]["minlen"]["value"] = "32"
    hardened["settings"]["pwquality"]["difok"]["value"] = "0"
    text = planned(catalogue, hardened).desired.files["/etc/security/pwquality.conf"]["content"]
    assert "minlen = 32" in text and "difok = 2" in text


def rules_that_read(section: str, plan: _plan.Plan) -> list[_plan.Verdict]:
    """Verdicts of the rules that cannot be judged without a section."""
    return [v for v in plan.verdicts.values() if section in KINDS[v.demand.rule.kind].sections]


@pytest.mark.parametrize("section", sorted(READERS))
def test_no_rule_passes_over_a_section_that_cannot_be_read(catalogue: t.Any, hardened: t.Any, section: str) -> None:
    if section == "host":
        pytest.skip("a host that cannot be identified is refused as a whole")
    hardened.document["sections"][section] = {"items": None, "whole": False, "left_out": {"": "OSError: gone"}}
    read = rules_that_read(section, planned(catalogue, hardened, level="l2_server"))
    assert {v.demand.rule.id for v in read if v.verdict not in ("error", "not_applicable")} == set()
    assert all("OSError: gone" in v.actual for v in read if v.verdict == "error")


@pytest.mark.parametrize("section", sorted(READERS))
def test_no_rule_passes_over_a_section_that_is_not_whole(catalogue: t.Any, hardened: t.Any, section: str) -> None:
    passing = {
        v.demand.rule.id
        for v in rules_that_read(section, planned(catalogue, hardened, level="l2_server"))
        if v.verdict == "pass"
    }
    hardened.document["sections"][section]["left_out"] = {"": "cut at 500"}
    after = planned(catalogue, hardened, level="l2_server").verdicts
    assert {after[identifier].verdict for identifier in passing} <= {"error"}
    assert all("cut at 500" in after[identifier].actual for identifier in passing)


def test_evidence_of_an_older_catalogue_is_not_checked(catalogue: t.Any, hardened: t.Any) -> None:
    del hardened["sysctl"]["fs.suid_dumpable"]
    assert planned(catalogue, hardened).verdicts["sysctl/fs.suid_dumpable"].verdict == "not_checked"


def test_walk_that_was_not_made_is_not_checked(catalogue: t.Any, hardened: t.Any) -> None:
    del hardened.document["sections"]["scan"]
    assert planned(catalogue, hardened).verdicts["scan/world_writable_files"].verdict == "not_checked"


def test_waiver_covers_a_failure_and_attestation_answers(catalogue: t.Any, fresh: t.Any) -> None:
    waiver = _selection.Waiver("later", "me", datetime.date(2030, 1, 1))
    answer = _selection.Attestation("pass", "me", datetime.date(2030, 1, 1))
    plan = planned(catalogue, fresh, waivers={"sshd/Banner": waiver}, attestations={"cis_debian13:1.2.2.1": answer})
    assert plan.verdicts["sshd/Banner"].verdict == "waived"
    assert "sshd/Banner" not in plan.changes
    assert plan.verdicts["manual/updates"].verdict == "attested"


def test_attested_failure_fails_and_is_not_changed(catalogue: t.Any, fresh: t.Any) -> None:
    answer = _selection.Attestation("fail", "me", datetime.date(2030, 1, 1))
    plan = planned(catalogue, fresh, attestations={"cis_debian13:1.2.2.1": answer})
    assert plan.verdicts["manual/updates"].verdict == "fail"
    assert plan.verdicts["manual/updates"].held


def test_root_connection_keeps_root_login(catalogue: t.Any, fresh: t.Any) -> None:
    plan = planned(catalogue, fresh, user="root")
    assert "lock itself out" in plan.verdicts["sshd/PermitRootLogin"].held
    assert "sshd/PermitRootLogin" not in plan.changes


def test_allow_groups_without_the_connecting_user_is_held(catalogue: t.Any, fresh: t.Any) -> None:
    plan = planned(catalogue, fresh, values={"sshd/AllowGroups": {"some_of": ["wheel"]}})
    assert "ansible is in none of the groups wheel" in plan.verdicts["sshd/AllowGroups"].held


AGED = {"values": {"account/password_max_days": {"ge": 1, "le": 365, "set": 365}}}


@pytest.mark.parametrize("name", ["ansible", "other"])
def test_password_age_that_would_end_anybodys_logins_within_a_month_is_held_with_the_date(
    catalogue: t.Any, fresh: t.Any, name: str
) -> None:
    users = fresh["account"]["users"]
    admin = next(user for user in users if user["name"] == "ansible")
    if name == "other":
        users.append({**admin, "name": "other"})
    today = (fresh.collected.date() - datetime.date(1970, 1, 1)).days
    users[-1 if name == "other" else users.index(admin)]["last_change"] = today - 365 + 29
    held = planned(catalogue, fresh, **AGED).verdicts["account/password_max_days"].held
    assert f"would lock or expire {name} on {fresh.collected.date() + datetime.timedelta(29)}" in held
    users[-1 if name == "other" else users.index(admin)]["last_change"] = today - 365 + 31
    assert planned(catalogue, fresh, **AGED).verdicts["account/password_max_days"].held == ""


def test_who_logs_in_by_key_is_aged_only_if_the_overlay_says_so(catalogue: t.Any, fresh: t.Any) -> None:
    plan = planned(catalogue, fresh)
    for rule in ("account/password_max_days", "account/inactive_days"):
        assert "ansible can log in by key, and would be shut out" in plan.verdicts[rule].held
    assert "account/password_max_days" in planned(catalogue, fresh, **AGED).changes
    fresh["sshd"]["key_holders"] = []
    assert "account/password_max_days" in planned(catalogue, fresh).changes


def test_system_account_with_keys_keeps_its_shell(catalogue: t.Any, fresh: t.Any) -> None:
    user = next(user for user in fresh["account"]["users"] if user["name"] == "backup")
    user.update(login=True, shell="/bin/sh")
    assert "account/system_shells" in planned(catalogue, fresh).changes
    fresh["sshd"]["key_holders"].append("backup")
    assert "it would close backup, who can log in" in planned(catalogue, fresh).verdicts["account/system_shells"].held


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 99}, "schema version 99, this collection reads 2"),
        ({"complete": False}, "truncated"),
    ],
)
def test_unusable_evidence_is_refused(fresh: t.Any, change: t.Any, message: str) -> None:
    with pytest.raises(EvidenceError, match=message):
        conform({**fresh.document, **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "s390x"}, "architecture 's390x' is not supported"),
        ({"uid": 1000}, "without root rights"),
        ({"name": {}}, "host.name must be text, not a mapping"),
    ],
)
def test_evidence_of_an_unsupported_host_is_refused(fresh: t.Any, change: t.Any, message: str) -> None:
    fresh["host"].update(change)
    with pytest.raises(EvidenceError, match=message):
        conform(fresh.document)


def test_cut_off_evidence_is_refused(fresh: t.Any) -> None:
    packed = base64.b64encode(zlib.compress(json.dumps(fresh.document).encode())).decode()
    assert unpack(packed)["schema"] == 2
    for damaged in (
        packed[: len(packed) // 2],
        packed[:-8],
        "",
        "e30=",
        base64.b64encode(zlib.compress(b"{}")).decode(),
    ):
        with pytest.raises(EvidenceError):
            unpack(damaged)


def test_disagreement_of_the_judges_is_an_error(catalogue: t.Any, hardened: t.Any) -> None:
    selection = _selection.select(catalogue, [("cis", "l1_server")], _selection.Overlay(), hardened["host"])
    plan = _plan.plan(selection, hardened, Connection())
    model = _results.host_model("h", catalogue, selection, plan, hardened)
    passing = [name for name, rule in model["rules"].items() if rule["verdict"] == "pass"]
    failing = {name: ["x"] for name, rule in model["rules"].items() if rule["verdict"] in ("fail", "waived")}
    failing[passing[0]] = ["found 'other'"]
    _results.add_goss(model, {"passed": passing[2:], "failing": failing, "count": 1, "seconds": 0.1})
    _results.summarise(model)
    assert model["rules"][passing[0]]["verdict"] == "error"
    assert "judges disagree" in model["rules"][passing[0]]["actual"]
    assert model["rules"][passing[1]]["verdict"] == "error", "no result is no pass"
    assert model["rules"][passing[2]]["verdict"] == "pass"
    assert model["summary"]["controls"]["error"] >= 1


def test_purpose_that_does_not_fit_makes_a_rule_not_applicable(catalogue: t.Any, fresh: t.Any) -> None:
    plan = planned(catalogue, fresh, purposes=frozenset({"router"}))
    assert plan.verdicts["sysctl/net.ipv4.conf.all.forwarding"].verdict == "not_applicable"


def test_weak_algorithms_are_taken_from_sshds_own_list(catalogue: t.Any, fresh: t.Any) -> None:
    """What is left of an all-weak list would lock out clients: found by the test on real hosts."""
    fresh["sshd"]["effective"]["kexalgorithms"] = "diffie-hellman-group14-sha1"
    text = planned(catalogue, fresh).desired.files["/etc/ssh/sshd_config.d/00-unified.conf"]["content"]
    assert "\nKexAlgorithms -diffie-hellman-group1-sha1,diffie-hellman-group14-sha1," in text


def test_umask_in_roots_own_file_is_named_and_left_to_people(catalogue: t.Any, fresh: t.Any) -> None:
    fresh["root_shell"]["umask_set_in"] = ["/root/.bashrc"]
    plan = planned(catalogue, fresh)
    assert "root's own /root/.bashrc sets it" in plan.verdicts["root_shell/umask"].held
    assert not [path for path in plan.desired.files if path.startswith("/root/")]


def test_evidence_holds_no_text_of_a_private_file(fresh: t.Any) -> None:
    assert not [path for path in fresh["text"] if path.startswith(("/root/", "/home/"))]


def test_missing_package_list_is_an_error_for_every_rule_that_depends_on_it(catalogue: t.Any, hardened: t.Any) -> None:
    hardened.document["sections"]["package"] = {"items": None, "whole": False, "left_out": {"": "OSError: gone"}}
    verdicts = planned(catalogue, hardened).verdicts
    dependent = {
        name for name, v in verdicts.items() if v.demand.rule.kind == "package" or "package" in v.demand.rule.when
    }
    assert {verdicts[name].verdict for name in dependent} == {"error"}
    assert verdicts["sshd/Banner"].actual == "OSError: gone"


ANSIBLE = Connection(user="ansible")
SITE: dict[str, t.Any] = {
    "values": {"sshd/AllowGroups": {"some_of": ["sudo"]}, **AGED["values"]},
    "purposes": frozenset({"container_host"}),
}


def test_changes_are_split_by_what_can_shut_people_out_and_nothing_is_lost(catalogue: t.Any, fresh: t.Any) -> None:
    plan = planned(catalogue, fresh, level="l2_server", **SITE)
    parts = _plan.batches(plan, fresh, ANSIBLE)
    assert [part.name for part in parts] == ["sshd", "pam", "accounts", "network", "mounts", "settings"]
    waiting = {name for name in plan.changes if plan.verdicts[name].waits_for}
    assert sorted(name for part in parts for name in part.rules) == sorted(set(plan.changes) - waiting)
    paths = [path for part in parts for path in part.desired.files]
    assert sorted(paths) == sorted(plan.desired.files), "each file is in one batch"
    assert {kind for kind in (plan.verdicts[name].demand.rule.kind for name in parts[0].rules)} == {"sshd"}
    assert [[login["user"] for login in part.logins] for part in parts] == [["ansible"], [], [], [], [], []]
    risky = {name for name in plan.changes if plan.verdicts[name].demand.rule.risk == "lockout"}
    assert risky & set(parts[-1].rules) == {"package/pwquality"}, "packages come before all batches"


def test_batch_that_shares_files_with_two_others_joins_both(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"sshd": ["/a"], "pam": ["/b"], "firewall": ["/c"], "sysctl": ["/a", "/b"]}
    rules = [SimpleNamespace(kind=kind, id=kind, risk="lockout") for kind in files]
    verdicts = {rule.id: SimpleNamespace(demand=SimpleNamespace(rule=rule), waits_for=()) for rule in rules}
    made = SimpleNamespace(verdicts=verdicts, changes=list(verdicts))

    def fake_batch(name: str, identifiers: list[str], *_of: object) -> _plan.Batch:
        desired = _plan.Desired(files={path: {} for one in identifiers for path in files[one]})
        return _plan.Batch(name, identifiers, desired)

    monkeypatch.setattr(_plan, "_batch", fake_batch)
    monkeypatch.setattr(_plan, "logins", lambda *_of: [])
    monkeypatch.setattr(_plan, "_read_again", lambda *_of: None)
    parts = _plan.batches(t.cast("_plan.Plan", made), t.cast("t.Any", {}), ANSIBLE)
    assert [(part.name, part.rules) for part in parts] == [
        ("sshd", ["sshd", "pam", "sysctl"]),
        ("firewall", ["firewall"]),
    ]


def test_kind_of_which_nothing_risky_changes_is_with_the_others(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["sysctl"]["kernel.dmesg_restrict"]["live"] = "0"
    parts = _plan.batches(planned(catalogue, hardened, **SITE), hardened, ANSIBLE)
    assert [(part.name, part.rules) for part in parts] == [("settings", ["sysctl/kernel.dmesg_restrict"])]


def test_network_settings_are_a_batch_of_their_own(catalogue: t.Any, hardened: t.Any) -> None:
    """Whichever of them changes: a new login keeps it, and what is live then is what the next boot sets."""
    for key in ("kernel.dmesg_restrict", "net.ipv4.conf.all.send_redirects"):
        hardened["sysctl"][key]["live"] = "1" if key.startswith("net") else "0"
    hardened["file"]["/etc/crontab"]["/etc/crontab"]["mode"] = "0644"
    parts = _plan.batches(planned(catalogue, hardened, **SITE), hardened, ANSIBLE)
    assert [part.name for part in parts] == ["network", "settings"]
    assert "sysctl/net.ipv4.conf.all.send_redirects" in parts[0].rules and parts[1].rules == ["file//etc/crontab"]
    unmarked = [
        rule.id
        for rule in catalogue.rules.values()
        if rule.kind == "sysctl" and rule.key.startswith("net.") and rule.risk not in ("lockout", "boot")
    ]
    assert unmarked == []


def test_without_a_login_what_can_lock_people_out_is_held_with_the_reason(catalogue: t.Any, fresh: t.Any) -> None:
    selection = _selection.select(catalogue, [("cis", "l2_server")], _selection.Overlay(**SITE), fresh["host"])
    plan = _plan.plan(selection, fresh, Connection(user="", proves=False))
    risky = [v for v in plan.verdicts.values() if v.demand.rule.risk == "lockout" and v.verdict == "fail"]
    assert len(risky) > 20 and {v.held for v in risky if v.demand.rule.remediate == "automatic"} == {_plan.NO_LOGIN}
    assert not set(plan.changes) & {v.demand.rule.id for v in risky}
    assert [part.name for part in _plan.batches(plan, fresh, ANSIBLE)] == ["network", "mounts", "settings"]

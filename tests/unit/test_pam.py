"""Kind pam: libpam's dispatch, stacks as they are resolved, and both tools that write them."""

from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._collect import account as _account
from ansible_collections.unified.deploy.plugins.module_utils._collect import pam as _pam
from ansible_collections.unified.deploy.plugins.module_utils._collect.command import Command
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import pam_stack
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.base import Connection
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.pam import bypass
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.pam_tools import PamAuthUpdate

from tests.unit.access import checks, planned

# What authselect 1.5 makes of its profile "local" with these features (authselect-profiles(5), its templates).
AUTHSELECT = """auth required pam_env.so
auth required pam_faildelay.so delay=2000000
auth required pam_faillock.so preauth silent
auth sufficient pam_unix.so
auth required pam_faillock.so authfail
auth required pam_deny.so
account required pam_faillock.so
account required pam_unix.so
password requisite pam_pwquality.so local_users_only
password requisite pam_pwhistory.so use_authtok
password sufficient pam_unix.so yescrypt shadow use_authtok
password required pam_deny.so
session optional pam_keyinit.so revoke
session required pam_limits.so
session required pam_unix.so
"""


def stack(text: str, **facts: t.Any) -> list[dict[str, t.Any]]:
    """Lines of one file, as the reader has them."""
    lines = []
    for line in text.splitlines():
        kind, rest = line.split(None, 1)
        control, rest = rest.split("] ", 1) if rest.startswith("[") else rest.split(None, 1)
        module, *arguments = rest.split()
        control = f"{control}]" if control.startswith("[") else control
        lines.append({"type": kind, "control": control, "module": module, "args": arguments, "source": "/etc/pam.d/x",
                      "level": 0, "installed": True, "optional": False, **facts})  # fmt: skip
    return lines


@pytest.mark.parametrize(
    ("service", "text", "verdict"),
    [
        ("sudo", "auth required pam_permit.so", "fail"),
        ("other", "auth required pam_warn.so\nauth sufficient pam_permit.so", "fail"),
        ("sudo", "auth required pam_u2f.so", "pass"),
        ("other", "auth required pam_warn.so\nauth required pam_deny.so", "pass"),
        ("gdm-launch-environment", "auth required pam_permit.so", "pass"),
    ],
)
def test_door_that_asks_nothing_is_open(
    catalogue: t.Any, hardened: t.Any, service: str, text: str, verdict: str
) -> None:
    hardened["pam"][service] = stack(text, source=f"/etc/pam.d/{service}")
    made = planned(catalogue, hardened).verdicts["pam/pam_unix"]
    assert made.verdict == verdict and (verdict == "pass" or f"/etc/pam.d/{service} is the site's own" in made.held)


def test_sufficient_module_that_authenticates_nobody_opens_the_door(catalogue: t.Any, hardened: t.Any) -> None:
    own_line(hardened, "sshd", "auth sufficient pam_succeed_if.so uid >= 1000")
    verdict = planned(catalogue, hardened).verdicts["pam/pam_unix"]
    assert verdict.verdict == "fail" and "sshd (auth): lets in whom no module has accepted" in verdict.actual
    assert verdict.held == "/etc/pam.d/sshd is the site's own: mend it there"


def test_root_is_told_from_others_by_the_callers_number_only(catalogue: t.Any, hardened: t.Any) -> None:
    own_line(hardened, "chsh", "auth sufficient pam_rootok.so")
    assert planned(catalogue, hardened).verdicts["pam/pam_unix"].verdict == "pass"
    own_line(hardened, "sudo", "auth sufficient pam_rootok.so")
    assert "sudo (auth): lets in" in planned(catalogue, hardened).verdicts["pam/pam_unix"].actual


def _for_everybody(evidence: t.Any, service: str) -> None:
    evidence["sshd"]["effective"]["pamservicename"] = service


def _in_a_match_block(evidence: t.Any, service: str) -> None:
    case = {"criteria": "User bob", "source": "/etc/ssh/sshd_config", "line": 9, "connection": None}
    evidence["sshd"]["cases"].append({**case, "differs": {"pamservicename": service}})


def _of_sudo(evidence: t.Any, service: str) -> None:
    entry = {"scope": "user", "for": ["bob"], "name": "pam_service", "value": service, "source": "/etc/sudoers"}
    evidence["sudo"]["defaults"].append(entry)


@pytest.mark.parametrize("name", [_for_everybody, _in_a_match_block, _of_sudo])
def test_service_that_sshd_or_sudo_asks_by_another_name_is_a_door(
    catalogue: t.Any, hardened: t.Any, name: t.Callable[[t.Any, str], None]
) -> None:
    hardened["pam"]["site"] = stack("auth required pam_permit.so", source="/etc/pam.d/site")
    assert planned(catalogue, hardened).verdicts["pam/pam_unix"].verdict == "pass"
    name(hardened, "Site")
    verdict = planned(catalogue, hardened).verdicts["pam/pam_unix"]
    assert "site (auth): lets in everybody" in verdict.actual and "/etc/pam.d/site" in verdict.held
    name(hardened, "../tmp/site")
    assert "nobody looked at it" in planned(catalogue, hardened).verdicts["pam/pam_unix"].actual


def test_doors_that_are_not_known_are_an_error(catalogue: t.Any, hardened: t.Any) -> None:
    hardened.document["sections"]["sshd"]["left_out"]["Match Exec x"] = "cannot be asked"
    assert planned(catalogue, hardened).verdicts["pam/pam_unix"].verdict == "error"
    hardened.document["sections"]["sshd"].update(items=None, left_out={"": "sshd -T failed"})
    verdicts = planned(catalogue, hardened).verdicts
    assert verdicts["pam/pam_unix"].verdict == "error" and "sshd -T failed" in verdicts["pam/pam_unix"].actual
    assert verdicts["pam/pam_unix.nullok"].verdict == "pass"


def test_login_shells_of_su_need_the_group_too(catalogue: t.Any, hardened: t.Any) -> None:
    assert planned(catalogue, hardened).verdicts["pam/pam_wheel"].verdict == "pass"
    own = stack("auth sufficient pam_rootok.so\nauth required pam_unix.so", source="/etc/pam.d/su-l")
    hardened["pam"]["su-l"] = own
    verdict = planned(catalogue, hardened).verdicts["pam/pam_wheel"]
    assert verdict.verdict == "fail" and "/etc/pam.d/su-l is the site's own" in verdict.held


def test_group_of_su_is_asked_for_once_where_another_name_includes_it(catalogue: t.Any, hardened: t.Any) -> None:
    for service in ("su", "su-l"):
        hardened["pam"][service] = [one for one in hardened["pam"][service] if one["module"] != "pam_wheel.so"]
    text = hardened["text"]["/etc/pam.d/su"]
    # What is not taken from the file it would be written to would come again at every run.
    assert planned(catalogue, hardened).verdicts["pam/pam_wheel"].held
    hardened["text"]["/etc/pam.d/su"] = "".join(one for one in text.splitlines(True) if "pam_wheel" not in one)
    plan = planned(catalogue, hardened)
    assert plan.verdicts["pam/pam_wheel"].held == "" and "/etc/pam.d/su" in plan.desired.files


@pytest.mark.parametrize(
    ("text", "open_door"),
    [
        ("auth required pam_unix.so", False),
        ("auth [success=1 default=ignore] pam_unix.so\nauth requisite pam_deny.so\nauth required pam_permit.so", False),
        ("auth [success=1 default=ignore] pam_unix.so\nauth required pam_permit.so", True),
        ("auth sufficient pam_permit.so\nauth required pam_unix.so", True),
        ("auth optional pam_unix.so\nauth required pam_permit.so", True),
        ("auth required pam_env.so\nauth sufficient pam_unix.so\nauth required pam_deny.so", False),
        ("auth required pam_env.so\nauth sufficient pam_unix.so", True),
        ("auth sufficient pam_unix.so\nauth sufficient pam_sss.so\nauth required pam_deny.so", False),
        ("auth sufficient pam_succeed_if.so uid >= 1000\nauth required pam_unix.so", True),
        ("auth sufficient pam_exec.so /bin/true\nauth required pam_unix.so", True),
        ("auth sufficient pam_listfile.so item=user sense=allow file=/etc/x\nauth required pam_unix.so", True),
        ("auth sufficient pam_rootok.so\nauth required pam_unix.so", True),
        (
            "auth [success=1 default=ignore] pam_access.so\nauth requisite pam_unix.so\nauth required pam_permit.so",
            True,
        ),
        ("auth [default=1 success=ok] pam_localuser.so\nauth sufficient pam_unix.so\nauth required pam_deny.so", False),
        ("auth required pam_succeed_if.so user != root\nauth required pam_unix.so", False),
        ("auth sufficient pam_u2f.so\nauth required pam_unix.so", False),
    ],
)
def test_stack_that_lets_everybody_in_is_seen(text: str, open_door: bool) -> None:
    assert pam_stack.opens_to_all(stack(text)) is open_door


COUNTED = (
    "auth requisite pam_faillock.so preauth\n"
    "auth [success=2 default=ignore] pam_unix.so\n"
    "auth [default=die] pam_faillock.so authfail\n"
    "auth requisite pam_deny.so\n"
    "auth required pam_permit.so"
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (COUNTED, ""),
        (COUNTED.replace("requisite pam_faillock", "required pam_faillock"), ""),
        (COUNTED.replace("requisite pam_faillock", "optional pam_faillock"), "lets in without"),
        (COUNTED.replace("[default=die]", "optional"), ""),
        (COUNTED.replace("auth [default=die] pam_faillock.so authfail\n", ""), "does not count"),
        (COUNTED.replace("[success=2 default=ignore]", "[success=2 default=die]"), "does not count"),
        (f"auth sufficient pam_unix.so nullok\n{COUNTED}", "lets in without"),
        (
            COUNTED.replace("authfail", "authfail dir=/run/x"),
            "elsewhere than it counts them: its default and dir=/run/x",
        ),
        (COUNTED.replace("authfail", "authfail conf=/x").replace("preauth", "preauth conf=/x"), ""),
        (f"auth [success=1 default=ignore] pam_unix.so\n{COUNTED}", "lets in without"),
    ],
)
def test_faillock_is_judged_by_what_its_control_does(text: str, says: str) -> None:
    how = bypass("pam_faillock.so", "auth", stack(text), only_root=False)
    assert (says in how) if says else how == ""


@pytest.mark.parametrize(
    ("control", "passes"), [("requisite", True), ("required", True), ("optional", False), ("sufficient", False), ("[success=1 default=ignore]", False)],
)  # fmt: skip
def test_quality_check_is_judged_by_its_control(control: str, passes: bool) -> None:
    lines = stack(
        f"password {control} pam_pwquality.so\npassword sufficient pam_unix.so use_authtok\npassword required pam_deny.so"
    )
    assert (bypass("pam_pwquality.so", "password", lines, only_root=False) == "") is passes


def test_module_that_is_missing_refuses_unless_its_line_may_be_passed_over() -> None:
    text = "password required pam_pwquality.so\npassword required pam_unix.so"
    required = stack(text)
    required[0]["installed"] = False
    assert bypass("pam_pwquality.so", "password", required, only_root=False) == ""
    required[0]["optional"] = True
    assert "lets in without" in bypass("pam_pwquality.so", "password", required, only_root=False)


def test_success_in_a_substack_does_not_end_the_stack() -> None:
    lines = [
        *stack("auth substack inner"),
        *stack("auth sufficient pam_unix.so", level=1),
        *stack("auth required pam_wheel.so use_uid"),
    ]
    assert bypass("pam_wheel.so", "auth", lines, only_root=True) == ""
    lines[1]["level"] = 0
    assert "lets in" in bypass("pam_wheel.so", "auth", lines, only_root=True)


def test_reader_resolves_includes_substacks_continuations_and_comments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_pam, "DIRECTORIES", (str(tmp_path / "etc"), str(tmp_path / "vendor")))
    for directory in ("etc", "vendor"):
        (tmp_path / directory).mkdir()
    (tmp_path / "etc/sshd").write_text("@include common\nAuth  include other\nauth substack other # c\n#auth x y\n")
    (tmp_path / "etc/common").write_text(
        "auth\t[success=1 default=ignore]\t/lib/security/pam_unix.so [nullok] \\\n  try_first_pass\n"
    )
    (tmp_path / "etc/other").write_text("-auth optional pam_x.so [a [b\\]] c\naccount required pam_y.so\n")
    (tmp_path / "vendor/sshd").write_text("auth required pam_hidden.so\n")
    (tmp_path / "vendor/only").write_text("auth required pam_z.so\n")
    section = _pam.Stacks().read()
    assert [
        (line["control"], line["module"], line["args"], line["level"], line["optional"])
        for line in section.items["sshd"]
    ] == [
        ("[success=1 default=ignore]", "pam_unix.so", ["nullok", "try_first_pass"], 0, False),
        ("optional", "pam_x.so", ["a [b]", "c"], 0, True),
        ("substack", "other", [], 0, False),
        ("optional", "pam_x.so", ["a [b]", "c"], 1, True),
    ]
    assert "only" in section.items and section.whole


def test_circle_of_includes_costs_that_service_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pam, "DIRECTORIES", (str(tmp_path),))
    (tmp_path / "a").write_text("@include a\n")
    (tmp_path / "b").write_text("auth required pam_unix.so\n")
    section = _pam.Stacks().read()
    assert list(section.items) == ["b"] and "more than" in section.left_out["a"]


def own_line(evidence: t.Any, service: str, text: str) -> None:
    evidence["pam"][service][:0] = stack(text, source=f"/etc/pam.d/{service}")


def test_line_of_a_service_before_the_common_stack_fails_and_is_held(catalogue: t.Any, hardened: t.Any) -> None:
    own_line(hardened, "sshd", "auth sufficient pam_unix.so nullok")
    verdicts = planned(catalogue, hardened).verdicts
    assert "/etc/pam.d/sshd: nullok" in verdicts["pam/pam_unix.nullok"].actual
    assert "sshd (auth): lets in without pam_faillock.so" in verdicts["pam/pam_faillock"].actual
    for rule in ("pam/pam_unix.nullok", "pam/pam_faillock"):
        assert "/etc/pam.d/sshd is the site's own" in verdicts[rule].held


def test_trusted_members_are_no_restriction_of_su(catalogue: t.Any, hardened: t.Any) -> None:
    own_line(hardened, "su", "auth sufficient pam_wheel.so trust use_uid group=sudo")
    verdict = planned(catalogue, hardened).verdicts["pam/pam_wheel"]
    assert verdict.verdict == "fail" and "/etc/pam.d/su: trust" in verdict.actual
    assert "is the site's own" in verdict.held


def of_group(evidence: t.Any, name: str, *users: str) -> None:
    """Who is in a group, be it as the first of their groups only."""
    groups = evidence["account"]["groups"]
    groups[:] = [one for one in groups if one["name"] != name]
    groups.append({"name": name, "gid": 4711, "members": [], "users": list(users)})


def test_group_of_su_with_members_fails(catalogue: t.Any, hardened: t.Any) -> None:
    of_group(hardened, "unified-su", "bob")
    assert "has the members bob" in planned(catalogue, hardened).verdicts["pam/pam_wheel"].actual
    of_group(hardened, "unified-su")
    hardened.document["sections"]["account"]["left_out"]["getent group"] = "took longer than 10 s"
    assert planned(catalogue, hardened).verdicts["pam/pam_wheel"].verdict == "error"


def test_condition_on_a_group_opens_the_door_to_its_members_only(catalogue: t.Any, hardened: t.Any) -> None:
    """Desktops let members of a group in without a password, which has none until somebody is put into it."""
    hardened["pam"]["lightdm"] = [*hardened["pam"]["sshd"]]
    own_line(hardened, "lightdm", "auth sufficient pam_succeed_if.so user ingroup nopasswdlogin")
    assert planned(catalogue, hardened).verdicts["pam/pam_unix"].verdict == "pass"
    hardened.document["sections"]["account"]["left_out"]["getent group"] = "took longer than 10 s"
    assert planned(catalogue, hardened).verdicts["pam/pam_unix"].verdict == "error"
    hardened["pam"]["lightdm"].pop(0)
    assert planned(catalogue, hardened).verdicts["pam/pam_unix"].verdict == "pass", "no group is asked for"
    own_line(hardened, "lightdm", "auth sufficient pam_succeed_if.so user ingroup nopasswdlogin")
    of_group(hardened, "nopasswdlogin", "bob")
    verdict = planned(catalogue, hardened).verdicts["pam/pam_unix"]
    assert (
        "lightdm (auth): lets in whom no module has accepted" in verdict.actual and "/etc/pam.d/lightdm" in verdict.held
    )


@pytest.mark.parametrize(
    ("arguments", "nobody"),
    [
        ("user ingroup none", True),
        ("user ingroup none:some", False),
        ("uid >= 1000 user ingroup none quiet", True),
        ("user notingroup none", False),
        ("user ingroup", False),
    ],
)
def test_condition_that_nobody_meets_is_told(arguments: str, nobody: bool) -> None:
    (line,) = stack(f"auth sufficient pam_succeed_if.so {arguments}")
    assert pam_stack.unmet(line, {"none": [], "some": ["bob"]}) is nobody


JUMP = "session [success=1 default=ignore] pam_permit.so"


@pytest.mark.parametrize(
    ("before", "after", "avoided"),
    [("", "", False), (JUMP, "", True), ("", JUMP, False), ("session sufficient pam_permit.so", "", True)],
)
def test_limits_and_umask_that_a_session_can_pass_by_fail(
    catalogue: t.Any, hardened: t.Any, before: str, after: str, avoided: bool
) -> None:
    lines = [before, "session required pam_limits.so", "session optional pam_umask.so umask=077 nousergroups", after]
    text = "\n".join(line for line in lines if line)
    hardened["pam"]["su"] = stack(text, source="/etc/pam.d/su")
    limits, umask = (planned(catalogue, hardened).verdicts[rule] for rule in ("limits/core", "pam/pam_umask"))
    assert (limits.verdict == "fail") is avoided
    assert not avoided or (
        "/etc/pam.d/su (session can pass by pam_limits.so)" in limits.actual and "/etc/pam.d/su" in limits.held
    )
    assert ("su (session): can pass by pam_umask.so" in umask.actual) is (before == "session sufficient pam_permit.so")


def test_su_as_become_method_is_kept(catalogue: t.Any, fresh: t.Any) -> None:
    plan = planned(catalogue, fresh, Connection(user="ansible", become_method="su"))
    assert "becomes root by su" in plan.verdicts["pam/pam_wheel"].held
    assert "/etc/pam.d/su" not in plan.desired.files


def test_stack_that_was_edited_by_hand_is_held_by_its_line(catalogue: t.Any, hardened: t.Any) -> None:
    path = "/etc/pam.d/common-auth"
    hardened["text"][path] = hardened["text"][path].replace("requisite\tpam_faillock", "optional\tpam_faillock")
    hardened["text"][path] = hardened["text"][path].replace("requisite    pam_faillock", "optional    pam_faillock")
    assert "optional" in PamAuthUpdate.by_hand("auth", "common-auth", hardened)
    for line in hardened["pam"]["common-auth"]:
        if "preauth" in line["args"]:
            line["control"] = "optional"
    verdict = planned(catalogue, hardened).verdicts["pam/pam_faillock"]
    assert verdict.verdict == "fail" and "edited by hand" in verdict.held


def test_option_that_was_taken_away_by_hand_is_held_too(catalogue: t.Any, hardened: t.Any) -> None:
    """pam-auth-update keeps such edits for ever, and says that it succeeded."""
    path = "/etc/pam.d/common-password"
    lines = hardened["text"][path].splitlines(True)
    hardened["text"][path] = "".join(line.replace(" use_authtok", "") if "pam_unix" in line else line for line in lines)
    next(line for line in hardened["pam"]["common-password"] if line["module"] == "pam_unix.so")["args"].remove(
        "use_authtok"
    )
    plan = planned(catalogue, hardened)
    assert "edited by hand" in plan.verdicts["pam/pam_unix.use_authtok"].held
    assert not [command for command in plan.desired.commands if command[0] == "pam-auth-update"]


def test_stacks_as_the_tool_made_them_are_not_by_hand(fresh: t.Any, hardened: t.Any) -> None:
    for evidence in (fresh, hardened):
        for kind, stacks in PamAuthUpdate.base.items():
            assert [PamAuthUpdate.by_hand(kind, name, evidence) for name in stacks] == [""] * len(stacks)


def umask_line(*arguments: str, source: str) -> dict[str, t.Any]:
    return stack(f"session optional pam_umask.so {' '.join(arguments)}", source=source)[0]


def test_sessions_without_a_login_shell_get_the_umask_from_pam(catalogue: t.Any, fresh: t.Any, hardened: t.Any) -> None:
    plan = planned(catalogue, fresh)
    assert plan.verdicts["pam/pam_umask"].verdict == "fail"
    assert "umask=027 nousergroups" in plan.desired.files["/usr/share/pam-configs/unified_umask"]["content"]
    assert ["pam-auth-update", "--enable", "unified_umask"] in plan.desired.commands
    assert planned(catalogue, hardened).verdicts["pam/pam_umask"].verdict == "pass"


@pytest.mark.parametrize(
    ("arguments", "verdict"),
    [
        (("umask=077", "nousergroups"), "pass"),
        (("umask=027",), "fail"),  # the group's bits come back
        (("umask=022", "nousergroups"), "fail"),
        ((), "fail"),
    ],
)
def test_last_line_of_the_umask_decides(
    catalogue: t.Any, hardened: t.Any, arguments: tuple[str, ...], verdict: str
) -> None:
    source = "/etc/pam.d/common-session-noninteractive"
    hardened["pam"]["common-session-noninteractive"].append(umask_line(*arguments, source=source))
    plan = planned(catalogue, hardened)
    assert plan.verdicts["pam/pam_umask"].verdict == verdict
    counted = [check for check in checks(plan, hardened, "pam/pam_umask") if check.resource == "matching"]
    assert (counted[0].attributes["content"] == '"0"') == (verdict == "pass")


@pytest.mark.parametrize(("mask", "verdict"), [("0000", "fail"), ("022", "fail"), ("0077", "pass"), ("027", "pass")])
def test_umask_in_the_comment_field_of_an_account_wins(
    catalogue: t.Any, hardened: t.Any, monkeypatch: pytest.MonkeyPatch, mask: str, verdict: str
) -> None:
    files = {"/etc/passwd": f"bob:x:1000:1000:Bob,,,,umask={mask}:/home/bob:/bin/bash\neve:x:1:1:umask:/:/bin/sh\n"}
    monkeypatch.setattr(_account, "read", lambda path: files.get(path, ""))
    monkeypatch.setattr(_account, "Command", lambda *words, **_options: Command("true"))
    section = _account.Accounts().read()
    assert section.items["umasks"] == {"bob": mask}
    hardened["account"]["umasks"] = section.items["umasks"]
    plan = planned(catalogue, hardened)
    assert plan.verdicts["pam/pam_umask"].verdict == verdict
    if verdict == "fail":
        assert plan.verdicts["pam/pam_umask"].held == "/etc/passwd is the site's own: mend it there"
    counted = [check for check in checks(plan, hardened, "pam/pam_umask") if check.resource == "matching"]
    assert (counted[0].attributes["content"] == '"0"') == (verdict == "pass")


def test_service_with_a_umask_of_its_own_is_the_sites(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["pam"]["cron"].append(umask_line("umask=002", source="/etc/pam.d/cron"))
    verdict = planned(catalogue, hardened).verdicts["pam/pam_umask"]
    assert verdict.verdict == "fail" and verdict.held == "/etc/pam.d/cron is the site's own: mend it there"


def authselect(evidence: t.Any, text: str = AUTHSELECT, profile: str = "local") -> t.Any:
    """The evidence of a host whose stacks authselect(8) wrote."""
    evidence.platform = dataclasses.replace(evidence.platform, tools={**evidence.platform.tools, "pam": "authselect"})
    for name in ("system-auth", "password-auth"):
        evidence["pam"][name] = stack(text, source=f"/etc/pam.d/{name}")
    common = [name for name in evidence["pam"] if name.startswith("common-")]
    for name in common:
        del evidence["pam"][name]
    for service in evidence["pam"]:
        own = [line for line in evidence["pam"][service] if line["source"] == f"/etc/pam.d/{service}"]
        common = stack(text, source="/etc/pam.d/system-auth")
        evidence["pam"][service] = common if service.endswith("-auth") else [*own, *common]
    evidence["authselect"].update(profile=profile, features=["with-faillock", "with-pwhistory"])
    return evidence


def test_authselects_stacks_pass(catalogue: t.Any, hardened: t.Any) -> None:
    verdicts = planned(catalogue, authselect(hardened)).verdicts
    rules = [name for name in verdicts if name.startswith("pam/") and name not in ("pam/pam_umask", "pam/pam_wheel")]
    assert {name: verdicts[name].actual for name in rules if verdicts[name].verdict != "pass"} == {}


def test_authselects_features_are_switched_on(catalogue: t.Any, fresh: t.Any) -> None:
    text = "".join(line for line in AUTHSELECT.splitlines(True) if "faillock" not in line)
    evidence = authselect(fresh, text)
    evidence["authselect"]["features"] = []
    assert ["authselect", "enable-feature", "with-faillock"] in planned(catalogue, evidence).desired.commands


def test_host_without_a_profile_is_held(catalogue: t.Any, fresh: t.Any) -> None:
    text = "".join(line for line in AUTHSELECT.splitlines(True) if "faillock" not in line)
    assert (
        "no authselect profile is selected"
        in planned(catalogue, authselect(fresh, text, "")).verdicts["pam/pam_faillock"].held
    )

"""Readers of the host's side: each merges files as the program's manual page says, and notes what it cannot read."""

from __future__ import annotations

import gzip
import os
import shutil
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._collect import (
    aide,
    audit,
    command,
    configuration,
    daemon,
    kmod,
    limits,
    package,
    process,
    root_shell,
    rsyslog,
    service,
    settings,
    shell,
    sysctl,
)


def journald(*contents: str) -> dict[str, str]:
    values: settings.Values = {}
    for number, content in enumerate(contents):
        settings.merge_unit_file(content, f"/{number}", "Journal", values)
    return {key: setting["value"] for key, setting in values.items()}


@pytest.mark.parametrize(
    ("contents", "storage"),
    [
        (["[Journal]\nStorage=persistent"], "persistent"),
        (["Storage=persistent\n[Journal]\n"], None),
        (["[Manager]\nStorage=persistent"], None),
        (["[Journal]\n#Storage=none\n;Storage=none\n"], None),
        (["[Journal]\nStorage=persistent\nStorage=\n"], None),
        (["[Journal]\nStorage=none\n", "[Journal]\n Storage = persistent \n"], "persistent"),
        (["[Journal]\nStorage=\\\n# between\npersistent"], "persistent"),
        (["[Journal]\nstorage=persistent"], None),
    ],
)
def test_unit_file_is_read_as_systemd_reads_it(contents: list[str], storage: str | None) -> None:
    assert journald(*contents).get("Storage") == storage


@pytest.mark.parametrize(
    ("written", "value"), [("1M", "yes"), ("true", "yes"), ("on", "yes"), ("OFF", "no"), ("0", "no"), ("1", "yes"), ("512K", "yes"), ("maybe", "maybe")]
)  # fmt: skip
def test_booleans_have_one_word(written: str, value: str) -> None:
    assert journald(f"[Journal]\nCompress={written}") == {"Compress": value}


def test_servers_of_several_lines_add_up_and_an_empty_line_begins_anew() -> None:
    values: settings.Values = {}
    settings.merge_unit_file("[Time]\nNTP=a b\nNTP=c\n", "/1", "Time", values)
    assert values["NTP"]["value"] == "a b c"
    settings.merge_unit_file("[Time]\nNTP=\nNTP=d\n", "/2", "Time", values)
    assert values["NTP"] == {"value": "d", "source": "/2", "written": "d"}


def test_pam_files_have_bare_flags_blanks_for_signs_and_comments_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "pwquality.conf"
    path.write_text("minlen 16\ndifok=2#two\nenforce_for_root\n# minclass = 0\n  maxrepeat  =  3\n")
    values = settings.pam("pwquality", [str(path)], {})
    assert {key: setting["value"] for key, setting in values.items()} == {
        "minlen": "16",
        "difok": "2",
        "enforce_for_root": "yes",
        "maxrepeat": "3",
    }


def test_other_files_are_read_as_their_programs_do() -> None:
    definitions = settings.login_defs('UMASK=027\nUMASK\t"022"\n#PASS_MAX_DAYS 1\nPASS_MAX_DAYS 365 # no comment', "/x")
    assert {k: s["value"] for k, s in definitions.items()} == {"UMASK": "022", "PASS_MAX_DAYS": "365 # no comment"}
    modes = settings.login_defs("UMASK 27\nHOME_MODE 0700", "/x")
    assert {k: s["value"] for k, s in modes.items()} == {"UMASK": "033", "HOME_MODE": "0700"}
    assert settings.auditd("Max_Log_File = 8\n#max_log_file = 1", "/x")["max_log_file"]["value"] == "8"
    assert settings.shell("# ENABLED=yes\nENABLED=no # off\nX=\"a b\"\nexport Y='c'", "/x")["ENABLED"]["value"] == "no"
    added = settings.useradd('INACTIVE="45"\n#INACTIVE=1\n INACTIVE=2\nSHELL=/bin/sh', "/x")
    assert {k: s["value"] for k, s in added.items()} == {"INACTIVE": '"45"', "SHELL": "/bin/sh"}


MONOTONIC, NOW = 1000.0, 1_800_000_000.0


def started(wall: float, since_boot: float = 400.0, pid: str = "7") -> float | None:
    properties = {
        "MainPID": pid,
        "ExecMainStartTimestamp": f"@{wall:.0f}",
        "ExecMainStartTimestampMonotonic": str(int(since_boot * 1e6)),
    }
    return daemon.start(properties, NOW, MONOTONIC)


def test_daemons_start_is_told_by_the_monotonic_clock_and_by_the_earlier_one_where_the_clock_was_set() -> None:
    assert started(NOW - 600.4) == NOW - 600, "systemd's seconds are whole"
    assert started(NOW - 600 - 86400) == NOW - 600 - 86400, "set forward: a file of before may be dated between"
    assert started(NOW - 600 + 86400) == NOW - 600, "set back: what was written since is dated before the old clock"
    assert started(NOW - 600, pid="0") is None
    assert started(NOW - 600, since_boot=0) is None


def test_file_that_was_put_in_place_with_an_old_date_has_changed_now(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("x")
    os.utime(old, (0, 0))
    before = daemon.changed([str(old)])[str(old)]
    shutil.copy2(old, new)
    assert new.stat().st_mtime == 0
    assert daemon.changed([str(new), str(tmp_path / "gone")]) == {str(new): new.stat().st_ctime}
    assert new.stat().st_ctime >= before > 0


def stored(key: str, *contents: str) -> tuple[str | None, str | None]:
    assignments: sysctl.Assignments = {}
    for number, content in enumerate(contents):
        sysctl.merge(content, f"/{number}", assignments, {})
    assignment = sysctl.stored(sysctl.normalised(key), assignments)
    return (assignment.value, assignment.source) if assignment else (None, None)


ROUTE = "net.ipv4.conf.all.accept_source_route"


@pytest.mark.parametrize(
    ("path", "content", "paths"),
    [
        ("/etc/environment", 'PATH="/a:/b"\n', ["/a:/b"]),
        ("/etc/environment", "# PATH=/x\nPATH=/a\nPATH=/b\n", ["/b"]),
        ("/etc/login.defs", "ENV_SUPATH\tPATH=/usr/sbin:/a\n", ["/usr/sbin:/a"]),
        ("/etc/login.defs", "#ENV_SUPATH PATH=/a\nENV_PATH PATH=/b\n", []),
    ],
)
def test_search_path_that_a_session_begins_with_is_roots_too(
    monkeypatch: pytest.MonkeyPatch, path: str, content: str, paths: list[str]
) -> None:
    monkeypatch.setattr(root_shell, "read", {path: content}.get)
    assert root_shell.initial_paths() == paths


def test_credential_of_the_host_is_read_after_all_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hypervisor or a site can hand systemd-sysctl parameters (systemd-sysctl(8), CREDENTIALS)."""
    for name, value in (("zz.conf", 1), ("store", 0), ("other", 1)):
        (tmp_path / name).write_text(f"kernel.dmesg_restrict = {value}\n")
    monkeypatch.setattr(sysctl, "DIRECTORIES", (str(tmp_path),))
    monkeypatch.setattr(sysctl, "CREDENTIALS", tuple(f"{tmp_path}/{name}" for name in ("missing", "store", "other")))
    stored = sysctl.Parameters(["kernel.dmesg_restrict"]).read().items["kernel.dmesg_restrict"]
    assert (stored["disk"], stored["source"]) == ("0", f"{tmp_path}/store")


@pytest.mark.parametrize(
    ("key", "contents", "expected"),
    [
        (ROUTE, ["net.ipv4.conf.*.accept_source_route = 0\n-net.ipv4.conf.all.accept_source_route"], (None, None)),
        (ROUTE, ["net.ipv4.conf.*.accept_source_route = 0"], ("0", "/0")),
        (ROUTE, [f"{ROUTE} = 0", "net.ipv4.conf.*.accept_source_route = 1"], ("0", "/0")),
        (ROUTE, ["net.ipv4.conf.a*.accept_source_route = 1", "net.ipv4.conf.*.accept_source_route = 0"], ("0", "/1")),
        (ROUTE, ["net.*.accept_source_route = 1"], (None, None)),
        (ROUTE, [f"-{ROUTE} = 0"], ("0", "/0")),
        (ROUTE, [f"# {ROUTE} = 0\n;{ROUTE} = 0\n{ROUTE}\n"], (None, None)),
        (ROUTE, ["net/ipv4/conf/all/accept_source_route=0"], ("0", "/0")),
        ("net.ipv4.conf.all.forwarding", ["net.ipv4.conf.all.forwarding=0", "net.ipv4.ip_forward=1"], ("1", "/1")),
        ("net.ipv4.ip_forward", ["net.ipv4.conf.all.forwarding=0"], ("0", "/0")),
        ("net/ipv4/conf/eth0.5/rp_filter", ["net.ipv4.conf.eth0/5.rp_filter=1"], ("1", "/0")),
    ],
)
def test_stored_parameter_is_what_systemd_sysctl_will_set(key: str, contents: list[str], expected: t.Any) -> None:
    assert stored(key, *contents) == expected


def test_repeated_assignment_keeps_its_place_in_the_order_and_braces_are_noted() -> None:
    first, second = "net.ipv4.conf.*.rp_filter = 1", "net.ipv4.conf.a*.rp_filter = 2"
    assert stored("net.ipv4.conf.all.rp_filter", first, second, first) == ("2", "/1")
    left_out: dict[str, str] = {}
    sysctl.merge("net.ipv4.conf.{all,lo}.rp_filter = 2", "/x", {}, left_out)
    assert "braces" in left_out["/x"]


def test_first_install_line_is_the_one_that_modprobe_runs() -> None:
    lines = ["blacklist cramfs", "install cramfs /sbin/modprobe --ignore-install cramfs", "install cramfs /bin/false"]
    assert kmod.install("cramfs", lines) == "/sbin/modprobe --ignore-install cramfs"
    assert kmod.install("usb_storage", ["install usb-* /bin/true"]) == "/bin/true"
    assert kmod.install("udf", lines) is None
    assert kmod.module_name("kernel/fs/cramfs/cramfs.ko.xz") == "cramfs"


def test_audit_files_are_rules_and_options_in_the_order_of_loading() -> None:
    disk: list[dict[str, str]] = []
    options: dict[str, dict[str, str]] = {}
    audit.merge("-D\n-b 8192\n# -w /x\n-w /etc/group -p wa -k identity\n-e 2\n", "/1", disk, options)
    audit.merge("-A always,exit -F path=/etc/passwd -F perm=wa -k identity\n-e 0\n-c\n", "/2", disk, options)
    assert [entry["source"] for entry in disk] == ["/2", "/1"]
    assert options["-e"] == {"value": "0", "source": "/2"} and "-c" in options


@pytest.mark.parametrize(
    "line", ["-W /etc/group -p wa -k identity", "-d always,exit -F path=/etc/group -F perm=wa -F key=identity"]
)
def test_rule_that_a_later_line_takes_away_is_not_stored(line: str) -> None:
    disk: list[dict[str, str]] = []
    audit.merge(f"-w /etc/group -p wa -k identity\n-w /etc/passwd -p wa -k identity\n{line}\n", "/1", disk, {})
    assert [entry["line"] for entry in disk] == ["-w /etc/passwd -p wa -k identity"]


def test_call_without_a_name_is_the_call() -> None:
    one = audit.canonical("-a always,exit -F arch=b64 -S fchmodat,452 -F key=x")
    assert one == audit.canonical("-a always,exit -F arch=b64 -S fchmodat2 -S fchmodat -k x")
    assert audit.canonical("-a always,exit -F path='/x") == "-a always,exit -F path='/x"


@pytest.fixture
def limits_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "limits.d").mkdir()
    monkeypatch.setattr(limits, "MAIN", str(tmp_path / "limits.conf"))
    monkeypatch.setattr(limits, "DIRECTORY", str(tmp_path / "limits.d"))
    return tmp_path


def test_limits_are_read_with_their_domains_and_exemptions(limits_files: Path) -> None:
    (limits_files / "limits.conf").write_text("* soft core 0\n* hard core 0 # none\nbob -\n")
    (limits_files / "limits.d" / "20-x.conf").write_text("@sudo\t-\tcore\tunlimited\n#x hard core 1\n")
    items = limits.Limits().read().items
    assert [(e["domain"], e["value"]) for e in items["entries"]] == [("*", "0"), ("@sudo", "unlimited")]
    assert [one["domain"] for one in items["exempt"]] == ["bob"]


def test_limits_are_read_without_case_and_with_words_behind(limits_files: Path) -> None:
    (limits_files / "limits.conf").write_text("Bob HARD Core Unlimited\n@sudo hard core unlimited since 2019\n\nhard\n")
    entries = limits.Limits().read().items["entries"]
    assert [(e["domain"], e["item"], e["value"]) for e in entries] == [
        ("Bob", "core", "unlimited"),
        ("@sudo", "core", "unlimited"),
    ]


def test_directory_or_fifo_in_place_of_a_drop_in_costs_that_item_only(limits_files: Path) -> None:
    (limits_files / "limits.conf").write_text("* hard core 0\n")
    (limits_files / "limits.d" / "a.conf").mkdir()
    os.mkfifo(limits_files / "limits.d" / "b.conf")
    section = limits.Limits().read()
    assert len(section.items["entries"]) == 1
    assert {Path(path).name: reason for path, reason in section.left_out.items()} == {
        "a.conf": "not a regular file",
        "b.conf": "not a regular file",
    }


def test_masked_file_is_empty_and_a_large_one_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "masked").symlink_to("/dev/null")
    left_out: dict[str, str] = {}
    assert configuration.text(str(tmp_path / "masked"), left_out) == ""
    assert configuration.text(str(tmp_path / "gone"), left_out) is None
    assert left_out == {}
    monkeypatch.setattr(configuration, "MOST_BYTES", 4)
    (tmp_path / "large").write_text("12345")
    assert configuration.text(str(tmp_path / "large"), left_out) is None
    assert len(left_out) == 1


@pytest.mark.parametrize(
    ("script", "timeouts", "masks"),
    [
        ("readonly TMOUT=900; export TMOUT\numask 027", ["900"], ["027"]),
        ("# TMOUT=0\n  # umask 022\necho TMOUT=0 umask", [], []),
        ("[ -n x ] && TMOUT=0\nif true; then umask 22; fi", ["0"], ["022"]),
        ("declare -xr TMOUT='600'\numask u=rwx,g=rx,o=", ["600"], ["027"]),
        (": ${TMOUT:=300}\nunset TMOUT", ["300", ""], []),
        ("umask \\\n  0077\numask g-w", [], ["0077", "g-w"]),
        ('umask $M\numask "$(cat /x)"\ncommand umask 0$N; umask u=rwx,g=$G', [], ["$M", "$(cat", "0$N", "u=rwx,g=$G"]),
        ("umask -S\numask", [], []),
        ("# a comment does not go on \\\nTMOUT=0\numask 027 # nor here \\\numask 022", ["0"], ["027", "022"]),
    ],
)
def test_every_place_of_a_script_that_may_set_something_is_seen(
    script: str, timeouts: list[str], masks: list[str]
) -> None:
    assert shell.settings(shell.without_comments(script)) == {"TMOUT": timeouts, "umask": masks}


def test_kernel_whose_modules_only_modprobe_can_list_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "7.0").mkdir()
    (tmp_path / "7.0/modules.dep.bin").touch()
    monkeypatch.setattr(kmod, "ROOT", str(tmp_path))
    left_out: dict[str, str] = {}
    assert kmod.listed({"cramfs"}, left_out) == (set(), set())
    assert list(left_out) == [f"{tmp_path}/7.0/modules.dep"]


def test_search_path_of_sudo_is_roots_too() -> None:
    printed = "Sudoers path: /etc/sudoers\nValue to override user's $PATH with: /opt/x:/bin\nOther: x\n"
    assert root_shell.secure_path(command.Command("printf", "%s", printed)) == ["/opt/x:/bin"]
    assert root_shell.secure_path(command.Command("sudo-that-is-not-here", "-V")) == []


@pytest.mark.parametrize(
    ("outputs", "weakest"),
    [
        (["x\n\n/bin\n0027\n900\n1", "/bin\n0022\n600\n1"], (0o022, "900", True)),
        (["/bin\n0077\n\n1", "/bin\n0077\n600\n0"], (0o077, "", False)),
        (["/bin\n0077\n0\n1", "/bin\n0077\n600\n1"], (0o077, "0", True)),
    ],
)
def test_weakest_of_what_login_shells_get_counts(outputs: list[str], weakest: tuple[int, str, bool]) -> None:
    assert root_shell.weakest([root_shell.answer(output) for output in outputs]) == weakest


def test_login_shell_that_prints_something_else_is_no_answer() -> None:
    with pytest.raises(command.CommandError, match="prints 'hello' for its umask"):
        root_shell.answer("/bin\nhello\n900\n1")


def test_login_shell_begins_with_the_umask_of_programs() -> None:
    """The module's own, from the session that it runs in, would pass for what no script sets."""
    before = os.umask(0o077)
    try:
        first, *_others = root_shell.login_shells("env", "HOME=/nonexistent")
    finally:
        os.umask(before)
    assert root_shell.answer(first.text()).umask != 0o077


def test_rsyslog_is_read_with_its_includes_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main, directory = tmp_path / "rsyslog.conf", tmp_path / "rsyslog.d"
    directory.mkdir()
    main.write_text(
        f'/* $FileCreateMode 0666\n */\n$filecreatemode 0640\n$IncludeConfig {directory}/*.conf\ninclude(file="{tmp_path}/more")\n'
        'action(type="omfile" file="/x" fileCreateMode="0600")\n# $UDPServerRun 514\n$UDPServerRun 514\n'
    )
    (directory / "a.conf").write_text(f'module(load="imtcp"\n  threads="1")\ninclude(file="{main}")\n')
    (directory / "a.txt").write_text("$FileCreateMode 0777\n")
    (tmp_path / "more").write_text("$FileCreateMode 644 # wide\n")
    monkeypatch.setattr(rsyslog, "MAIN", str(main))
    items = rsyslog.Rsyslog().read().items
    assert [mode["value"] for mode in items["FileCreateMode"]] == ["0640", "0644", "0600"]
    assert [line.split(": ", 1)[1] for line in items["listen"]] == [
        'module(load="imtcp" threads="1")',
        "$UDPServerRun 514",
    ]
    assert str(directory) in items["includes"]


class Described:
    """A named fake of `Command`: what systemd says of units."""

    def __init__(self, text: str) -> None:
        self.said = text

    def text(self) -> str:
        return self.said


def describe(monkeypatch: pytest.MonkeyPatch, daemons: daemon.Daemons, running: str, unit: str) -> None:
    """One unit that starts UNIT, while the process of the arguments RUNNING runs."""
    said = f"Id=r.service\nMainPID=77\nExecStart={{ path=/x ; argv[]={unit} ; ignore_errors=no }}\nExecMainStartTimestampMonotonic=1"
    monkeypatch.setattr(daemon, "read", lambda path: running if path == "/proc/77/cmdline" else None)
    daemons.units, daemons.command = ["r.service"], Described(said)  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("running", "unit", "other"),
    [
        ("/usr/sbin/rsyslogd\0-n\0-iNONE\0", "/usr/sbin/rsyslogd -n -iNONE", ""),
        ("/usr/sbin/rsyslogd\0-n\0-f\0/etc/other\0", "/usr/sbin/rsyslogd -n", "/etc/other"),
        ("/usr/sbin/rsyslogd\0-n\0-f/etc/other\0", "/usr/sbin/rsyslogd -n", "/etc/other"),
        ("", "/usr/sbin/rsyslogd -n -f /etc/other", "/etc/other"),
        ("/usr/sbin/rsyslogd\0-f\0/etc//rsyslog.conf\0", "/usr/sbin/rsyslogd", ""),
        ("/usr/bin/sleep\0-f\0/etc/other\0", "/bin/sh -c true", ""),
    ],
)
def test_daemon_that_is_told_to_read_another_file_leaves_its_own_out(
    monkeypatch: pytest.MonkeyPatch, running: str, unit: str, other: str
) -> None:
    reader = rsyslog.Rsyslog()
    describe(monkeypatch, reader.daemons, running, unit)
    assert reader.daemons.elsewhere("rsyslogd", "-f", "/etc/rsyslog.conf") == other
    assert reader.daemons.elsewhere("auditd", "-c", "/etc/audit") == ""
    left_out = reader.read().left_out
    assert other == "" or other in left_out["/etc/rsyslog.conf"]


@pytest.mark.parametrize(
    ("running", "unit", "reason"),
    [
        ("/sbin/auditd\0", "/sbin/auditd", ""),
        ("/sbin/auditd\0-n\0-l\0-senable\0-c\0/etc/audit/\0", "/sbin/auditd $MORE", ""),
        ("/sbin/auditd\0", "/sbin/auditd -n -c /etc/audit2", "/etc/audit2 in its place"),
        ("/sbin/auditd\0-nf\0", "/sbin/auditd", "-f, by which records go to its standard output"),
        ("/sbin/auditd\0", "/sbin/auditd -s nochange", "-s nochange, by which it does not switch auditing on"),
        ("/sbin/auditd\0-ls\0disable\0", "/sbin/auditd", "-s disable, by which"),
        ("", "/sbin/auditd -x", "arguments that are not known here: option -x"),
        ("/usr/bin/other\0-f\0", "/usr/bin/other -f", ""),
    ],
)
def test_arguments_that_make_auditd_do_something_else_leave_its_file_out(
    monkeypatch: pytest.MonkeyPatch, running: str, unit: str, reason: str
) -> None:
    reader = settings.Settings()
    describe(monkeypatch, reader.daemons, running, unit)
    left_out = reader.read().left_out.get(f"auditd {settings.AUDITD}", "")
    assert (reason in left_out) if reason else (left_out == "")


def test_unit_is_shown_with_what_wants_it_and_what_it_runs(tmp_path: Path) -> None:
    fragment = tmp_path / "cron.service"
    fragment.write_text("[Service]\nExecStart=-/usr/sbin/cron -f\n")
    shown = (
        "Id=cron.service\nLoadState=loaded\nUnitFileState=generated\nActiveState=inactive\nWantedBy=multi-user.target\nRequiredBy=\n"
        f"FragmentPath={fragment}\nDropInPaths=/etc/systemd/system/cron.service.d/x.conf\n"
        "ExecStart={{ path=/bin/sleep ; argv[]=/bin/sleep infinity ; ignore_errors=no ; pid=0 }}"
    )
    state = service.unit(shown.replace("{{", "{").replace("}}", "}"), {"basic.target"})
    assert state["wanted_by"] == ["multi-user.target"] and state["exec"] == ["/bin/sleep"] and state["replaced"] is True
    assert state["reached"] is False and "elapses" not in state
    same = (
        f"LoadState=loaded\nFragmentPath={fragment}\nDropInPaths=/x.conf\nWantedBy=basic.target\n"
        "ExecStart={ path=/usr/sbin/cron ; argv[]=/usr/sbin/cron -f -L 5 ; ignore_errors=no ; pid=0 }"
    )
    state = service.unit(same, {"basic.target"})
    assert (state["replaced"], state["reached"]) == (False, True), "a daemon may have other arguments"
    state = service.unit(f"Type=oneshot\n{same}", set())
    assert state["replaced"] is True, "what ends does what its arguments say"


@pytest.mark.parametrize(
    ("content", "path"),
    [
        ("database_in=file:/var/lib/aide/aide.db\n", "/var/lib/aide/aide.db"),
        ("@@define DBDIR /var/lib/aide\ndatabase=file:@@{DBDIR}/aide.db.gz\n", "/var/lib/aide/aide.db.gz"),
        ("database_in=/a\n#database_in=/b\ndatabase_out=/c\ndatabase_in = /d\n", "/d"),
        ("", ""),
    ],
)
def test_database_that_aide_compares_with_is_read_from_its_configuration(content: str, path: str) -> None:
    assert aide.configured(content) == path


def test_units_are_listed_with_and_without_a_mark() -> None:
    printed = "\u25cf a@1.service not-found failed failed a\n  b@2.service loaded active running B unit\n\n"
    assert service.listed(printed) == {"a@1.service": "failed", "b@2.service": "active"}


def test_file_that_hides_the_packages_own_and_runs_another_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "vendor"
    package.mkdir()
    monkeypatch.setattr(service, "VENDORS", (str(package),))
    (package / "cron.service").write_text("[Service]\nExecStart=/usr/sbin/cron -f\n")
    assert service.replaced("/etc/systemd/system/cron.service", [], ["/bin/sleep"], [])
    assert not service.replaced("/etc/systemd/system/cron.service", [], ["/usr/sbin/cron"], [])
    assert not service.replaced("/etc/systemd/system/other.service", [], ["/bin/sleep"], []), "the site's own unit"


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("ConditionPathExists=/x", True),
        ("AssertHost = other", True),
        ("ExecCondition=/bin/false", True),
        ("ConditionPathExists=", False),
        ("#ConditionPathExists=/x", False),
        ("ConditionKernelCommandLine=vendor", False),
    ],
)
def test_condition_that_no_package_brought_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, counts: bool
) -> None:
    package, drop_in = tmp_path / "vendor", tmp_path / "x.conf"
    package.mkdir()
    monkeypatch.setattr(service, "VENDORS", (str(package),))
    (package / "cron.service").write_text("[Unit]\nConditionKernelCommandLine=vendor\n")
    (package / "own.conf").write_text("[Unit]\nConditionPathExists=/own\n")
    drop_in.write_text(f"[Unit]\n{line}\n")
    drop_ins = [str(package / "own.conf"), str(drop_in)]
    assert service.conditions(str(package / "cron.service"), drop_ins) == ([str(drop_in)] if counts else [])


@pytest.mark.parametrize(
    ("properties", "seconds"),
    [
        ("TimersCalendar={ OnCalendar=*-*-* 01:50:00 ; next_elapse=x }", 86400),
        ("TimersCalendar={ OnCalendar=*-01-01 00:00:00 ; next_elapse=x }", 366 * 86400),
        ("TimersCalendar={ OnCalendar=Mon..Fri *-*-* 00:00:00 ; next_elapse=x }", 3 * 86400),
        ("TimersCalendar={ OnCalendar=*-01-01 ; n }\nTimersCalendar={ OnCalendar=*-*-* 06,18:00:00 ; n }", 43200),
        ("TimersCalendar={ OnCalendar=2050-01-01 00:00:00 ; next_elapse=x }", None),
        ("TimersMonotonic={ OnUnitActiveUSec=12h ; next_elapse=1d }", 43200),
        ("TimersMonotonic={ OnBootUSec=1h ; next_elapse=0 }", None),
    ],
)
@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="this machine has no systemd-analyze")
def test_timers_longest_pause_is_asked_of_systemd(properties: str, seconds: int | None) -> None:
    assert service.gap(properties) == seconds


@pytest.mark.parametrize(
    ("following", "elapses"),
    [
        ("NextElapseUSecRealtime=Sun 2026-11-22 00:00:00 UTC\nNextElapseUSecMonotonic=infinity", True),
        ("NextElapseUSecRealtime=\nNextElapseUSecMonotonic=1h 2min", True),
        ("NextElapseUSecRealtime=\nNextElapseUSecMonotonic=infinity", False),
        ("NextElapseUSecRealtime=\nNextElapseUSecMonotonic=0", False),
    ],
)
def test_timer_is_shown_with_what_it_starts(following: str, elapses: bool) -> None:
    state = service.unit(f"Id=x.timer\nTriggers=x.service\n{following}", set())
    assert (state["elapses"], state["triggers"]) == (elapses, "x.service")


def test_packages_are_told_apart_by_their_state() -> None:
    """dpkg(1), "Package states"; rpm(8), "Query options"."""
    paragraphs = [
        "Package: a\nStatus: install ok installed\nVersion: 1",
        "Package: b\nStatus: hold ok installed\nVersion: 2",
        "Package: c\nStatus: deinstall ok config-files\nVersion: 3",
        "Package: d\nStatus: install ok half-configured\nVersion: 4",
        "Package: e\nStatus: install ok triggers-pending\nVersion: 5",
        "Package: f\nStatus: install reinstreq unpacked\nVersion: 6",
    ]
    assert package.dpkg("\n\n".join(paragraphs)) == {"a": "1", "b": "2", "d": "", "e": "5", "f": ""}
    assert package.rpm("bash\t5.1.8-9.el9\ngpg-pubkey\tfd431d51-4ae0493b\n")["bash"] == "5.1.8-9.el9"


def test_database_of_aide_is_known_by_its_beginning(tmp_path: Path) -> None:
    path, left_out = tmp_path / "aide.db", dict[str, str]()
    assert aide.database(str(path), left_out)["kind"] == "absent"
    header = b"@@begin_db\n# /x\n@@db_spec name perm\n"
    for content, entries in ((header + b"@@end_db\n", 0), (header + b"/ 0\n/etc 0\n", 2)):
        for packed in (
            content,
            gzip.compress(content),
            gzip.compress(content + b"#" + os.urandom(1 << 18).hex().encode())[: 1 << 17],
        ):
            path.write_bytes(packed)
            assert aide.database(str(path), left_out)["entries"] == entries
    for content, kind in (
        (b"", "unknown"),
        (b"nothing", "unknown"),
        (b"@@begin_db\n", "plain"),
        (b"\x1f\x8b\x08", "gzip"),
    ):
        path.write_bytes(content)
        assert aide.database(str(path), left_out)["kind"] == kind


def test_only_units_that_are_somewhere_are_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cron.service", "getty@.service"):
        (tmp_path / name).write_text("")
    (tmp_path / "masked.service").symlink_to("/dev/null")
    (tmp_path / "alias.service").symlink_to("gone.service")
    described: list[str] = []

    class Systemctl:
        def __init__(self, *argv: str) -> None:
            self.argv = argv

        def text(self) -> str:
            if "--property=UnitPath" in self.argv:
                return f"UnitPath=/absent {tmp_path}\n"
            if "list-units" in self.argv:
                return (
                    "run-x.mount loaded active mounted\nxinetd@1.service loaded active running\n"
                    "a.target loaded active active\nb.target loaded inactive dead\n"
                )
            names = self.argv[self.argv.index("--") + 1 :]
            described.extend(names)
            wanted_by = {"cron.service": "a.target", "masked.service": "b.target"}
            return "\n\n".join(
                f"Id={name}\nLoadState=loaded\nActiveState=active\nWantedBy={wanted_by.get(name, '')}" for name in names
            )

    monkeypatch.setattr(service, "Command", Systemctl)
    there = ["cron.service", "getty@tty1.service", "masked.service", "alias.service", "run-x.mount"]
    items = service.Units([*there, "absent.service", "xinetd.service", "absent.timer"]).read().items
    assert described == [*there, "xinetd@1.service"]
    assert (items["absent.timer"]["elapses"], items["absent.timer"]["gap"]) == (False, None)
    assert {name: facts["load"] for name, facts in items.items() if facts["load"] != "loaded"} == {
        "absent.service": "not-found", "xinetd.service": "not-found", "absent.timer": "not-found",
    }  # fmt: skip
    assert items["absent.service"].keys() == items["cron.service"].keys()
    assert [name for name, facts in items.items() if facts["reached"]] == ["cron.service"]


def test_ten_megabytes_of_audit_rules_are_read_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (
        f"-a always,exit -F arch=b64 -S openat -F path=/srv/{number:06} -F key=site\n" for number in range(150_000)
    )
    (tmp_path / "site.rules").write_text("".join(lines) + "-w /etc/shadow -p wa -k 'the last'\n")
    assert (tmp_path / "site.rules").stat().st_size > 10_000_000
    monkeypatch.setattr(audit, "DIRECTORY", str(tmp_path))
    started = time.process_time()
    section = audit.Audit().read()
    assert time.process_time() - started < 30, "a quarter of what all sections may take"
    assert len(section.items["disk"]) == 150_001
    assert section.items["disk"][-1]["rule"] == "exit,always syscalls=any key=the last path=/etc/shadow perm=aw"


def test_programs_are_found_by_their_files_and_belong_to_units(tmp_path: Path) -> None:
    def start(pid: str, exe: str, namespace: str, cgroup: str) -> None:
        (tmp_path / pid / "ns").mkdir(parents=True)
        (tmp_path / pid / "exe").symlink_to(exe)
        (tmp_path / pid / "ns/pid").symlink_to(namespace)
        (tmp_path / pid / "cgroup").write_text(cgroup)

    start("self", "/usr/bin/python3", "pid:[1]", "0::/\n")
    start("10", "/usr/sbin/squid", "pid:[1]", "0::/system.slice/site-proxy.service\n")
    start("11", "/usr/sbin/squid (deleted)", "pid:[1]", "0::/system.slice/site-proxy.service/worker\n")
    start("12", "/opt/squid", "pid:[1]", "12:pids:/\n1:name=systemd:/user.slice/user-0.slice/session-3.scope\n0::/\n")
    start("13", "/usr/sbin/nginx", "pid:[2]", "0::/machine.slice/libpod-1.scope\n")
    start("14", "/usr/sbin/cron", "pid:[1]", "0::/system.slice/cron.service\n")
    (tmp_path / "15").mkdir()
    section = process.Processes(["squid", "nginx", "named"]).read(str(tmp_path))
    assert section.as_dict() == {
        "items": {"squid": ["session-3.scope", "site-proxy.service"]},
        "left_out": {},
        "whole": True,
    }


@pytest.mark.parametrize(
    ("command", "link", "runs"),
    [
        ("ExecStart=/opt/squid -N", "multi-user.target.wants/site.service", True),
        ('ExecStart=-/bin/sh -c "exec /opt/squid"', "multi-user.target.requires/site.service", True),
        ("ExecStart=/opt/squid", "timers.target.wants/site.timer", True),
        ("ExecStart=/opt/squid", "multi-user.target.wants/other.service", False),
        ("ExecStart=/opt/watch squid", "multi-user.target.wants/site.service", False),
        ("#ExecStart=/opt/squid", "multi-user.target.wants/site.service", False),
    ],
)
def test_program_that_a_unit_of_the_sites_own_will_run_is_said(
    tmp_path: Path, command: str, link: str, runs: bool
) -> None:
    first, second = tmp_path / "etc", tmp_path / "local"
    for path in (first, second, (first / link).parent):
        path.mkdir(exist_ok=True)
    (second / "site.service").write_text(f"[Service]\n{command}\n")
    (first / link).symlink_to("../site.service")
    tops = (str(first), str(second))
    assert process.upcoming(["squid"], tops) == ({"site.service": {"squid"}} if runs else {})
    (first / "site.service").symlink_to("/dev/null")
    assert process.upcoming(["squid"], tops) == {}


def test_process_that_may_not_be_looked_at_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for pid, comm in (("self", "python3"), ("7", "squid"), ("8", "systemd-journal"), ("9", "init")):
        (tmp_path / pid / "ns").mkdir(parents=True)
        (tmp_path / pid / "ns/pid").symlink_to("pid:[1]")
        (tmp_path / pid / "comm").write_text(f"{comm}\n")

    def refuse(path: str) -> str:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(process, "program", refuse)
    section = process.Processes(["squid", "systemd-journal-remote"]).read(str(tmp_path))
    assert section.left_out == {
        "7": "it may run squid, and may not be looked at",
        "8": "it may run systemd-journal-remote, and may not be looked at",
    }


@pytest.mark.parametrize("there", [False, True])
def test_image_without_a_running_systemd_is_told_to_boot_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    if there:
        (tmp_path / "systemctl").write_text("#!/bin/sh\necho 'Running in chroot, ignoring request.' >&2\nexit 1\n")
        (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setattr(command, "SEARCH_PATH", str(tmp_path))
    monkeypatch.setattr(command, "BOOTED", str(tmp_path / "system"))
    with pytest.raises(command.CommandError, match="as in an image or a chroot: judge it when it has booted"):
        service.Units(["cron.service"]).read()
    (tmp_path / "system").mkdir()
    with pytest.raises(command.CommandError, match=r"(request\.|installed)$"):
        service.Units(["cron.service"]).read()


def test_route_from_an_advertisement_is_told_from_one_that_a_daemon_made(tmp_path: Path) -> None:
    """Flags as Linux shows them in ipv6_route: of a default route, of an address's prefix alone, of a route of its own (RFC 4191)."""
    nothing, router = "0" * 32, "fe80" + "0" * 27 + "1"
    rows = [("00450003", "eth0"), ("004c0001", "eth3"), ("00840003", "eth4")]
    rows += [("00000003", "eth1"), ("00200200", "lo"), ("00000001", "eth2"), ("80200001", "eth2")]
    lines = [f"{nothing} 00 {nothing} 00 {router} 00000400 00000001 00000000 {flags} {name:>8}" for flags, name in rows]
    (tmp_path / "routes").write_text("\n".join(lines) + "\n")
    assert sysctl.advertised(str(tmp_path / "routes")) == {"eth0", "eth3", "eth4"}
    assert sysctl.advertised(str(tmp_path / "none")) == set()


def test_users_of_modules_are_counted_where_the_kernel_counts_them() -> None:
    rows = "overlay 151552 1 - Live 0x0\ncramfs 28672 0 - Live 0x0\nudf 131072 - - Live 0x0\n"
    assert kmod.users(rows) == {"overlay": 1, "cramfs": 0, "udf": 0}

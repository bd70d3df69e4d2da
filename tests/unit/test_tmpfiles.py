"""What the next boot makes of files that a rule has right now."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._collect import tmpfiles
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.file import TMPFILES

from tests.unit.access import checks, planned

SYSTEMD = """# /usr/lib/tmpfiles.d/systemd.conf
d /run/log 0755 root root -
z /run/log/journal 2755 root systemd-journal - -
Z /run/log/journal/%m ~2750 root systemd-journal - -
z /var/log/journal/%m/system.journal 0640 root systemd-journal - -
d /home/%u - - -

# /usr/lib/tmpfiles.d/var.conf
f /var/log/site :0600 root :root -
f "/var/log/a log" 0644
d- /run/site :0700 root :adm
z /srv/{a,b}/*.l[o]g 0600 - -
z /srv/none 0o644 - -
Z /run/site/masked ~:2750 root root -
"""
CRONTAB = "file//etc/crontab"
BOOT = {"mode": "0644", "owner": "root", "group": "root", "source": "/usr/lib/tmpfiles.d/cron.conf"}
FACTS = {"type": "file", "mode": "0600", "owner": "root", "group": "root"}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., tmpfiles.TmpFiles]:
    def asked(printed: str) -> tmpfiles.TmpFiles:
        class Answer:
            installed = True

            def __init__(self, *_argv: str) -> None:
                pass

            def text(self) -> str:
                return printed

        monkeypatch.setattr(tmpfiles, "Command", Answer)
        monkeypatch.setattr(tmpfiles, "specifiers", lambda: {"m": "abc"})
        made = tmpfiles.TmpFiles()
        assert made.read() == ""
        return made

    return asked


@pytest.mark.parametrize(
    ("path", "mode", "directory", "later"),
    [
        ("/run/log/journal", "2750", True, "2755"),
        ("/run/log/journal", "2755", True, ""),
        ("/srv/none", "0600", False, ""),
        ("/run/site/masked", "0700", True, "2750"),
        ("/run/site/masked", "0600", False, "0640"),
        ("/run/log/journal/abc", "2700", True, "2750"),
        ("/run/log/journal/abc", "0600", False, "0640"),
        ("/run/log/journal/abc/system.journal", "0640", False, "0640"),
        ("/run/log/journal/abc/system.journal", "0666", False, "0640"),
        ("/run/log/journal/other", "0700", True, ""),
        ("/var/log/journal/abc/system.journal", "0600", False, "0640"),
        ("/var/log/site", "0644", False, ""),
        ("/var/log/a log", "0600", False, "0644"),
        ("/run/site", "0755", True, "0700"),
        ("/srv/a/x.log", "0644", False, "0600"),
        ("/srv/c/x.log", "0644", False, ""),
        ("/srv/a/.log", "0644", False, ""),
        ("/srv/a/b/x.log", "0644", False, ""),
    ],
)
def test_mode_of_the_next_boot_is_followed(asked: t.Any, path: str, mode: str, directory: bool, later: str) -> None:
    boot = asked(SYSTEMD).next_boot(path, mode, directory=directory)
    assert boot.get("mode", mode) == (later or mode)


def test_line_with_a_wildcard_in_a_later_file_wins(asked: t.Any) -> None:
    made = asked(f"{SYSTEMD}# {TMPFILES}\nz /run/log/journa[l] 2750 root systemd-journal\n")
    assert made.next_boot("/run/log/journal", "2750", directory=True)["mode"] == "2750"
    earlier = asked(f"# /etc/tmpfiles.d/a.conf\nz /run/log/journa[l] 2750 root systemd-journal\n{SYSTEMD}")
    assert earlier.next_boot("/run/log/journal", "2750", directory=True) == {
        "mode": "2755", "owner": "root", "group": "systemd-journal", "source": "/usr/lib/tmpfiles.d/systemd.conf",
    }  # fmt: skip


def test_file_that_the_next_boot_opens_again_fails_and_is_kept(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["file"]["/etc/crontab"] = {"/etc/crontab": {**FACTS, "boot": BOOT}}
    plan = planned(catalogue, hardened)
    made = plan.verdicts[CRONTAB]
    assert made.verdict == "fail"
    assert "from the next boot on 0644 by /usr/lib/tmpfiles.d/cron.conf" in made.actual
    assert plan.desired.files[TMPFILES]["content"].splitlines()[-1] == "z /etc/cronta[b] 0600 root root"
    asked = [check.attributes for check in checks(plan, hardened, CRONTAB) if check.resource == "matching"]
    assert [one for one in asked if "boot" in str(one["content"])]
    hardened["file"]["/etc/crontab"] = {"/etc/crontab": FACTS}
    assert planned(catalogue, hardened).verdicts[CRONTAB].verdict == "pass"


def test_file_that_is_open_now_and_stays_so_is_closed_and_kept_in_one_run(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["file"]["/etc/crontab"] = {
        "/etc/crontab": {**FACTS, "mode": "0644", "owner": "games", "boot": {"mode": "0644", "source": BOOT["source"]}}
    }
    desired = planned(catalogue, hardened).desired
    assert (desired.attributes["/etc/crontab"]["mode"], desired.attributes["/etc/crontab"]["owner"]) == ("0600", "root")
    assert desired.files[TMPFILES]["content"].splitlines()[-1] == "z /etc/cronta[b] 0600 - -"


def test_own_line_that_another_wins_over_is_held(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["file"]["/etc/crontab"] = {
        "/etc/crontab": {**FACTS, "boot": {**BOOT, "source": "/etc/tmpfiles.d/zzz.conf"}}
    }
    hardened["text"][TMPFILES] = "z /etc/cronta[b] 0600 root root\n"
    plan = planned(catalogue, hardened)
    assert "/etc/tmpfiles.d/zzz.conf" in plan.verdicts[CRONTAB].held
    assert TMPFILES not in plan.desired.files


def test_lines_that_were_not_had_leave_the_section_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    class Answer:
        installed = True

        def __init__(self, *_argv: str) -> None:
            pass

        def text(self) -> str:
            raise tmpfiles.CommandError("'systemd-tmpfiles' took longer than 60 s")

    monkeypatch.setattr(tmpfiles, "Command", Answer)
    assert "took longer" in tmpfiles.TmpFiles().read()

"""Kernel parameters: each boot loader is read as it boots, changed without losing the rest, and never passed unseen."""

from __future__ import annotations

import os
import re
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._change import batch as _batch
from ansible_collections.unified.deploy.plugins.module_utils._change import commands as _commands
from ansible_collections.unified.deploy.plugins.module_utils._change import derived as _derived
from ansible_collections.unified.deploy.plugins.module_utils._change import options as _options
from ansible_collections.unified.deploy.plugins.module_utils._change.derived import derive
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError
from ansible_collections.unified.deploy.plugins.module_utils._change.transaction import Change
from ansible_collections.unified.deploy.plugins.module_utils._collect import boot as _boot
from ansible_collections.unified.deploy.plugins.module_utils._collect import boot_entries, boot_grub, boot_words
from ansible_collections.unified.deploy.plugins.module_utils._collect.shell_words import assigned
from ansible_collections.unified.deploy.plugins.module_utils._collect.text import Texts
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import boot_loaders
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import goss as _goss
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import plan as _plan
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import selection as _selection
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.batch import options
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.evidence import Evidence
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds import boot_password
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds import registry as _registry
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.base import Connection
from ansible_collections.unified.deploy.plugins.plugin_utils._errors import SelectionError

MENU = """
set default="0"
set vt_handoff=vt.handoff=7
### BEGIN /etc/grub.d/10_linux ###
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-1' {
\tlinux\t/boot/vmlinuz-6.12 root=UUID=1 ro audit=1 quiet $vt_handoff
}
submenu 'Advanced options' {
\tmenuentry 'Debian, with Linux 6.12 (recovery mode)' {
\t\tlinux\t/boot/vmlinuz-6.12 root=UUID=1 ro single audit=0 audit=1
\t}
}
### END /etc/grub.d/10_linux ###
### BEGIN /etc/grub.d/30_os-prober ###
menuentry 'Another system' {
\tlinux /vmlinuz root=/dev/sdb1
}
### END /etc/grub.d/30_os-prober ###
### BEGIN /etc/grub.d/40_custom ###
menuentry "Rescue" {
  linux16 /boot/memtest86+.bin
  linux /boot/vmlinuz-old root=UUID=1
}
"""
EXTLINUX = """## IMPORTANT: use u-boot-update
default l0
label l0
\tmenu label Debian 6.12
\tlinux /boot/vmlinuz-6.12
\tappend root=/dev/vda2 ro quiet audit=1
label l0r
\tlinux /boot/vmlinuz-6.12
\tappend root=/dev/vda2 ro single
label localboot
\tmenu label no kernel
"""
SNIPPET = """title Fedora Linux
version 6.12
linux /vmlinuz-6.12
options root=UUID=1 ro
options audit=0 # quiet
"""
RULE = "boot/audit"


def entry(
    title: str, value: str | None, source: str = "/boot/grub/grub.cfg", made_by: str = "10_linux"
) -> dict[str, t.Any]:
    return {"title": title, "source": source, "made_by": made_by, "values": given(value)}


NAMES = ("apparmor", "audit", "audit_backlog_limit", "security")


def given(value: str | None, lsm: str | None = None) -> dict[str, str | None]:
    return {**dict.fromkeys(NAMES, value), "lsm": lsm}


def machine(evidence: Evidence, loader: str, entries: list[t.Any], *, live: str | None, future: t.Any = None) -> None:
    """Make of EVIDENCE that of a machine with a boot loader."""
    evidence["host"]["container"] = False
    evidence["boot"].update(
        outside="", live=given(live), loaders={loader: {"entries": entries, "future": future}}, booted_since=False
    )


def planned(catalogue: t.Any, evidence: t.Any, *rules: str) -> tuple[_plan.Verdict, t.Any]:
    filters = _selection.Filters((), (), rules or (RULE,))
    selection = _selection.select(catalogue, [("cis", "l2_server")], _selection.Overlay(), evidence["host"], filters)
    made = _plan.plan(selection, evidence, Connection(user="ansible"))
    _goss.generate(made.verdicts, evidence)
    return made.verdicts[(rules or (RULE,))[0]], made.desired


def later(value: str | None, *sources: str) -> dict[str, t.Any]:
    return {"sources": list(sources), "values": [given(value)]}


# What is read.


def test_grub_menu_has_every_entry_of_this_system_with_the_last_of_several_values() -> None:
    left_out: dict[str, str] = {}
    entries = boot_grub.entries(MENU, "/boot/grub/grub.cfg", boot_grub._set(MENU), left_out)
    assert [(one.title, one.made_by, boot_words.values(one.words, ["audit"])["audit"]) for one in entries] == [
        ("Debian GNU/Linux", "10_linux", "1"),
        ("Debian, with Linux 6.12 (recovery mode)", "10_linux", "1"),
        ("Rescue", "40_custom", None),
    ]
    assert "vt.handoff=7" in entries[0].words and left_out == {}


def test_kernel_that_xen_starts_on_arm64_has_its_entry() -> None:
    menu = "menuentry 'Xen' {\n xen_hypervisor /boot/xen-4.20\n xen_module /boot/vmlinuz-6.12 placeholder root=1 audit=0\n xen_module --nounzip /boot/initrd\n}"
    entries = boot_grub.entries(menu, "/boot/grub/grub.cfg", {}, {})
    assert [boot_words.values(one.words, ["audit"])["audit"] for one in entries] == ["0"]


def test_argument_of_a_menu_s_function_is_no_pass() -> None:
    left_out: dict[str, str] = {}
    boot_grub.entries("function go {\n linux /boot/vmlinuz audit=1 $@\n}", "/boot/grub/grub.cfg", {}, left_out)
    assert "$@" in left_out["/boot/grub/grub.cfg"]


def test_grub_variable_that_nothing_sets_is_no_pass() -> None:
    left_out: dict[str, str] = {}
    boot_grub.entries("linux /vmlinuz $mystery\nlinux /vmlinuz $tuned_params", "/boot/grub/grub.cfg", {}, left_out)
    assert "$mystery" in left_out["/boot/grub/grub.cfg"] and "tuned" not in left_out["/boot/grub/grub.cfg"]


def test_extlinux_entries_are_labels_with_a_kernel() -> None:
    entries = boot_entries.labels(EXTLINUX, "/boot/extlinux/extlinux.conf", "u-boot-update")
    assert [(one.title, one.words[-1]) for one in entries] == [("l0", "audit=1"), ("l0r", "single")]


def test_snippet_joins_its_options() -> None:
    fields = boot_entries.snippet_fields(SNIPPET + "\n# options audit=1\n")
    assert boot_entries.snippet_title(fields, "/boot/loader/entries/1.conf") == "Fedora Linux 6.12"
    assert fields["options"] == ["root=UUID=1 ro", "audit=0 # quiet"]


def test_words_after_two_dashes_are_the_first_process_s() -> None:
    assert boot_words.values(["a-b=1", "quiet", "--", "audit=1"], ["a_b", "quiet", "audit"]) == {
        "a_b": "1", "quiet": "", "audit": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ('quiet dyndbg="file x audit=1"', None),
        ('audit=1 "audit=0"', "0"),
        ('audit="1"', "1"),
        ('audit=1 note="not closed audit=0', "1"),
    ],
)
def test_words_are_parted_as_the_kernel_does(line: str, value: str | None) -> None:
    assert boot_words.values(boot_words.words(line), ["audit"]) == {"audit": value}


def test_change_keeps_what_quotes_hold_together() -> None:
    line = boot_loaders.with_word('root=1 dyndbg="file x  audit=0" audit=0', "audit", "audit=1")
    assert line == 'root=1 dyndbg="file x  audit=0" audit=1'


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ('A="one two"\nA="$A three"', "one two three"),
        ("A='one $B'", "one $B"),
        ("A=one # note", "one"),
        ('A="${A:-ro quiet} audit=1"', "ro quiet audit=1"),
        ('A=one\nA+=" two"', "one two"),
        ('A="one \\\ntwo"', "one two"),
        ('# a note \\\nA="one"', "one"),
        ('B="one $C"\nA="$B two"', "one  two"),
        ('if test "$A"; then\n  B=x\nfi\nA="one"', "one"),
        ('A="$(x)"\nA=one', "one"),
        ('A=one\nif test "$X"; then\n  echo "A is $A"\nfi', "one"),
        ("A=one\nB=`( . /etc/os-release; echo ${NAME:-Debian} ) 2>/dev/null || echo Debian`", "one"),
        ("A=one\nB=\"$(sed 's, release .*$,,g' /etc/system-release)\"", "one"),
    ],
)
def test_plain_assignments_are_followed(tmp_path: Path, content: str, value: str) -> None:
    (tmp_path / "file").write_text(content + "\n")
    left_out: dict[str, str] = {}
    assert assigned([str(tmp_path / "file")], ("A",), left_out) == {"A": value} and left_out == {}


@pytest.mark.parametrize(
    "content",
    [
        'A="$(cat /x)"',
        "A=`x`",
        'A="$A"; A=x',
        'A="$1"',
        'A="one"two',
        'A=one\nif test "$X"; then\n  A=two\nfi',
        "A=one\nif test -e /x; then A=two; fi",
        'A=one\ntest -n "$X" && A="$A two"',
        'A=one\nB="$(x)"\nA="$A $B"',
        "A=one\nset() {\n  A=two\n}",
        "A=one\nunset A",
        "A=one\n. /etc/default/other",
        "A=one\neval $X",
        "A=one\n: ${A:=two}",
        "A=one\ndeclare A=two",
        "A=one\nwhile read -r A; do x; done",
    ],
)
def test_what_only_a_shell_can_follow_is_left_out(tmp_path: Path, content: str) -> None:
    (tmp_path / "file").write_text(content + "\n")
    left_out: dict[str, str] = {}
    assigned([str(tmp_path / "file")], ("A",), left_out)
    assert left_out


@pytest.mark.parametrize(
    "line", ["rd.iscsi.password=x", "quiet systemd.set_credential=a:b", "x.token=1", "rd.luks.key=/k"]
)
def test_command_line_with_a_secret_is_known(line: str) -> None:
    assert boot_words.secret(line)
    assert not boot_words.secret("root=UUID=1 keymap=de audit=1")


def test_host_with_a_kernel_and_no_known_boot_loader_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_boot, "outside", lambda: "")
    monkeypatch.setattr(_boot, "LOADERS", {"grub": lambda left_out: None})
    assert "none of the boot loaders" in _boot.Boot(["audit"]).read().items["unknown"]


def test_boot_partition_that_is_not_mounted_hides_the_boot_loader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_boot, "outside", lambda: "")
    monkeypatch.setattr(_boot, "promised", lambda place: place == "/boot/efi")
    assert "/boot/efi is not mounted" in _boot.Boot(["audit"]).read().items["unknown"]


@pytest.fixture
def machine_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without a kernel, boot loader or EFI variable that this one has."""
    monkeypatch.setattr(_boot, "in_container", lambda: False)
    monkeypatch.setattr(_boot, "promised", lambda place: False)
    monkeypatch.setattr(_boot, "KERNELS", (f"{tmp_path}/vmlinuz*",))
    monkeypatch.setattr(_boot, "LOADERS", {"grub": lambda left_out: None})
    monkeypatch.setattr(_boot, "CMDLINE", str(tmp_path / "cmdline"))
    monkeypatch.setattr(_boot, "EFI_VARIABLES", str(tmp_path))
    (tmp_path / "cmdline").write_text("root=/dev/vda\n")
    return tmp_path


def announce(root: Path, name: str, value: str) -> None:
    (root / f"{name}-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f").write_bytes(
        b"\x06\0\0\0" + f"{value}\0".encode("utf-16-le")
    )


def test_host_without_a_kernel_is_started_from_outside(machine_alone: Path) -> None:
    assert "direct boot" in _boot.Boot(["audit"]).read().items["outside"]


@pytest.mark.parametrize("trace", ["BOOT_IMAGE=/vmlinuz root=1", ""])
def test_host_that_a_boot_loader_started_is_not_started_from_outside(machine_alone: Path, trace: str) -> None:
    """What has its kernels is not mounted."""
    if trace:
        (machine_alone / "cmdline").write_text(trace)
    else:
        announce(machine_alone, "LoaderInfo", "systemd-boot 257.13")
    items = _boot.Boot(["audit"]).read().items
    assert items["outside"] == "" and items["unknown"]


@pytest.mark.parametrize(
    ("started", "known"), [("systemd-boot 257.13", False), ("GRUB 2.12", True), ("rEFInd 0.14", False), ("", True)]
)
def test_boot_loader_that_started_the_kernel_is_among_those_that_are_read(
    machine_alone: Path, monkeypatch: pytest.MonkeyPatch, started: str, known: bool
) -> None:
    (machine_alone / "vmlinuz-6.12").touch()
    (machine_alone / "cmdline").write_text("BOOT_IMAGE=/vmlinuz-6.12 root=1")
    monkeypatch.setattr(_boot, "LOADERS", {"grub": lambda left_out: boot_words.Stored([])})
    if started:
        announce(machine_alone, "LoaderInfo", started)
    unknown = _boot.Boot(["audit"]).read().items["unknown"]
    assert (unknown == "") is known and (known or started in unknown)


@pytest.mark.parametrize(
    ("line", "loaders", "started", "known"),
    [
        ("root=/dev/vda console=ttyS0", ["grub"], "", False),
        ("root=/dev/vda", ["bls"], "", False),
        ("root=/dev/vda", ["grub"], "GRUB 2.12", True),
        ("BOOT_IMAGE=(hd0,gpt2)/vmlinuz root=/dev/vda", ["bls"], "", True),
        ("placeholder root=/dev/vda", ["grub"], "", True),
        ("root=/dev/vda", ["extlinux"], "", True),
        ("root=/dev/vda", ["grub", "extlinux"], "", True),
    ],
)
def test_kernel_that_grub_did_not_start_says_nothing_of_the_next_boot(
    machine_alone: Path, monkeypatch: pytest.MonkeyPatch, line: str, loaders: list[str], started: str, known: bool
) -> None:
    """A cloud starts it directly, though a kernel and GRUB's menu are installed."""
    (machine_alone / "vmlinuz-6.12").touch()
    (machine_alone / "cmdline").write_text(line)
    monkeypatch.setattr(_boot, "LOADERS", {name: lambda left_out: boot_words.Stored([]) for name in loaders})
    if started:
        announce(machine_alone, "LoaderInfo", started)
    assert (_boot.Boot(["audit"]).read().items["unknown"] == "") is known


def test_kernel_that_came_from_a_unified_image_is_no_pass(machine_alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine_alone / "vmlinuz-6.12").touch()
    monkeypatch.setattr(_boot, "LOADERS", {"grub": lambda left_out: boot_words.Stored([])})
    announce(machine_alone, "StubInfo", "systemd-stub 257.13")
    assert "StubInfo" in _boot.Boot(["audit"]).read().left_out


def test_controller_knows_every_boot_loader_that_the_collector_does() -> None:
    assert set(boot_loaders.LOADERS) == set(_boot.LOADERS)


def test_every_platform_says_of_every_loader_how_it_is_written_or_why_not(catalogue: t.Any) -> None:
    for platform in catalogue.platforms.values():
        for loader in boot_loaders.LOADERS.values():
            loader.texts(platform)
            assert isinstance(loader.obstacle(platform), str)


def tree(root: Path, **files: str) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def test_systemd_boot_reads_its_entries_and_leaves_out_what_holds_its_own_parameters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"EFI/systemd/systemd-bootx64.efi": "", "EFI/Linux/one.efi": "", "loader/entries/1.conf": SNIPPET}
    tree(
        tmp_path,
        **files,
        **{
            "loader/entries/firmware.conf": "title no kernel\nefi /x.efi\n",
            "loader/entries/shell.conf": "title no kernel\nefi /shell.efi\noptions -nostartup\n",
            "loader/entries/stub.conf": "title its own loader\nefi /vmlinuz.efi\noptions root=1\n",
            "cmdline": "root=1 audit=1\n",
        },
    )
    monkeypatch.setattr(boot_entries, "PARTITIONS", (str(tmp_path), str(tmp_path)))
    monkeypatch.setattr(boot_entries, "SNIPPETS", (f"{tmp_path}/loader/entries/*.conf",) * 2)
    monkeypatch.setattr(boot_entries, "KERNEL_CMDLINE", (f"{tmp_path}/none", f"{tmp_path}/cmdline"))
    left_out: dict[str, str] = {}
    stored = boot_entries.systemd_boot(left_out)
    assert stored is not None
    read = stored.as_dict(["audit"])
    assert [one["values"] for one in read["entries"]] == [{"audit": "0"}, {"audit": None}]
    assert read["future"] == {"sources": [f"{tmp_path}/cmdline"], "values": [{"audit": "1"}]}
    assert left_out == {}
    monkeypatch.setattr(boot_entries, "UNREAD", {f"{tmp_path}/cmdline": "another", f"{tmp_path}/none": "none"})
    boot_entries.unread(left_out)
    assert list(left_out) == [f"{tmp_path}/EFI/Linux/one.efi", f"{tmp_path}/cmdline"]


@pytest.mark.parametrize(
    ("header", "machine_id", "future"),
    [
        ("# File created by /usr/lib/kernel/install.d/90-loaderentry.install (systemd 257)\n", "1", ["ro", "audit=1"]),
        ("# File created by /usr/lib/kernel/install.d/90-loaderentry.install (systemd 257)\n", "2", None),
        ("", "1", None),
    ],
    ids=["kernel-install's", "another system's", "people's"],
)
def test_kernel_install_gives_later_kernels_the_running_one_s_parameters_where_no_file_has_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, header: str, machine_id: str, future: list[str] | None
) -> None:
    snippet = f"{header}machine-id {machine_id}\n{SNIPPET}"
    tree(tmp_path, **{"EFI/systemd/systemd-bootx64.efi": "", "loader/entries/1.conf": snippet})
    tree(tmp_path, running="BOOT_IMAGE=/x initrd=/y ro audit=1\n", id="1\n")
    monkeypatch.setattr(boot_entries, "PARTITIONS", (str(tmp_path),))
    monkeypatch.setattr(boot_entries, "SNIPPETS", (f"{tmp_path}/loader/entries/*.conf",))
    monkeypatch.setattr(boot_entries, "KERNEL_CMDLINE", (f"{tmp_path}/none", f"{tmp_path}/none"))
    monkeypatch.setattr(boot_entries, "RUNNING", f"{tmp_path}/running")
    monkeypatch.setattr(boot_entries, "MACHINE_ID", f"{tmp_path}/id")
    stored = boot_entries.systemd_boot({})
    assert stored is not None
    assert (stored.future, stored.sources) == (([future], [f"{tmp_path}/running"]) if future else (None, []))
    assert [bool(one.made_by) for one in stored.entries] == [future is not None]


@pytest.mark.parametrize(
    ("content", "left_out"),
    [("search --set=root x\nconfigfile ($root)/boot/grub/grub.cfg\n", False), (MENU, True), ("blscfg\n", True)],
)
def test_menu_on_the_efi_system_partition_is_no_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, left_out: bool
) -> None:
    """GRUB starts with that, which hands on to the other, or does not."""
    tree(tmp_path, **{"EFI/debian/grub.cfg": content, "grub.cfg": MENU})
    (tmp_path / "EFI/same").mkdir()
    (tmp_path / "EFI/same/grub.cfg").symlink_to(tmp_path / "grub.cfg")
    monkeypatch.setattr(boot_grub, "MENUS", (str(tmp_path / "grub.cfg"),))
    monkeypatch.setattr(boot_grub, "PARTITIONS", (str(tmp_path),))
    found: dict[str, str] = {}
    boot_grub.other_menus(found)
    assert list(found) == ([f"{tmp_path}/EFI/debian/grub.cfg"] if left_out else [])


@pytest.mark.parametrize(("makes", "kept"), [("label l0\n\tlinux /vmlinuz\n", True), ("## no kernel\n", False)])
def test_extlinux_menu_that_lost_its_kernels_fails_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, makes: str, kept: bool
) -> None:
    """u-boot-update itself ends with 0."""
    menu, program = tmp_path / "extlinux.conf", tmp_path / "u-boot-update"
    menu.write_text(EXTLINUX)
    program.write_text(f"#!/bin/sh\nprintf '{makes}' > {menu}\n")
    program.chmod(0o755)
    monkeypatch.setitem(_commands._TOUCHED, "u-boot-update", (str(menu),))
    command = _commands.Command([str(program)])
    assert command.is_for_boot_loader
    if kept:
        assert command.run(timeout=10).code == 0
    else:
        with pytest.raises(ChangeError, match=r"left .*extlinux.conf without a line"):
            command.run(timeout=10)


def test_second_menu_is_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, **{"grub/grub.cfg": MENU, "grub2/grub.cfg": MENU})
    monkeypatch.setattr(boot_grub, "MENUS", (f"{tmp_path}/grub/grub.cfg", f"{tmp_path}/grub2/grub.cfg"))
    monkeypatch.setattr(boot_grub, "PARTITIONS", ())
    found: dict[str, str] = {}
    boot_grub.other_menus(found)
    assert list(found) == [f"{tmp_path}/grub2/grub.cfg"]
    (tmp_path / "grub2/grub.cfg").unlink()
    (tmp_path / "grub2/grub.cfg").symlink_to(tmp_path / "grub/grub.cfg")
    found.clear()
    boot_grub.other_menus(found)
    assert found == {}


def test_partition_that_is_mounted_twice_has_its_entries_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two changes of one file would get in each other's way."""
    tree(tmp_path, **{"EFI/systemd/systemd-bootx64.efi": "", "one/1.conf": SNIPPET})
    (tmp_path / "two").mkdir()
    os.link(tmp_path / "one/1.conf", tmp_path / "two/1.conf")
    monkeypatch.setattr(boot_entries, "PARTITIONS", (str(tmp_path),))
    monkeypatch.setattr(boot_entries, "SNIPPETS", (f"{tmp_path}/one/*.conf", f"{tmp_path}/two/*.conf"))
    stored = boot_entries.systemd_boot({})
    assert stored is not None and len(stored.entries) == 1


def test_entries_without_their_boot_loader_are_none_of_systemd_boot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(tmp_path, **{"loader/entries/1.conf": SNIPPET})
    monkeypatch.setattr(boot_entries, "PARTITIONS", (str(tmp_path),))
    assert boot_entries.systemd_boot({}) is None


def firmware(root: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> tuple[t.Any, dict[str, str]]:
    """What is stored for the Raspberry Pi among FILES of its boot partition, and what was left out."""
    tree(root, **files)
    monkeypatch.setattr(boot_entries, "FIRMWARE", (str(root / "none"), str(root)))
    monkeypatch.setattr(boot_entries, "RASPBERRY_HOOK", str(root / "hook"))
    monkeypatch.setattr(boot_entries, "RASPBERRY_EXTRA", str(root / "extra"))
    left_out: dict[str, str] = {}
    return boot_entries.raspberry(left_out), left_out


def test_raspberry_pi_boots_the_first_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored, left_out = firmware(tmp_path, monkeypatch, **{"config.txt": "", "cmdline.txt": "root=1 audit=1\naudit=0\n"})
    assert [(one.title, one.words) for one in stored.entries] == [("cmdline.txt", ["root=1", "audit=1"])]
    assert stored.future is None and left_out == {}


@pytest.mark.parametrize(
    ("hook", "future"),
    # The Raspberry Pi OS has a hook of the same name, which makes no cmdline.txt.
    [("cmdline_custom=EXTRA\n", [["audit=0"]]), ("cp vmlinuz /boot/firmware\n", None)],
)
def test_debian_makes_the_command_line_of_another_file_s_first_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hook: str, future: list[list[str]] | None
) -> None:
    files = {"config.txt": "", "cmdline.txt": "root=1\n", "extra": "audit=0\naudit=1\n"}
    stored, _left_out = firmware(
        tmp_path, monkeypatch, **{**files, "hook": hook.replace("EXTRA", str(tmp_path / "extra"))}
    )
    assert stored.future == future and bool(stored.entries[0].made_by) is (future is not None)


@pytest.mark.parametrize(
    ("config", "names"),
    [
        ("cmdline=other.txt\n", ["other.txt"]),
        ("[pi4]\ncmdline=other.txt\n[all]\n", ["cmdline.txt", "other.txt"]),
        ("[pi4]\ncmdline=cmdline.txt\n[all]\ncmdline=other.txt\n", ["other.txt"]),
        ("# cmdline=other.txt\n", ["cmdline.txt"]),
        ("os_prefix=new/\n", ["new/cmdline.txt"]),
        ("os_prefix=none/\n", ["cmdline.txt"]),
        ("[tryboot]\nos_prefix=new/\n", ["cmdline.txt", "new/cmdline.txt"]),
        ("include more.txt\n", ["other.txt"]),
    ],
)
def test_raspberry_pi_reads_the_command_line_that_its_configuration_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str, names: list[str]
) -> None:
    files = {"cmdline.txt": "a\n", "other.txt": "b\n", "new/cmdline.txt": "c\n", "more.txt": "cmdline=other.txt\n"}
    stored, left_out = firmware(tmp_path, monkeypatch, **{"config.txt": config, **files})
    assert [one.title for one in stored.entries] == names and left_out == {}


def test_raspberry_pi_that_can_boot_another_partition_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"config.txt": "", "cmdline.txt": "a\n", "autoboot.txt": "[all]\nboot_partition=2\n"}
    _stored, left_out = firmware(tmp_path, monkeypatch, **files)
    assert list(left_out) == [str(tmp_path / "autoboot.txt")]


@pytest.mark.parametrize(
    ("defaults", "kernel", "future"),
    [
        ("", "", "ro quiet"),
        ('U_BOOT_PARAMETERS="ro audit=1"\n', "root=1 ro", "ro audit=1"),
        ("", "root=1 ro audit=1", "root=1 ro audit=1"),
        ("", "root=1 ro\naudit=1", ""),
    ],
)
def test_u_boot_s_parameters_come_from_where_its_program_takes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, defaults: str, kernel: str, future: str
) -> None:
    tree(tmp_path, **{"u-boot": defaults, "extlinux.conf": EXTLINUX, **({"cmdline": kernel} if kernel else {})})
    monkeypatch.setattr(boot_entries, "EXTLINUX", (str(tmp_path / "extlinux.conf"),))
    monkeypatch.setattr(boot_entries, "U_BOOT", str(tmp_path / "u-boot"))
    monkeypatch.setattr(boot_entries, "U_BOOT_DROP_INS", ())
    monkeypatch.setattr(boot_entries, "KERNEL_CMDLINE", (str(tmp_path / "cmdline"), str(tmp_path / "none")))
    stored = boot_entries.extlinux({})
    assert stored is not None and stored.future == [future.split()]
    assert {one.made_by for one in stored.entries} == {"u-boot-update"}


@pytest.mark.parametrize("switch", ['U_BOOT_UPDATE="false"', "U_BOOT_UPDATE=no"])
def test_u_boot_s_menu_that_is_switched_off_is_people_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, switch: str
) -> None:
    """u-boot-update does nothing then, and says that it did well."""
    tree(tmp_path, **{"u-boot": f"{switch}\n", "extlinux.conf": EXTLINUX})
    monkeypatch.setattr(boot_entries, "EXTLINUX", (str(tmp_path / "extlinux.conf"),))
    monkeypatch.setattr(boot_entries, "U_BOOT", str(tmp_path / "u-boot"))
    monkeypatch.setattr(boot_entries, "U_BOOT_DROP_INS", ())
    stored = boot_entries.extlinux({})
    assert stored is not None and stored.future is None and {one.made_by for one in stored.entries} == {""}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("include other.conf", "other.conf"),
        ("menu include other.conf", "other.conf"),
        ("label x\nlinux /v\nappend root=1 token=letmein${extra}", "${extra}"),
    ],
)
def test_what_u_boot_alone_knows_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, reason: str
) -> None:
    tree(tmp_path, **{"extlinux.conf": f"{EXTLINUX}{line}\n"})
    monkeypatch.setattr(boot_entries, "EXTLINUX", (str(tmp_path / "extlinux.conf"),))
    left_out: dict[str, str] = {}
    boot_entries.extlinux(left_out)
    assert reason in left_out[str(tmp_path / "extlinux.conf")] and "letmein" not in str(left_out)


def test_grub_with_snippets_takes_their_variables_from_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(
        tmp_path,
        **{
            "grub.cfg": "insmod blscfg\nblscfg\n",
            "grubenv": "# GRUB Environment Block\nkernelopts=root=1 ro audit=1\n####",
            "entries/1.conf": "title one\nlinux /vmlinuz\noptions $kernelopts $tuned_params\n",
            "entries/2.conf": "title two\nlinux /vmlinuz\noptions root=1\n",
        },
    )
    monkeypatch.setattr(boot_grub, "MENUS", (str(tmp_path / "grub.cfg"),))
    monkeypatch.setattr(boot_grub, "SNIPPETS", (f"{tmp_path}/entries/*.conf",))
    left_out: dict[str, str] = {}
    stored = boot_grub.snippets(left_out)
    assert stored is not None and boot_grub.menu({}) is None
    assert [one["values"]["audit"] for one in stored.as_dict(["audit"])["entries"]] == ["1", None]
    assert left_out == {}


FALLBACK = """if [ -z "${kernelopts}" ]; then
  set kernelopts="root=1 ro audit=1"
fi
insmod blscfg
blscfg
"""


def bls(root: Path, monkeypatch: pytest.MonkeyPatch, menu: str, grubenv: str, options: str) -> tuple[t.Any, t.Any]:
    """The values of audit in a menu that takes snippets, by entry, and what was left out."""
    snippet = f"title one\nlinux /vmlinuz\n{options}\n"
    tree(root, **{"grub.cfg": menu, "grubenv": grubenv, "entries/1.conf": snippet})
    monkeypatch.setattr(boot_grub, "MENUS", (str(root / "grub.cfg"),))
    monkeypatch.setattr(boot_grub, "SNIPPETS", (f"{root}/entries/*.conf",))
    left_out: dict[str, str] = {}
    stored = boot_grub.snippets(left_out)
    assert stored is not None
    return [one["values"]["audit"] for one in stored.as_dict(["audit"])["entries"]], left_out


@pytest.mark.parametrize(
    ("menu", "grubenv", "options", "values"),
    [
        # What grub2-mkconfig writes into the menu is for hosts without an environment block.
        (FALLBACK, "kernelopts=root=1 ro audit=0\n", "options $kernelopts", ["0"]),
        (FALLBACK, "", "options $kernelopts", ["1"]),
        # Of several lines of options GRUB takes the first, and without one this variable.
        ("blscfg\n", "", "options root=1\noptions audit=1", [None]),
        ("set default_kernelopts='audit=1'\nblscfg\n", "", "version 1", ["1"]),
        ("set default_kernelopts='audit=1'\nblscfg\n", "", "options root=1 $kernelopts", [None]),
        # Entries of the menu itself.
        ("blscfg\nmenuentry 'Rescue' {\n linux /old audit=0\n}\n", "", "options audit=1", ["1", "0"]),
    ],
)
def test_snippets_get_their_parameters_as_grub_gives_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, menu: str, grubenv: str, options: str, values: list[str | None]
) -> None:
    assert bls(tmp_path, monkeypatch, menu, grubenv, options) == (values, {})


# Commands of menus that grub2-mkconfig wrote, and entries, as people published them of their hosts.
RED_HAT = {
    "CentOS 8": (
        """set pager=1
if [ -f ${config_directory}/grubenv ]; then
  load_env -f ${config_directory}/grubenv
elif [ -s $prefix/grubenv ]; then
  load_env
fi
set tuned_params=""
set tuned_initrd=""
### BEGIN /etc/grub.d/10_linux ###
if [ -z "${kernelopts}" ]; then
  set kernelopts="root=UUID=2f64394d-a847-4c1a-bda9-e658edc017ad ro  "
fi
insmod blscfg
blscfg
### END /etc/grub.d/10_linux ###
""",
        "kernelopts=root=UUID=80c961de-0c21-44a3-b8e2-e7916053edea ro crashkernel=auto resume=UUID=2872386b-5c35-4987-a8ff-67fe1989616a rhgb quiet\n",
        """title CentOS Linux (4.18.0-147.el8.x86_64) 8 (Core)
version 4.18.0-147.el8.x86_64
linux /vmlinuz-4.18.0-147.el8.x86_64
initrd /initramfs-4.18.0-147.el8.x86_64.img $tuned_initrd
options $kernelopts $tuned_params
id centos-20191204215851-4.18.0-147.el8.x86_64
grub_users $grub_users
grub_arg --unrestricted
grub_class kernel
""",
        "auto",
    ),
    "RHEL 9": (
        "### BEGIN /etc/grub.d/10_linux ###\ninsmod blscfg\nblscfg\n### END /etc/grub.d/10_linux ###\n",
        "saved_entry=6b3f2a1c9d8e4f5a0b1c2d3e4f5a6b7c-5.14.0-427.13.1.el9_4.x86_64\nboot_success=0\n",
        """title Red Hat Enterprise Linux (5.14.0-427.13.1.el9_4.x86_64) 9.4 (Plow)
version 5.14.0-427.13.1.el9_4.x86_64
linux /vmlinuz-5.14.0-427.13.1.el9_4.x86_64
initrd /initramfs-5.14.0-427.13.1.el9_4.x86_64.img
options root=/dev/mapper/vg0-root ro crashkernel=1G-4G:192M,4G-64G:256M rd.lvm.lv=vg0/root console=ttyS0,115200n8
grub_users $grub_users
grub_arg --unrestricted
grub_class rhel
""",
        "1G-4G:192M,4G-64G:256M",
    ),
    "Fedora": (
        """### BEGIN /etc/grub.d/10_linux ###
set default_kernelopts="root=/dev/mapper/fedora_localhost--live-root ro rd.lvm.lv=fedora_localhost-live/root rhgb quiet"
insmod blscfg
blscfg
### END /etc/grub.d/10_linux ###
""",
        "boot_success=1\n",
        """title Fedora Linux (6.11.9-100.fc39.x86_64) 39 (Thirty Nine)
version 6.11.9-100.fc39.x86_64
linux /boot/vmlinuz-6.11.9-100.fc39.x86_64
initrd /boot/initramfs-6.11.9-100.fc39.x86_64.img
options root=UUID=a7e970a5-14fb-4a8a-ab09-603d1ac3fee9 ro crashkernel=auto net.ifnames=0 rhgb console=tty0 console=ttyS0,115200n8
grub_users $grub_users
grub_arg --unrestricted
grub_class fedora
""",
        "auto",
    ),
}


@pytest.mark.parametrize("system", RED_HAT)
def test_hosts_of_the_red_hat_family_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    menu, grubenv, snippet, crashkernel = RED_HAT[system]
    tree(
        tmp_path, **{"grub.cfg": menu, "grubenv": f"# GRUB Environment Block\n{grubenv}####", "entries/1.conf": snippet}
    )
    monkeypatch.setattr(boot_grub, "MENUS", (str(tmp_path / "grub.cfg"),))
    monkeypatch.setattr(boot_grub, "SNIPPETS", (f"{tmp_path}/entries/*.conf",))
    left_out: dict[str, str] = {}
    stored = boot_grub.snippets(left_out)
    assert stored is not None and boot_grub.menu({}) is None and left_out == {}
    (one,) = stored.as_dict(["audit", "crashkernel"])["entries"]
    assert one["values"] == {"audit": None, "crashkernel": crashkernel}
    assert one["title"].startswith(snippet.splitlines()[0].removeprefix("title "))


def test_entry_that_starts_a_unified_image_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, **{"entries/2.conf": "title image\nefi /EFI/Linux/one.efi\n"})
    values, left_out = bls(tmp_path, monkeypatch, "blscfg\n", "", "options audit=1")
    assert values == ["1"] and f"{tmp_path}/entries/2.conf" in left_out


def grub(root: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> tuple[t.Any, dict[str, str]]:
    """What is stored in GRUB's menu among FILES of a directory, and what was left out."""
    tree(root, **files)
    monkeypatch.setattr(boot_grub, "MENUS", (str(root / "grub.cfg"),))
    monkeypatch.setattr(boot_grub, "DEFAULTS", str(root / "grub"))
    monkeypatch.setattr(boot_grub, "DROP_INS", f"{root}/d/*.cfg")
    left_out: dict[str, str] = {}
    stored = boot_grub.menu(left_out)
    assert stored is not None
    return stored, left_out


def test_entries_of_files_that_the_menu_takes_in_are_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    menu = MENU + "source $prefix/custom.cfg\nsource ${config_directory}/none.cfg\nconfigfile (hd0,1)/other.cfg\n"
    stored, left_out = grub(
        tmp_path, monkeypatch, **{"grub.cfg": menu, "custom.cfg": "menuentry 'Mine' { linux /boot/mine ro; }\n"}
    )
    assert [(one.title, one.source) for one in stored.entries][-1] == ("Mine", f"{tmp_path}/custom.cfg")
    assert not boot_loaders.LOADERS["grub"].own({"made_by": stored.entries[-1].made_by})
    assert left_out == {
        str(tmp_path / "grub.cfg"): "it takes in (hd0,1)/other.cfg, which is not read: look into that by hand"
    }


@pytest.mark.parametrize(
    "line",
    [
        "menuentry 'One; {line}' { linux /boot/vmlinuz audit=0; initrd /i; }",
        "menuentry 'One' {\n if true; then linux /boot/vmlinuz audit=0; fi\n}",
        "menuentry 'One' {\n linux /boot/my-own audit=0\n}",
        "menuentry 'One' {\n linux \"${root}/k\" 'audit=0'\n}",
    ],
)
def test_kernel_is_seen_however_its_entry_is_written(line: str) -> None:
    entries = boot_grub.entries(
        f"set root=x\n# linux /boot/vmlinuz\n{line}\n", "/boot/grub/grub.cfg", {"root": "x"}, {}
    )
    assert [boot_words.values(one.words, ["audit"]) for one in entries] == [{"audit": "0"}]


def test_menu_that_people_wrote_tells_nothing_of_later_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made anew it would be lost."""
    stored, _left_out = grub(tmp_path, monkeypatch, **{"grub.cfg": "menuentry 'Mine' {\n linux /boot/vmlinuz\n}\n"})
    assert stored.future is None and [one.made_by for one in stored.entries] == [""]


def test_grub_s_menu_has_what_its_settings_give_to_later_kernels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, last = (
        'GRUB_CMDLINE_LINUX="console=ttyS0"\nGRUB_CMDLINE_LINUX_DEFAULT="quiet audit=0"\n',
        boot_loaders.with_line("", "audit", 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX audit=1"'),
    )
    tree(tmp_path, **{"grub.cfg": MENU, "grub": first, "d/zz.cfg": last})
    monkeypatch.setattr(boot_grub, "MENUS", (str(tmp_path / "grub.cfg"),))
    monkeypatch.setattr(boot_grub, "DEFAULTS", str(tmp_path / "grub"))
    monkeypatch.setattr(boot_grub, "DROP_INS", f"{tmp_path}/d/*.cfg")
    stored = boot_grub.menu({})
    assert stored is not None and stored.future
    assert stored.future[0] == ["console=ttyS0", "audit=1", "quiet", "audit=0"]
    assert stored.as_dict(["audit"])["future"]["values"] == [{"audit": "0"}, {"audit": "1"}], "what comes last wins"


@pytest.mark.parametrize(
    ("settings", "values"),
    [
        ('GRUB_CMDLINE_LINUX_DEFAULT="quiet audit=1"', ["1", None]),
        ('GRUB_CMDLINE_LINUX_DEFAULT="quiet audit=1"\nGRUB_DISABLE_RECOVERY=true', ["1"]),
        ('GRUB_CMDLINE_LINUX_DEFAULT="audit=1"\nGRUB_CMDLINE_LINUX_RECOVERY="single audit=1"', ["1", "1"]),
        ('GRUB_CMDLINE_LINUX="quiet # later: audit=1"', [None, None]),
        ('GRUB_CMDLINE_LINUX="audit=1"\nGRUB_CMDLINE_LINUX_XEN_REPLACE="quiet"', ["1", "1", None, None]),
    ],
)
def test_entries_that_rescue_are_made_of_other_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str, values: list[str | None]
) -> None:
    tree(tmp_path, **{"grub.cfg": MENU, "grub": settings + "\n"})
    monkeypatch.setattr(boot_grub, "MENUS", (str(tmp_path / "grub.cfg"),))
    monkeypatch.setattr(boot_grub, "DEFAULTS", str(tmp_path / "grub"))
    monkeypatch.setattr(boot_grub, "DROP_INS", f"{tmp_path}/d/*.cfg")
    stored = boot_grub.menu({})
    assert stored is not None
    assert [one["audit"] for one in stored.as_dict(["audit"])["future"]["values"]] == values


def test_texts_of_boot_loader_entries_are_those_that_a_pattern_matches_without_secrets(tmp_path: Path) -> None:
    entries = tmp_path / "loader/entries"
    entries.mkdir(parents=True)
    (entries / "1.conf").write_text(SNIPPET)
    (entries / "2.conf").write_text("options rd.iscsi.password=letmein\n")
    section = Texts([f"{entries}/*.conf", str(tmp_path / "none")]).read()
    assert section.items == {f"{entries}/1.conf": SNIPPET, str(tmp_path / "none"): None}
    assert "rd.iscsi.password" in section.left_out[f"{entries}/2.conf"] and "letmein" not in str(section)


# What is judged.


def test_rule_holds_where_it_holds_now_and_in_every_entry(catalogue: t.Any, hardened: t.Any) -> None:
    machine(hardened, "grub", [entry("one", "1"), entry("two", "1")], live="1", future=later("1"))
    assert planned(catalogue, hardened)[0].verdict == "pass"


@pytest.mark.parametrize(
    ("entries", "live", "future"),
    [
        ([entry("one", "1"), entry("two", "0")], "1", later("1")),
        ([entry("one", "1")], "0", later("1")),
        ([entry("one", "1")], "1", later(None)),
    ],
)
def test_one_place_without_it_fails(
    catalogue: t.Any, hardened: t.Any, entries: t.Any, live: str, future: t.Any
) -> None:
    machine(hardened, "grub", entries, live=live, future=future)
    assert planned(catalogue, hardened)[0].verdict == "fail"


def test_stored_everywhere_waits_for_the_next_boot(catalogue: t.Any, hardened: t.Any) -> None:
    machine(hardened, "grub", [entry("one", "1")], live=None, future=later("1"))
    verdict, desired = planned(catalogue, hardened)
    assert "next boot" in verdict.held and desired.reboot and desired.empty()


def test_host_that_has_booted_without_what_is_stored_is_not_told_to_wait_for_ever(
    catalogue: t.Any, hardened: t.Any
) -> None:
    machine(hardened, "grub", [entry("one", "1")], live=None, future=later("1"))
    hardened["boot"]["booted_since"] = True
    verdict, desired = planned(catalogue, hardened)
    assert "the host has booted since without it" in verdict.held and desired.reboot and desired.empty()


def test_files_are_older_than_the_boot_where_all_were_changed_before_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    entries = [boot_words.Entry("one", str(tmp_path / name), "", []) for name in "ab"]
    monkeypatch.setattr(_boot, "outside", lambda: "")
    monkeypatch.setattr(_boot, "LOADERS", {"grub": lambda _left_out: boot_words.Stored(entries)})
    monkeypatch.setattr(_boot.boot_grub, "password", lambda _left_out: None)
    for one in entries:
        Path(one.source).touch()
    os.utime(entries[0].source, (1, 1))
    assert _boot.Boot(["audit"]).read().items["booted_since"] is False
    os.utime(entries[1].source, (1, 1))
    assert _boot.Boot(["audit"]).read().items["booted_since"] is True
    Path(entries[0].source).unlink()
    assert _boot.Boot(["audit"]).read().items["booted_since"] is False


SECURITY = "boot/security"


@pytest.mark.parametrize(
    ("lsm", "verdict"),
    [
        (None, "pass"),
        ("lockdown,yama,apparmor,bpf", "pass"),
        ("apparmor", "pass"),
        ("lockdown,yama", "fail"),
        ("landlock,apparmor2", "fail"),
        ("", "fail"),
    ],
)
@pytest.mark.parametrize("where", ["live", "entry", "future"])
def test_list_of_security_modules_decides_beside_the_one_that_is_named(
    catalogue: t.Any, hardened: t.Any, lsm: str | None, verdict: str, where: str
) -> None:
    good = given("apparmor")
    lines = {**dict.fromkeys(("live", "entry", "future"), good), where: given("apparmor", lsm)}
    future = {"sources": ["/etc/default/grub"], "values": [lines["future"]]}
    machine(hardened, "grub", [{**entry("one", ""), "values": lines["entry"]}], live="", future=future)
    hardened["boot"]["live"] = lines["live"]
    ruling, desired = planned(catalogue, hardened, SECURITY)
    assert ruling.verdict == verdict and desired.empty()
    if verdict == "fail":
        assert f"security=apparmor beside lsm{lsm and '=' + lsm}" in ruling.actual
        assert ("next boot" if where == "live" else "add apparmor to it") in ruling.held


def test_unknown_boot_loader_is_not_checked(catalogue: t.Any, hardened: t.Any) -> None:
    machine(hardened, "grub", [], live="1")
    hardened["boot"].update(loaders={}, unknown="nothing that is known")
    verdict, desired = planned(catalogue, hardened)
    assert (verdict.verdict, verdict.actual) == ("not_checked", "nothing that is known") and desired.empty()


def test_menu_without_an_entry_is_not_checked(catalogue: t.Any, hardened: t.Any) -> None:
    machine(hardened, "grub", [], live="1", future=later("1"))
    assert planned(catalogue, hardened)[0].verdict == "not_checked"


def test_host_that_is_started_from_outside_does_not_apply(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["host"]["container"] = False
    hardened["boot"]["outside"] = "no kernel is installed"
    verdict, _desired = planned(catalogue, hardened)
    assert (verdict.verdict, verdict.actual) == ("not_applicable", "no kernel is installed")


def test_pass_over_what_was_not_seen_is_an_error(catalogue: t.Any, hardened: t.Any) -> None:
    machine(hardened, "grub", [entry("one", "1")], live="1", future=later("1"))
    hardened.document["sections"]["boot"]["left_out"]["/etc/default/grub"] = "it sets it by a program"
    assert planned(catalogue, hardened)[0].verdict == "error"


@pytest.mark.parametrize(
    ("loader", "source", "content"),
    [
        ("raspberry", "/boot/firmware/cmdline.txt", "audit=1 root=PARTUUID=1"),
        ("systemd-boot", "/efi/loader/entries/1.conf", "options root=1 audit=1"),
        # The value is the environment block's.
        ("bls", "/boot/loader/entries/1.conf", "options $kernelopts"),
    ],
)
def test_second_judge_finds_the_parameter_where_it_stands(
    catalogue: t.Any, hardened: t.Any, loader: str, source: str, content: str
) -> None:
    machine(hardened, loader, [entry("one", "1", source, "")], live="1")
    verdict, _desired = planned(catalogue, hardened)
    assert verdict.verdict == "pass"
    checks = [check.attributes for check in _registry.KINDS["boot"].asserts(verdict.demand, hardened)]
    patterns = [one for check in checks if check.get("path") == source for one in check["contents"]]
    assert all(re.search(pattern[1:-1], content) for pattern in patterns)


# What is changed.


def test_grub_gets_one_drop_in_and_one_new_menu_for_all_rules(catalogue: t.Any, hardened: t.Any) -> None:
    machine(hardened, "grub", [entry("one", None)], live=None, future=later(None))
    _verdict, desired = planned(catalogue, hardened, *(f"boot/{name}" for name in NAMES))
    lines = desired.files["/etc/default/grub.d/zz-unified.cfg"]["content"].splitlines()
    assert lines[0] == "# Managed by unified.deploy."
    assert sorted(lines[1:]) == [
        f'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX {word}"'
        for word in ("apparmor=1", "audit=1", "audit_backlog_limit=8192", "security=apparmor")
    ]
    assert desired.commands == []
    assert options(desired, hardened["text"])["commands"] == [
        {"argv": ["grub-mkconfig", "-o", "%s"], "into": "/boot/grub/grub.cfg", "keeps": boot_loaders.KERNEL_LINE}
    ]


def test_parameter_that_only_the_entry_that_rescues_lacks_is_added(catalogue: t.Any, hardened: t.Any) -> None:
    """Made anew from the same settings the menu would stay as it is, at each run."""
    entries = [entry("Debian", "1"), entry("Debian (recovery mode)", None)]
    future = {"sources": ["/etc/default/grub"], "values": [given("1"), given(None)]}
    machine(hardened, "grub", entries, live="1", future=future)
    verdict, desired = planned(catalogue, hardened)
    assert "audit=1" in desired.files["/etc/default/grub.d/zz-unified.cfg"]["content"] and desired.derived
    assert "no audit for kernels to come" in verdict.actual


def test_drop_in_is_read_back_as_it_was_meant(tmp_path: Path) -> None:
    path = tmp_path / "zz.cfg"
    content = boot_loaders.with_line("", "audit", 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX audit=0"')
    path.write_text(boot_loaders.with_line(content, "audit", 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX audit=1"'))
    assert path.read_text().count("audit") == 1
    assert assigned([str(path)], ("GRUB_CMDLINE_LINUX",), {})["GRUB_CMDLINE_LINUX"].split() == ["audit=1"]


@pytest.mark.parametrize(
    "site",
    [
        'U_BOOT_PARAMETERS="${CONSOLE} rw rootwait audit=0"',
        'U_BOOT_PARAMETERS="$U_BOOT_PARAMETERS rootwait audit=0"',
        "U_BOOT_PARAMETERS='rootwait audit=0'",
    ],
)
def test_line_of_the_site_s_stays_where_ours_is_added(site: str) -> None:
    line = 'U_BOOT_PARAMETERS="${U_BOOT_PARAMETERS:-ro quiet} audit=1"'
    before = line.replace("audit=1", "audit=2")
    assert boot_loaders.with_line(f"{site}\n{before}\n", "audit", line) == f"{site}\n{line}\n"


def test_stale_menu_is_made_anew_alone(catalogue: t.Any, hardened: t.Any) -> None:
    machine(hardened, "grub", [entry("one", None)], live=None, future=later("1"))
    _verdict, desired = planned(catalogue, hardened)
    assert desired.derived and not desired.files


def test_entry_of_the_site_s_own_is_held_by_name(catalogue: t.Any, hardened: t.Any) -> None:
    machine(hardened, "grub", [entry("Rescue", None, made_by="40_custom")], live="1", future=later("1"))
    verdict, desired = planned(catalogue, hardened)
    assert "'Rescue'" in verdict.held and "40_custom" in verdict.held and desired.empty()


def test_file_that_the_menu_takes_in_is_never_made_anew(catalogue: t.Any, hardened: t.Any) -> None:
    entries = [entry("Debian", None), entry("Mine", None, "/boot/grub/custom.cfg", "")]
    machine(hardened, "grub", entries, live=None, future=later(None))
    _verdict, desired = planned(catalogue, hardened)
    assert list(desired.derived) == ["/boot/grub/grub.cfg"]


def test_menu_that_people_wrote_is_held(catalogue: t.Any, hardened: t.Any) -> None:
    machine(hardened, "grub", [entry("Mine", None, made_by="")], live="1")
    verdict, desired = planned(catalogue, hardened)
    assert "'Mine'" in verdict.held and desired.empty()


def test_setting_that_comes_after_ours_is_held_by_name_and_nothing_is_made_anew(
    catalogue: t.Any, hardened: t.Any
) -> None:
    site = "/etc/default/grub.d/zzz-site.cfg"
    machine(
        hardened, "grub", [entry("one", "0")], live="0", future=later("0", "/etc/default/grub.d/zz-unified.cfg", site)
    )
    hardened["text"]["/etc/default/grub.d/zz-unified.cfg"] = 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX audit=1"\n'
    verdict, desired = planned(catalogue, hardened)
    assert site in verdict.held and "zz-unified" not in verdict.held and desired.empty()


def test_changes_of_the_boot_come_last_and_by_themselves(catalogue: t.Any, hardened: t.Any) -> None:
    machine(hardened, "grub", [entry("one", None)], live=None, future=later(None))
    hardened["sysctl"]["kernel.dmesg_restrict"]["live"] = "0"
    filters = _selection.Filters((), (), (RULE, "sysctl/kernel.dmesg_restrict"))
    selection = _selection.select(catalogue, [("cis", "l2_server")], _selection.Overlay(), hardened["host"], filters)
    connection = Connection(user="ansible")
    parts = _plan.batches(_plan.plan(selection, hardened, connection), hardened, connection)
    assert [(part.name, part.rules) for part in parts][-1] == ("boot", [RULE]) and len(parts) > 1


def test_snippets_of_the_red_hat_family_are_changed_by_one_command(catalogue: t.Any, hardened: t.Any) -> None:
    hardened.platform = catalogue.platforms["rhel"]
    machine(hardened, "bls", [entry("one", None, "/boot/loader/entries/1.conf", "")], live=None)
    desired = _plan.Desired()
    for name in ("audit", "audit_backlog_limit", "audit"):
        loader = boot_loaders.LOADERS["bls"]
        loader.store(name, "1", boot_loaders.Bad([], later=[None]), hardened, desired)
    assert desired.commands == [["grubby", "--update-kernel=ALL", "--args=audit_backlog_limit=1 audit=1"]]


def test_entry_that_is_no_snippet_is_held_by_name(catalogue: t.Any, hardened: t.Any) -> None:
    """grubby changes snippets alone."""
    hardened.platform = catalogue.platforms["rhel"]
    entries = [
        entry("one", "1", "/boot/loader/entries/1.conf", ""),
        entry("Rescue", None, "/boot/grub2/grub.cfg", "40_custom"),
    ]
    machine(hardened, "bls", entries, live="1")
    demand = planned(catalogue, hardened)[0].demand
    kind, desired = _registry.KINDS["boot"], _plan.Desired()
    kind.want(demand, hardened, desired)
    assert desired.empty() and "'Rescue' of /boot/grub2/grub.cfg" in kind.winner(demand, hardened)


def test_systemd_boot_keeps_the_rest_of_entry_and_of_later_kernels(catalogue: t.Any, hardened: t.Any) -> None:
    path = "/boot/efi/loader/entries/1.conf"
    machine(
        hardened, "systemd-boot", [entry("one", "0", path, "")], live="0", future=later(None, "/etc/kernel/cmdline")
    )
    hardened["text"].update({path: SNIPPET, "/etc/kernel/cmdline": None, "/usr/lib/kernel/cmdline": None})
    _verdict, desired = planned(catalogue, hardened)
    assert "options root=UUID=1 ro\noptions # quiet audit=1\n" in desired.files[path]["content"]
    assert desired.files["/etc/kernel/cmdline"]["content"] == "root=UUID=1 ro # quiet audit=1\n"


def test_later_kernels_get_what_an_entry_of_this_host_has_rather_than_what_runs(
    catalogue: t.Any, hardened: t.Any
) -> None:
    """A command line of the kernel's own is written before the boot after which the running one would do."""
    paths = "/boot/efi/loader/entries/1.conf", "/boot/efi/loader/entries/2.conf"
    entries = [entry("another", "1", paths[0], ""), entry("this", "1", paths[1], boot_entries.KERNEL_INSTALL)]
    machine(hardened, "systemd-boot", entries, live=None, future=later(None, "/proc/cmdline"))
    ours = "options root=UUID=2 systemd.machine_id=1 audit=1\n"
    hardened["text"].update(dict(zip(paths, (SNIPPET, ours), strict=True)))
    hardened["text"].update({"/etc/kernel/cmdline": None, "/usr/lib/kernel/cmdline": None})
    _verdict, desired = planned(catalogue, hardened)
    assert {path: one["content"] for path, one in desired.files.items()} == {
        "/etc/kernel/cmdline": "root=UUID=2 audit=1\n"
    }


def test_comments_of_the_kernel_s_command_line_stay_comments(catalogue: t.Any, hardened: t.Any) -> None:
    """kernel-install drops lines that begin with #: one line of all would leave later kernels without a root."""
    path = "/boot/efi/loader/entries/1.conf"
    future = later(None, "/etc/kernel/cmdline")
    machine(hardened, "systemd-boot", [entry("one", "1", path, "")], live="1", future=future)
    hardened["text"].update({path: SNIPPET, "/etc/kernel/cmdline": "# the site's\nroot=UUID=1 ro\n  # more\naudit=0\n"})
    _verdict, desired = planned(catalogue, hardened)
    assert desired.files["/etc/kernel/cmdline"]["content"] == "# the site's\n  # more\nroot=UUID=1 ro audit=1\n"


def test_packaged_command_line_that_was_not_read_is_not_replaced(catalogue: t.Any, hardened: t.Any) -> None:
    path, packaged = "/boot/efi/loader/entries/1.conf", "/usr/lib/kernel/cmdline"
    machine(hardened, "systemd-boot", [entry("one", "1", path, "")], live="1", future=later(None, packaged))
    hardened["text"].update({path: SNIPPET, "/etc/kernel/cmdline": None})
    hardened["text"].pop(packaged, None)
    hardened.document["sections"]["text"]["left_out"][packaged] = "the kernel parameter x.password holds a secret"
    verdict, desired = planned(catalogue, hardened)
    assert "secret" in verdict.held and desired.empty()


def test_extlinux_adds_to_the_parameters_and_makes_the_menu(catalogue: t.Any, hardened: t.Any) -> None:
    entries = [entry("l0", None, "/boot/extlinux/extlinux.conf", "u-boot-update")]
    machine(
        hardened, "extlinux", entries, live=None, future=later(None, "/etc/default/u-boot", boot_entries.U_BOOT_DROP_IN)
    )
    _verdict, desired = planned(catalogue, hardened)
    assert (
        'U_BOOT_PARAMETERS="${U_BOOT_PARAMETERS:-ro quiet} audit=1"'
        in desired.files[boot_entries.U_BOOT_DROP_IN]["content"]
    )
    assert desired.commands == [["u-boot-update"]]


def test_kernel_s_command_line_is_one_line_for_extlinux(catalogue: t.Any, hardened: t.Any) -> None:
    entries = [entry("l0", None, "/boot/extlinux/extlinux.conf", "u-boot-update")]
    machine(hardened, "extlinux", entries, live=None, future=later(None, "/etc/kernel/cmdline"))
    hardened["text"]["/etc/kernel/cmdline"] = "# the site's\nroot=UUID=1 ro\nquiet\n"
    _verdict, desired = planned(catalogue, hardened)
    assert desired.files["/etc/kernel/cmdline"]["content"] == "root=UUID=1 ro quiet audit=1\n"


def test_extlinux_menu_of_nobody_s_making_is_held(catalogue: t.Any, hardened: t.Any) -> None:
    machine(hardened, "extlinux", [entry("l0", None, "/boot/extlinux/extlinux.conf", "")], live=None)
    verdict, desired = planned(catalogue, hardened)
    assert "'l0'" in verdict.held and desired.empty()


def test_raspberry_changes_the_first_line_alone(catalogue: t.Any, hardened: t.Any) -> None:
    path = "/boot/firmware/cmdline.txt"
    machine(hardened, "raspberry", [entry("cmdline.txt", None, path, "")], live=None)
    hardened["text"][path] = "console=tty1 root=PARTUUID=1 rootwait\nnotes\n"
    _verdict, desired = planned(catalogue, hardened)
    assert desired.files[path]["content"] == "console=tty1 root=PARTUUID=1 rootwait audit=1\nnotes\n"


def test_command_line_of_another_name_is_held_and_never_written(catalogue: t.Any, hardened: t.Any) -> None:
    """Its text is not read: what would be written is the parameter alone."""
    path = "/boot/firmware/other.txt"
    machine(hardened, "raspberry", [entry("other.txt", None, path, "")], live=None)
    verdict, desired = planned(catalogue, hardened)
    assert path in verdict.held and desired.empty()


def test_text_with_a_secret_holds_the_change(catalogue: t.Any, hardened: t.Any) -> None:
    path = "/boot/firmware/cmdline.txt"
    machine(hardened, "raspberry", [entry("cmdline.txt", None, path, "")], live=None)
    del hardened["text"][path]
    hardened.document["sections"]["text"]["left_out"][path] = "the kernel parameter x.password holds a secret"
    verdict, desired = planned(catalogue, hardened)
    assert "secret" in verdict.held and desired.empty()


def test_value_that_needs_quotes_is_never_written(catalogue: t.Any, hardened: t.Any) -> None:
    machine(hardened, "grub", [entry("one", None)], live=None, future=later(None))
    raw = {"boot/audit": '1"; reboot; "'}
    overlay = _selection.Overlay(values={name: _selection.Constraint.parse(value) for name, value in raw.items()})
    filters = _selection.Filters((), (), (RULE,))
    selection = _selection.select(catalogue, [("cis", "l2_server")], overlay, hardened["host"], filters)
    made = _plan.plan(selection, hardened, Connection(user="ansible"))
    assert "not written" in made.verdicts[RULE].held and made.desired.empty()


# The password of the menu.

HASH = "grub.pbkdf2.sha512.10000.0A0B.0C0D"
LOCKED = {
    "menu": "/boot/grub/grub.cfg", "superusers": ["root"], "hashed": ["root"], "plain": [], "asking": [], "fingerprint": "",
}  # fmt: skip
OPEN = {**LOCKED, "superusers": [], "hashed": []}
MENU_RULE = "boot_password/menu"


def locked(catalogue: t.Any, evidence: t.Any, password: t.Any, asked: str = "") -> tuple[_plan.Verdict, t.Any]:
    machine(evidence, "grub", [entry("one", "1")], live="1", future=later("1"))
    evidence["boot"]["password"] = password
    overlay = _selection.Overlay(boot_password=boot_password.fingerprint(asked))
    filters = _selection.Filters((), (), (MENU_RULE,))
    selection = _selection.select(catalogue, [("cis", "l2_server")], overlay, evidence["host"], filters)
    made = _plan.plan(selection, evidence, Connection(user="ansible"))
    _goss.generate(made.verdicts, evidence)
    return made.verdicts[MENU_RULE], made.desired


def test_lock_script_is_read_back_with_the_hash_and_entries_that_start_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    menu = tmp_path / "grub.cfg"
    menu.write_text(boot_password.SCRIPT + MENU)
    monkeypatch.setattr(boot_grub, "MENUS", (str(menu),))
    assert boot_grub.password({})["hashed"] == [], "no file with a hash, no password"
    (tmp_path / "user.cfg").write_text(f"GRUB2_PASSWORD={HASH}\n")
    read = boot_grub.password({})
    assert (read["superusers"], read["hashed"], read["plain"]) == (["root"], ["root"], [])
    assert read["fingerprint"] == boot_password.fingerprint(HASH) and HASH not in str(read)
    assert 'menuentry_id_option="--unrestricted ' in boot_password.SCRIPT


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ('set superusers="admin"\npassword admin letmein', "as it is"),
        ('set superusers="admin,other"\npassword_pbkdf2 admin grub.pbkdf2.sha512.1.aa.bb', "no password for other"),
        ('set superusers="admin"\npassword_pbkdf2 admin ${NOTHING}', "no password for admin"),
        ('set superusers="admin"\npassword_pbkdf2 admin grub.pbkdf2.sha512.1.aa.bb\nset superusers=""', "no superuser"),
        ('set superusers="admin"\npassword_pbkdf2 admin grub.pbkdf2.sha512.1.aa.bb\nunset superusers', "no superuser"),
    ],
)
def test_menu_that_only_looks_locked_fails(
    catalogue: t.Any, hardened: t.Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, wrong: str
) -> None:
    (tmp_path / "grub.cfg").write_text(line + "\n")
    monkeypatch.setattr(boot_grub, "MENUS", (str(tmp_path / "grub.cfg"),))
    verdict, desired = locked(catalogue, hardened, boot_grub.password({}))
    assert verdict.verdict == "fail" and wrong in verdict.actual and verdict.held and desired.empty()


@pytest.mark.parametrize(
    ("line", "asking"),
    [
        ("menuentry 'One' --class os $menuentry_id_option 'one' {", []),
        ("menuentry 'One' --class os ${menuentry_id_option} 'one' {", []),
        ("menuentry 'One' --unrestricted {", []),
        ("menuentry 'One' --users admin {", []),
        ("menuentry 'One' --id one {", ["One"]),
        ('submenu "One" {', ["One"]),
        ("### BEGIN /etc/grub.d/20_memtest86+ ###\nmenuentry 'One' {", []),
    ],
)
def test_entries_that_a_locked_menu_would_ask_the_password_for_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, asking: list[str]
) -> None:
    (tmp_path / "grub.cfg").write_text(f"{line}\n  linux /boot/vmlinuz\n}}\n")
    monkeypatch.setattr(boot_grub, "MENUS", (str(tmp_path / "grub.cfg"),))
    assert boot_grub.password({})["asking"] == asking


def test_menu_is_not_locked_while_an_entry_would_ask_for_the_password(catalogue: t.Any, hardened: t.Any) -> None:
    """It may be the one that starts when nobody is there."""
    verdict, desired = locked(catalogue, hardened, {**OPEN, "asking": ["My kernel"]}, HASH)
    assert "'My kernel'" in verdict.held and "--unrestricted" in verdict.held and desired.empty()


def test_menu_that_people_wrote_is_not_made_anew_for_a_lock(catalogue: t.Any, hardened: t.Any) -> None:
    machine(hardened, "grub", [entry("Mine", "1", made_by="")], live="1")
    hardened["boot"]["password"] = OPEN
    overlay = _selection.Overlay(boot_password=boot_password.fingerprint(HASH))
    filters = _selection.Filters((), (), (MENU_RULE,))
    selection = _selection.select(catalogue, [("cis", "l2_server")], overlay, hardened["host"], filters)
    made = _plan.plan(selection, hardened, Connection(user="ansible"))
    assert "grub-mkconfig" in made.verdicts[MENU_RULE].held and made.desired.empty()


def test_open_menu_is_held_until_the_site_gives_a_hash(catalogue: t.Any, hardened: t.Any) -> None:
    verdict, desired = locked(catalogue, hardened, OPEN)
    assert "hardening_boot_password" in verdict.held and desired.empty()


def test_hash_of_the_site_is_named_and_never_part_of_the_plan(catalogue: t.Any, hardened: t.Any) -> None:
    _verdict, desired = locked(catalogue, hardened, OPEN, HASH)
    made = options(desired, hardened["text"])
    assert made["secrets"] == {"/boot/grub/user.cfg": "boot_password"} and HASH not in str(made)
    assert [command["into"] for command in made["commands"]] == ["/boot/grub/grub.cfg"]


def test_another_hash_replaces_ours_without_a_new_menu(catalogue: t.Any, hardened: t.Any) -> None:
    verdict, desired = locked(catalogue, hardened, {**LOCKED, "fingerprint": "00"}, HASH)
    assert (
        "another password" in verdict.actual and list(desired.files) == ["/boot/grub/user.cfg"] and not desired.derived
    )
    assert (
        locked(catalogue, hardened, {**LOCKED, "fingerprint": boot_password.fingerprint(HASH)}, HASH)[0].verdict
        == "pass"
    )


@pytest.mark.parametrize("no_hash", ["letmein", "grub.pbkdf2.sha512.0.AA.BB", f"{HASH}\n", f"{HASH};x"])
def test_what_is_no_hash_is_refused_untold(no_hash: str) -> None:
    with pytest.raises(SelectionError) as refused:
        boot_password.fingerprint(no_hash)
    assert no_hash.strip() not in str(refused.value)


def test_module_puts_the_hash_in_and_shows_it_nowhere() -> None:
    entry_of_file = {
        "path": "/x/user.cfg", "content": "GRUB2_PASSWORD=%s\n", "encoding": "utf-8", "mode": "0600", "owner": "root",
        "group": "root", "validate": [], "digest": "", "required": True, "keep_times": False,
    }  # fmt: skip
    batch = {
        "name": "boot", "files": [entry_of_file], "secrets": {"/x/user.cfg": HASH}, "checks": [], "attributes": [],
        "sysctls": {}, "accounts": [], "units": {}, "commands": [],
    }  # fmt: skip
    made = _options.plan(batch, dry=False)
    assert made.files[0].content == f"GRUB2_PASSWORD={HASH}\n".encode()
    change = Change(made.files[0], "/x/user.cfg", None)
    assert HASH not in str(_options.diff([change])) and "********" in str(_options.diff([change]))


@pytest.mark.parametrize("loader", ["extlinux", "raspberry", "systemd-boot"])
def test_boot_loader_without_a_password_is_not_checked(catalogue: t.Any, hardened: t.Any, loader: str) -> None:
    machine(hardened, loader, [entry("one", "1", made_by="")], live="1")
    filters = _selection.Filters((), (), (MENU_RULE,))
    selection = _selection.select(catalogue, [("cis", "l2_server")], _selection.Overlay(), hardened["host"], filters)
    assert _plan.judge(selection, hardened)[MENU_RULE].verdict == "not_checked"


# A file that a program makes.


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs of the test's own user."""
    from ansible_collections.unified.deploy.plugins.module_utils._change import programs as module

    monkeypatch.setattr(module, "trusted_program", lambda name: f"/bin/{name}")


@pytest.mark.usefixtures("programs")
def test_menu_takes_the_old_one_s_place_whole_with_its_mode(tmp_path: Path) -> None:
    menu = tmp_path / "grub.cfg"
    menu.write_text("old")
    menu.chmod(0o600)
    answer = derive(["sh", "-c", "umask 022; echo new > %s; cat " + str(menu)], str(menu), str(tmp_path), timeout=20)
    assert answer.out == "old", "until it is whole the old one stays"
    assert menu.read_text() == "new\n" and menu.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["grub.cfg"]


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize("script", ["true", ": > %s", "echo half > %s; exit 1", "echo half > %s; kill -9 $$"])
def test_program_that_fails_or_makes_nothing_leaves_the_old_menu(tmp_path: Path, script: str) -> None:
    menu = tmp_path / "grub.cfg"
    menu.write_text("old")
    try:
        answer = derive(["sh", "-c", script], str(menu), str(tmp_path), timeout=20)
    except ChangeError:
        pass
    else:
        assert answer.code
    assert menu.read_text() == "old" and os.listdir(tmp_path) == ["grub.cfg"]


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize(
    ("before", "made", "after"),
    [
        (MENU, "menuentry 'UEFI Firmware Settings' {\n}\n", MENU),
        (MENU, "\tlinux /vmlinuz\n", "\tlinux /vmlinuz\n"),
        ("menuentry 'none' {\n}\n", "menuentry 'other' {\n}\n", "menuentry 'other' {\n}\n"),
    ],
)
def test_menu_without_a_kernel_takes_no_place_of_one_that_had_some(
    tmp_path: Path, before: str, made: str, after: str
) -> None:
    menu = tmp_path / "grub.cfg"
    menu.write_text(before)
    (tmp_path / "new").write_text(made)
    argv = ["sh", "-c", f"cat {tmp_path}/new > %s"]
    try:
        derive(argv, str(menu), str(tmp_path), timeout=20, keeps=boot_loaders.KERNEL_LINE)
    except ChangeError as exc:
        assert str(menu) in str(exc) and before == after
    assert menu.read_text() == after


@pytest.mark.usefixtures("programs")
def test_menu_for_which_there_is_no_room_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    menu = tmp_path / "grub.cfg"
    menu.write_text("old")

    def full(*_files: object) -> t.NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_derived, "replace", full)
    with pytest.raises(ChangeError, match=f"^{menu} could not be put in place: No space left"):
        derive(["sh", "-c", "echo new > %s"], str(menu), str(tmp_path), timeout=20)
    assert menu.read_text() == "old"


def test_batch_saves_what_a_program_makes() -> None:
    assert _batch.Command(["grub-mkconfig", "-o", "%s"], into="/boot/grub/grub.cfg").into

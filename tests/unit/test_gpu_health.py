"""Health of GPUs, on recorded machines as directories, a fake nvidia-smi after NVIDIA's published XML, and lines of a kernel's log."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import jinja2
import pytest
import yaml
from ansible_collections.unified.deploy.plugins.module_utils._gpu import health, report, smi
from ansible_collections.unified.deploy.plugins.module_utils._gpu.steps import health as step

from tests.fakes.nvidia_smi import FakeXml
from tests.secrets.modules import run
from tests.unit.conftest import INSTALLED
from tests.unit.goss_program import GOSS
from tests.unit.gpu_machines import MACHINES, build, link, put

ROLE = INSTALLED / "ansible_collections" / "unified" / "deploy" / "roles" / "gpu"
SLOT = "0000:83:00.0"
VERSION = "580.178.04"
# As `journalctl --output=short-monotonic` writes it.
QUIET = """[    0.000000] train1 kernel: Linux version 6.12.107+deb13-amd64
[    9.482113] train1 kernel: NVRM: loading NVIDIA UNIX Open Kernel Module
"""
DAYS_UP = 40

LOOK = health.look


class Host:
    """A recorded machine with NVIDIA's driver, and what its programs answer."""

    def __init__(self, root: Path, name: str = "h200") -> None:
        self.root, self.log, self.module = build(root, MACHINES[name]), QUIET, VERSION
        self.files = ["nvidia", "nvidia-uvm"]
        self.smi: FakeXml | None = FakeXml(SLOT, VERSION)
        device = self.root / f"sys/bus/pci/devices/{SLOT}"
        if name == "h200":
            link(device, "driver", "../../../bus/pci/drivers/nvidia")
            put(self.root, "sys/module/nvidia/version", f"{VERSION}\n")
            put(self.root, f"usr/lib/x86_64-linux-gnu/libnvidia-ml.so.{VERSION}", "")

    def run(self, argv: t.Sequence[str]) -> health.Answer:
        if argv[0] == "journalctl":
            return 0, self.log, ""
        if argv[0] == "modinfo":
            known = [name for name in argv[3:] if name in self.files]
            return len(known) < len(argv[3:]), f"{self.module}\n" * len(known), "" if known else "Module not found"
        if argv[0] == "nvidia-smi" and self.smi:
            return 0, self.smi.xml(), ""
        return 127, "", f"{argv[0]} is not installed"

    def look(self) -> health.Told:
        return LOOK(str(self.root), self.run)

    def states(self) -> dict[str, str]:
        return {f"{one.name} {one.where}".strip(): one.state for one in self.look()[0]}

    def wrong(self) -> list[str]:
        return [f"{one.state} {one.name}: {one.said}" for one in self.look()[0] if one.state in ("bad", "unread")]


@pytest.fixture(autouse=True)
def uptime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "uptime", lambda: DAYS_UP * 24 * 3600.0)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_healthy_gpu_is_healthy_in_every_check(host: Host) -> None:
    findings, _samples = host.look()
    assert host.wrong() == [] and report.healthy(findings) and report.code(findings) == 0
    assert {one.name for one in findings} == set(health.CHECKS)
    states = host.states()
    for name in ("driver", "xid", "reset", "ecc", "remapped_rows", "throttle", "temperature"):
        assert states[f"{name} {SLOT}"] == "ok", name


@pytest.mark.parametrize(
    ("path", "value", "check", "said"),
    [
        ("ecc_errors/volatile/dram_uncorrectable", "1", "ecc", "1 uncorrected"),
        ("ecc_errors/volatile/sram_uncorrectable_secded", "2", "ecc", "2 uncorrected"),
        ("ecc_errors/aggregate/sram_threshold_exceeded", "Yes", "ecc", "threshold"),
        ("remapped_rows/remapped_row_pending", "Yes", "remapped_rows", "next reset"),
        ("remapped_rows/remapped_row_failure", "Yes", "remapped_rows", "cannot be remapped"),
        ("clocks_event_reasons/clocks_event_reason_hw_thermal_slowdown", "Active", "throttle", "hw_thermal_slowdown"),
        ("temperature/gpu_temp_tlimit", "-3 C", "temperature", "degrees"),
        ("temperature/memory_temp", "106 C", "temperature", "the memory has 106"),
        ("gpu_recovery_action", "Reset", "reset", "asks for 'Reset'"),
    ],
)
def test_what_the_driver_reports_is_bad(host: Host, path: str, value: str, check: str, said: str) -> None:
    assert host.smi
    host.smi.set(path, value)
    (line,) = host.wrong()
    assert line.startswith(f"bad {check}: ") and said in line


@pytest.mark.parametrize(
    ("path", "check"),
    [
        ("temperature", "temperature"),
        ("clocks_event_reasons", "throttle"),
        ("ecc_errors", "ecc"),
        ("ecc_mode", "ecc"),
    ],
)
def test_what_should_be_known_and_is_not_is_not_healthy(host: Host, path: str, check: str) -> None:
    assert host.smi
    host.smi.drop(path)
    assert [line.split(":")[0] for line in host.wrong()] == [f"unread {check}"]
    assert report.code(host.look()[0]) == 3 and not report.healthy(host.look()[0])


def test_limit_of_power_and_idleness_are_no_slowdown(host: Host) -> None:
    assert host.smi
    for reason in ("gpu_idle", "sw_power_cap", "applications_clocks_setting"):
        host.smi.set(f"clocks_event_reasons/clocks_event_reason_{reason}", "Active")
    assert host.wrong() == []


def test_gpu_without_ecc_is_told_so_and_not_green(host: Host) -> None:
    assert host.smi
    host.smi.set("ecc_mode/current_ecc", "Disabled")
    assert host.states()[f"ecc {SLOT}"] == "absent" and host.wrong() == []


def test_older_xml_is_read_too(host: Host) -> None:
    """nvsmi_device_v11.dtd: other names for reasons and limits, and errors by the number of bits."""
    assert host.smi
    host.smi.as_v11()
    assert host.wrong() == []
    host.smi.set("clocks_throttle_reasons/clocks_throttle_reason_hw_slowdown", "Active")
    host.smi.set("ecc_errors/volatile/double_bit/total", "4")
    host.smi.set("temperature/gpu_temp", "96 C")
    assert [line.split(":")[0] for line in host.wrong()] == ["bad ecc", "bad throttle", "bad temperature"]


@pytest.mark.parametrize(
    ("line", "bad"),
    [
        ("NVRM: Xid (PCI:0000:83:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.", True),
        ("[12.3] NVRM: Xid (0000:83:00): 48, An uncorrectable double bit error (DBE) has been detected", True),
        ("NVRM: Xid (PCI:0000:83:00): 31, pid=4711, name=python3, MMU Fault", False),
        ("NVRM: Xid (PCI:0000:83:00): 13, pid=4711, Graphics Exception", False),
    ],
)
def test_error_of_the_gpu_is_bad_and_one_of_a_program_is_counted(host: Host, line: str, bad: bool) -> None:
    host.log += line + "\n"
    assert bool(host.wrong()) is bad
    number = re.search(r"\): (\d+),", line)
    assert number and report.Sample("errors", {"gpu": SLOT, "kind": "xid", "number": number[1]}, 1.0) in host.look()[1]


def test_fatal_error_of_a_switch_is_bad_and_another_is_not(host: Host) -> None:
    host.log += "nvidia-nvswitch3: SXid (PCI:0000:c1:00.0): 28006, Non-fatal, Link 46 MC TS crumbstore MCTO (First)\n"
    assert host.wrong() == []
    host.log += "nvidia-nvswitch3: SXid (PCI:0000:c1:00.0): 24007, Fatal, Link 44 sourcetrack timeout error (First)\n"
    assert host.wrong() == ["bad xid: SXid 24007: Fatal, Link 44 sourcetrack timeout error (First)"]


def test_journal_that_cannot_be_read_is_not_green(host: Host) -> None:
    host.log = ""
    assert host.wrong() == ["unread xid: the journal has nothing of the kernel"]


def begins(host: Host, days_ago: float) -> str:
    """The finding of a log whose oldest entry is so many days old."""
    host.log = f"[{(DAYS_UP - days_ago) * 24 * 3600:12.6f}] train1 kernel: usb 1-2: new high-speed USB device\n"
    (one,) = (one for one in host.look()[0] if one.name == "xid")
    return f"{one.state} {one.said}"


def test_log_whose_beginning_is_gone_says_how_far_it_reaches_back(host: Host) -> None:
    """journald drops its oldest entries, and an error of the GPU with them."""
    assert [one.said for one in host.look()[0] if one.name == "xid"] == ["no error of the GPU since the boot"]
    reach = "of 960.0 hours since the boot: the journal does not reach further back"
    assert begins(host, 3) == f"ok no error of the GPU in the last 72.0 hours {reach}"
    samples = {one.labels["of"]: one.value for one in host.look()[1] if one.name == "kernel_log_seconds"}
    assert samples == {"log": 3 * 24 * 3600, "boot": 40 * 24 * 3600}


def test_log_of_less_than_a_day_is_not_green(host: Host) -> None:
    assert begins(host, 0.5).startswith("unread no error of the GPU in the last 12.0 hours of 960.0 hours")
    # What the kernel's own buffer lost before journald read it is no error of a driver that was not loaded yet.
    assert begins(host, DAYS_UP - 20 / 24 / 3600).startswith("ok no error of the GPU in the last 960.0 hours")
    host.log = "-- no entries --"
    assert host.wrong() == ["unread xid: the journal does not tell when it begins"]


def test_gpu_that_nvidia_smi_does_not_list_is_bad(host: Host) -> None:
    host.smi = FakeXml("0000:84:00.0", VERSION)
    assert host.wrong() == [f"bad driver: nvidia-smi of {VERSION} does not list it"]


@pytest.mark.parametrize("xml", ["", "Driver/library version mismatch", "<x/>", '<!DOCTYPE x [<!ENTITY a "b">]><x/>'])
def test_answer_that_is_no_xml_of_nvidia_smi_is_refused(xml: str) -> None:
    with pytest.raises(smi.SmiError):
        smi.parsed(xml)


def test_without_nvidia_smi_nothing_of_the_gpu_is_known(host: Host) -> None:
    host.smi = None
    assert {line.split(":")[0] for line in host.wrong()} == {
        f"unread {name}" for name in ("reset", "ecc", "remapped_rows", "throttle", "temperature")
    }


def test_program_that_hangs_or_is_not_there_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "SECONDS", 0.2)
    begun = time.monotonic()
    assert health.ask(["sleep", "20"])[0] == 124 and time.monotonic() - begun < 10
    assert health.ask(["no-such-program"]) == (127, "", "no-such-program is not installed")
    assert health.ask(["sh", "-c", "echo out; echo why >&2; exit 3"]) == (3, "out\n", "why")


def test_versions_that_differ_are_drift(host: Host) -> None:
    host.module = "580.200.01"
    assert host.wrong() == [f"bad drift: {VERSION} is loaded, and the kernel module on the disk is 580.200.01"]
    host.module = VERSION
    put(host.root, "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.580.200.01", "")
    assert "the library libnvidia-ml.so.580.200.01" in host.wrong()[0]
    (host.root / "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.580.200.01").unlink()
    pin = "Package: src:nvidia\nPin: version {}\nPin-Priority: 1001\n"
    put(host.root, health.PINS, pin.format(f"1:{VERSION}-1"))
    assert host.wrong() == []
    put(host.root, health.PINS, pin.format("570.1.2-1"))
    assert host.wrong() == [f"bad drift: {VERSION} is loaded, and the pin is 570.1.2"]


def test_module_is_asked_for_by_the_names_of_its_files(host: Host) -> None:
    """Debian's own driver: no file is called nvidia."""
    host.files = ["nvidia-current", "nvidia-current-uvm"]
    assert host.wrong() == ["unread drift: modinfo: Module not found"]
    put(host.root, health.MODULES, "nvidia-current 52:F3:0A\nnvidia-current-uvm 52:F3:0A\n")
    assert host.wrong() == []
    host.module = "580.200.01"
    assert host.wrong() == [f"bad drift: {VERSION} is loaded, and the kernel module on the disk is 580.200.01"]


def test_kernel_that_lacks_the_driver_is_drift(host: Host) -> None:
    put(host.root, f"{health.DRIFT}/6.12.200", "nvidia is not built for it\n")
    assert host.wrong() == ["bad drift: do not boot 6.12.200: nvidia is not built for it"]


def test_gpu_without_driver_and_host_without_gpu_are_not_healthy(tmp_path: Path) -> None:
    bare = Host(tmp_path / "a", "mi210-8")
    assert report.code(bare.look()[0]) == 0
    slot = next(one["slot"] for one in MACHINES["mi210-8"]["pci"] if one["vendor"] == "0x1002")
    (bare.root / f"sys/bus/pci/devices/{slot}/driver").unlink()
    assert [line for line in bare.wrong() if "no driver is bound" in line]
    none = health.look(str(build(tmp_path / "b", {})), lambda _argv: (127, "", ""))[0]
    assert report.code(none) == 3 and not report.healthy(none)


def test_virtual_function_without_driver_is_not_watched(host: Host) -> None:
    """It is a guest's, and gets its driver there."""
    function = {"slot": "0000:83:00.4", "vendor": "0x10de", "device": "0x2335", "class": "0x030200"}
    root = build(host.root.parent / "split", {"pci": [*MACHINES["h200"]["pci"], function]})
    said = [line.where for line in health.look(str(root), host.run)[0] if "no driver is bound" in line.said]
    assert "0000:83:00.4" in said
    link(root, "sys/bus/pci/devices/0000:83:00.4/physfn", f"../{SLOT}")
    findings, samples = health.look(str(root), host.run)
    assert SLOT in [one.where for one in findings]
    assert "0000:83:00.4" not in str([findings, samples])


def test_link_with_fewer_lanes_than_both_ends_can_have(host: Host) -> None:
    device = (host.root / f"sys/bus/pci/devices/{SLOT}").resolve()
    for name, lanes in (("current_link_width", "8"), ("max_link_width", "16")):
        (device / name).write_text(lanes)
    assert host.wrong() == [f"bad link_width: {SLOT} has 8 lanes of 16"]
    (device / "current_link_width").write_text("63")
    assert host.states()[f"link_width {SLOT}"] == "absent"


def test_lanes_of_a_cards_own_bridge_count(tmp_path: Path) -> None:
    """Of AMD's cards the GPU hangs on a bridge of the card with all lanes, and the slot's link is that bridge's."""
    gpu = {"slot": "0000:03:00.0", "vendor": "0x1002", "device": "0x744c", "class": "0x030000", "driver": "amdgpu"}
    root = build(tmp_path, {"pci": [{**gpu, "behind": ["0000:02:00.0", "0000:01:00.0", "0000:00:01.1"]}]})
    lanes = {"03:00.0": (16, 16), "02:00.0": (16, 16), "01:00.0": (4, 16), "00:01.1": (4, 16)}
    for slot, (now, most) in lanes.items():
        place = f"sys/bus/pci/devices/0000:{slot}"
        if not (root / place).exists():
            (bridge,) = (root / "sys/devices").rglob(f"0000:{slot}")
            link(root, place, os.path.relpath(bridge, (root / place).parent))
        put(root, f"{place}/current_link_width", str(now))
        put(root, f"{place}/max_link_width", str(most))
    said = [one.said for one in health.look(str(root))[0] if one.name == "link_width"]
    assert said == ["0000:01:00.0 has 4 lanes of 16"]
    # A slot that has but four is no fault.
    put(root, "sys/bus/pci/devices/0000:00:01.1/max_link_width", "4")
    assert [one.state for one in health.look(str(root))[0] if one.name == "link_width"] == ["ok"]


def test_amd_errors_and_heat_are_read_from_sysfs(tmp_path: Path) -> None:
    root = build(tmp_path, MACHINES["mi210-8"])
    slot = next(one["slot"] for one in MACHINES["mi210-8"]["pci"] if one["vendor"] == "0x1002")
    base = f"sys/bus/pci/devices/{slot}"
    for name, text in {
        "ras/umc_err_count": "ue: 0\nce: 3\n",
        "hwmon/hwmon3/temp2_input": "61000\n",
        "hwmon/hwmon3/temp2_crit": "100000\n",
        "hwmon/hwmon3/temp2_label": "junction\n",
    }.items():
        put(root, f"{base}/{name}", text)
    states = {(one.name, one.where): one.state for one in health.look(str(root))[0]}
    assert states["ecc", slot] == states["temperature", slot] == "ok"
    put(root, f"{base}/ras/umc_err_count", "ue: 1\nce: 3\n")
    put(root, f"{base}/hwmon/hwmon3/temp2_input", "101000\n")
    findings, samples = health.look(str(root))
    bad = {one.said for one in findings if one.state == "bad"}
    assert bad == {"1 uncorrected errors", "junction has 101 degrees of at most 100"}
    assert report.Sample("temperature_celsius", {"gpu": slot, "sensor": "junction"}, 101.0) in samples


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("intel-b580", "tile0/gt0/freq0/throttle/reason_thermal"),
        ("intel-tigerlake", "drm/card0/gt/gt0/throttle_reason_thermal"),
    ],
)
def test_intel_slowdown_by_heat_is_bad(name: str, path: str, tmp_path: Path) -> None:
    device = next(one for one in MACHINES[name]["pci"] if one["vendor"] == "0x8086")
    root = build(tmp_path, {**MACHINES[name], "pci": [{**device, "driver": "xe" if "tile" in path else "i915"}]})
    put(root, f"sys/bus/pci/devices/{device['slot']}/{path}", "1\n")
    assert ("throttle", "bad") in {(one.name, one.state) for one in health.look(str(root))[0]}


@pytest.mark.parametrize("name", MACHINES)
def test_every_recorded_machine_is_looked_at(name: str, tmp_path: Path) -> None:
    findings, samples = health.look(str(build(tmp_path, MACHINES[name])), lambda argv: (127, "", f"no {argv[0]}"))
    assert set(health.CHECKS) <= {one.name for one in findings}
    assert all(one.state in report.STATES for one in findings)
    assert well_formed(report.metrics(findings, samples))


LABEL = r'[a-z]+="(?:[^"\\\n]|\\[\\"n])*"'
LINE = re.compile(rf"(unified_gpu_[a-z_]+)\{{{LABEL}(?:,{LABEL})*\}} (-?[0-9.e+-]+)")


def well_formed(text: str) -> bool:
    """Whether each family is described once, before its samples, none comes twice, and the end is there (OpenMetrics 1.0)."""
    lines = text.split("\n")
    assert lines[-2:] == ["# EOF", ""]
    family, seen, told = "", set(), set()
    for line in lines[:-2]:
        if line.startswith("# HELP "):
            family = line.split()[2]
            assert family not in seen
            seen.add(family)
        elif line.startswith("# TYPE "):
            assert line == f"# TYPE {family} gauge"
        else:
            match = LINE.fullmatch(line)
            assert match and match[1] == family, line
            assert line.rpartition(" ")[0] not in told, line
            told.add(line.rpartition(" ")[0])
    return True


def test_metrics_have_the_numbers_and_the_state_of_each_check(host: Host) -> None:
    assert host.smi
    host.smi.set("temperature/gpu_temp", "41 C")
    host.smi.set("remapped_rows/remapped_row_pending", "Yes")
    text = report.metrics(*host.look())
    assert well_formed(text)
    assert f'unified_gpu_temperature_celsius{{gpu="{SLOT}",sensor="gpu"}} 41\n' in text
    assert f'unified_gpu_check{{check="remapped_rows",gpu="{SLOT}",state="bad"}} 1\n' in text
    assert f'unified_gpu_check{{check="remapped_rows",gpu="{SLOT}",state="ok"}} 0\n' in text


def test_series_is_told_once_and_is_the_worst_of_its_findings(host: Host) -> None:
    """node_exporter drops a file in which one comes twice: all metrics would go when something is wrong."""
    for kernel in ("6.12.200", "6.12.201"):
        put(host.root, f"{health.DRIFT}/{kernel}", "nvidia is not built for it\n")
    host.smi = FakeXml("0000:84:00.0", VERSION)
    text = report.metrics(*host.look())
    assert well_formed(text)
    for check, where in (("drift", ""), ("driver", SLOT)):
        states = {state: f'check="{check}",gpu="{where}",state="{state}"}} 1\n' in text for state in report.STATES}
        assert [state for state, on in states.items() if on] == ["bad"]
    one = report.Finding("ecc", SLOT, "ok", "")
    for found in ("ok", "absent"):
        assert f'gpu="{SLOT}",state="ok"}} 1\n' in report.metrics([one, one._replace(state=found)], [])


def test_label_cannot_break_out_of_its_line() -> None:
    sample = report.Sample("info", {"gpu": 'a"\n\\b', "id": "", "driver": ""}, 1.0)
    assert r'gpu="a\"\n\\b"' in report.metrics([], [sample]) and well_formed(report.metrics([], [sample]))


def test_metrics_are_put_there_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "unified-gpu.prom"
    path.write_text("old")
    before = os.umask(0o077)
    try:
        report.write(str(path), "new\n")
    finally:
        os.umask(before)
    assert path.read_text() == "new\n" and path.stat().st_mode & 0o777 == 0o644
    monkeypatch.setattr(os, "replace", lambda *_a: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        report.write(str(path), "newer\n")
    assert path.read_text() == "new\n" and [one.name for one in tmp_path.iterdir()] == ["unified-gpu.prom"]


def test_check_of_nothing_is_no_pass(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], host: Host
) -> None:
    """A GPU without ECC: green would say that its memory has no errors."""
    assert host.smi
    monkeypatch.setattr(health, "look", host.look)
    assert health.main(["--check", "ecc"]) == 0
    host.smi.set("ecc_mode/current_ecc", "Disabled")
    assert health.main(["--check", "ecc"]) == 4
    assert capsys.readouterr().out.endswith(f"absent ecc {SLOT} ECC is Disabled\n")
    # Of two GPUs one that tells is enough, and what is bad or not known of it stays so.
    one = report.Finding("ecc", SLOT, "absent", "")
    assert [report.code([one, one._replace(state=state)]) for state in report.STATES] == [4, 0, 3, 1]
    assert report.code([]) == 3


def test_line_cannot_draw_on_the_terminal() -> None:
    assert "\x1b" not in report.Finding("xid", SLOT, "bad", "\x1b[2J").line()


def test_module_says_what_the_program_says(monkeypatch: pytest.MonkeyPatch, host: Host) -> None:
    monkeypatch.setattr(step.health, "look", host.look)
    host.log += "NVRM: Xid (PCI:0000:83:00): 79, GPU has fallen off the bus.\n"
    answer = run("gpu_health_info", {})
    assert answer["healthy"] is False and answer["lines"] == [f"bad    xid {SLOT} XID 79: GPU has fallen off the bus."]


def program(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What the role installs, in another place."""
    names = yaml.safe_load((ROLE / "vars/main.yml").read_text())["__gpu_watch_program"]
    listed = re.search(r"for name in (\[.*?\])", names)
    assert listed
    package = tmp_path / "unified_gpu"
    package.mkdir(exist_ok=True)
    for name in json.loads(listed[1].replace("'", '"')):
        (package / f"{name}.py").write_text((ROLE / f"../../plugins/module_utils/_gpu/{name}.py").read_text())
    environment = jinja2.Environment(trim_blocks=True)
    environment.filters["to_json"] = json.dumps
    template = environment.from_string((ROLE / "templates/health.sh.j2").read_text())
    # A name with a line break is no command.
    script = (
        template.render(gpu_goss_file="/etc/goss.yml\nexit 9")
        .replace("/usr/local/lib/unified", str(tmp_path))
        .replace("/usr/bin/python3", sys.executable)
    )
    (tmp_path / "program").write_text(script)
    argv = ["sh", str(tmp_path / "program"), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def test_installed_program_needs_nothing_but_its_own_files(tmp_path: Path) -> None:
    """Run on this machine, whatever it has; it must say what the module says here."""
    findings, _samples = health.look()
    ran = program(tmp_path)
    assert (ran.returncode, ran.stderr) == (report.code(findings), "")
    assert ran.stdout.splitlines() == [one.line() for one in findings]
    assert program(tmp_path, "--textfile", str(tmp_path / "x.prom")).returncode == 0
    assert well_formed((tmp_path / "x.prom").read_text())
    assert program(tmp_path, "--check", "nonsense").returncode == 2


def test_checks_of_the_role_are_those_of_the_program() -> None:
    assert tuple(yaml.safe_load((ROLE / "vars/main.yml").read_text())["__gpu_checks"]) == health.CHECKS


@pytest.mark.skipif(not GOSS, reason="this machine has no Goss")
def test_real_goss_reads_the_checks_and_is_red_where_a_gpu_is_not_well(tmp_path: Path) -> None:
    template = jinja2.Template((ROLE / "templates/goss.yml.j2").read_text(), trim_blocks=True)
    seen = [name for name in health.CHECKS if name != "xid"]
    fake = tmp_path / "health"
    fake.write_text('#!/bin/sh\n[ "$2" != ecc ]\n')
    fake.chmod(0o755)
    gossfile = template.render(__gpu_checks=health.CHECKS, __gpu_seen=seen)
    (tmp_path / "goss.yml").write_text(gossfile.replace("/usr/local/sbin/unified-gpu-health", str(fake)))
    ran = subprocess.run(
        [str(GOSS), "-g", str(tmp_path / "goss.yml"), "validate", "-f", "json"], capture_output=True, check=False
    )
    answer = json.loads(ran.stdout)
    # Goss: 0 passes, 1 fails, 2 is skipped, which it calls successful too.
    results = {one["resource-id"]: one["result"] for one in answer["results"]}
    assert results == {f"gpu_{name}": {"ecc": 1, "xid": 2}.get(name, 0) for name in health.CHECKS}
    assert answer["summary"]["skipped-count"] == 1

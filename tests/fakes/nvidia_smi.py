"""A fake nvidia-smi that keeps MIG instances, after the published tables of the MIG User Guide (H200), and one that writes its XML."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from xml.etree import ElementTree

from ansible_collections.unified.deploy.plugins.module_utils._change.programs import Answer

# Profile id, starts, size, and how many at most.
H200 = {
    "1g.18gb": (19, range(7), 1, 7),
    "1g.35gb": (15, (0, 2, 4, 6), 2, 4),
    "2g.35gb": (14, (0, 2, 4), 2, 3),
    "3g.71gb": (9, (0, 4), 4, 2),
    "4g.71gb": (5, (0,), 4, 1),
    "7g.141gb": (0, (0,), 8, 1),
}
LINE = "+-------------------------------------------------------+"


@dataclass
class FakeNvidiaSmi:
    """In the place of programs.run: answers nvidia-smi, and systemctl with nothing."""

    mode: str = "Enabled"
    # A100 takes the mode only with a reset, Hopper at once.
    at_once: bool = True
    processes: list[int] = field(default_factory=list)
    instances: dict[int, tuple[str, int]] = field(default_factory=dict)
    compute: set[int] = field(default_factory=set)
    # Compute instances of a GPU instance that are not one over all of it, each with its name and size.
    slices: dict[int, list[tuple[str, int]]] = field(default_factory=dict)
    busy: set[int] = field(default_factory=set)
    calls: list[list[str]] = field(default_factory=list)

    def boot(self, unit: str) -> None:
        """A boot as Hopper has it, which forgets the instances and the mode, and then what a unit starts."""
        self.mode, self.instances, self.compute = "Disabled", {}, set()
        for line in unit.splitlines():
            if line.startswith("ExecStart=/usr/bin/env "):
                assert self(line.split()[1:]).code == 0, line

    def __call__(self, argv: t.Sequence[str], **_options: t.Any) -> Answer:
        self.calls.append(list(argv))
        words = list(argv[1:])
        if argv[0] != "nvidia-smi":
            return Answer(0, "", "")
        if "--query-gpu=mig.mode.current" in words:
            return Answer(0, f"{self.mode}\n", "")
        if "--query-compute-apps=pid" in words:
            return Answer(0, "".join(f"{pid}\n" for pid in self.processes), "")
        if "-mig" in words:
            if words[-1] == "0" and self.instances:
                return Answer(19, "", "Unable to disable MIG Mode: In use by another client")
            self.mode = {"1": "Enabled", "0": "Disabled"}[words[-1]] if self.at_once else self.mode
            return Answer(0, "", "")
        if self.mode != "Enabled":
            return Answer(6, "No MIG-enabled devices found.\n", "")
        verb = next(word for word in words if word in ("-lgi", "-lci", "-lgip", "-lgipp", "-cgi", "-dgi", "-dci"))
        return {
            "-lgi": self.list,
            "-lci": self.list_compute,
            "-lgip": self.profiles,
            "-lgipp": self.places,
            "-cgi": self.create,
            "-dgi": self.destroy,
            "-dci": self.destroy,
        }[verb](words)

    def list(self, _words: t.Any) -> Answer:
        if not self.instances:
            return Answer(6, "No GPU instances found: Not Found\n", "")
        rows = [
            f"|   0  MIG {name:<14}{H200[name][0]:>4}{number:>9}{start:>11}:{H200[name][2]:<6}|"
            for number, (name, start) in sorted(self.instances.items())
        ]
        head = [
            LINE,
            "| GPU instances:                                        |",
            "| GPU   Name             Profile  Instance   Placement  |",
        ]
        return Answer(0, "\n".join([*head, LINE.replace("-", "="), *rows, LINE]) + "\n", "")

    def list_compute(self, _words: t.Any) -> Answer:
        if not self.compute:
            return Answer(6, "No compute instances found: Not Found\n", "")
        # As NVIDIA/go-nvml#146 shows it.
        head = [
            "+--------------------------------------------------------------------+",
            "| Compute instances:                                                 |",
            "| GPU     GPU       Name             Profile   Instance   Placement  |",
            "|       Instance                       ID        ID       Start:Size |",
            "|         ID                                                         |",
            "|====================================================================|",
        ]
        rows = [
            f"|   0    {number:>3}       MIG {name:<16}{2:>3}{at:>10}{at:>11}:{size:<6}|"
            for number in sorted(self.compute)
            for at, (name, size) in enumerate(self.slices.get(number, [(self.instances[number][0], 3)]))
        ]
        return Answer(0, "\n".join([*head, *rows, head[0]]) + "\n", "")

    def profiles(self, _words: t.Any) -> Answer:
        rows = [
            f"|   0  MIG {name:<14} {number:>3}     {many}/{many}        16.00      No     16     1     0   |"
            for name, (number, _s, _z, many) in H200.items()
        ]
        return Answer(0, "\n".join(rows) + "\n", "")

    def places(self, _words: t.Any) -> Answer:
        rows = [
            f"GPU  0 Profile ID {number:>2} Placement{'s' if len(starts) > 1 else ''}: {{{','.join(map(str, starts))}}}:{size}"
            for number, starts, size, _many in H200.values()
        ]
        return Answer(0, "\n".join(rows) + "\n", "")

    def create(self, words: t.Sequence[str]) -> Answer:
        for wish in words[words.index("-cgi") + 1].split(","):
            number, start = (int(one) for one in wish.split(":"))
            name = next(name for name, row in H200.items() if row[0] == number)
            size = H200[name][2]
            taken = [(at, H200[other][2]) for other, at in self.instances.values()]
            if start not in H200[name][1] or any(start < at + many and at < start + size for at, many in taken):
                return Answer(19, "", "Unable to create a GPU instance: Insufficient Resources")
            new = max(self.instances, default=0) + 1
            self.instances[new] = (name, start)
            self.compute.add(new)
        return Answer(0, "", "")

    def destroy(self, words: t.Sequence[str]) -> Answer:
        number = int(words[words.index("-gi") + 1])
        if number not in self.instances:
            return Answer(6, "No GPU instances found: Not Found\n", "")
        if number in self.busy:
            return Answer(19, "", "Unable to destroy: In use by another client")
        if "-dci" in words:
            if number not in self.compute:
                return Answer(6, "No compute instances found: Not Found\n", "")
            self.compute.discard(number)
            self.slices.pop(number, None)
        elif number in self.compute:
            return Answer(19, "", "Unable to destroy GPU instance: In use by another client")
        else:
            del self.instances[number]
        return Answer(0, "", "")

    def layout(self) -> t.List[str]:
        return sorted(f"{name}:{start}" for name, start in self.instances.values())


# What this collection reads of nvsmi_device_v13.dtd (driver 590; names after captures that Telegraf publishes), with values of a healthy H200.
V13 = {
    "product_name": "NVIDIA H200",
    "mig_mode/current_mig": "Disabled",
    "gpu_recovery_action": "None",
    "pci/pci_gpu_link_info/link_widths/max_link_width": "16x",
    "pci/pci_gpu_link_info/link_widths/current_link_width": "16x",
    **{
        f"clocks_event_reasons/clocks_event_reason_{reason}": "Not Active"
        for reason in (
            "gpu_idle",
            "applications_clocks_setting",
            "sw_power_cap",
            "hw_slowdown",
            "hw_thermal_slowdown",
            "hw_power_brake_slowdown",
            "sync_boost",
            "sw_thermal_slowdown",
            "display_clocks_setting",
        )
    },
    "ecc_mode/current_ecc": "Enabled",
    **{
        f"ecc_errors/{since}/{kind}": "0"
        for since in ("volatile", "aggregate")
        for kind in (
            "sram_correctable",
            "sram_uncorrectable_parity",
            "sram_uncorrectable_secded",
            "dram_correctable",
            "dram_uncorrectable",
        )
    },
    "ecc_errors/aggregate/sram_threshold_exceeded": "No",
    "ecc_errors/unrepairable_memory": "No",
    "retired_pages/pending_retirement": "N/A",
    "remapped_rows/remapped_row_corr": "0",
    "remapped_rows/remapped_row_unc": "0",
    "remapped_rows/remapped_row_pending": "No",
    "remapped_rows/remapped_row_failure": "No",
    "temperature/gpu_temp": "35 C",
    "temperature/gpu_temp_tlimit": "50 C",
    "temperature/gpu_temp_slow_tlimit_threshold": "-2 C",
    "temperature/memory_temp": "44 C",
    "temperature/gpu_temp_max_mem_threshold": "95 C",
}
# What driver 450 to 525 calls otherwise (nvsmi_device_v11.dtd).
V11 = {
    "product_name": "Tesla T4",
    **{
        f"clocks_throttle_reasons/clocks_throttle_reason_{reason}": "Not Active"
        for reason in ("gpu_idle", "sw_power_cap", "hw_slowdown", "hw_thermal_slowdown", "sw_thermal_slowdown")
    },
    "ecc_mode/current_ecc": "Enabled",
    "ecc_errors/volatile/single_bit/total": "0",
    "ecc_errors/volatile/double_bit/total": "0",
    "ecc_errors/aggregate/double_bit/total": "0",
    "retired_pages/pending_retirement": "No",
    "remapped_rows": "N/A",
    "temperature/gpu_temp": "35 C",
    "temperature/gpu_temp_slow_threshold": "93 C",
    "temperature/memory_temp": "N/A",
    "temperature/gpu_temp_max_mem_threshold": "N/A",
}


@dataclass
class FakeXml:
    """What ``nvidia-smi -q -x`` writes of one GPU."""

    slot: str
    version: str
    fields: dict[str, str] = field(default_factory=lambda: dict(V13))
    dtd: str = "nvsmi_device_v13.dtd"

    def as_v11(self) -> None:
        self.fields, self.dtd = dict(V11), "nvsmi_device_v11.dtd"

    def set(self, path: str, value: str) -> None:
        assert path in self.fields, f"{self.dtd} has no {path}"
        self.fields[path] = value

    def drop(self, path: str) -> None:
        """Leave out an element with all that is in it."""
        self.fields = {one: value for one, value in self.fields.items() if not f"{one}/".startswith(f"{path}/")}

    def xml(self) -> str:
        log = ElementTree.Element("nvidia_smi_log")
        ElementTree.SubElement(log, "driver_version").text = self.version
        ElementTree.SubElement(log, "attached_gpus").text = "1"
        # Domains have eight digits here, and letters are capitals.
        gpu = ElementTree.SubElement(log, "gpu", id=f"0000{self.slot.upper()}")
        for path, value in self.fields.items():
            at = gpu
            for name in path.split("/"):
                there = at.find(name)
                at = ElementTree.SubElement(at, name) if there is None else there
            at.text = value
        head = f'<?xml version="1.0" ?>\n<!DOCTYPE nvidia_smi_log SYSTEM "{self.dtd}">\n'
        return head + ElementTree.tostring(log, encoding="unicode")

# SPDX-License-Identifier: GPL-3.0-or-later
"""How a host's GPUs are: errors in the kernel's log, memory, throttling, temperature, links, and whether the driver is the one that is meant.

The role installs it as a program too, so that a timer and Goss ask without Ansible: it imports nothing but what lies beside it.
"""

from __future__ import annotations

import argparse
import collections
import glob
import os
import re
import subprocess
import sys
import time
import typing as t

from . import devices, smi
from .report import Finding, Sample, State, code, metrics, write
from .tree import Tree

CHECKS = ("driver", "drift", "xid", "reset", "ecc", "remapped_rows", "throttle", "temperature", "link_width")
XID = re.compile(r"NVRM: Xid \((?:PCI:)?([0-9A-Fa-f:.]+)\): (\d+), *(.*)")
SXID = re.compile(r"nvidia-nvswitch\d+: SXid \((?:PCI:)?([0-9A-Fa-f:.]+)\): (\d+), *(.*)")
# Errors of programs, not of GPUs: what NVIDIA's device plugin for Kubernetes does not call unhealthy
# (https://github.com/NVIDIA/k8s-device-plugin, internal/rm/health.go), and 154, which tells what recovery needs: check "reset".
OF_PROGRAMS = frozenset((13, 31, 43, 45, 68, 109, 154))
# Of what keeps Intel's GPUs slow, what is no limit of power (https://docs.kernel.org/admin-guide/abi-testing.html, throttle).
INTEL_SLOWDOWNS = ("thermal", "prochot", "vr_thermalert")
PINS, DRIFT = "etc/apt/preferences.d/unified-gpu", "var/lib/unified/gpu/drift"
# The names of the driver's files, one at the beginning of each line: gpu_driver writes them.
MODULES = "var/lib/unified/gpu/modules"
LIBRARIES = ("usr/lib/*-linux-gnu", "usr/lib/*-linux-gnu/nvidia/*", "usr/lib64")
SECONDS = 60
# Of a log whose beginning is gone at least this much must be left: who watches GPUs looks once a day or oftener.
LEAST_LOG = 24 * 3600
# The kernel's own buffer may run over before journald first reads it; drivers of GPUs load later.
EARLY = 60
# As the kernel and journald stamp it: seconds since the boot.
STAMP = re.compile(r"\[ *(\d+\.\d+)\]")

Answer = t.Tuple[int, str, str]
"""How a program ended (127: it is not there, 124: it took too long), its standard output, and the end of what it complained of."""
Ask = t.Callable[[t.Sequence[str]], Answer]
Told = t.Tuple[t.List[Finding], t.List[Sample]]


def ask(argv: t.Sequence[str]) -> Answer:
    """Run a program of the system's own directories."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/root"}
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)
        streams = process.communicate(timeout=SECONDS)
    except FileNotFoundError:
        return 127, "", f"{argv[0]} is not installed"
    except OSError as exc:
        return 126, "", f"{argv[0]}: {exc.strerror}"
    except subprocess.TimeoutExpired:
        # Nobody waits for its end: what hangs in the driver of a lost GPU cannot be killed.
        process.kill()
        return 124, "", f"{argv[0]} took longer than {SECONDS} s"
    out, said = (stream.decode(errors="replace") for stream in streams)
    return process.returncode, out, (said.strip() or out.strip())[-300:]


def look(root: str = "/", run: Ask = ask) -> Told:
    """Every check of every GPU. A host on which none is seen has one finding, which is not healthy."""
    tree = Tree(root)
    gpus, boards = devices.gpus(tree)
    findings = [_driver(one["slot"], one["driver"]) for one in gpus]
    findings += [_driver(one["path"], one["driver"]) for one in boards]
    samples = [Sample("info", {"gpu": one["slot"], "id": one["id"], "driver": one["driver"]}, 1) for one in gpus]
    if not findings:
        findings.append(Finding("driver", "", "unread", "no GPU is seen on PCI or in the device tree"))
    told = [(_drift(tree, run), []), _errors(tree, gpus, run), _nvidia(gpus, run)]
    told += [_in_tree(tree, one) for one in gpus if one["driver"] in ("amdgpu", "radeon", "nouveau", "i915", "xe")]
    told += [_link(tree, one) for one in gpus]
    for some_findings, some_samples in told:
        findings += some_findings
        samples += some_samples
    named = {one.name for one in findings}
    findings += [Finding(name, "", "absent", "no driver here tells of it") for name in CHECKS if name not in named]
    findings += [Finding("driver", "", "unread", f"{path}: {reason}") for path, reason in tree.left_out.items()]
    return findings, samples


def _driver(where: str, driver: str) -> Finding:
    return Finding("driver", where, "ok", driver) if driver else Finding("driver", where, "bad", "no driver is bound")


def _drift(tree: Tree, run: Ask) -> list[Finding]:
    """Whether what is loaded, what is on the disk, the libraries and the pin are one version; and kernels that lack the driver."""
    findings = [
        Finding("drift", "", "bad", f"do not boot {kernel}: {tree.text(DRIFT, kernel)}") for kernel in tree.names(DRIFT)
    ]
    loaded = tree.text("sys/module/nvidia/version")
    if not loaded:
        return findings or [Finding("drift", "", "absent", "NVIDIA's driver is not loaded")]
    ended, out, said = run(["modinfo", "-F", "version", *module_files(tree, "nvidia")])
    versions = {"the kernel module on the disk": "" if ended else " and ".join(sorted({*out.split()} - {loaded}))}
    if ended:
        findings.append(Finding("drift", "", "unread", f"modinfo: {said}"))
    for library in sorted(_libraries(tree)):
        versions[f"the library {library}"] = library.rpartition(".so.")[2]
    if len(versions) == 1:
        findings.append(Finding("drift", "", "unread", "libnvidia-ml, which comes with every driver, was not found"))
    if pinned := re.search(r"^Pin: version (?:\d+:)?([0-9.]+)", tree.text(PINS), re.MULTILINE):
        versions["the pin"] = pinned[1]
    other = [f"{what} is {version}" for what, version in versions.items() if version not in ("", loaded)]
    if other:
        findings.append(Finding("drift", "", "bad", f"{loaded} is loaded, and {', '.join(other)}"))
    return findings or [Finding("drift", "", "ok", f"all of it is {loaded}")]


def module_files(tree: Tree, name: str) -> list[str]:
    """By which names modinfo finds a driver's modules: Debian's nvidia is nvidia-current.ko, or nvidia-current-open.ko."""
    return [line.split()[0] for line in tree.text(MODULES).splitlines() if line.strip()] or [name]


def _libraries(tree: Tree) -> set[str]:
    """Names of libnvidia-ml with a whole version, of this architecture and others."""
    names = set()
    for pattern in LIBRARIES:
        for path in glob.glob(os.path.join(glob.escape(tree.path()), pattern, "libnvidia-ml.so.*.*")):
            names.add(os.path.basename(path))
    return names


def _errors(tree: Tree, gpus: t.Sequence[devices.Device], run: Ask) -> Told:
    """What NVIDIA's driver wrote into the kernel's log of this boot."""
    slots = [one["slot"] for one in gpus if one["driver"] == "nvidia"]
    if not slots and not tree.is_directory("sys/module/nvidia"):
        return [], []
    ended, log, said = run(["journalctl", "--boot", "--dmesg", "--no-pager", "--quiet", "--output=short-monotonic"])
    # The log of a kernel is never empty: where it is, journald does not keep it or may not read it.
    if ended or not log.strip():
        return [Finding("xid", "", "unread", said or "the journal has nothing of the kernel")], []
    if not (first := STAMP.match(log)):
        return [Finding("xid", "", "unread", "the journal does not tell when it begins")], []
    counts: collections.Counter[tuple[str, str, str]] = collections.Counter()
    grave: dict[str, str] = {}
    for kind, pattern in (("XID", XID), ("SXid", SXID)):
        for place, number, text in pattern.findall(log):
            where = _whole(place)
            counts[where, kind, number] += 1
            if text.startswith("Fatal") if kind == "SXid" else int(number) not in OF_PROGRAMS:
                grave[where] = f"{kind} {number}: {text.strip()[:120]}"
    lost = sorted(set(grave) - set(slots))
    up = uptime()
    state, period = _period(float(first[1]), up)
    findings = [
        Finding("xid", where, "bad", grave[where])
        if where in grave
        else Finding("xid", where, state, f"no error of the GPU {period}")
        for where in [*slots, *lost]
    ]
    samples = [
        Sample("kernel_log_seconds", {"of": "log"}, round(up - float(first[1]))),
        Sample("kernel_log_seconds", {"of": "boot"}, round(up)),
    ]
    samples += [
        Sample("errors", {"gpu": where, "kind": kind.lower(), "number": number}, float(count))
        for (where, kind, number), count in sorted(counts.items())
    ]
    return findings, samples


def uptime() -> float:
    """Seconds since the boot, by the clock that the kernel stamps its log with."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)


def _period(first: float, up: float) -> tuple[State, str]:
    """Whether enough of the log is left, and since when: journald drops its oldest entries, and with them errors of the GPU."""
    if first < 1:
        return "ok", "since the boot"
    left, of = (f"{seconds / 3600:.1f} hours" for seconds in (up - first, up))
    state = "ok" if first < EARLY or up - first >= LEAST_LOG else "unread"
    return state, f"in the last {left} of {of} since the boot: the journal does not reach further back"


def _whole(place: str) -> str:
    """A slot with its function: the driver writes 0000:83:00."""
    return smi.slot(place if "." in place else f"{place}.0")


def _nvidia(gpus: t.Sequence[devices.Device], run: Ask) -> Told:
    slots = [one["slot"] for one in gpus if one["driver"] == "nvidia"]
    if not slots:
        return [], []
    ended, out, said = run(["nvidia-smi", "-q", "-x"])
    try:
        if ended:
            raise smi.SmiError(f"nvidia-smi ended with {ended}: {said}")
        version, listed = smi.parsed(out)
    except smi.SmiError as exc:
        names = ("reset", "ecc", "remapped_rows", "throttle", "temperature")
        return [Finding(name, where, "unread", str(exc)) for where in slots for name in names], []
    findings, samples = [], []
    for where in slots:
        if where in listed:
            findings += smi.findings(where, listed[where])
            samples += smi.samples(where, listed[where])
        else:
            findings.append(Finding("driver", where, "bad", f"nvidia-smi of {version} does not list it"))
    return findings, samples


def _in_tree(tree: Tree, gpu: devices.Device) -> Told:
    """What the kernel's own drivers tell in sysfs (https://docs.kernel.org/gpu/amdgpu: hwmon, RAS)."""
    where = gpu["slot"]
    base = f"{devices.PCI}/{where}"
    findings, samples = [], []
    hot, told = [], 0
    for monitor in tree.names(base, "hwmon"):
        for name in tree.names(base, "hwmon", monitor):
            if re.fullmatch(r"temp\d+_input", name):
                head = name[: -len("input")]
                now, limit = (tree.number(base, "hwmon", monitor, f"{head}{end}") for end in ("input", "crit"))
                sensor = tree.text(base, "hwmon", monitor, f"{head}label") or head.rstrip("_")
                if now is None:
                    continue
                samples.append(Sample("temperature_celsius", {"gpu": where, "sensor": sensor}, now / 1000))
                told += limit is not None
                if limit is not None and now >= limit:
                    hot.append(f"{sensor} has {now // 1000} degrees of at most {limit // 1000}")
    state = "bad" if hot else "ok" if told else "absent"
    findings.append(Finding("temperature", where, state, ", ".join(hot) or ("" if told else "no limit is told")))
    if (ras := _ras(tree, base)) is not None:
        findings.append(Finding("ecc", where, "bad" if ras else "ok", f"{ras} uncorrected errors"))
        samples.append(Sample("ecc_uncorrected_errors", {"gpu": where, "since": "boot"}, ras))
    else:
        findings.append(Finding("ecc", where, "absent", "the driver counts none"))
    findings.append(_intel_throttle(tree, base, where, gpu["driver"]))
    return findings, samples


def _ras(tree: Tree, base: str) -> int | None:
    """Uncorrected errors of amdgpu's memory and blocks; None where it has no such counters."""
    counts = [
        int(match[1])
        for name in tree.names(base, "ras")
        if name.endswith("_err_count") and (match := re.search(r"^ue:\s*(\d+)", tree.text(base, "ras", name), re.M))
    ]
    return sum(counts) if counts else None


def _intel_throttle(tree: Tree, base: str, where: str, driver: str) -> Finding:
    patterns = {"i915": "drm/card*/gt/gt*/throttle_reason_{}", "xe": "tile*/gt*/freq*/throttle/reason_{}"}
    if driver not in patterns:
        return Finding("throttle", where, "absent", f"{driver} tells it in no file that is read here")
    held, told = [], 0
    for reason in INTEL_SLOWDOWNS:
        for path in glob.glob(os.path.join(glob.escape(tree.path(base)), patterns[driver].format(reason))):
            value = tree.number(os.path.relpath(path, tree.root))
            told += value is not None
            held += [reason] if value else []
    state = "bad" if held else "ok" if told else "absent"
    return Finding("throttle", where, state, ", ".join(held) or ("no slowdown" if told else "the driver does not tell"))


def _link(tree: Tree, gpu: devices.Device) -> Told:
    """Whether each link from the GPU up has all the lanes that both its ends can have: a card's own bridge hides the slot's link."""
    where, narrow, judged = gpu["slot"], [], 0
    chain = [where, *gpu["behind"], ""]
    now, most = _lanes(tree, where, "current"), _lanes(tree, where, "max")
    # A port below a switch and the switch's own upper port are two functions: each second step up is inside a chip, and no link.
    for near, far in zip(chain[:-1:2], chain[1::2]):
        have, own = _lanes(tree, near, "current"), _lanes(tree, near, "max")
        if have and own:
            judged += 1
            can = min(own, (_lanes(tree, far, "max") if far else 0) or own)
            narrow += [f"{near} has {have} lanes of {can}"] if have < can else []
    if not judged:
        asleep = gpu["power_state"].startswith("D3")
        return [Finding("link_width", where, "absent", "asleep" if asleep else "not on a link of PCI Express")], []
    lanes = [Sample("link_lanes", {"gpu": where, "of": kind}, n) for kind, n in (("now", now), ("most", most)) if n]
    return [Finding("link_width", where, "bad" if narrow else "ok", ", ".join(narrow) or f"{now} lanes")], lanes


def _lanes(tree: Tree, slot: str, which: str) -> int:
    """Lanes as sysfs has them; 0 where there is no link, or the device sleeps (63 or 255: all ones)."""
    lanes = tree.number(devices.PCI, slot, f"{which}_link_width") or 0
    return lanes if 0 < lanes <= 32 else 0


def main(arguments: t.Sequence[str] | None = None) -> int:
    """The program: lines for people, or one check for Goss, or a file for the collector; and the exit status of report.code."""
    parser = argparse.ArgumentParser(prog="unified-gpu-health", description="How the GPUs of this host are.")
    parser.add_argument("--check", choices=CHECKS, help="only this check")
    parser.add_argument(
        "--textfile", help="write metrics there; then the state of the GPUs is in the file, not in the exit status"
    )
    asked = parser.parse_args(arguments)
    findings, samples = look()
    if asked.textfile:
        write(asked.textfile, metrics(findings, samples))
        return 0
    # Where no GPU is seen, no check says that all is well.
    chosen = [one for one in findings if asked.check in (None, one.name) or (not one.where and one.name == "driver")]
    sys.stdout.write("".join(f"{one.line()}\n" for one in chosen))
    return code(chosen)


if __name__ == "__main__":
    raise SystemExit(main())

"""MIG layouts against a fake nvidia-smi that keeps state (tests/fakes/nvidia_smi.py); never seen on real hardware."""

from __future__ import annotations

import csv
import itertools
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._gpu import mig
from ansible_collections.unified.deploy.plugins.module_utils._gpu.steps import mig as step

from tests.fakes.nvidia_smi import H200, FakeNvidiaSmi
from tests.secrets.modules import five_steps, run
from tests.unit.gpu_machines import FIXTURES, MACHINES

SLOT = "0000:83:00.0"


@pytest.fixture
def smi(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeNvidiaSmi:
    fake = FakeNvidiaSmi()
    monkeypatch.setattr(programs, "run", fake)
    monkeypatch.setattr(step, "UNIT", str(tmp_path / "unified-gpu-mig.service"))
    monkeypatch.setattr(step, "ROOT", str(tmp_path / "root"))
    return fake


def layout(*wishes: str) -> dict[str, t.Any]:
    instances = []
    for wish in wishes:
        profile, _colon, start = wish.partition(":")
        instances.append({"profile": profile, **({"start": int(start)} if start else {})})
    return {"layout": {SLOT: instances}}


def test_layout_comes_stays_and_changes_only_where_it_differs(smi: FakeNvidiaSmi) -> None:
    made = five_steps("gpu_mig", layout("3g.71gb", "3g.71gb"))
    assert made["created"] == [f"{SLOT} 3g.71gb:0", f"{SLOT} 3g.71gb:4"]
    assert smi.layout() == ["3g.71gb:0", "3g.71gb:4"]
    unit = Path(step.UNIT).read_text()
    assert f"nvidia-smi mig -i {SLOT} -cgi 9:0,9:4 -C" in unit
    changed = run("gpu_mig", layout("1g.18gb", "1g.18gb", "3g.71gb"))
    # The half that can stay does, though another place were free for it too.
    assert changed["destroyed"] == [f"{SLOT} 3g.71gb:4"] or changed["destroyed"] == [f"{SLOT} 3g.71gb:0"], changed
    assert len(smi.layout()) == 3 and len([one for one in smi.layout() if one.startswith("3g")]) == 1
    run("gpu_mig", {"layout": {SLOT: []}})
    assert smi.layout() == [] and not Path(step.UNIT).exists()


def test_boot_that_forgets_mode_and_instances_brings_both_back(smi: FakeNvidiaSmi) -> None:
    """Hopper and later: the mode is not kept over a boot either."""
    smi.mode = "Disabled"
    run("gpu_mig", layout("3g.71gb:4", "1g.18gb:0"))
    smi.boot(Path(step.UNIT).read_text())
    assert (smi.mode, smi.layout()) == ("Enabled", ["1g.18gb:0", "3g.71gb:4"])
    assert not run("gpu_mig", layout("3g.71gb:4", "1g.18gb:0"))["changed"]


@pytest.mark.parametrize("gone", [{"layout": {}}, {"state": "absent"}])
def test_gpu_that_is_no_longer_named_loses_what_the_unit_makes(smi: FakeNvidiaSmi, gone: dict[str, t.Any]) -> None:
    run("gpu_mig", layout("3g.71gb:0"))
    assert five_steps("gpu_mig", gone)["destroyed"] == [f"{SLOT} 3g.71gb:0"]
    assert (smi.mode, smi.layout(), Path(step.UNIT).exists()) == ("Disabled", [], False)


def test_mode_that_goes_only_with_a_boot_is_told_once(smi: FakeNvidiaSmi) -> None:
    run("gpu_mig", layout("3g.71gb:0"))
    smi.at_once = False
    assert run("gpu_mig", {"state": "absent"})["pending"] == [SLOT] and smi.layout() == []
    assert not Path(step.UNIT).exists() and not run("gpu_mig", {"state": "absent"})["changed"]


def test_partitions_that_somebody_else_made_stay(smi: FakeNvidiaSmi) -> None:
    smi.instances, smi.compute = {1: ("3g.71gb", 0)}, {1}
    for gone in ({}, {"state": "absent"}):
        assert not run("gpu_mig", gone)["changed"]
    assert (smi.layout(), smi.calls) == (["3g.71gb:0"], [])


def test_unit_goes_where_no_driver_answers_and_stays_where_the_gpu_is_in_use(
    smi: FakeNvidiaSmi, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("gpu_mig", layout("3g.71gb:0"))
    smi.processes = [4711]
    assert "in use" in run("gpu_mig", {"state": "absent"})["msg"] and smi.layout() == ["3g.71gb:0"]
    assert Path(step.UNIT).exists()
    monkeypatch.setattr(smi, "mode", "Failed to initialize NVML: Driver/library version mismatch")
    five_steps("gpu_mig", {"state": "absent"})
    assert not Path(step.UNIT).exists()


def test_check_mode_changes_nothing(smi: FakeNvidiaSmi) -> None:
    run("gpu_mig", layout("7g.141gb"), check=True)
    assert smi.layout() == [] and not Path(step.UNIT).exists()


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        (("7g.141gb", "1g.18gb"), "do not fit"),
        (("3g.71gb", "3g.71gb", "3g.71gb"), "do not fit"),
        (("3g.71gb:2",), "cannot start at 2, only at 0, 4"),
        (("9g.1gb",), "no profile 9g.1gb"),
        (("3g.71gb:0", "4g.71gb:0"), "do not fit"),
    ],
)
def test_layout_that_does_not_fit_is_refused(smi: FakeNvidiaSmi, wishes: tuple[str, ...], said: str) -> None:
    smi.instances, smi.compute = {1: ("1g.18gb", 0)}, {1}
    answer = run("gpu_mig", layout(*wishes))
    assert answer.get("failed") and said in answer["msg"], answer
    assert smi.layout() == ["1g.18gb:0"]


def test_gpu_in_use_is_left_alone(smi: FakeNvidiaSmi) -> None:
    smi.instances, smi.compute, smi.processes = {1: ("3g.71gb", 0)}, {1}, [4711]
    for check in (True, False):
        answer = run("gpu_mig", layout("7g.141gb"), check=check)
        assert answer.get("failed") and "in use by the processes 4711" in answer["msg"]
    assert smi.layout() == ["3g.71gb:0"]
    # What does not change may be in use.
    assert not run("gpu_mig", layout("3g.71gb:0")).get("failed")


def test_instances_come_back_where_one_cannot_go(smi: FakeNvidiaSmi) -> None:
    smi.instances, smi.compute, smi.busy = {1: ("3g.71gb", 0), 2: ("3g.71gb", 4)}, {1, 2}, {2}
    answer = run("gpu_mig", layout("7g.141gb"))
    assert answer.get("failed") and "there again" in answer["msg"], answer
    assert smi.layout() == ["3g.71gb:0", "3g.71gb:4"]


def test_instance_without_one_to_compute_on_is_not_done(smi: FakeNvidiaSmi) -> None:
    """A run that was killed between the two commands that destroy an instance leaves the half of it."""
    smi.instances, smi.compute = {1: ("3g.71gb", 0), 2: ("3g.71gb", 4)}, {2}
    answer = run("gpu_mig", layout("3g.71gb:0", "3g.71gb:4"))
    assert answer["destroyed"] == answer["created"] == [f"{SLOT} 3g.71gb:0"], answer
    assert smi.layout() == ["3g.71gb:0", "3g.71gb:4"] and len(smi.compute) == 2
    smi.compute = set()
    assert not run("gpu_mig", {"layout": {SLOT: []}}).get("failed") and smi.layout() == []


def test_captured_layout_of_h200_is_made_and_its_slices_are_made_whole(smi: FakeNvidiaSmi) -> None:
    """A published capture has 1c.3g.71gb and 2c.3g.71gb in one instance, which no layout can say."""
    (gpu,) = MACHINES["h200-mig"]["pci"]
    sliced = [name for name in gpu["nvidia_smi"]["mig_profiles"] if "c." in name]
    captured = ["3g.71gb:4", *(name for name in gpu["nvidia_smi"]["mig_profiles"] if name not in sliced)]
    five_steps("gpu_mig", layout(*captured))
    assert [one.partition(":")[0] for one in smi.layout()] == ["1g.18gb", "1g.18gb", "2g.35gb", "3g.71gb"]
    (number,) = (number for number, (name, _start) in smi.instances.items() if name == "3g.71gb")
    smi.slices = {number: [(name, int(name[0])) for name in sliced]}
    assert run("gpu_mig", layout(*captured))["created"] == [f"{SLOT} 3g.71gb:4"] and smi.slices == {}


def test_nvidia_smi_that_cannot_list_is_no_empty_gpu(smi: FakeNvidiaSmi, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = programs.Answer(4, "Failed to display compute instances: Insufficient Permissions\n", "")
    monkeypatch.setattr(programs, "run", lambda argv, **_options: refused if "-lci" in argv else smi(argv))
    assert "Insufficient Permissions" in run("gpu_mig", layout("3g.71gb"))["msg"] and smi.layout() == []


def test_mode_that_waits_for_a_reset_is_told_and_not_forced(smi: FakeNvidiaSmi) -> None:
    smi.mode, smi.at_once = "Disabled", False
    answer = run("gpu_mig", layout("3g.71gb"))
    assert (answer["changed"], answer["pending"]) == (True, [SLOT])
    smi.at_once = True
    assert run("gpu_mig", layout("3g.71gb"))["pending"] == [] and smi.layout() == ["3g.71gb:0"]
    assert not any("reset" in " ".join(call) or "-r" in call for call in smi.calls)


def test_gpu_without_mig_is_refused(smi: FakeNvidiaSmi) -> None:
    smi.mode = "[N/A]"
    assert "has no MIG" in run("gpu_mig", layout("3g.71gb"))["msg"]


@pytest.mark.parametrize(
    "instances",
    [["3g.71gb"], "3g.71gb", [{"start": 0}], [{"profile": "3g.71gb", "at": 0}], [{"profile": "3g.71gb", "start": "0"}]],
)
def test_what_is_no_layout_is_refused(smi: FakeNvidiaSmi, instances: t.Any) -> None:
    assert "list of dicts" in run("gpu_mig", {"layout": {SLOT: instances}})["msg"]
    assert smi.calls == []


def published() -> dict[str, dict[str, mig.Profile]]:
    """Profiles by group of devices: NVIDIA's mig-parted and listings of nvidia-smi."""
    groups: dict[str, dict[str, mig.Profile]] = {}
    with (FIXTURES / "mig_profiles.csv").open() as table:
        for row in csv.DictReader(table):
            starts = tuple(int(start) for start in row["starts"].split())
            size, most = int(row["memory_slices"]), int(row["max_instances"])
            profile = mig.Profile(row["profile"], int(row["profile_id"] or -1), starts, size, most)
            groups.setdefault(row["group"], {})[profile.name] = profile
    return groups


def fits(profiles: t.Sequence[mig.Profile]) -> bool:
    """Whether all find a place, by going through every place of every one."""
    if any(profiles.count(one) > one.most for one in profiles):
        return False
    taken = {0}
    for one in profiles:
        masks = [((1 << one.size) - 1) << start for start in one.starts]
        taken = {before | mask for before in taken for mask in masks if not before & mask}
    return bool(taken)


@pytest.mark.parametrize("group", published())
def test_every_layout_of_up_to_four_is_placed_or_truly_does_not_fit(group: str) -> None:
    known = published()[group]
    outcomes = []
    for many in range(1, 5):
        for names in itertools.combinations_with_replacement(sorted(known), many):
            wish = [{"profile": name, "start": None} for name in names]
            outcomes.append(fits([known[name] for name in names]))
            if outcomes[-1]:
                placed = mig.placed(wish, known, [])
                assert sorted(one.profile for one in placed) == sorted(names)
                assert not any(one.overlaps(other) for one, other in itertools.combinations(placed, 2))
            else:
                with pytest.raises(mig.MigError, match="do not fit"):
                    mig.placed(wish, known, [])
    assert outcomes.count(True) > 20 and outcomes.count(False) > 20


def places(known: t.Mapping[str, mig.Profile]) -> list[list[mig.Instance]]:
    """Every set of instances that fit on the GPU together, each at its place."""
    every = [mig.Instance(one.name, start, one.size) for one in known.values() for start in one.starts]
    sets: list[list[mig.Instance]] = [[]]
    for one in every:
        more = [
            [*before, one]
            for before in sets
            if sum(other.profile == one.profile for other in before) < known[one.profile].most
            and not any(one.overlaps(other) for other in before)
        ]
        sets += more
    return sets


@pytest.mark.parametrize("group", published())
def test_every_set_of_places_is_had_and_what_overlaps_is_refused(group: str) -> None:
    known = published()[group]
    legal = places(known)
    assert len(legal) > 50
    for wanted in legal:
        # The last one first: the order of a layout means nothing.
        wish = [{"profile": one.profile, "start": one.start} for one in reversed(wanted)]
        assert set(mig.placed(wish, known, [])) == set(wanted)
    for names in {tuple(sorted(one.profile for one in wanted)) for wanted in legal}:
        free = mig.placed([{"profile": name, "start": None} for name in names], known, [])
        assert sorted(one.profile for one in free) == list(names)
    every = [one for (one,) in (wanted for wanted in legal if len(wanted) == 1)]
    for pair in itertools.combinations_with_replacement(every, 2):
        if pair[0].overlaps(pair[1]):
            with pytest.raises(mig.MigError, match="do not fit"):
                mig.placed([{"profile": one.profile, "start": one.start} for one in pair], known, [])
    for profile in known.values():
        for start in set(range(-1, 9)) - set(profile.starts):
            with pytest.raises(mig.MigError, match="cannot start at"):
                mig.placed([{"profile": profile.name, "start": start}], known, [])


def test_profiles_of_the_fake_are_the_published_ones() -> None:
    known = published()["H200"]
    for name, (number, starts, size, most) in H200.items():
        assert known[name] == mig.Profile(name, number, tuple(starts), size, most)


def test_gpu_that_serves_guests_is_left_alone(smi: FakeNvidiaSmi) -> None:
    device = Path(step.ROOT) / "sys/bus/pci/devices" / SLOT
    (device / "mdev_supported_types/nvidia-699/devices/83b8f4f2-509f-382f-3c1e-e6bfe0fa1001").mkdir(parents=True)
    answer = run("gpu_mig", layout("7g.141gb"))
    assert answer.get("failed") and "serves guests by vGPU: mediated device 83b8f4f2" in answer["msg"], answer
    assert smi.layout() == []

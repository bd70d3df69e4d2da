"""A host is not trusted: what gpu_info answers is checked before anything decides on it."""

from __future__ import annotations

import contextlib
import copy
import random
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._gpu.facts import SCHEMA, gather
from ansible_collections.unified.deploy.plugins.plugin_utils._gpu import answer
from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.model import GpuError, Request
from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.plan import plan
from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.show import lines
from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.tables import tables

from tests.unit.gpu_machines import MACHINES, RELEASE, build, link, put


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, t.Any]:
    """A machine with cards, nodes in a device tree and a module of DKMS."""
    root = build(tmp_path_factory.mktemp("machine"), MACHINES["rpi5-w7700"])
    link(root, "var/lib/dkms/nvidia/550.163.01/source", "/usr/src/nvidia-550.163.01")
    put(root, "usr/src/nvidia-550.163.01/dkms.conf", "")
    put(root, f"var/lib/dkms/nvidia/550.163.01/{RELEASE}/x86_64/module/nvidia.ko", "")
    return gather(str(root), machine="aarch64")


def test_schema_is_the_readers() -> None:
    assert answer.SCHEMA == SCHEMA


@pytest.mark.parametrize("name", MACHINES)
def test_what_the_reader_gives_is_accepted(name: str, tmp_path: Path) -> None:
    answer.checked({"gpu": gather(str(build(tmp_path, MACHINES[name])), machine=MACHINES[name]["arch"])})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda facts: facts.pop("kernels"), "gpu.kernels is missing"),
        (lambda facts: facts["devices"][0].pop("id"), r"gpu.devices\[0\].id is missing"),
        (lambda facts: facts["board"]["gpus"][0].pop("path"), r"gpu.board.gpus\[0\].path is missing"),
        (lambda facts: facts.update(schema=2), "gpu.schema is 2, not 1"),
        (lambda facts: facts.update(devices={}), "gpu.devices must be a list"),
        (lambda facts: facts["devices"][0].update(external="no"), "external must be true or false"),
    ],
)
def test_another_shape_is_refused(change: t.Callable[[t.Any], t.Any], says: str, facts: dict[str, t.Any]) -> None:
    changed = copy.deepcopy(facts)
    change(changed)
    with pytest.raises(GpuError, match=says):
        answer.checked({"gpu": changed})


@pytest.mark.parametrize("nothing", [None, {}, [], {"gpu": None}, {"gpu": []}])
def test_no_facts_are_refused(nothing: t.Any) -> None:
    with pytest.raises(GpuError):
        answer.checked(nothing)


def places(value: t.Any) -> t.Iterator[tuple[t.Any, t.Any]]:
    """Every mapping or list with each of its keys or indexes."""
    for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(item, (dict, list)):
            yield from places(item)


@pytest.mark.parametrize("seed", range(300))
def test_damaged_answer_is_decided_or_refused_and_never_a_traceback(seed: int, facts: dict[str, t.Any]) -> None:
    chance = random.Random(seed)
    changed = copy.deepcopy(facts)
    for _ in range(chance.choice((1, 3))):
        where, key = chance.choice(list(places(changed)))
        if chance.random() < 0.3:
            del where[key]
        else:
            odd: list[t.Any] = [None, "", "\x1b[2J", "9" * 5000, -1, True, 1.5, [], {}, [[]], {"": None}, "10de:2335"]
            where[key] = chance.choice(odd)
    with contextlib.suppress(GpuError):
        lines("web1", plan(tables(), answer.checked({"gpu": changed}), Request()))

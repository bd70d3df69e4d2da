"""containerd and CDI, with a fake containerd; tests/integration/test_gpu_containerd.py has the real one."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._gpu import containerd

from tests.fakes.containerd import CRI, FakeContainerd
from tests.secrets.modules import five_steps, run

MAIN = f"""# The site's.
version = 2

[plugins]
  [plugins."{CRI}"]
    sandbox_image = "site/pause:9"
    [plugins."{CRI}".containerd.runtimes.runc]
      [plugins."{CRI}".containerd.runtimes.runc.options]
        SystemdCgroup = true
    [plugins."{CRI}".registry.configs."site".auth]
      password = "topsecret"
  [plugins."io.containerd.internal.v1.opt"]
    path = "/var/lib/containerd/opt"
"""


@pytest.fixture(params=[False, True], ids=["1.7", "2.1"])
def fake(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FakeContainerd:
    made = FakeContainerd(merges=request.param)
    monkeypatch.setattr(programs, "run", made)
    return made


@pytest.fixture
def place(tmp_path: Path) -> dict[str, str]:
    return {"config": str(tmp_path / "config.toml"), "drop_in": str(tmp_path / "conf.d" / "unified-gpu.toml")}


def dumped(fake: FakeContainerd, place: dict[str, str]) -> str:
    return fake(["containerd", "--config", place["config"], "config", "dump"]).out


def test_switch_comes_on_and_nothing_else_changes(fake: FakeContainerd, place: dict[str, str]) -> None:
    """Of 1.7 a drop-in of the switch alone would take SystemdCgroup away, and with it the kubelet."""
    Path(place["config"]).write_text(MAIN)
    os.chmod(place["config"], 0o640)
    before = dumped(fake, place)
    answer = five_steps("gpu_containerd", place)
    after = dumped(fake, place)
    assert "enable_cdi = true" in after and "SystemdCgroup = true" in after and "site/pause:9" in after
    assert containerd.side_effects(before, after) == []
    added = set(Path(place["config"]).read_text().splitlines()) - set(MAIN.splitlines())
    assert added == {f'imports = ["{Path(place["drop_in"]).parent}/*.toml"]'}
    # The drop-in may repeat credentials: it is no more readable than the main file, and neither is shown.
    assert {oct(os.stat(path).st_mode & 0o777) for path in place.values()} == {"0o640"}
    assert "topsecret" not in str(answer) and ("topsecret" in Path(place["drop_in"]).read_text()) is not fake.merges
    assert answer["runtime_class"]["handler"] == "runc"
    # What was repeated follows the main file.
    Path(place["config"]).write_text(Path(place["config"]).read_text().replace("pause:9", "pause:10"))
    assert run("gpu_containerd", place)["changed"] is not fake.merges
    assert "pause:10" in dumped(fake, place) and "enable_cdi = true" in dumped(fake, place)
    assert run("gpu_containerd", {**place, "state": "absent"})["files"] == [place["drop_in"]]
    assert "enable_cdi = false" in dumped(fake, place) and "SystemdCgroup = true" in dumped(fake, place)


def test_host_without_a_main_file_gets_one(fake: FakeContainerd, place: dict[str, str]) -> None:
    five_steps("gpu_containerd", place)
    assert "enable_cdi = true" in dumped(fake, place)


def test_switch_that_is_on_is_left_to_who_set_it(fake: FakeContainerd, place: dict[str, str]) -> None:
    Path(place["config"]).write_text(MAIN.replace("sandbox_image", "enable_cdi = true\n    sandbox_image"))
    answer = run("gpu_containerd", place)
    assert answer["changed"] is False and not Path(place["drop_in"]).exists()


def test_imports_of_the_site_stay_in_their_place(fake: FakeContainerd, place: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    Path(place["config"]).write_text(
        MAIN.replace("version = 2", f'version = 2\nimports = ["{tmp_path}/conf.d/*.toml"]')
    )
    assert run("gpu_containerd", place)["files"] == [place["drop_in"]]
    Path(place["drop_in"]).unlink()
    Path(place["config"]).write_text(MAIN.replace("version = 2", f'imports = ["{tmp_path}/site.toml"]\nversion = 2'))
    run("gpu_containerd", place)
    assert containerd.imports(Path(place["config"]).read_text()) == [
        f"{tmp_path}/site.toml",
        f"{tmp_path}/conf.d/*.toml",
    ]


def test_file_that_switches_it_off_again_is_said_and_all_is_undone(
    fake: FakeContainerd, place: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "conf.d").mkdir()
    Path(place["config"]).write_text(
        MAIN.replace("version = 2", f'version = 2\nimports = ["{tmp_path}/conf.d/*.toml"]')
    )
    text = MAIN.replace("sandbox_image", "enable_cdi = false\n    sandbox_image")
    (tmp_path / "conf.d" / "zz-site.toml").write_text(text)
    answer = run("gpu_containerd", place)
    assert "switches CDI off again" in answer["msg"] and not Path(place["drop_in"]).exists()


@pytest.mark.parametrize(
    ("main", "knows", "said"),
    [
        (MAIN, False, "knows no CDI"),
        (MAIN.replace("version = 2", "version = 1"), True, "of version 1, known are 2, 3"),
        (MAIN + "[[[", True, "containerd refuses the configuration"),
    ],
)
def test_what_cannot_be_changed_is_refused_before_anything_is(
    fake: FakeContainerd, place: dict[str, str], main: str, knows: bool, said: str
) -> None:
    fake.knows = knows
    Path(place["config"]).write_text(main)
    assert said in run("gpu_containerd", place)["msg"]
    assert Path(place["config"]).read_text() == main and not Path(place["drop_in"]).exists()


def test_main_file_that_no_drop_in_can_repeat_is_refused(
    monkeypatch: pytest.MonkeyPatch, place: dict[str, str]
) -> None:
    """The plugin's tables in TOML's other forms."""
    monkeypatch.setattr(programs, "run", FakeContainerd())
    main = f'version = 2\nplugins = {{"{CRI}" = {{sandbox_image = "site/pause:9"}}}}\n'
    Path(place["config"]).write_text(main)
    answer = run("gpu_containerd", place)
    assert "would change more than the switch" in answer["msg"] and "site/pause:9" in answer["msg"]
    assert Path(place["config"]).read_text() == main


def test_bytes_that_are_no_utf8_stay_and_are_shown_so(fake: FakeContainerd, place: dict[str, str]) -> None:
    comment = b"# Z\xfcrich\n"
    Path(place["config"]).write_bytes(MAIN.encode() + comment)
    answer = run("gpu_containerd", place)
    assert answer["changed"] and Path(place["config"]).read_bytes().endswith(comment)
    assert "# Z\\xfcrich" in next(one["before"] for one in answer["diff"] if one["before_header"] == place["config"])


def test_what_differs_is_shown_without_credentials() -> None:
    effects = containerd.side_effects('  password = "one"\n', '  password = "two"\n')
    assert effects == ["-password = (not shown)", "+password = (not shown)"]


def names(value: t.Any) -> set[str]:
    return set(value) | {name for one in value.values() if isinstance(one, dict) for name in names(one)}


def test_runtime_class_leads_pods_to_gpus() -> None:
    made = containerd.runtime_class("      default_runtime_name = 'crun'\n")
    assert made["handler"] == "crun" and made["scheduling"]["nodeSelector"] == {"unified.deploy/gpu": "present"}
    assert {"apiVersion", "kind", "metadata", "handler", "scheduling"} <= names(made)

"""Chooses what stands behind the tests, says so, and records what a real server answers.

Every test that takes the fixture `server` runs against the fake, and against the real server (`make test-vault`) or its recording.
"""

from __future__ import annotations

import datetime
import secrets
import typing as t
from pathlib import Path

import pytest

from tests.fakes import vault as fake
from tests.unit.conftest import INSTALLED

from .recording import RECORDINGS, REPLAYED_RUN, Player, Recorder, Scrubber, load
from .server import Server, live, reset, target

# Where a live run leaves its recordings; they are moved when all of it has passed.
MADE = INSTALLED.parent / "vault-recordings"
# What tests keep secret. Each has a name in recordings, so that no file of the repository holds it beside an answer.
CANARY = "canary-7-value"
KNOWN = {CANARY: "scrubbed-canary", f"{CANARY}-2": "scrubbed-canary-2"}
MARKS = (
    "live_only(reason): needs a real server; neither the fake nor a recording will do",
    "not_recorded(reason): runs against the fake and a real server, and cannot be replayed",
    "fake_only(reason): what no real server can be made to do",
)


def pytest_configure(config: pytest.Config) -> None:
    for mark in MARKS:
        config.addinivalue_line("markers", mark)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" not in metafunc.fixturenames:
        return
    marks = {mark.name: mark for mark in metafunc.definition.iter_markers()}
    real = "live" if target() else "recording"
    kinds = [kind for kind in ("fake", real) if not (kind == "fake" and "live_only" in marks)]
    if target() and "not_recorded" in marks:
        kinds = ["live"]  # the fake has its turn in `make test`
    if "fake_only" in marks:
        kinds = ["fake"]
    parameters = []
    for kind in kinds:
        reason = next((marks[name].args[0] for name in ("live_only", "not_recorded") if name in marks), "")
        skipped = [pytest.mark.skip(reason=f"live only: {reason}")] if kind == "recording" and reason else []
        parameters.append(pytest.param(kind, marks=skipped))
    metafunc.parametrize("server", parameters, indirect=True)


def pytest_terminal_summary(terminalreporter: t.Any) -> None:
    recorded = sorted(RECORDINGS.glob("*.json"))
    if target():
        said = f"vault: against the real server {target()}, and the fake"
    elif recorded:
        name, date, _exchanges = load(recorded[0])
        said = f"vault: replayed {len(recorded)} recordings of {name}, made {date}, and ran against the fake"
    else:
        said = "vault: NOT RUN against a real server: there are no recordings. What ran talked to the fake in tests/fakes/vault.py"
    terminalreporter.write_line(said)


@pytest.fixture(scope="session")
def run() -> str:
    """Part of each name on the server: what one run makes is never another's."""
    return secrets.token_hex(4) if target() else REPLAYED_RUN


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory, run: str) -> t.Iterator[Server]:
    with live(tmp_path_factory.mktemp("live"), run) as made:
        yield made


@pytest.fixture(scope="session")
def recorder(tmp_path_factory: pytest.TempPathFactory, real: Server) -> t.Iterator[Recorder]:
    with Recorder(tmp_path_factory.mktemp("recorder"), real.url, real.ca) as made:
        yield made


@pytest.fixture(scope="session")
def player(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Player]:
    with Player(tmp_path_factory.mktemp("player")) as made:
        yield made


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path, run: str) -> t.Iterator[Server]:
    """The server of this test's kind. A recording is an error unless all of it is used."""
    if request.param == "fake":
        with fake.FakeVault(tmp_path) as stand_in:
            yield Server("fake", stand_in.url, stand_in.ca, fake.ROOT, "the fake", run)
        return
    other = [part for part in request.node.callspec.id.split("-") if part != request.param]
    file = "-".join([request.node.originalname.removeprefix("test_"), *other]) + ".json"
    assert "/" not in file, "a recording below a directory would not be looked at: give the parameters names"
    if request.param == "live":
        real, recorder = request.getfixturevalue("real"), request.getfixturevalue("recorder")
        reset(real)
        recorder.start(Scrubber(run, {**KNOWN, real.token: "scrubbed-root"}))
        yield real._replace(url=recorder.url, ca=recorder.ca)
        marks = {mark.name for mark in request.node.iter_markers()}
        if not marks & {"live_only", "not_recorded"}:
            recorder.save(MADE / file, real.name, datetime.date.today().isoformat())
        return
    if not (RECORDINGS / file).exists():
        pytest.skip(f"there is no recording {file}: make test-vault makes it")
    player = request.getfixturevalue("player")
    _name, _date, exchanges = load(RECORDINGS / file)
    player.start(exchanges, Scrubber(run, {**KNOWN, "recorded-root": "scrubbed-root"}))
    yield Server("recording", player.url, player.ca, "recorded-root", "a recording", run)
    assert player.wrong == []
    assert player.left == []

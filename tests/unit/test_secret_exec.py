"""secret_exec on this machine: commands that leave something behind, and what is shown of their output."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._memory import private_directory
from ansible_collections.unified.deploy.plugins.module_utils._redact import redact

from tests.unit.conftest import INSTALLED

# In a process of its own: the module makes itself the parent of orphans, which would be the tests'.
SCRIPT = """
import json, sys, time
from ansible_collections.unified.deploy.plugins.modules.secret_exec import execute
started = time.monotonic()
ended = execute({"environment": {}, "files": {}, "chdir": None, **json.loads(sys.argv[1])})
print(json.dumps([*ended, time.monotonic() - started]))
"""


MEMORY = """
from ansible_collections.unified.deploy.plugins.module_utils._memory import private_directory
import time
print(private_directory(), flush=True)
time.sleep(60)
"""
INSTALLED_PATH = {**os.environ, "PYTHONPATH": str(INSTALLED)}


def execute(script: str, timeout: float) -> tuple[int, str, str, bool, float]:
    import json

    asked = json.dumps({"argv": ["sh", "-c", script], "timeout": timeout})
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, asked], capture_output=True, check=True, timeout=60, env=INSTALLED_PATH
    )  # fmt: skip
    return t.cast("tuple[int, str, str, bool, float]", tuple(json.loads(done.stdout)))


def alive(mark: str) -> bool:
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    return any(mark.encode() in line for line in lines)


@pytest.mark.parametrize(
    "leaving", ["setsid sleep 61.1{0} & sleep 100", "(setsid sh -c 'sleep 61.1{0} & exit' &) ; sleep 100"]
)
def test_child_that_left_its_session_is_killed_at_the_time_out(leaving: str) -> None:
    mark = str(os.getpid())
    code, out, _err, late, took = execute(f"echo said; {leaving.format(mark)}", 1)
    assert (code, out, late) == (-9, "said\n", True)
    assert took < 4
    assert not alive(f"61.1{mark}")


def test_child_that_is_left_running_holds_up_nothing() -> None:
    code, out, _err, late, took = execute("echo said; sleep 62 & exit 3", 30)
    assert (code, out, late) == (3, "said\n", False)
    assert took < 4


def test_what_a_killed_module_left_is_removed_by_the_next() -> None:
    """Where it may not mount, its files lie in shared memory; with SIGKILL nobody is left to remove them."""
    with subprocess.Popen(
        [sys.executable, "-c", MEMORY], stdout=subprocess.PIPE, text=True, env=INSTALLED_PATH
    ) as killed:
        assert killed.stdout is not None
        left = Path(killed.stdout.readline().strip())
        (left / "KEY").write_text("canary")
        running = private_directory()
        assert left.exists(), "its process runs"
        killed.kill()
    assert left.exists()
    shutil.rmtree(private_directory())
    assert not left.exists()
    assert Path(running).exists()
    shutil.rmtree(running)


def test_long_output_is_whole_and_in_order() -> None:
    code, out, err, _late, _took = execute("seq 1 200000; echo end >&2", 30)
    assert (code, err) == (0, "end\n")
    assert out.split() == [str(number) for number in range(1, 200001)]


def test_command_that_kills_itself_is_not_said_to_be_late() -> None:
    assert execute("kill -9 $$", 30)[:4] == (-9, "", "", False)


def test_hexadecimal_is_redacted() -> None:
    secret = "cänary-7\udc80"
    for shown in (secret.encode(errors="surrogateescape").hex(), secret.encode(errors="surrogateescape").hex().upper()):
        assert redact(f"before {shown} after", [secret]) == "before ******** after"


def test_waiting_ends_with_the_command() -> None:
    started = time.monotonic()
    assert execute("sleep 0.2", 0)[0] == 0
    assert time.monotonic() - started < 5

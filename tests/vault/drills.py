"""`make test-vault-drills`: a real cluster of three, broken while writers write. Counts go to drills.json and the guide.

Writers write keys of their own, one after another, and note what a server acknowledged. At the end of a drill each acknowledged
value is read back from the leader. With UNIFIED_TEST_VAULT_OLDER, an older version's program, the cluster starts with that one and is upgraded.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
import typing as t
from pathlib import Path

from tests.hosts import __main__ as tool

from . import drill_actions as actions
from .cluster import FIRST, NAMES, REAL, Cluster, servers
from .load import WRITERS, Load
from .server import SWITCH

OLDER = os.environ.get(f"{SWITCH}_OLDER", "")
RESULTS = Path(__file__).parent / "drills.json"
GUIDE = Path(__file__).resolve().parents[2] / "docs/vault.md"
MARKS = ("<!-- drills -->\n", "<!-- end of drills -->\n")
DRILLS: dict[str, tuple[t.Callable[[Cluster, Load, int], None], str]] = {
    "upgrade": (actions.upgrade, "upgraded by the role"),
    "kill": (actions.kill_leaders, "leader killed with SIGKILL"),
    "restart": (actions.restart_all, "all restarted by the role, one after another"),
    "wipe": (actions.wipe_member, "disk of a member wiped, the role run again"),
    "disk": (actions.fill_disk, "disk of the leader full"),
    "certificate": (actions.end_certificate, "certificate of a member ended, the role run again"),
    "share": (actions.lose_share, "one share lost and the leader killed, unsealed with the others"),
    "clock": (
        actions.shift_clock,
        f"clock of the leader {actions.HOURS_OFF} h ahead, then {actions.HOURS_OFF} h behind, restarted with each",
    ),
    "restore": (actions.restore_all, "all disks wiped, `restore_vault` run with a snapshot"),
}


def version(program: str) -> str:
    said = subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout.strip()
    return re.sub(r"\s*\(.*|,.*", "", said)


def drill(cluster: Cluster, name: str, times: int) -> dict[str, t.Any]:
    action, _what = DRILLS[name]
    started = time.monotonic()
    with Load(cluster) as load:
        load.more(WRITERS)
        action(cluster, load, times)
        if not load.stop.is_set():
            load.more(WRITERS)
    return {
        "times": times, "acknowledged": len(load.acknowledged), "lost": len(load.lost()), "refused": load.refused,
        "longest_pause_s": round(load.pause, 1), "took_s": round(time.monotonic() - started),
        "server": f"{version(OLDER)} to {version(REAL)}" if name == "upgrade" else version(REAL),
        "date": datetime.date.today().isoformat(),
    }  # fmt: skip


def table(results: t.Mapping[str, t.Any]) -> str:
    """Drills in Markdown, one a row."""
    head = (
        "| drill | times | writes acknowledged | of these lost | refused | longest pause | took | with |\n" + "|---" * 8
    )
    rows = [
        f"| {what} | {row['times']} | {row['acknowledged']:,} | {row['lost']} | {row['refused']:,} | {row['longest_pause_s']} s "
        f"| {row['took_s']} s | {row['server']}, {row['date']} |\n"
        for name, (_action, what) in DRILLS.items()
        if (row := results.get(name))
    ]
    return f"{head}|\n{''.join(rows)}"


def guide(text: str, results: t.Mapping[str, t.Any]) -> str:
    """The guide with the table between its marks."""
    before, rest = text.split(MARKS[0])
    return f"{before}{MARKS[0]}{table(results)}{MARKS[1]}{rest.split(MARKS[1])[1]}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("drills", nargs="*", choices=[[], *DRILLS], default=[], help="by default all")
    parser.add_argument("--kills", type=int, default=20)
    arguments = parser.parse_args()
    if not REAL:
        print("test-vault-drills: set BAO_BIN or VAULT_BIN to a server's program", file=sys.stderr)
        return 2
    left_out = [*([] if OLDER else ["upgrade"]), *(["clock"] if tool.KINDS["uml"].missing() else [])]
    names = arguments.drills or [name for name in DRILLS if name not in left_out]
    # Containers share the machine's clock, and a kernel of its own is slower: that drill has a cluster for itself.
    together, apart = [name for name in names if name != "clock"], [name for name in names if name == "clock"]
    outcomes = [
        outcome
        for some, clocks in ((together, ()), (apart, NAMES[1:2]))
        if some
        for outcome in practise(some, arguments.kills, clocks)
    ]
    lost = sum(row["lost"] for _name, row in outcomes if row)
    failed = [name for name, row in outcomes if not row]
    print(f"test-vault-drills: {lost} acknowledged writes lost; failed: {', '.join(failed) or 'none'}")
    return 1 if lost or failed else 0


def practise(names: t.Sequence[str], kills: int, clocks: t.Collection[str]) -> t.Iterator[tuple[str, dict[str, t.Any]]]:
    """Drills on one cluster, each with its counts; empty for one that failed. The servers in CLOCKS have a clock of their own."""
    with tempfile.TemporaryDirectory() as directory, servers(Path(directory), clocks=clocks) as cluster:
        if "upgrade" in names:
            cluster.builds(Path(OLDER))
        cluster.play()
        assert cluster.leader() == FIRST
        cluster.mount()
        for name in names:
            print(f"{name}: {DRILLS[name][1]}", flush=True)
            try:
                counts = drill(cluster, name, kills if name == "kill" else 1)
            except Exception:
                # What comes later may still be seen.
                traceback.print_exc()
                yield name, {}
                continue
            print(f"  {counts}", flush=True)
            # Others are kept, also those of another run.
            results = {**json.loads(RESULTS.read_text()), name: counts}
            RESULTS.write_text(json.dumps(results, indent=2) + "\n")
            GUIDE.write_text(guide(GUIDE.read_text(), results))
            yield name, counts


if __name__ == "__main__":
    sys.exit(main())

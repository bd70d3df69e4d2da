"""`make test-vault-drills`: the leader of a real cluster of three killed under load. Counts go to drills.json and the guide.

Writers write keys of their own, one after another, and note what a server acknowledged. At the end of a drill each acknowledged
value is read back from the leader.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import datetime
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
import typing as t
import urllib.error
from pathlib import Path

from tests.secrets import programs

from .cluster import FIRST, FLAVOUR, REAL, Cluster, servers
from .server import patiently

RESULTS = Path(__file__).parent / "drills.json"
GUIDE = Path(__file__).resolve().parents[2] / "docs/vault.md"
MARKS = ("<!-- drills -->\n", "<!-- end of drills -->\n")
WRITERS = 4


class Load:
    """Writers, while it is open: any server takes a write, and hands it on to the one that leads."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.acknowledged: dict[str, str] = {}
        self.refused = 0
        self.pause = 0.0
        self.last = time.monotonic()
        self.lock, self.stop = threading.Lock(), threading.Event()
        self.run = f"{time.time_ns():x}"
        self.threads = [threading.Thread(target=self._write, args=(number,), daemon=True) for number in range(WRITERS)]

    def __enter__(self) -> t.Self:
        self.last = time.monotonic()
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_arguments: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def _write(self, writer: int) -> None:
        names, token, number = list(self.cluster.hosts), self.cluster.token, 0
        while not self.stop.is_set():
            number += 1
            key, value = f"drill-{self.run}-{writer}-{number}", f"{writer}-{number}"
            name = names[(writer + number) % len(names)]
            try:
                self.cluster.ask(name, f"secret/data/{key}", {"data": {"value": value}}, token=token)
            except OSError:
                self.refused += 1
                self.stop.wait(0.2)
                continue
            with self.lock:
                now = time.monotonic()
                self.acknowledged[key] = value
                self.pause, self.last = max(self.pause, now - self.last), now
            self.stop.wait(0.15)

    def more(self, number: int, timeout: float = 180) -> None:
        """Wait until so many more writes are acknowledged."""
        enough = len(self.acknowledged) + number
        programs.until(lambda: len(self.acknowledged), lambda have: have >= enough, timeout)

    def lost(self) -> list[str]:
        """Keys whose acknowledged value the leader does not have."""
        leader = self.cluster.leader()

        def kept(key: str) -> bool:
            try:
                answer = self.cluster.ask(leader, f"secret/data/{key}", token=self.cluster.token)
            except urllib.error.HTTPError as exc:
                if exc.code == 404:
                    return False
                raise
            return bool(answer["data"]["data"]["value"] == self.acknowledged[key])

        with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
            return [key for key, is_kept in zip(self.acknowledged, pool.map(kept, self.acknowledged)) if not is_kept]


def unsealed(cluster: Cluster) -> None:
    """As an operator would: every server that is up and sealed gets its keys."""
    keys = cluster.secrets[:2]

    def awake() -> list[str]:
        for name in cluster.hosts:
            health = cluster.health(name)
            if health["version"] and health["sealed"]:
                for key in keys:
                    with contextlib.suppress(OSError):
                        cluster.ask(name, "sys/unseal", {"key": key}, method="PUT")
        return cluster.awake()

    programs.until(awake, lambda names: names == list(cluster.hosts), 180)
    cluster.leader()


def kill_leaders(cluster: Cluster, load: Load, times: int) -> None:
    for number in range(times):
        leader = cluster.leader()
        cluster.hosts[leader].shell(f"systemctl kill -s KILL {FLAVOUR}")
        load.more(WRITERS)
        unsealed(cluster)
        load.more(WRITERS)
        print(f"  leader {number + 1} of {times} killed ({leader}), {len(load.acknowledged)} acknowledged", flush=True)


DRILLS: dict[str, tuple[t.Callable[[Cluster, Load, int], None], str]] = {
    "kill": (kill_leaders, "leader killed with SIGKILL"),
}


def drill(cluster: Cluster, name: str, times: int) -> dict[str, t.Any]:
    action, _what = DRILLS[name]
    started = time.monotonic()
    with Load(cluster) as load:
        load.more(WRITERS)
        action(cluster, load, times)
        load.more(WRITERS)
    return {
        "times": times, "acknowledged": len(load.acknowledged), "lost": len(load.lost()), "refused": load.refused,
        "longest_pause_s": round(load.pause, 1), "took_s": round(time.monotonic() - started),
    }  # fmt: skip


def table(results: t.Mapping[str, t.Any]) -> str:
    rows = [
        f"| {what} | {row['times']} | {row['acknowledged']:,} | {row['lost']} | {row['refused']:,} | {row['longest_pause_s']} s |\n"
        for name, (_action, what) in DRILLS.items()
        if (row := results["drills"].get(name))
    ]
    head = (
        "| drill | times | writes acknowledged | of these lost | refused | longest pause |\n|---|---|---|---|---|---|\n"
    )
    return f"{results['server']}, three servers, {WRITERS} writers, {results['date']}:\n\n{head}{''.join(rows)}"


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
    said = subprocess.run([REAL, "version"], capture_output=True, text=True, check=True).stdout.strip()
    server = re.sub(r"\s*\(.*|,.*", "", said)
    results: dict[str, t.Any] = {"server": server, "date": datetime.date.today().isoformat(), "drills": {}}
    with tempfile.TemporaryDirectory() as directory, servers(Path(directory)) as cluster:
        cluster.play()
        assert cluster.leader() == FIRST
        cluster.mount()
        patiently(lambda: cluster.write("ready", "yes"))
        for name in arguments.drills or DRILLS:
            print(f"{name}: {DRILLS[name][1]}", flush=True)
            results["drills"][name] = drill(cluster, name, arguments.kills if name == "kill" else 1)
            print(f"  {results['drills'][name]}", flush=True)
            # After each: what comes later may fail.
            RESULTS.write_text(json.dumps(results, indent=2) + "\n")
            GUIDE.write_text(guide(GUIDE.read_text(), results))
    lost = sum(row["lost"] for row in results["drills"].values())
    print(f"test-vault-drills: {lost} acknowledged writes lost")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())

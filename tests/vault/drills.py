"""`make test-vault-drills`: what goes wrong with a cluster of three, with real servers under load. Counts go to drills.json and the guide.

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

from .cluster import FIRST, FLAVOUR, NAMES, REAL, Cluster, servers
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

    def awake() -> list[str]:
        for name in cluster.hosts:
            health = cluster.health(name)
            if health["version"] and health["sealed"]:
                for key in cluster.secrets[:2]:
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


def wipe_member(cluster: Cluster, load: Load, _times: int) -> None:
    member = next(name for name in cluster.hosts if name != cluster.leader())
    cluster.hosts[member].shell(f"systemctl stop {FLAVOUR}; rm -rf /var/lib/{FLAVOUR}/*")
    cluster.play()
    assert cluster.voters() == list(cluster.hosts)
    load.more(WRITERS)
    key, value = next(iter(load.acknowledged.items()))
    assert cluster.read(member, key) == value


def fill_disk(cluster: Cluster, load: Load, _times: int) -> None:
    """The leader's storage is a file system of its own, which is filled up; then there is room again."""
    leader = cluster.leader()
    data = f"/var/lib/{FLAVOUR}"
    host = cluster.hosts[leader]
    host.shell(
        f"systemctl stop {FLAVOUR}; cp -a {data} /root/data; mount -t tmpfs -o size=200m tmpfs {data}; cp -a /root/data/. {data}/"
    )
    host.shell(
        f"chown --reference=/root/data {data}; chmod --reference=/root/data {data}; rm -r /root/data; systemctl start {FLAVOUR}"
    )
    unsealed(cluster)
    for name in cluster.hosts:  # until it leads again
        if cluster.leader() == leader:
            break
        if name != leader:
            cluster.hosts[cluster.leader()].shell(f"systemctl restart {FLAVOUR}")
            unsealed(cluster)
    load.more(WRITERS)
    filled = cluster.leader()
    host.shell(f"dd if=/dev/zero of={data}/filler bs=1M 2>/dev/null || true")
    time.sleep(30)
    host.shell(f"rm {data}/filler; systemctl reset-failed {FLAVOUR}; systemctl restart {FLAVOUR}")
    unsealed(cluster)
    load.more(WRITERS)
    print(f"  disk of {leader} full, which {'led' if filled == leader else 'followed'}", flush=True)


def expire_certificate(cluster: Cluster, load: Load, _times: int) -> None:
    """The certificate of one server has ended; a run of the role gives it a new one."""
    host = cluster.hosts[NAMES[1]]
    with tempfile.TemporaryDirectory() as directory:
        key = Path(directory) / "ca.key"
        key.touch(0o600)
        key.write_bytes(programs.run(programs.build() / "sops", "decrypt", cluster.directory / "vault/ca.key.sops"))
        request = host.shell(
            f"openssl req -new -key /etc/{FLAVOUR}/tls/server.key -subj /CN=x -addext subjectAltName=IP:{host.host.address}"
        )
        argv = [
            "openssl",
            "x509",
            "-req",
            "-CA",
            cluster.ca,
            "-CAkey",
            str(key),
            "-copy_extensions",
            "copy",
            "-days",
            "-1",
        ]
        old = subprocess.run(argv, input=request, capture_output=True, text=True, check=True).stdout
    host.shell(f"cat > /etc/{FLAVOUR}/tls/server.pem <<'X'\n{old}X\nsystemctl reload {FLAVOUR}")
    programs.until(lambda: cluster.health(NAMES[1])["version"], lambda version: version == "", 30)
    load.more(WRITERS)
    cluster.play()
    assert cluster.awake() == list(cluster.hosts)
    load.more(WRITERS)


def lose_share(cluster: Cluster, load: Load, _times: int) -> None:
    """One share of three is gone, and a server is sealed: the error names the file, and two others open it."""
    share = cluster.directory / "vault/unseal_key_1.sops.json"
    kept = share.read_bytes()
    share.unlink()
    try:
        member = next(name for name in cluster.hosts if name != cluster.leader())
        cluster.hosts[member].shell(f"systemctl restart {FLAVOUR}")
        assert "unseal_key_1.sops.json" in cluster.play(fails=True).output
        others = [f"sops://{cluster.directory}/vault/unseal_key_{number}.sops.json#key" for number in (2, 3)]
        cluster.play(vault_unseal_keys=others)
        assert cluster.awake() == list(cluster.hosts)
        load.more(WRITERS)
    finally:
        share.touch(0o600)
        share.write_bytes(kept)


DRILLS: dict[str, tuple[t.Callable[[Cluster, Load, int], None], str]] = {
    "kill": (kill_leaders, "leader killed with SIGKILL"),
    "wipe": (wipe_member, "a member's disk wiped, role run again"),
    "full": (fill_disk, "a member's disk full for 30 s"),
    "certificate": (expire_certificate, "a server's certificate ended, role run again"),
    "share": (lose_share, "one unseal share of three lost"),
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

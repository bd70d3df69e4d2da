"""Writers that note what a cluster acknowledged, and what of it is left."""

from __future__ import annotations

import concurrent.futures
import http.client
import threading
import time
import typing as t
import urllib.error

from tests.secrets import programs

from .cluster import Cluster

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
        self.end()

    def end(self) -> None:
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
            except (OSError, http.client.HTTPException, ValueError):
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

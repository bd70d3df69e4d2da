# SPDX-License-Identifier: GPL-3.0-or-later
"""One server of a cluster: its unit, its process, and the order in which it is started, restarted and unsealed."""

from __future__ import annotations

import functools
import os
import ssl
import time
import typing as t

from .node import Health, Node, NodeError, wait

# Seconds after which a server that joined has its vote, where nobody may ask: autopilot's server_stabilization_time is 10 s, and it looks
# every 10 s.
VOTES_AFTER = 25
NOTHING = Health(initialized=False, sealed=True, active=False, version="")


class Server:
    """The unit, its process and what the server says.

    Args:
        given: options of the module vault_server.
        run: starts a program; its exit code, output and errors.
        dry: do nothing, only say what would be done.

    Raises (all methods):
        NodeError: what could not be done, and what to do about it.
    """

    def __init__(self, params: t.Mapping[str, t.Any], run: t.Callable[..., t.Any], *, dry: bool) -> None:
        self.params, self.run, self.dry = params, run, dry
        self.unit = f"{params['unit']}.service"
        self.timeout: int = params["timeout"]
        self.actions: list[str] = []
        self.warnings: list[str] = []
        self.joined = False
        self.shown = self._show()
        self.runs = self.shown["ActiveState"] == "active"

    def _systemctl(self, *arguments: str) -> str:
        code, out, _err = self.run(["systemctl", *arguments])
        if code:
            said = self.run(["journalctl", "--unit", self.unit, "--lines=5", "--output=cat", "--no-pager"])[1]
            lines = "".join(f"\n  {line}" for line in said.splitlines())
            raise NodeError(f"'systemctl {' '.join(arguments)}' ended with {code}. Its journal ends with:{lines}")
        return str(out)

    def _show(self) -> dict[str, str]:
        names = "LoadState,ActiveState,UnitFileState,NeedDaemonReload,MainPID"
        out = self._systemctl("show", self.unit, "--property", names)
        return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)

    def act(self, name: str, *arguments: str) -> None:
        """Do it, unless this is a dry run."""
        self.actions.append(name)
        if not self.dry:
            self._systemctl(*arguments)

    def start(self) -> None:
        outdated = self.shown["NeedDaemonReload"] == "yes" or self.shown["LoadState"] != "loaded"
        if outdated and not self.dry:
            self._systemctl("daemon-reload")
        if self.shown["UnitFileState"] != "enabled":
            self.act("enabled", "enable", self.unit)
        if self.shown["ActiveState"] != "active":
            self.act("started", "start", self.unit)
            self.shown = self._show()
            self.runs = not self.dry

    @functools.cached_property
    def node(self) -> Node:
        return Node(self.params["url"], self.params["ca_path"])

    @functools.cached_property
    def peers(self) -> list[Node]:
        return [Node(url, self.params["ca_path"]) for url in self.params["peers"]]

    def health(self) -> Health:
        return t.cast(Health, wait(f"an answer of {self.node.url}", self.node.health, self.timeout))

    def stale(self) -> bool:
        """Whether the process runs another program than the installed one, or started before a file was written."""
        pid = self.shown["MainPID"]
        try:
            runs, installed = os.stat(f"/proc/{pid}/exe"), os.stat(self.params["program"])
            with open(f"/proc/{pid}/stat", encoding="utf-8") as handle:
                ticks = int(handle.read().rpartition(")")[2].split()[19])  # proc_pid_stat(5): starttime
        except OSError:
            return False  # it is about to be started anew
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
        started = time.time() - age
        changed = [path for path in self.params["files"] if os.path.exists(path) and os.stat(path).st_mtime > started]
        return (runs.st_dev, runs.st_ino) != (installed.st_dev, installed.st_ino) or bool(changed)

    def restart(self, health: Health) -> Health:
        if health.initialized and not health.sealed:
            self._keep_quorum(health)
        if not self.dry:
            self._bring_back_from_the_future()
        self.act("restarted", "restart", self.unit)
        if self.dry:
            return health
        self.shown = self._show()
        health = self.health()
        if health.initialized and not health.sealed:
            self.catch_up()  # it unsealed itself
        return health

    def _bring_back_from_the_future(self) -> None:
        """A file that was written while the host's clock was ahead of where it is now would ask for a restart at every run."""
        now = time.time()
        for path in self.params["files"]:
            if os.path.exists(path) and os.stat(path).st_mtime > now:
                os.utime(path, (now - 1, now - 1))  # starts are known to a hundredth of a second

    def _keep_quorum(self, own: Health) -> None:
        states = {node.url: node.reached() for node in self.peers}
        lacking = [url for url, health in states.items() if health is None or health.sealed]
        if lacking:
            raise NodeError(
                f"{lacking[0]} is {'sealed' if states[lacking[0]] else 'not reachable'}, so {self.unit} was not restarted: the cluster "
                "might lose its quorum. Bring that server back first"
            )
        if self.peers and not own.active and not any(health and health.active for health in states.values()):
            raise NodeError(f"no server leads the cluster, so {self.unit} was not restarted. See its log first")
        if self.peers:
            self.await_votes(self.peers)

    def show_certificate(self) -> None:
        node = self.node
        with open(self.params["cert_path"], encoding="utf-8") as handle:
            end = "-----END CERTIFICATE-----"
            certificate = ssl.PEM_cert_to_DER_cert(handle.read().partition(end)[0].strip() + f"\n{end}\n")
        if node.certificate() != certificate:
            self.act("reloaded", "reload", self.unit)
            if not self.dry:
                wait("the new certificate", lambda: node.certificate() == certificate, self.timeout)

    def untrusted(self) -> bool:
        """Whether it shows a certificate that nobody accepts, an ended one or another authority's: it would answer nothing that is asked."""
        try:
            return not self.node.certificate()
        except NodeError:
            return False  # it is not up yet

    def prove_audit(self) -> None:
        path = self.params["audit_path"]
        if path and not os.path.exists(path):
            raise NodeError(
                f"{self.node.url} leads, and its audit log {path} is not there. Reload {self.unit} if it was moved away. Otherwise no audit "
                "device is enabled: OpenBao takes it from its configuration from version 2.4 on, Vault by 'vault audit enable file'"
            )

    def join(self) -> Health:
        node = self.node
        wait(f"that {node.url} joins the cluster", lambda: node.health().initialized, self.timeout)
        self.actions.append("joined")
        self.joined = True
        return node.health()

    def unseal(self) -> Health:
        node = self.node
        self.actions.append("unsealed")
        if self.dry:
            return node.health()
        try:
            for key in self.params["unseal_keys"]:
                if not node.unseal(key):
                    break
            wait(f"that {node.url} unseals", lambda: not node.health().sealed, self.timeout)
        except NodeError as exc:
            raise NodeError(f"{exc}. Check that unseal_keys are enough, and of this cluster") from None
        self.catch_up()
        return node.health()

    def catch_up(self) -> None:
        """Wait until this server knows what the cluster knew when it came back."""
        node, nodes = self.node, [self.node, *self.peers]
        states = [peer.reached() for peer in self.peers]
        awake = 1 + sum(state is not None and not state.sealed for state in states)
        if awake <= len(nodes) // 2:
            return  # nobody is elected before more of them are back

        def leader() -> int:
            committed = 0
            for each in nodes:
                try:
                    committed = max(committed, each.committed())
                except NodeError:
                    continue
            return committed

        committed = wait("the election of a leader", leader, self.timeout)
        wait(f"that {node.url} catches up", lambda: node.applied() >= committed, self.timeout)

    def _leader(self) -> Node | None:
        for node in [self.node, *self.peers]:
            try:
                if node.committed():
                    return node
            except NodeError:
                continue
        return None

    def await_votes(self, nodes: t.Sequence[Node]) -> None:
        """Wait until these servers have a vote: one that joined a moment ago knows everything, and counts for no majority."""
        leader = self._leader()
        if leader is None:
            return  # nobody is elected before more of them are back
        if not self._may_ask(leader):
            if self.joined and not self.dry:
                time.sleep(VOTES_AFTER)
            return
        for node in nodes:
            wait(f"that {node.url} gets its vote in the cluster", functools.partial(self._has_vote, node), self.timeout)

    def _may_ask(self, leader: Node) -> bool:
        """Whether the token, if there is one, shows who votes."""
        if not self.params["token"]:
            return False
        try:
            leader.voters(self.params["token"])
        except NodeError as exc:
            if exc.status == 403:
                self.warnings.append(
                    f"{exc}: the token may not ask who votes in the cluster. Give one that may 'read' sys/storage/raft/configuration"
                )
                return False
        return True

    def _has_vote(self, node: Node) -> bool:
        leader = self._leader()
        return leader is not None and node.host.lower() in leader.voters(self.params["token"])


def settle(server: Server) -> tuple[Health, bool]:
    """Bring the server to what is wanted; its state, and whether it still has to be restarted."""
    params = server.params
    server.start()
    if not server.runs:
        return NOTHING, False
    if server.untrusted():
        server.show_certificate()
    health = server.health()
    stale = server.stale() or (server.dry and params["foreseen"])
    if stale and (
        params["restart"] == "always" or (params["restart"] == "standby" and not (health.active and server.peers))
    ):
        health, stale = server.restart(health), False
    elif not stale:
        server.show_certificate()
    if params["join"] and not health.initialized and not server.dry:
        health = server.join()
    if health.initialized and health.sealed and params["unseal_keys"]:
        health = server.unseal()
    if params["join"] and server.peers and not health.sealed and not server.dry:
        server.await_votes([server.node])
    if health.active and not server.dry:
        server.prove_audit()
    return health, stale

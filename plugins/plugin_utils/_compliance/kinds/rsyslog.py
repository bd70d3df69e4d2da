# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `rsyslog`."""

from __future__ import annotations

import typing as t

from ....module_utils._collect.rsyslog import MAIN
from ..constraint import text
from ..daemon import Daemon
from .base import Check, Demand, Desired, Evidence, Kind, Platform, Rule, Ruling, offenders
from .matchers import as_json, checks, checks_on_default, literal, matching
from .settings import MARK

DIRECTORY = "/etc/rsyslog.d"
RSYSLOG = f"{DIRECTORY}/00-unified.conf"
LISTEN = "listen"


class Rsyslog(Kind):
    """``FileCreateMode``: one place sets it, and all that do satisfy the rule; ``listen``: nothing opens a socket."""

    name = "rsyslog"
    sections = ("rsyslog", "text")

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        unit = platform.unit("rsyslog")
        return {"text": [RSYSLOG], "rsyslog": [unit] if unit else []}

    @staticmethod
    def daemon(evidence: Evidence) -> Daemon:
        return Daemon(evidence.platform.unit("rsyslog"), evidence, "rsyslog", ("started",), ("changed",))

    @staticmethod
    def bad(demand: Demand, evidence: Evidence) -> list[dict[str, str]]:
        return [mode for mode in evidence["rsyslog"][demand.key] if not demand.value.holds(mode["value"])]

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        daemon = self.daemon(evidence)
        if demand.key == LISTEN:
            ruling = offenders(evidence["rsyslog"][LISTEN], "no listening socket")
        else:
            modes, bad = evidence["rsyslog"][demand.key], self.bad(demand, evidence)
            shown = "; ".join(f"{mode['value']} in {mode['source']}" for mode in bad[:3])
            verdict = "fail" if bad or not modes else "pass"
            ruling = Ruling(verdict, shown or (modes[-1]["value"] if modes else "not set"), demand.value.describe())
        if ruling.verdict == "pass" and daemon.stale:
            return Ruling("fail", f"{ruling.actual}, but {daemon.complaint()}", ruling.expected)
        return ruling

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        daemon = self.daemon(evidence)
        modes = evidence["rsyslog"][demand.key]
        if demand.key != LISTEN and (not modes or self.bad(demand, evidence)):
            target = text(demand.value.target(modes[-1]["value"] if modes else None))
            desired.file(
                RSYSLOG,
                f"{MARK}\n$FileCreateMode {target}\n",
                validate=["rsyslogd", "-N", "1", "-f", "%s"],
                restart=[daemon.unit],
            )
        daemon.refresh(desired)

    def winner(self, demand: Demand, evidence: Evidence) -> str:
        if DIRECTORY not in evidence["rsyslog"]["includes"]:
            return f"{MAIN}, which does not include {DIRECTORY}/*.conf,"
        sources = [mode["source"] for mode in self.bad(demand, evidence)]
        return next((source for source in sources if source != RSYSLOG), "")

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        stale = self.daemon(evidence).asserts()
        if demand.key == LISTEN:
            return [matching(as_json("rsyslog", "listen"), {"have-len": 0}), *stale]
        modes = evidence["rsyslog"][demand.key]
        if not modes:
            return checks_on_default(demand.value, None)
        made = []
        for index, mode in enumerate(modes):
            made += checks(demand.value, "rsyslog", demand.key, index, "value")
            line = f'/(?i)FileCreateMode[ \\t="]+0*{literal(mode["value"].lstrip("0"))}/'
            made.append(Check("file", {"path": mode["source"], "exists": True, "contents": [line]}))
        return [*made, *stale]


KINDS = (Rsyslog(),)

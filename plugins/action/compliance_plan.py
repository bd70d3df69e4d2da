# Copyright: (c) 2026, the unified.deploy authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Select, collect and plan in one place, so that evidence never leaves this process."""

from __future__ import annotations

import base64
import json
import typing as t
import zlib
from pathlib import Path

from ansible_collections.unified.deploy.plugins.plugin_utils._bytecode import kept_bytecode

with kept_bytecode():
    from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import (
        batch,
        client,
        goss,
        jumps,
        plan,
        results,
        selection,
    )
    from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.answers import check_answer
    from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.catalogue import Catalogue
    from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.evidence import Evidence, conform, unpack
    from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.base import Connection
    from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.results_directory import (
        ResultsDirectory,
        today,
    )
    from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.run import RUN
    from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.run_action import RunAction
    from ansible_collections.unified.deploy.plugins.plugin_utils._controller_action import Result
    from ansible_collections.unified.deploy.plugins.plugin_utils._errors import EvidenceError
    from ansible_collections.unified.deploy.plugins.plugin_utils._printable import printable


class ActionModule(RunAction):
    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        "benchmarks": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {"name": {"type": "str", "required": True}, "level": {"type": "str", "required": True}},
        },
        "overlay": {"type": "path"},
        "sections": {"type": "list", "elements": "str", "default": []},
        "kinds": {"type": "list", "elements": "str", "default": []},
        "rules": {"type": "list", "elements": "str", "default": []},
        "walk": {"type": "bool", "default": True},
        "evidence": {"type": "path"},
        "changed_rules": {"type": "list", "elements": "str", "default": []},
        "state": {"type": "str", "choices": ["planned", "applied"], "default": "planned"},
        "apply": {"type": "bool", "default": False},
        "guarded": {"type": "bool", "default": True},
        "boot_password": {"type": "str", "default": "", "no_log": True},
        "verify": {"type": "bool", "default": False},
        "results": {"type": "path", "required": True},
    }

    def act(self, arguments: Result, task_vars: Result) -> Result:
        catalogue = Catalogue()
        # Before the host is touched: a mistake in the overlay must not cost a connection.
        overlay = selection.load_overlay(arguments["overlay"] or "", catalogue, today(), arguments["boot_password"])
        results_directory, name = ResultsDirectory(arguments["results"]), self.host(task_vars)
        before = results_directory.gossfile(name) if arguments["verify"] and not arguments["evidence"] else ""
        document, answer = self._evidence(arguments, catalogue, before, task_vars)
        evidence = Evidence(document, catalogue.platform_of(document["sections"]["host"]["items"]))
        wishes = [(wish["name"], wish["level"]) for wish in arguments["benchmarks"]]
        filters = selection.Filters(tuple(arguments["sections"]), tuple(arguments["kinds"]), tuple(arguments["rules"]))
        selected = selection.select(catalogue, wishes, overlay, evidence["host"], filters)
        try:
            connection = self._reached_by(arguments, task_vars)
            made = plan.plan(selected, evidence, connection)
            checks = goss.checks_of(made.verdicts, evidence)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as exc:
            # Of the right types, but not such as any host of ours has been.
            raise EvidenceError(
                f"what this host answered cannot be judged ({type(exc).__name__}: {exc})",
                fix="Look at hosts/*/evidence.json of an earlier run, and at the host",
            ) from exc
        model = results.host_model(
            name, catalogue, selected, made, evidence, run=RUN, state=arguments["state"], stored=bool(arguments["evidence"]),
            independent=goss.independent(checks), changed=arguments["changed_rules"],
        )  # fmt: skip
        gossfile = goss.render(checks)
        # Goss has judged this host with the same checks, over this very evidence: it need not be asked again.
        verified = bool(before) and "goss" in answer and gossfile == before
        if verified:
            results.add_goss(model, check_answer(answer["goss"]))
        self._save(results_directory, document, model, gossfile)
        foretell = arguments["apply"] and self._task.check_mode
        return {
            **self._answer(model, made, evidence, connection, foretell=foretell),
            "unfinished_run": bool(answer.get("unfinished_run")),
            "verified": verified,
        }

    def _reached_by(self, arguments: Result, task_vars: Result) -> Connection:
        become = getattr(self._connection, "become", None)
        known = client.Client()
        if self._connection.transport == "ssh":
            options = [self._connection.get_option(name) for name in ("ssh_args", "ssh_common_args", "ssh_extra_args")]
            known = client.ask(options, str(self._play_context.remote_addr))
        return Connection(
            user=str(self._connection_user(task_vars)),
            become_method=become.name.rpartition(".")[2] if become else "",
            identities=known.identities,
            algorithms=known.algorithms,
            reached_through=lambda: self._reached_through(task_vars),
            proves=self._connection.transport != "local" or not (arguments["apply"] and arguments["guarded"]),
        )

    def _reached_through(self, task_vars: Result) -> tuple[str, ...]:
        """Other hosts of the inventory whose logins go through this one."""
        own = str(task_vars["inventory_hostname"])
        names = (own, str(self._play_context.remote_addr or ""), str(task_vars.get("ansible_host", "")))
        hosts = {name: variables for name, variables in task_vars.get("hostvars", {}).items() if name != own}
        behind = jumps.reached_through(names, hosts)
        if not behind and self._connection.transport == "ssh":
            # What ansible.cfg says holds for all hosts, and so stands in this one's own options.
            options = (self._connection.get_option(name) for name in ("ssh_args", "ssh_common_args", "ssh_extra_args"))
            if jumps.through(options) & {name.lower() for name in names}:
                return tuple(hosts)
        return behind

    def _connection_user(self, task_vars: Result) -> str:
        # Only a login over the network can be locked out by what is planned here.
        if self._connection.transport == "local":
            return ""
        user = self._play_context.remote_user or self._connection.get_option("remote_user")
        return user or task_vars.get("ansible_user", "")

    def _evidence(
        self, arguments: Result, catalogue: Catalogue, gossfile: str, task_vars: Result
    ) -> tuple[Result, Result]:
        """The evidence, and what else the host answered."""
        if arguments["evidence"]:
            path = Path(arguments["evidence"])
            try:
                return conform(json.loads(path.read_text(encoding="utf-8"))), {}
            except (OSError, ValueError, RecursionError) as exc:
                raise EvidenceError(f"cannot be read: {exc}", where=str(path), fix="Collect it again") from exc
        asked: Result = {"request": catalogue.request(walk=arguments["walk"])}
        if gossfile:
            asked["gossfile"] = base64.b64encode(zlib.compress(gossfile.encode())).decode()
        answer = self.module_or_fail("evidence", asked, task_vars)
        return {**unpack(answer.get("evidence")), "request": asked["request"]}, answer  # a revert asks the same again

    @staticmethod
    def _save(results_directory: ResultsDirectory, document: Result, model: Result, gossfile: str) -> None:
        directory = results_directory.host(model["name"])
        results_directory.write(directory / "evidence.json", json.dumps(document))
        results_directory.write(directory / "goss.yml", gossfile)
        results_directory.write_model(model["name"], results.summarise(model))

    @staticmethod
    def _answer(
        model: Result, made: plan.Plan, evidence: Evidence, connection: Connection, *, foretell: bool
    ) -> Result:
        desired = made.desired
        held = {
            identifier: printable(verdict.held)
            for identifier, verdict in made.verdicts.items()
            if verdict.verdict == "fail" and verdict.held
        }
        answer = {
            # A dry run says what a run would change; planning itself changes nothing.
            "changed": foretell and bool(made.changes),
            "run": RUN,
            "summary": model["summary"],
            "goss": bool(evidence["goss"]["path"]),
            "goss_in_distribution": evidence.platform.release(evidence["host"]["os"], evidence["host"]["version"])
            in evidence.platform.goss,
            "architecture": evidence["host"]["architecture"],
            "package_tool": evidence.platform.tool("packages"),
            "changes": made.changes,
            "held": held,
            "desired": {
                "packages_absent": desired.packages_absent,
                "packages_present": desired.packages_present,
                "batches": [
                    {"name": part.name, "rules": part.rules, "options": options}
                    for part in plan.batches(made, evidence, connection)
                    if (options := batch.options(part.desired, evidence["text"], part.logins))
                ],
            },
            "reboot": model["reboot_required"],
        }
        if made.changes:
            rows = [(rule, made.verdicts[rule]) for rule in made.changes]
            answer["diff"] = {
                "before_header": "rules that fail",
                "after_header": "after apply",
                "before": "".join(f"{rule}: {printable(verdict.actual)}\n" for rule, verdict in rows),
                "after": "".join(f"{rule}: {printable(verdict.expected)}\n" for rule, verdict in rows),
            }
        return answer

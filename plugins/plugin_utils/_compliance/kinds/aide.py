# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `aide`."""

from __future__ import annotations

import typing as t

from .base import Check, Demand, Desired, Evidence, Kind, Platform, Rule, Ruling, ruling
from .matchers import Template, as_text, literal, lookup, matching

# How each packaging of AIDE makes its first database (aideinit(8); AIDE's manual, "aide --init").
INITIALISE: dict[str, tuple[tuple[str, ...], ...]] = {
    # Its logs are new files of /var/log, which are closed to others before this runs. It runs AIDE as another user, who cannot write over
    # a new database of root's.
    "aideinit": (("sh", "-c", "umask 027 && rm -f -- {made} && exec aideinit --yes --force"),),
    "aide": (("aide", "--init"), ("mv", "--", "{made}", "{database}")),
}
USABLE = ("plain", "gzip")


class Aide(Kind):
    """The database that AIDE compares files with: without it the daily check only fails."""

    name = "aide"
    sections = ("aide",)
    constrained = ()

    def resolve(self, rule: Rule, platform: Platform) -> bool:
        return bool(platform.path("aide_database")) and super().resolve(rule, platform)

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        path = platform.path("aide_database")
        return {"aide": [path] if path else []}

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        path = evidence.platform.path("aide_database")
        database = evidence["aide"][path]
        if database["kind"] == "absent":
            return Ruling("fail", f"no {path}", "a database")
        if database["configured"] not in ("", path):
            return Ruling("fail", f"AIDE compares with {database['configured']}", path)
        shown = f"{path}, {database['size']} bytes"
        usable = database["kind"] in USABLE and database["size"] > 0
        if usable and not database["entries"]:
            return Ruling("fail", f"{shown}, which speaks of no file", "a database")
        return ruling(usable, shown if usable else f"{shown}, which AIDE did not write", "a database")

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        path = evidence.platform.path("aide_database")
        configured = evidence["aide"][path]["configured"]
        return (
            f"AIDE's configuration names {configured} in place of {path}: mend it there"
            if configured not in ("", path)
            else ""
        )

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        path = evidence.platform.path("aide_database")
        for command in INITIALISE[evidence.platform.tool("integrity")]:
            desired.run(*(word.format(database=path, made=path.replace(".db", ".db.new", 1)) for word in command))

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        path = evidence.platform.path("aide_database")
        kind = matching(as_text("aide", path, "kind"), {"match-regexp": f"^({'|'.join(USABLE)})$"})
        named = matching(as_text("aide", path, "configured"), {"match-regexp": f"^({literal(path)})?$"})
        entries = matching(Template(f"{{{{ {lookup('aide', path, 'entries')} | int64 }}}}"), {"ge": 1})
        return [Check("file", {"path": path, "exists": True}), kind, named, entries]


KINDS = (Aide(),)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `sshd`."""

from __future__ import annotations

import typing as t

from ..constraint import items, text
from .base import (
    Check,
    Connection,
    Demand,
    Desired,
    Evidence,
    Kind,
    Platform,
    Rule,
    Ruling,
    ruling,
)
from .matchers import Template, checks, lookup, matching
from .settings import MARK, set_key

# sshd takes the first value it reads; cloud images bring 50-cloud-init.conf.
SSHD_PATH = "/etc/ssh/sshd_config.d/00-unified.conf"


SSHD_MAIN = "/etc/ssh/sshd_config"


ACCESS_LISTS = ("allowusers", "allowgroups", "denyusers", "denygroups")


def groups_of(user: str, evidence: Evidence) -> set[str]:
    groups = evidence["account"]["groups"]
    own = {one["gid"] for one in evidence["account"]["users"] if one["name"] == user}
    return {group["name"] for group in groups if user in group["members"] or group["gid"] in own}


class Sshd(Kind):
    name = "sshd"
    sections = ("sshd", "text")

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {"text": [SSHD_PATH, SSHD_MAIN]}

    @staticmethod
    def actual(demand: Demand, evidence: Evidence) -> str | None:
        value: str | None = evidence["sshd"]["effective"].get(demand.key.lower())
        return value.replace(" ", ",") if value and demand.key.startswith(("Allow", "Deny")) else value

    @staticmethod
    def any_list(demand: Demand) -> bool:
        """Whether the rule asks for no more than some restriction: the site has not said whom it lets in."""
        return demand.key == "AllowGroups" and demand.rule.remediate == "manual"

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        if self.any_list(demand):
            found = [f"{name} {value}" for name in ACCESS_LISTS if (value := evidence["sshd"]["effective"].get(name))]
            return ruling(bool(found), ", ".join(found) or "everybody may log in", "users or groups are listed")
        value = self.actual(demand, evidence)
        weaker = [
            f"{block['settings'][demand.key.lower()]} for 'Match {block['criteria']}' in {block['source']}"
            for block in evidence["sshd"]["match"]
            if demand.key.lower() in block["settings"] and not demand.value.holds(block["settings"][demand.key.lower()])
        ]
        if weaker and demand.value.holds(value):
            return Ruling("fail", "; ".join(weaker), demand.value.describe())
        return ruling(demand.value.holds(value), value, demand.value.describe())

    def would_lock_out(self, demand: Demand, evidence: Evidence, connection: Connection) -> str:
        user = connection.user
        if demand.key == "PermitRootLogin" and user == "root":
            return "the run is connected as root: it would lock itself out; connect as another user with sudo"
        if demand.key == "AllowGroups" and user:
            allowed = set(t.cast("list[str]", demand.value.target(None)))
            if user != "root" and not allowed & groups_of(user, evidence):
                return f"{user} is in none of the groups {', '.join(sorted(allowed))}: it would lock itself out"
        if demand.key == "UsePAM" and demand.value.eq == "no":
            return "without PAM, accounts with locked passwords cannot log in"
        return ""

    def wanted(self, demand: Demand, evidence: Evidence) -> str:
        if demand.value.none_of is not None and demand.value.subset_of is None:
            # sshd_config(5): all of sshd's own list but these. What is left of a list that was all weak could be
            # an algorithm that the operator's client does not have.
            return f"-{','.join(demand.value.none_of)}"
        target = demand.value.target(self.actual(demand, evidence))
        separator = " " if demand.key.startswith(("Allow", "Deny")) else ","
        return separator.join(items(target)) if isinstance(target, list) else text(target)

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        value = self.wanted(demand, evidence)
        restart = [evidence.platform.unit("ssh_server")]
        content = desired.text(SSHD_PATH, evidence) or f"{MARK}\n"
        content = set_key(content, demand.key, value, separator=" ")
        desired.file(SSHD_PATH, content, mode="0600", validate=["sshd", "-t", "-f", "%s"], restart=restart)
        main = desired.text(SSHD_MAIN, evidence)
        if not evidence["sshd"]["includes_dropins"] and not main.startswith("Include /etc/ssh/sshd_config.d/"):
            desired.file(
                SSHD_MAIN,
                f"Include /etc/ssh/sshd_config.d/*.conf\n{main}",
                mode="0600",
                validate=["sshd", "-t", "-f", "%s"],
                restart=restart,
            )

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        if self.any_list(demand):
            values = " ".join(f'{{{{ {lookup("sshd", "effective", name)} | default "" }}}}' for name in ACCESS_LISTS)
            return [matching(Template(f'"{values}"'), {"match-regexp": "\\S"})]
        key = demand.key.lower()
        found = checks(demand.value, "sshd", "effective", key)
        for index, block in enumerate(evidence["sshd"]["match"]):
            if key in block["settings"]:
                found += checks(demand.value, "sshd", "match", index, "settings", key)
        return found


KINDS = (Sshd(),)

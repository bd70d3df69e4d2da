# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds `sshd`, `sudo`, `cron`, `banner` and `firewall`: who gets in, and what is said at the door."""

from __future__ import annotations

import re
import typing as t

from .._constraint import items, text
from .base import Check, Demand, Desired, Evidence, Kind, Rule, Ruling, offenders, ruling
from .goss import Template, as_json, as_text, checks, checks_on_default, literal, lookup, matching
from .settings import MARK, put_line, set_key

# sshd takes the first value it reads; cloud images bring 50-cloud-init.conf.
SSHD_PATH = "/etc/ssh/sshd_config.d/00-unified.conf"
SSHD_MAIN = "/etc/ssh/sshd_config"
ACCESS_LISTS = ("allowusers", "allowgroups", "denyusers", "denygroups")
# The last Defaults line wins in sudoers.
SUDO_PATH = "/etc/sudoers.d/zz-unified"


class Sshd(Kind):
    name = "sshd"
    sections = ("sshd", "texts")

    def request(self, rule: Rule) -> dict[str, t.Any]:
        return {"texts": [SSHD_PATH, SSHD_MAIN]}

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
        content = desired.text(SSHD_PATH, evidence) or f"{MARK}\n"
        content = set_key(content, demand.key, value, separator=" ")
        desired.file(SSHD_PATH, content, mode="0600", validate=["sshd", "-t", "-f", "%s"])
        main = desired.text(SSHD_MAIN, evidence)
        if not evidence["sshd"]["includes_dropins"] and not main.startswith("Include /etc/ssh/sshd_config.d/"):
            desired.file(
                SSHD_MAIN,
                f"Include /etc/ssh/sshd_config.d/*.conf\n{main}",
                mode="0600",
                validate=["sshd", "-t", "-f", "%s"],
            )
        desired.add("units_restarted", ["ssh.service"])

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


class Sudo(Kind):
    name = "sudo"
    sections = ("sudo", "texts")
    # What holds while no Defaults line says otherwise (sudoers(5)).
    defaults: t.ClassVar[dict[str, str]] = {"timestamp_timeout": "15", "use_pty": "yes"}
    listed: t.ClassVar[dict[str, str]] = {"nopasswd": "nopasswd", "authenticate": "no_authenticate"}

    def request(self, rule: Rule) -> dict[str, t.Any]:
        return {"texts": [SUDO_PATH]}

    def actual(self, demand: Demand, evidence: Evidence) -> str | None:
        value = self.defaults.get(demand.key)
        for entry in evidence["sudo"]["defaults"]:
            name, _mark, given = entry["option"].partition("=")
            if name.strip() == demand.key:
                value = given.strip().strip('"') or "yes"
            elif name.strip() == f"!{demand.key}":
                value = "no"
        return value

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        if demand.key in self.listed:
            return offenders(evidence["sudo"][self.listed[demand.key]], "no such rule")
        value = self.actual(demand, evidence)
        return ruling(demand.value.holds(value), value, demand.value.describe())

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        target = text(demand.value.target(self.actual(demand, evidence)))
        option = demand.key if target == "yes" else f"{demand.key}={target}"
        pattern = rf"^Defaults\s+!?{demand.key}\b"
        content = put_line(desired.text(SUDO_PATH, evidence), pattern, f"Defaults {option}")
        desired.file(SUDO_PATH, content, mode="0440", validate=["visudo", "-c", "-f", "%s"])

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        if demand.key in self.listed:
            return [matching(as_json("sudo", self.listed[demand.key]), {"have-len": 0})]
        sources = [
            entry["source"]
            for entry in evidence["sudo"]["defaults"]
            if entry["option"].lstrip("!").split("=")[0] == demand.key
        ]
        value = self.actual(demand, evidence)
        judged = checks_on_default(demand.value, value)
        if not sources:
            return judged
        given = {"yes": "", "no": ""}.get(value or "", f'\\s*=\\s*"?{literal(value)}"?')
        line = f"/^Defaults\\s([^#]*,)?\\s*{'!' if value == 'no' else ''}{literal(demand.key)}{given}\\s*(,|$)/"
        return [*judged, Check("file", {"path": sources[-1], "exists": True, "contents": [line]})]


class Cron(Kind):
    """cron and at are open to listed users only: the allow file exists, the deny file does not (crontab(1), at(1))."""

    name = "cron"
    sections = ("files", "texts")
    constrained = ()
    group: t.ClassVar[dict[str, str]] = {"cron": "crontab", "at": "daemon"}

    @staticmethod
    def paths(key: str) -> tuple[str, str]:
        return f"/etc/{key}.allow", f"/etc/{key}.deny"

    def request(self, rule: Rule) -> dict[str, t.Any]:
        paths = self.paths(rule.key)
        return {"files": {path: [] for path in paths}, "texts": list(paths)}

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        allow, deny = self.paths(demand.key)
        wrong = [] if evidence["files"][allow] else [f"{allow} is missing"]
        wrong += [f"{deny} exists"] if evidence["files"][deny] else []
        return ruling(not wrong, ", ".join(wrong) or f"only {allow}", f"{allow} and no {deny}")

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        allow, deny = self.paths(demand.key)
        if not evidence["files"][allow]:
            # The files' kind, `file`, wants this very mode and group.
            desired.file(allow, "root\n", mode="0640")
            desired.files[allow]["group"] = self.group[demand.key]
        if evidence["files"][deny]:
            desired.file(deny, None)

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        allow, deny = self.paths(demand.key)
        return [Check("file", {"path": allow, "exists": True}), Check("file", {"path": deny, "exists": False})]


class Banner(Kind):
    """A banner warns, and names neither the system nor its version. The text comes from the overlay."""

    name = "banner"
    sections = ("texts", "host")
    constrained = ()

    def request(self, rule: Rule) -> dict[str, t.Any]:
        return {"texts": [rule.key]}

    @staticmethod
    def leak(evidence: Evidence) -> str:
        # issue(5), agetty(8): the escapes that agetty fills in with what the system is.
        return rf"(?i)(\\[vrms]|\b{re.escape(evidence['host']['os'])}\b)"

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        content = evidence["texts"].get(demand.key)
        if not content or not content.strip():
            optional = demand.key == "/etc/motd"
            return ruling(optional, "no text", "a warning that does not name the system")
        found = re.search(self.leak(evidence), content)
        shown = f"names the system: '{found[0]}'" if found else "a text that does not name the system"
        return ruling(not found, shown, "a warning that does not name the system")

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        desired.file(demand.key, desired.banner)

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        if demand.key == "/etc/motd" and evidence["texts"].get(demand.key) is None:
            return [Check("file", {"path": demand.key, "exists": False})]
        pattern = self.leak(evidence)
        attributes: dict[str, t.Any] = {"path": demand.key, "exists": True, "contents": [f"!/{pattern}/"]}
        if demand.key != "/etc/motd":
            attributes["contents"].append("/\\S/")
        return [Check("file", attributes)]


class Firewall(Kind):
    """ufw's settings, and the policies that the kernel's base chains really have."""

    name = "firewall"
    sections = ("config", "firewall", "sshd")
    variables: t.ClassVar[dict[str, tuple[str, str]]] = {
        "default_incoming": ("DEFAULT_INPUT_POLICY", "input"),
        "default_outgoing": ("DEFAULT_OUTPUT_POLICY", "output"),
        "default_routed": ("DEFAULT_FORWARD_POLICY", "forward"),
    }
    policies: t.ClassVar[dict[str, str]] = {"DROP": "deny", "REJECT": "reject", "ACCEPT": "allow"}

    @staticmethod
    def live(evidence: Evidence, hook: str) -> list[str]:
        return [
            chain["policy"]
            for chain in evidence["firewall"]["chains"]
            if chain["hook"] == hook and chain["name"].isupper()
        ]

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        enabled = evidence["config"]["ufw_main"].get("ENABLED", {}).get("value", "no")
        if demand.key == "enabled":
            holds = demand.value.holds(enabled) and bool(self.live(evidence, "input"))
            chains = "chains loaded" if self.live(evidence, "input") else "no chains loaded"
            return ruling(holds, f"{enabled}, {chains}", "yes, chains loaded")
        variable, _hook = self.variables[demand.key]
        value = self.policies.get(evidence["config"]["ufw"].get(variable, {}).get("value", ""))
        return ruling(demand.value.holds(value), value, demand.value.describe())

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        if demand.key == "enabled":
            # First, and before the firewall is up: the port this very connection came through.
            for port in evidence["sshd"]["effective"].get("port", "22").split():
                desired.run("ufw", "allow", f"{port}/tcp")
            desired.run("ufw", "--force", "enable")
            desired.add("units_enabled", ["ufw.service"])
        else:
            direction = demand.key.removeprefix("default_")
            desired.run("ufw", "default", text(demand.value.target()), direction)

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        if demand.key == "enabled":
            content = Check("file", {"path": "/etc/ufw/ufw.conf", "exists": True, "contents": ["/^ENABLED=yes\\s*$/"]})
            return [content, matching(as_text("firewall", "chains"), {"match-regexp": "hook:input"})]
        variable, hook = self.variables[demand.key]
        values = [policy for policy, word in self.policies.items() if demand.value.holds(word)]
        line = f'/^{variable}="?({"|".join(values)})"?\\s*$/'
        found = [Check("file", {"path": "/etc/default/ufw", "exists": True, "contents": [line]})]
        if hook == "input" and "ACCEPT" not in values:
            found.append(
                matching(
                    as_text("firewall", "chains"), {"not": {"match-regexp": "hook:input name:INPUT policy:accept"}}
                )
            )
        return found

# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `pam`: modules and arguments of PAM stacks, changed through pam-auth-update(8) profiles."""

from __future__ import annotations

import typing as t

from .base import TEXT, TEXTS, Check, Demand, Desired, Evidence, Kind, Platform, Rule, Ruling, offenders
from .matchers import literal

PROFILES = "/usr/share/pam-configs"
SU_GROUP = "unified-su"

# pam-auth-update(8): the profile with the higher priority comes first; Primary blocks end in pam_deny.
UNIX = """Name: Unix authentication (hardened)
Default: yes
Priority: 256
Auth-Type: Primary
Auth:
    [success=end default=ignore]    pam_unix.so try_first_pass
Auth-Initial:
    [success=end default=ignore]    pam_unix.so
Account-Type: Primary
Account:
    [success=end new_authtok_reqd=done default=ignore]    pam_unix.so
Account-Initial:
    [success=end new_authtok_reqd=done default=ignore]    pam_unix.so
Session-Type: Additional
Session:
    required    pam_unix.so
Session-Initial:
    required    pam_unix.so
Password-Type: Primary
Password:
    [success=end default=ignore]    pam_unix.so obscure use_authtok try_first_pass yescrypt
Password-Initial:
    [success=end default=ignore]    pam_unix.so obscure yescrypt
"""
FAILLOCK = """Name: Count failed logins
Default: yes
Priority: 0
Auth-Type: Primary
Auth:
    [default=die]    pam_faillock.so authfail
"""
FAILLOCK_NOTIFY = """Name: Refuse locked accounts
Default: yes
Priority: 1024
Auth-Type: Primary
Auth:
    requisite    pam_faillock.so preauth
Account-Type: Primary
Account:
    required    pam_faillock.so
"""
# Just below pwquality (1024): it has asked for the password by then.
PWHISTORY = """Name: Refuse old passwords
Default: yes
Priority: 1023
Password-Type: Primary
Password:
    requisite    pam_pwhistory.so use_authtok
"""
PROFILE_TEXTS = {"unix": UNIX, "faillock": FAILLOCK, "faillock_notify": FAILLOCK_NOTIFY, "pwhistory": PWHISTORY}


class Pam(Kind):
    """``stacks`` lists what must stand where: ``<service> <type> [argument...]``; an argument may be ``this|that``."""

    name = "pam"
    sections = ("pam", "text")
    constrained = ()
    required = ("module",)
    fields: t.ClassVar = {
        "module": {"type": "string", "pattern": "\\.so$"},
        "stacks": TEXTS,
        "forbid": TEXTS,
        "profiles": {"type": "array", "items": TEXT},
    }

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        names = [line.split()[0] for line in rule.spec.get("stacks", ())]
        common = ["common-account", "common-auth", "common-password", "common-session", "common-session-noninteractive"]
        return {"pam": [*common, *names], "text": [*(f"{PROFILES}/unified_{name}" for name in TEXTS), "/etc/pam.d/su"]}

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        spec, wrong = demand.rule.spec, []
        for wanted in spec.get("stacks", ()):
            service, kind, *arguments = wanted.split()
            lines = [
                line for line in evidence["pam"][service] if line["type"] == kind and line["module"] == spec["module"]
            ]
            if not lines:
                wrong.append(f"not in {service} ({kind})")
            elif not any(_has(line["args"], arguments) for line in lines):
                wrong.append(f"{service}: '{' '.join(lines[0]['args'])}' lacks {' '.join(arguments)}")
        for argument in spec.get("forbid", ()):
            for service, lines in evidence["pam"].items():
                wrong += [
                    f"{service}: {argument}"
                    for line in lines
                    if line["module"] == spec["module"] and any(arg.split("=")[0] == argument for arg in line["args"])
                ]
        expected = "; ".join([*spec.get("stacks", ()), *(f"no {name}" for name in spec.get("forbid", ()))])
        found = offenders(wrong, f"{spec['module']}: {expected}")
        return found if wrong else Ruling("pass", "as expected", found.expected)

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        if demand.key == "pam_wheel":
            desired.run("groupadd", "--system", "--force", SU_GROUP)
            line = f"auth\trequired\tpam_wheel.so use_uid group={SU_GROUP}"
            content = desired.text("/etc/pam.d/su", evidence).splitlines()
            # After pam_rootok, which lets root itself pass.
            place = next(
                (i + 1 for i, old in enumerate(content) if "pam_rootok.so" in old and not old.lstrip().startswith("#")),
                0,
            )
            desired.file("/etc/pam.d/su", "\n".join([*content[:place], line, *content[place:]]) + "\n")
            return
        profiles = demand.rule.spec["profiles"]
        for name in profiles:
            desired.file(f"{PROFILES}/unified_{name}", PROFILE_TEXTS[name])
        if "unix" in profiles:
            # Debian's own profile has nullok; both at once would ask for the password twice.
            desired.run("pam-auth-update", "--disable", "unix", "--enable", "unified_unix")
        others = [f"unified_{name}" for name in profiles if name != "unix"]
        if others:
            desired.run("pam-auth-update", "--enable", *others)
        if not profiles:
            desired.run(
                "pam-auth-update", "--enable", demand.rule.spec["module"].removeprefix("pam_").removesuffix(".so")
            )

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        spec, found = demand.rule.spec, []
        module = literal(spec["module"])
        for wanted in spec.get("stacks", ()):
            service, kind, *arguments = wanted.split()
            # RE2 has no look-ahead: arguments of one line are asked for one by one.
            patterns = [f"/^-?{kind}\\s+(\\[[^\\]]*\\]|\\S+)\\s+{module}(\\s|$)/"]
            patterns += [f"/^-?{kind}\\s.*{module}\\s.*\\b({argument})/" for argument in arguments]
            found.append(Check("file", {"path": f"/etc/pam.d/{service}", "exists": True, "contents": patterns}))
        for argument in spec.get("forbid", ()):
            for service in sorted(name for name in evidence["pam"] if name.startswith("common-")):
                pattern = f"!/^[^#]*{module}\\s.*\\b{argument}\\b/"
                found.append(Check("file", {"path": f"/etc/pam.d/{service}", "exists": True, "contents": [pattern]}))
        return found


def _has(given: list[str], wanted: list[str]) -> bool:
    return all(
        any(arg == one or (one.endswith("=") and arg.startswith(one)) for one in want.split("|") for arg in given)
        for want in wanted
    )


KINDS = (Pam(),)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Who writes a platform's common PAM stacks: pam-auth-update(8) or authselect(8)."""

from __future__ import annotations

import re
import typing as t

from .kinds.base import Desired, Evidence

PROFILES = "/usr/share/pam-configs"
SAVED = "/var/lib/pam"
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
# Comes after Debian's own line, which takes the umask of login.defs and gives the group's bits back to whoever has a group of
# his own (USERGROUPS_ENAB, pam_umask(8)).
UMASK = """Name: Files of new sessions are closed to others
Default: yes
Priority: 0
Session-Type: Additional
Session:
    optional    pam_umask.so umask=027 nousergroups
"""
PROFILE_TEXTS = {
    "unix": UNIX,
    "faillock": FAILLOCK,
    "faillock_notify": FAILLOCK_NOTIFY,
    "pwhistory": PWHISTORY,
    "umask": UMASK,
}
# Linux-PAM 1.5.2's pam_pwhistory knows no file: its settings are arguments (pam_pwhistory(8)).
ARGUMENTS: t.Mapping[str, tuple[str, ...]] = {"pam_pwhistory.so": ("remember", "enforce_for_root")}


class Tool:
    """Writes the stacks that all services include.

    Attributes:
        base: those stacks, by type.
    """

    base: t.ClassVar[t.Mapping[str, tuple[str, ...]]]

    def texts(self) -> list[str]:
        """Files whose texts the tool's answers need."""
        return []

    def obstacle(self, key: str, evidence: Evidence) -> str:
        """Why the tool would not mend a rule; empty where it would."""
        raise NotImplementedError

    def mend(self, key: str, evidence: Evidence, desired: Desired) -> None:
        raise NotImplementedError

    def takes_arguments(self, module: str) -> bool:
        """Whether `set_argument` can give a line of a module an argument."""
        return False

    def set_argument(self, module: str, name: str, value: str, evidence: Evidence, desired: Desired) -> None:
        """Give a module's line an argument, without a value where that is empty; for a module that reads no file."""
        raise NotImplementedError


class PamAuthUpdate(Tool):
    base = {
        "auth": ("common-auth",),
        "account": ("common-account",),
        "password": ("common-password",),
        "session": ("common-session", "common-session-noninteractive"),
    }
    # Profiles of ours that a rule needs; a rule that is not here is what its package's own profile brings.
    profiles: t.ClassVar[t.Mapping[str, tuple[str, ...]]] = {
        "pam_faillock": ("faillock", "faillock_notify"),
        "pam_pwhistory": ("pwhistory",),
        "pam_pwhistory.use_authtok": ("pwhistory",),
        "pam_umask": ("umask",),
        "pam_unix": ("unix",),
        "pam_unix.hashing": ("unix",),
        "pam_unix.nullok": ("unix",),
        "pam_unix.remember": ("unix",),
        "pam_unix.use_authtok": ("unix",),
    }

    def texts(self) -> list[str]:
        names = [name for stacks in self.base.values() for name in stacks]
        saved = [f"{SAVED}/{name.removeprefix('common-')}" for name in names]
        return [
            *(f"{PROFILES}/unified_{name}" for name in PROFILE_TEXTS),
            *(f"/etc/pam.d/{name}" for name in names),
            *saved,
        ]

    def obstacle(self, key: str, evidence: Evidence) -> str:
        for kind, stacks in self.base.items():
            for name in stacks:
                by_hand = self.by_hand(kind, name, evidence)
                if by_hand:
                    return f"/etc/pam.d/{name} was edited by hand ('{by_hand}') and pam-auth-update keeps that: mend it there"
        return ""

    @staticmethod
    def by_hand(kind: str, name: str, evidence: Evidence) -> str:
        """A line of the managed part that is not as an enabled profile has it (pam-auth-update, diff_profiles)."""
        saved = evidence["text"].get(f"{SAVED}/{name.removeprefix('common-')}")
        text = evidence["text"].get(f"/etc/pam.d/{name}")
        if saved is None or text is None:
            return ""
        known = [_parts(line) for line in saved.splitlines() if line.strip() and not line.startswith("Module: ")]
        managed = False
        for line in text.splitlines():
            if line.startswith(("# here are the per-package modules", "# and here are more per-package modules")):
                managed = True
            elif line.startswith(("# here's the fallback", "# end of pam-auth-update config")):
                managed = False
            elif managed and line.strip():
                head, options = _parts(re.sub(rf"^{kind}\s+", "", line))
                # Lines may be missing, but not out of order.
                while known and known[0][0] != head:
                    known.pop(0)
                if not known or options != known.pop(0)[1]:
                    return str(line.strip())
        return ""

    def takes_arguments(self, module: str) -> bool:
        return module in ARGUMENTS

    def set_argument(self, module: str, name: str, value: str, evidence: Evidence, desired: Desired) -> None:
        profile = module.removeprefix("pam_").removesuffix(".so")
        argument = f"{name}={value}" if value else name
        lines = [
            f"{re.sub(rf' {name}(=[^ ]*)?(?= |$)', '', line)} {argument}" if module in line else line
            for line in self.profile(profile, evidence, desired).splitlines()
        ]
        desired.file(f"{PROFILES}/unified_{profile}", "\n".join(lines) + "\n")
        desired.run("pam-auth-update", "--enable", f"unified_{profile}")

    @staticmethod
    def profile(name: str, evidence: Evidence, desired: Desired) -> str:
        """The text that a profile of ours gets: what it has, where that differs by arguments only."""
        current = desired.text(f"{PROFILES}/unified_{name}", evidence)
        names = "|".join(ARGUMENTS.get(f"pam_{name}.so", ())) or "(?!)"
        without = re.sub(rf" ({names})(=[^ \n]*)?(?=[ \n])", "", current)
        return current if without == PROFILE_TEXTS[name] else PROFILE_TEXTS[name]

    def mend(self, key: str, evidence: Evidence, desired: Desired) -> None:
        profiles = self.profiles.get(key, ())
        for name in profiles:
            desired.file(f"{PROFILES}/unified_{name}", self.profile(name, evidence, desired))
        if "unix" in profiles:
            # Debian's own profile has nullok; both at once would ask for the password twice.
            desired.run("pam-auth-update", "--disable", "unix", "--enable", "unified_unix")
        others = [f"unified_{name}" for name in profiles if name != "unix"] or (
            [] if profiles else [key.removeprefix("pam_")]
        )
        if others:
            desired.run("pam-auth-update", "--enable", *others)


def _parts(line: str) -> tuple[str, set[str]]:
    """A line without the numbers of its jumps, and its options."""
    words = re.match(r"((?:\[[^\]]*\]|\S+)\s+\S+)\s*(.*)", line.strip())
    if words is None:
        return line, set()
    head = re.sub(r"(\[[^0-9]*)(?:[0-9]+|end)(.*\])", r"\1\2", " ".join(words[1].split()))
    return head, set(words[2].split())


class Authselect(Tool):
    """A profile's features are switched; the profile itself is the site's choice (authselect(8), authselect-profiles(5))."""

    base = {kind: ("system-auth", "password-auth") for kind in ("auth", "account", "password", "session")}
    features: t.ClassVar[t.Mapping[str, str]] = {
        "pam_faillock": "with-faillock",
        "pam_pwhistory": "with-pwhistory",
        "pam_pwhistory.use_authtok": "with-pwhistory",
        "pam_unix.nullok": "without-nullok",
    }

    def obstacle(self, key: str, evidence: Evidence) -> str:
        selected = evidence["authselect"]
        if not selected["profile"]:
            return "no authselect profile is selected: select one ('authselect list' shows them)"
        if key not in self.features:
            return f"no feature of the authselect profile {selected['profile']} brings it: mend the profile"
        if self.features[key] in selected["features"]:
            return (
                f"{self.features[key]} is on already: the profile or the files were edited by hand ('authselect check')"
            )
        return ""

    def mend(self, key: str, evidence: Evidence, desired: Desired) -> None:
        desired.run("authselect", "enable-feature", self.features[key])


TOOLS: t.Mapping[str, Tool] = {"pam-auth-update": PamAuthUpdate(), "authselect": Authselect()}

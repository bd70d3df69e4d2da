# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `boot_password`."""

from __future__ import annotations

import hashlib
import os
import re
import typing as t

from ....module_utils._collect.boot_grub import CUSTOM, PASSWORD_FILE
from ..._errors import SelectionError
from ..boot_loaders import LOADERS, make_menu
from .base import Check, Demand, Desired, Evidence, Kind, Platform, Rule, Ruling, ruling
from .matchers import as_json, literal, matching
from .settings import MARK

# grub-mkpasswd-pbkdf2(1): iterations, salt and hash.
HASH = re.compile(r"grub\.pbkdf2\.sha512\.[1-9][0-9]*\.[0-9A-Fa-f]{2,}\.[0-9A-Fa-f]{2,}")
SECRET = "boot_password"
"""The name under which whoever changes a host has the hash."""
# What GRUB does with a superuser: it asks for the password before an entry is edited, and before one is started that is not
# unrestricted. Every entry that grub-mkconfig's scripts write has the words of menuentry_id_option among its options.
SCRIPT = f"""#!/bin/sh
{MARK}
cat << 'EOF'
if [ -f ${{prefix}}/{PASSWORD_FILE} ]; then
  source ${{prefix}}/{PASSWORD_FILE}
  if [ -n "${{GRUB2_PASSWORD}}" ]; then
    set superusers="root"
    export superusers
    password_pbkdf2 root ${{GRUB2_PASSWORD}}
    menuentry_id_option="--unrestricted $menuentry_id_option"
  fi
fi
EOF
"""


def fingerprint(password_hash: str) -> str:
    """What evidence has of a password's hash: its SHA-256. Empty for none.

    Raises:
        SelectionError: it is no such hash; the message does not tell it.
    """
    if not password_hash:
        return ""
    if not HASH.fullmatch(password_hash):
        raise SelectionError(
            "the boot menu's password is not given as a hash (grub.pbkdf2.sha512.<iterations>.<salt>.<hash>)",
            fix="Set hardening_boot_password to what grub-mkpasswd-pbkdf2 prints after 'is'",
        )
    return hashlib.sha256(password_hash.encode()).hexdigest()


class BootPassword(Kind):
    """``menu``: editing an entry of GRUB's menu, and its console, need a password, of which only a hash is stored."""

    name = "boot_password"
    sections = ("boot", "text")
    constrained = ()

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {"boot": [], "text": [path for path in (platform.path("grub_lock_script"),) if path]}

    def concerns(self, demand: Demand, section: str, item: str) -> bool:
        return section == "boot" and item.endswith(("grub.cfg", CUSTOM, PASSWORD_FILE))

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        boot, expected = evidence["boot"], "a superuser with a hash of a password"
        if boot["outside"]:
            return Ruling("not_applicable", boot["outside"])
        if boot["unknown"]:
            return Ruling("not_checked", boot["unknown"], expected)
        if boot["password"] is None:
            names = ", ".join(LOADERS[name].shown for name in boot["loaders"])
            return Ruling("not_checked", f"{names}: no password of its own; see to who reaches its console", expected)
        wrong = self.wrong(demand, evidence)
        return ruling(
            not wrong, wrong or f"asks for the password of {', '.join(boot['password']['superusers'])}", expected
        )

    @staticmethod
    def wrong(demand: Demand, evidence: Evidence) -> str:
        password, wished = evidence["boot"]["password"], demand.site.boot_password
        if password["plain"]:
            return f"the password of {', '.join(password['plain'])} stands in {password['menu']} as it is"
        if not password["superusers"]:
            return "no superuser is set"
        if without := [name for name in password["superusers"] if name not in password["hashed"]]:
            return f"no password for {', '.join(without)}"
        return "another password than the site's" if wished and password["fingerprint"] not in ("", wished) else ""

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        password = evidence["boot"]["password"]
        if not demand.site.boot_password:
            return "no password is given: set hardening_boot_password to the hash that grub-mkpasswd-pbkdf2 prints"
        if password["plain"]:
            return f"take the line 'password' out of what makes {password['menu']} first"
        others = [name for name in password["superusers"] if name != "root"]
        if others:
            return f"superuser {others[0]} is set elsewhere: give a password_pbkdf2 line for it there"
        return "" if password["superusers"] else self._unattended(evidence)

    @staticmethod
    def _unattended(evidence: Evidence) -> str:
        """Why a lock would not leave a host that starts by itself; empty where it would."""
        password, stored = evidence["boot"]["password"], evidence["boot"]["loaders"].get("grub")
        if stored and stored["future"] is None:
            return f"{password['menu']} was not made by {evidence.platform.tool('grub_menu')}: lock it by hand"
        if not password["asking"]:
            return ""
        return (
            f"the entry '{password['asking'][0]}' of {password['menu']} would start only with the password: give it "
            "--unrestricted where it is made, or --users '' where that is meant"
        )

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        password, script = evidence["boot"]["password"], evidence.platform.path("grub_lock_script")
        if password["fingerprint"] != demand.site.boot_password:
            path = os.path.join(os.path.dirname(password["menu"]), PASSWORD_FILE)
            desired.file(path, "GRUB2_PASSWORD=%s\n", mode="0600", secret=SECRET)
        if script and not password["superusers"]:
            if desired.text(script, evidence) != SCRIPT:
                desired.file(script, SCRIPT, mode="0755")
            make_menu(password["menu"], evidence, desired)

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        password = evidence["boot"]["password"] or {"menu": "/boot/grub/grub.cfg", "superusers": []}
        contents = [
            r"/^\s*(set\s+)?superusers=.*\S/",
            r"/^\s*password_pbkdf2\s+\S+\s+\S+/",
            r"!/^\s*password\s+\S+\s+\S+/",
        ]
        made = [
            Check("file", {"path": password["menu"], "exists": True, "contents": contents}),
            matching(as_json("boot", "password", "hashed"), {"contain-elements": password["superusers"] or ["nobody"]}),
        ]
        wished = demand.site.boot_password
        if wished:
            pattern = {"match-regexp": f"^({literal(wished)})?$"}
            made.append(matching(as_json("boot", "password", "fingerprint"), pattern))
        return made


KINDS = (BootPassword(),)

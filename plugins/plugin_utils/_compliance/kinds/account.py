# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `account`."""

from __future__ import annotations

import collections
import datetime
import typing as t

from ..constraint import text
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
    offenders,
    ruling,
)
from .matchers import Template, as_json, as_text, checks, lookup, matching
from .settings import set_key
from .shell import PROFILE, set_umask

User = dict[str, t.Any]


USERADD = "/etc/default/useradd"


AGEING = {
    "password_max_days": "max",
    "password_min_days": "min",
    "password_warn_days": "warn",
    "inactive_days": "inactive",
}


# Options of ansible.builtin.user for the same fields.
USER_OPTIONS = {
    "password_max_days": "password_expire_max",
    "password_min_days": "password_expire_min",
    "password_warn_days": "password_expire_warn",
    "inactive_days": "password_expire_account_disable",
}


# Accounts that Debian ships with a shell for a purpose of its own (base-passwd).
SHELL_EXEMPT = ("root", "sync", "shutdown", "halt")


def _repeated(values: t.Iterable[t.Any]) -> list[str]:
    return [str(value) for value, count in collections.Counter(values).items() if count > 1]


def _dot_file_problem(user: User, dot: dict[str, str]) -> str:
    most = {".netrc": 0o600, ".bash_history": 0o600}.get(dot["name"], 0o644)
    if dot["name"] in (".forward", ".rhosts"):
        return "must not exist"
    if int(dot["mode"], 8) & ~most & ~0o100:
        return f"mode {dot['mode']}"
    return "" if dot["owner"] == user["name"] else f"owner {dot['owner']}"


def _homes(users: list[User]) -> list[str]:
    bad = []
    for user in (user for user in users if "home_exists" in user):
        if not user["home_exists"]:
            bad.append(f"{user['name']}: {user['home']} is missing")
        elif user["home_owner"] != user["name"]:
            bad.append(f"{user['name']}: {user['home']} belongs to {user['home_owner']}")
        elif int(user["home_mode"], 8) & 0o027:
            bad.append(f"{user['name']}: {user['home']} has mode {user['home_mode']}")
    return bad


def findings(key: str, evidence: Evidence) -> list[str]:
    """What breaks the rule KEY: one short text an offender."""
    users: list[User] = evidence["account"]["users"]
    groups: list[dict[str, t.Any]] = evidence["account"]["groups"]
    today = (evidence.collected.date() - datetime.date(1970, 1, 1)).days
    members = {group["name"]: group["members"] for group in groups}
    numbers = {group["name"]: group["gid"] for group in groups}
    lists: dict[str, t.Callable[[], list[str]]] = {
        "uid_zero": lambda: [user["name"] for user in users if user["uid"] == 0 and user["name"] != "root"],
        "gid_zero_accounts": lambda: [u["name"] for u in users if u["gid"] == 0 and u["name"] not in SHELL_EXEMPT],
        "gid_zero_groups": lambda: [group["name"] for group in groups if group["gid"] == 0 and group["name"] != "root"],
        "root_access": lambda: [u["name"] for u in users if u["name"] == "root" and u["password"] in ("empty", "none")],
        "root_path": lambda: list(evidence["root_shell"]["unsafe"]),
        "root_umask": lambda: (
            [] if int(evidence["root_shell"]["umask"], 8) & 0o027 == 0o027 else [evidence["root_shell"]["umask"]]
        ),
        # A second account with number 0 is the finding of another rule, and people may log in with it.
        "system_shells": lambda: [
            u["name"] for u in users if u["system"] and u["valid_shell"] and u["uid"] and u["name"] not in SHELL_EXEMPT
        ],
        "invalid_shell_locked": lambda: [
            u["name"] for u in users if not u["valid_shell"] and u["name"] != "root" and u["password"] == "set"
        ],
        "shadowed": lambda: [user["name"] for user in users if not user["shadowed"]],
        "empty_password": lambda: [user["name"] for user in users if user["password"] == "empty"],
        "groups_exist": lambda: [f"{u['name']}: group {u['gid']}" for u in users if u["gid"] not in numbers.values()],
        "shadow_group_empty": lambda: [
            *members.get("shadow", []),
            *(u["name"] for u in users if u["gid"] == numbers.get("shadow")),
        ],
        "unique_uid": lambda: _repeated(user["uid"] for user in users),
        "unique_gid": lambda: _repeated(group["gid"] for group in groups),
        "unique_user_name": lambda: _repeated(user["name"] for user in users),
        "unique_group_name": lambda: _repeated(group["name"] for group in groups),
        "password_change_past": lambda: [
            u["name"] for u in users if u["password"] == "set" and (u["last_change"] or 0) > today
        ],
        "home_directories": lambda: _homes(users),
        "dot_files": lambda: [
            f"{user['home']}/{dot['name']}: {problem}"
            for user in users
            for dot in user.get("dot_files", ())
            if (problem := _dot_file_problem(user, dot))
        ],
    }
    return lists[key]()


# Each list again, as a Go template over the raw accounts: Goss' second opinion.
_EACH_USER = "{{ range .Vars.sections.account.items.users }}{{ if %s }}{{ .name }} {{ end }}{{ end }}"


_EACH_GROUP = "{{ range .Vars.sections.account.items.groups }}{{ if %s }}{{ .name }} {{ end }}{{ end }}"


_TWICE = "{{ range $i, $a := %s }}{{ range $j, $b := %s }}{{ if and (lt $i $j) (eq $a.%s $b.%s) }}{{ $a.name }} {{ end }}{{ end }}{{ end }}"


_USERS, _GROUPS = "$.Vars.sections.account.items.users", "$.Vars.sections.account.items.groups"


TEMPLATES = {
    "uid_zero": _EACH_USER % '(and (eq (int .uid) 0) (ne .name "root"))',
    "gid_zero_accounts": _EACH_USER
    % '(and (eq (int .gid) 0) (not (has .name (list "root" "sync" "shutdown" "halt"))))',
    "gid_zero_groups": _EACH_GROUP % '(and (eq (int .gid) 0) (ne .name "root"))',
    "root_access": _EACH_USER % '(and (eq .name "root") (has .password (list "empty" "none")))',
    "system_shells": _EACH_USER
    % '(and .system .valid_shell (ne (int .uid) 0) (not (has .name (list "root" "sync" "shutdown" "halt"))))',
    "invalid_shell_locked": _EACH_USER % '(and (not .valid_shell) (ne .name "root") (eq .password "set"))',
    "shadowed": _EACH_USER % "(not .shadowed)",
    "empty_password": _EACH_USER % '(eq .password "empty")',
    "unique_uid": _TWICE % (_USERS, _USERS, "uid", "uid"),
    "unique_gid": _TWICE % (_GROUPS, _GROUPS, "gid", "gid"),
    "unique_user_name": _TWICE % (_USERS, _USERS, "name", "name"),
    "unique_group_name": _TWICE % (_GROUPS, _GROUPS, "name", "name"),
    "shadow_group_empty": '{{ range .Vars.sections.account.items.groups }}{{ if eq .name "shadow" }}{{ join " " .members }}{{ $g := .gid }}'
    "{{ range $.Vars.sections.account.items.users }}{{ if eq .gid $g }}{{ .name }} {{ end }}{{ end }}{{ end }}{{ end }}",
    "groups_exist": "{{ range $u := .Vars.sections.account.items.users }}{{ $found := false }}{{ range $.Vars.sections.account.items.groups }}"
    "{{ if eq .gid $u.gid }}{{ $found = true }}{{ end }}{{ end }}{{ if not $found }}{{ $u.name }} {{ end }}{{ end }}",
    "root_path": '{{ join " " .Vars.sections.root_shell.items.unsafe }}',
    "password_change_past": '{{ $today := div (toDate "2006-01-02T15:04:05Z" .Vars.collected | unixEpoch | int64) 86400 }}'
    '{{ range .Vars.sections.account.items.users }}{{ if and (eq .password "set") (gt (int64 (default 0 .last_change)) $today) }}{{ .name }} {{ end }}'
    "{{ end }}",
}


def expired_by(demand: Demand, user: User, evidence: Evidence) -> bool:
    """Whether the change would end this account's logins today."""
    if demand.key == "system_shells":
        return bool(user["system"])
    if demand.key == "invalid_shell_locked":
        return not user["valid_shell"]
    today = (evidence.collected.date() - datetime.date(1970, 1, 1)).days
    if demand.key == "password_max_days" and user["last_change"] is not None:
        limit = int(str(demand.value.target(user["max"])))
        return bool(user["password"] == "set" and user["last_change"] + limit <= today)
    return False


class Account(Kind):
    name = "account"
    sections = ("account", "root_shell", "settings", "text")

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {"text": [USERADD, PROFILE]}

    @staticmethod
    def aged(demand: Demand, evidence: Evidence) -> list[tuple[str, int | None]]:
        """Accounts with a password whose ageing field breaks the rule, with its value."""
        field = AGEING[demand.key]
        with_password = [user for user in evidence["account"]["users"] if user["password"] == "set"]
        return [(user["name"], user[field]) for user in with_password if not demand.value.holds(user[field])]

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        if demand.key in AGEING:
            return offenders(
                [f"{name}: {value}" for name, value in self.aged(demand, evidence)], demand.value.describe()
            )
        if demand.key == "useradd_inactive":
            value = evidence["settings"]["useradd"].get("INACTIVE", {}).get("value")
            return ruling(demand.value.holds(value), value, demand.value.describe())
        return offenders(findings(demand.key, evidence), "none")

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        own = evidence["root_shell"].get("umask_set_in") if demand.key == "root_umask" else None
        return f"root's own {' and '.join(own)} sets it: mend it there" if own else ""

    def would_lock_out(self, demand: Demand, evidence: Evidence, connection: Connection) -> str:
        users = [user for user in evidence["account"]["users"] if user["name"] == connection.user]
        if demand.rule.risk != "lockout" or not any(expired_by(demand, user, evidence) for user in users):
            return ""
        name = connection.user
        return (
            f"{demand.rule.id} would lock or expire {name}, which this run is connected as; change its password first"
        )

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        key = demand.key
        if key in AGEING:
            for name, value in self.aged(demand, evidence):
                target = int(text(demand.value.target(value)))
                desired.users.setdefault(name, {"name": name})[USER_OPTIONS[key]] = target
        elif key == "useradd_inactive":
            desired.file(
                USERADD,
                set_key(desired.text(USERADD, evidence), "INACTIVE", text(demand.value.target()), separator="="),
            )
        elif key == "root_umask":
            desired.file(PROFILE, set_umask(desired.text(PROFILE, evidence), "027"))
        elif key == "system_shells":
            for name in findings(key, evidence):
                desired.users.setdefault(name, {"name": name})["shell"] = "/usr/sbin/nologin"
        elif key in ("invalid_shell_locked", "empty_password"):
            for name in findings(key, evidence):
                desired.users.setdefault(name, {"name": name})["password_lock"] = True
        else:
            self._own(demand, evidence, desired)

    @staticmethod
    def _own(demand: Demand, evidence: Evidence, desired: Desired) -> None:
        """Give homes and dot files back to their users; a missing home is the operator's to make."""
        for user in (user for user in evidence["account"]["users"] if user.get("home_exists")):
            if demand.key == "home_directories":
                mode = f"{int(user['home_mode'], 8) & ~0o027:04o}"
                desired.attributes[user["home"]] = {"path": user["home"], "owner": user["name"], "mode": mode}
            for dot in user["dot_files"] if demand.key == "dot_files" else ():
                problem, path = _dot_file_problem(user, dot), f"{user['home']}/{dot['name']}"
                if problem == "must not exist":
                    desired.file(path, None)
                elif problem:
                    most = 0o600 if dot["name"] in (".netrc", ".bash_history") else 0o644
                    mode = f"{int(dot['mode'], 8) & (most | 0o100):04o}"
                    desired.attributes[path] = {"path": path, "owner": user["name"], "mode": mode}

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        key = demand.key
        if key in AGEING:
            field, found = AGEING[key], []
            for index, user in enumerate(evidence["account"]["users"]):
                if user["password"] == "set":
                    found += checks(demand.value, "account", "users", index, field)
            return found or [matching(Template(f"{{{{ {lookup('account', 'users')} | len }}}}"), {"gt": 0})]
        if key == "useradd_inactive":
            return checks(demand.value, "settings", "useradd", "INACTIVE", "value")
        if key == "root_umask":
            return [matching(as_text("root_shell", "umask"), {"match-regexp": "^0*[0-7][2367]7$"})]
        if key == "home_directories":
            return [
                Check(
                    "file",
                    {
                        "path": user["home"],
                        "exists": True,
                        "owner": user["name"],
                        "mode": {"match-regexp": "^0[0-7][0145]0$"},
                    },
                )
                for user in evidence["account"]["users"]
                if "home_exists" in user
            ] or [matching(as_json("account", "uid_min"), {"gt": 0})]
        if key == "dot_files":
            return self._dot_file_checks(evidence)
        return [matching(Template(f'"{TEMPLATES[key]}"'), {"match-regexp": "^ *$"})]

    @staticmethod
    def _dot_file_checks(evidence: Evidence) -> list[Check]:
        found = []
        for user in evidence["account"]["users"]:
            if not user.get("home_exists"):
                continue
            for name in (".forward", ".rhosts"):
                found.append(Check("file", {"path": f"{user['home']}/{name}", "exists": False}))
            for dot in user["dot_files"]:
                if dot["name"] not in (".forward", ".rhosts"):
                    pattern = "^0[0-7]00$" if dot["name"] in (".netrc", ".bash_history") else "^0[0-7][04][04]$"
                    path = f"{user['home']}/{dot['name']}"
                    found.append(
                        Check(
                            "file",
                            {"path": path, "exists": True, "owner": user["name"], "mode": {"match-regexp": pattern}},
                        )
                    )
        return found or [matching(as_json("account", "uid_min"), {"gt": 0})]


KINDS = (Account(),)

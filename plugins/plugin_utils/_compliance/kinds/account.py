# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `account`."""

from __future__ import annotations

import collections
import datetime
import json
import typing as t

from ..constraint import Constraint, text
from .base import (
    Check,
    Connection,
    Demand,
    Desired,
    Evidence,
    Kind,
    Ruling,
    Schema,
    offenders,
)
from .file import plain
from .matchers import Template, matching, patterns

Entry = dict[str, t.Any]
SCALARS: Schema = {
    "oneOf": [{"type": ["string", "integer", "boolean"]}, {"type": "array", "items": {"type": "string"}}]
}
CONDITION: Schema = {"type": "object", "minProperties": 1, "additionalProperties": SCALARS}
# Options of ansible.builtin.user for fields of shadow(5).
AGEING = {
    "max": "password_expire_max",
    "min": "password_expire_min",
    "warn": "password_expire_warn",
    "inactive": "password_expire_account_disable",
}
NOLOGIN = "/usr/sbin/nologin"
SOON_DAYS = 30


class Account(Kind):
    """What must be true of every user or group.

    The rule's data say of which (``of``: users or groups, ``where`` a field has a value, ``but`` not where another has),
    which ``field`` is looked at, and what it must be: the constraint ``value``, or ``unique`` among all. Judge, Goss'
    template and change are derived from that. Fields are those of `_collect.account`.
    """

    name = "account"
    sections = ("account",)
    fields: t.ClassVar = {
        "of": {"enum": ["users", "groups"]},
        "where": CONDITION,
        "but": CONDITION,
        "field": {"type": "string"},
        "unique": {"type": "boolean"},
    }

    @staticmethod
    def entries(demand: Demand, evidence: Evidence) -> list[Entry]:
        """Users or groups that the rule speaks of."""
        spec = demand.rule.spec
        where, but = spec.get("where", {}), spec.get("but", {})
        return [
            entry
            for entry in evidence["account"][spec["of"]]
            if all(_is(entry[name], value) for name, value in where.items())
            and not (but and all(_is(entry[name], value) for name, value in but.items()))
        ]

    def wrong(self, demand: Demand, evidence: Evidence) -> list[Entry]:
        """Those of them that break the rule."""
        entries, field = self.entries(demand, evidence), demand.rule.spec["field"]
        if demand.rule.spec.get("unique"):
            counts = collections.Counter(entry[field] for entry in entries)
            return [entry for entry in entries if counts[entry[field]] > 1]
        return [entry for entry in entries if not demand.value.holds(entry[field])]

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        spec = demand.rule.spec
        if not evidence["account"][spec["of"]]:
            return Ruling("error", f"no {spec['of']} were read", "at least root")
        expected = "unique" if spec.get("unique") else f"{spec['field']} {demand.value.describe()}"
        shown = [
            entry["name"] if spec["field"] == "name" else f"{entry['name']}: {_text(entry[spec['field']])}"
            for entry in self.wrong(demand, evidence)
        ]
        return offenders(shown, expected)

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        wrong = self.wrong(demand, evidence)
        if any(_mendable(demand, entry) for entry in wrong):
            return ""
        undated = [entry["name"] for entry in wrong if _changeable(entry)]
        if undated:
            return (
                f"{', '.join(undated)}: no day of the last change is stored, without which nothing ages: "
                "change these passwords, or set the day (chage -d)"
            )
        names = ", ".join(entry["name"] for entry in wrong)
        return f"{names}: not an account of this host's own files, or with an empty password in passwd(5) itself, or with a name that cannot be printed"

    def would_lock_out(self, demand: Demand, evidence: Evidence, connection: Connection) -> str:
        if demand.rule.risk != "lockout":
            return ""
        users = [user for user in self.wrong(demand, evidence) if _mendable(demand, user)]
        holders = (evidence.get("sshd") or {}).get("key_holders", [])
        ages = demand.rule.spec["field"] in ("max", "inactive")
        if not ages:
            people = [user["name"] for user in users if user["name"] in (connection.user, *holders)]
            return (
                f"it would close {', '.join(people)}, who can log in today: take the keys away first" if people else ""
            )
        soon = [
            f"{user['name']} on {end}"
            for user in users
            if (end := _end(demand, user)) and end <= evidence.collected.date() + datetime.timedelta(SOON_DAYS)
        ]
        if soon:
            return f"{demand.rule.id} would lock or expire {', '.join(soon)}: change their passwords first"
        aged = [user["name"] for user in users if user["name"] in holders]
        if aged and not demand.by_site:
            return (
                f"{', '.join(aged)} can log in by key, and would be shut out when a password that nobody types expires: "
                f"give {demand.rule.id} a value in the overlay to age them too, or lock those passwords"
            )
        return ""

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        field = demand.rule.spec["field"]
        for user in (user for user in self.wrong(demand, evidence) if _mendable(demand, user)):
            change = desired.users.setdefault(user["name"], {"name": user["name"]})
            if field in AGEING:
                change[AGEING[field]] = int(text(demand.value.target(user[field])))
            elif field == "login":
                change["shell"] = NOLOGIN
            else:
                change["password_lock"] = True

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        spec, field = demand.rule.spec, demand.rule.spec["field"]
        entries = f"$.Vars.sections.account.items.{spec['of']}"
        chosen = " ".join(_go_is(name, value) for name, value in spec.get("where", {}).items())
        if but := " ".join(_go_is(name, value) for name, value in spec.get("but", {}).items()):
            chosen += f" (not (and true {but}))"
        if spec.get("unique"):
            again = f"{{{{ range $j, $b := {entries} }}}}{{{{ if and (lt $i $j) (eq $a.{field} $b.{field}) }}}}%s{{{{ end }}}}{{{{ end }}}}"
            body = f"{{{{ range $i, $a := {entries} }}}}{again % _go_name('$a.name')}{{{{ end }}}}"
        else:
            holds = " ".join(_go_holds(demand.value, field))
            bad = f"{{{{ if and true {chosen} (not (and true {holds})) }}}}{_go_name('.name')}{{{{ end }}}}"
            body = f"{{{{ range {entries} }}}}{bad}{{{{ end }}}}"
        return [
            # A list that was not read would hold nothing wrong.
            matching(Template(f"{{{{ len {entries} }}}}"), {"gt": 0}),
            matching(Template(f'"{body}"'), {"match-regexp": "^ *$"}),
        ]


def _is(actual: object, value: object) -> bool:
    return actual in value if isinstance(value, list) else actual == value


def _text(value: object) -> str:
    return "none" if value is None else text(value)


def _changeable(entry: Entry) -> bool:
    # usermod(8) locks the password in shadow(5), which one in passwd(5) passes by.
    open_in_passwd = entry.get("password") == "empty" and not entry.get("shadowed", True)
    return bool(entry.get("local")) and plain(entry["name"]) and not open_in_passwd


def _mendable(demand: Demand, entry: Entry) -> bool:
    return _changeable(entry) and (demand.rule.spec["field"] not in AGEING or entry["last_change"] is not None)


def _end(demand: Demand, user: Entry) -> datetime.date | None:
    """The day on which the change would end this account's logins; None where it never would."""
    field = demand.rule.spec["field"]
    if user["password"] != "set" or user["last_change"] is None:
        return None
    target = int(text(demand.value.target(user[field])))
    longest = user["max"] if user["max"] not in (None, -1) else 99999
    days = user["last_change"] + (target if field == "max" else longest + target)
    try:
        return datetime.date(1970, 1, 1) + datetime.timedelta(days)
    except OverflowError:
        return None


def _go_is(name: str, value: object) -> str:
    if isinstance(value, list):
        return f"(has (toString .{name}) (list {' '.join(json.dumps(str(one)) for one in value)}))"
    shown = str(value).lower() if isinstance(value, bool) else str(value)
    return f"(eq (toString .{name}) {json.dumps(shown)})"


def _go_name(expression: str) -> str:
    # Goss' file is YAML once the template is filled in: a name must not end the text it stands in.
    return f'{{{{ regexReplaceAll "[^A-Za-z0-9_.-]" (toString {expression}) "?" }}}} '


def _go_holds(constraint: Constraint, field: str) -> list[str]:
    """The constraint as conditions of a Go template on an entry's field."""
    if isinstance(constraint.eq, bool):
        return [_go_is(field, constraint.eq)]
    value = (
        f'(join "," .{field})' if field == "users" else f'(ternary "" (toString .{field}) (kindIs "invalid" .{field}))'
    )
    if constraint.absent:
        return [f'(eq {value} "")']
    bounds = [("ge", constraint.ge), ("le", constraint.le)]
    holds = [f'(regexMatch "^-?[0-9]+$" {value})'] if any(bound is not None for _name, bound in bounds) else []
    holds += [f"({name} (int64 .{field}) (int64 {bound}))" for name, bound in bounds if bound is not None]
    for pattern, negated in patterns(constraint):
        match = f"(regexMatch {json.dumps(pattern)} {value})"
        holds.append(f"(not {match})" if negated else match)
    return holds


KINDS = (Account(),)

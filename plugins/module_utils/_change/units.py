# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd's units: their states, and the few calls that change them."""

from __future__ import annotations

import typing as t

from .errors import ChangeError
from .programs import run

State = t.Dict[str, str]
# Not enabled-runtime, which the next boot does not have.
_ON = ("enabled", "static", "alias", "indirect", "generated")
_PROPERTIES = {"load": "LoadState", "file": "UnitFileState", "active": "ActiveState"}


class Units(t.NamedTuple):
    """Names of units by what is to become of them.

    Attributes:
        reloaded: read their configuration again; restarted where they cannot. Neither starts what does not run.
        at_boot: enabled where they exist, and not started now.
    """

    enabled: t.Sequence[str] = ()
    masked: t.Sequence[str] = ()
    restarted: t.Sequence[str] = ()
    reloaded: t.Sequence[str] = ()
    at_boot: t.Sequence[str] = ()

    def names(self) -> list[str]:
        return list(dict.fromkeys(name for names in self for name in names))

    def checked(self) -> Units:
        both = sorted({*self.enabled, *self.at_boot} & set(self.masked))
        if both:
            raise ChangeError(f"{both[0]} is to be enabled and masked at once: name it in one list only")
        return self


def states(names: t.Sequence[str]) -> dict[str, State]:
    """Load, file and active state by name, from one call.

    Raises:
        ChangeError: systemctl is missing or cannot tell.
    """
    if not names:
        return {}
    answer = run(["systemctl", "show", f"--property={','.join(_PROPERTIES.values())}", "--", *names])
    blocks = answer.out.strip().split("\n\n")
    if answer.code or len(blocks) != len(names):
        raise ChangeError(f"systemctl cannot describe the units: {answer.said or 'it described others'}")
    described = {}
    for name, block in zip(names, blocks):
        facts = dict(line.partition("=")[::2] for line in block.splitlines())
        described[name] = {key: facts.get(label, "") for key, label in _PROPERTIES.items()}
    return described


def settling(current: t.Mapping[str, State], units: Units) -> dict[str, list[str]]:
    """The verbs that bring units to their state, each with those that need it; in the order in which they must run."""
    return {
        "unmask": [name for name in units.enabled if current[name]["load"] == "masked"],
        "enable": [
            name
            for name in (*units.enabled, *units.at_boot)
            if current[name]["file"] not in _ON and (name in units.enabled or current[name]["load"] != "not-found")
        ],
        "start": [name for name in units.enabled if current[name]["active"] != "active"],
        "stop": [name for name in units.masked if current[name]["active"] not in ("inactive", "failed")],
        "mask": [name for name in units.masked if current[name]["load"] not in ("masked", "not-found")],
    }


def waking(current: t.Mapping[str, State], units: Units) -> dict[str, list[str]]:
    """The verbs by which units read their new configuration; what does not run reads it when it starts."""
    return {
        "reload-or-restart": [name for name in units.reloaded if current[name]["active"] == "active"],
        "restart": [name for name in units.restarted if current[name]["active"] == "active"],
    }


def restoring(current: t.Mapping[str, State], before: t.Mapping[str, State]) -> dict[str, list[str]]:
    """The verbs that bring units back; all masks are off before anything is enabled."""
    pairs = [(name, state, current[name]) for name, state in before.items() if state["load"] != "not-found"]
    return {
        "unmask": [name for name, was, now in pairs if now["load"] == "masked" != was["load"]],
        "enable": [name for name, was, now in pairs if was["file"] == "enabled" != now["file"]],
        "disable": [name for name, was, now in pairs if was["file"] == "disabled" and now["file"] == "enabled"],
        "mask": [name for name, was, now in pairs if was["load"] == "masked" != now["load"]],
        "start": [name for name, was, now in pairs if was["active"] == "active" != now["active"]],
        "stop": [name for name, was, now in pairs if was["active"] == "inactive" and now["active"] == "active"],
    }


def act(verb: str, names: t.Sequence[str]) -> None:
    """Run one verb for several units.

    Raises:
        ChangeError: systemctl refuses.
    """
    if not names:
        return
    answer = run(["systemctl", verb, "--", *names])
    if answer.code:
        raise ChangeError(f"'systemctl {verb} {' '.join(names)}' ended with {answer.code}: {answer.said}")


def restore(before: t.Mapping[str, State]) -> list[str]:
    """Bring units back to their states; returns what could not be."""
    problems = []
    for verb, names in restoring(states(list(before)), before).items():
        for name in names:  # one at a time, so that one that refuses keeps no other from its state
            try:
                act(verb, [name])
            except ChangeError as exc:
                problems.append(str(exc))
    return problems


def forget_gone() -> None:
    """Let systemd forget that units failed of which it has no file any more."""
    answer = run(["systemctl", "list-units", "--failed", "--plain", "--no-legend", "--full", "--no-pager"])
    rows = [line.split() for line in answer.out.splitlines()]
    act("reset-failed", [row[0] for row in rows if row[1:2] == ["not-found"]])


def daemon_reload() -> None:
    answer = run(["systemctl", "daemon-reload"])
    if answer.code:
        raise ChangeError(f"'systemctl daemon-reload' ended with {answer.code}: {answer.said}")

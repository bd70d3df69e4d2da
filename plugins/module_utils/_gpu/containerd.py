# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether containerd gives containers the devices that CDI describes, and the drop-in that makes it do so. Pure.

containerd-config.toml(5); https://github.com/containerd/containerd/blob/main/docs/cri/config.md (enable_cdi, since 1.7, on by default since 2.0).

What an import does depends on the release: 1.7 puts the drop-in's whole table of a plugin in the place of the main file's (a drop-in of one line
switches SystemdCgroup off), 2.1 merges tables of one configuration version and loses those of another. So nothing is trusted but
what ``containerd config dump`` says of the files as they would be.
"""

from __future__ import annotations

import difflib
import json
import re
import typing as t

# The table of the CRI plugin that has the switch, by version of the configuration.
TABLES = {2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.runtime"}
LABEL = "unified.deploy/gpu"
HEADER = "# Written by unified.deploy.gpu_containerd.\n"
_SWITCH = re.compile(r"^\s*enable_cdi\s*=\s*(true|false)\s*(#.*)?$", re.MULTILINE)
_VERSION = re.compile(r"^\s*version\s*=\s*(\d+)", re.MULTILINE)
_IMPORTS = re.compile(r"^imports\s*=\s*\[(.*?)\]", re.MULTILINE | re.DOTALL)
_SECRET = re.compile(r"^(\s*(?:auth|identitytoken|password|username))\s*=.*$", re.MULTILINE)
_TABLE = re.compile(r"^\s*\[")


class UnsupportedError(Exception):
    """The configuration, or the release, is one that is not changed here; the message says why and what to do."""


def enabled(dump: str) -> bool:
    """Whether containerd, by its own account, gives containers what CDI describes.

    Raises:
        UnsupportedError: it is older than CDI.
    """
    match = _SWITCH.search(dump)
    if not match:
        raise UnsupportedError("this containerd knows no CDI: it came with 1.7. Install a later one")
    return match[1] == "true"


def version(main: str, dump: str) -> int:
    """The version of the configuration's format: the main file's, or containerd's own where there is none.

    Raises:
        UnsupportedError: a version whose tables are not known here.
    """
    match = _VERSION.search(_top(main)) if main.strip() else _VERSION.search(dump)
    number = int(match[1]) if match else 1
    if number not in TABLES:
        raise UnsupportedError(
            f"the configuration is of version {number}, known are {', '.join(map(str, TABLES))}. Rewrite it with 'containerd config migrate'"
        )
    return number


def imports(main: str) -> list[str]:
    """Patterns of the files that the main file imports."""
    match = _IMPORTS.search(_top(main))
    return [double or single for double, single in re.findall(r'"([^"]*)"|\'([^\']*)\'', match[1])] if match else []


def with_imports(main: str, number: int, patterns: t.Sequence[str]) -> str:
    """The main file with these imports in the place of its own; one without any keeps every other line."""
    line = f"imports = {json.dumps(list(patterns))}"
    top = _top(main)
    if not main.strip():
        return f"{HEADER}version = {number}\n{line}\n"
    if _IMPORTS.search(top):
        return _IMPORTS.sub(lambda _match: line, top, count=1) + main[len(top) :]
    # A key of the top must stand before the first table.
    return _VERSION.sub(lambda match: f"{match[0]}\n{line}", top, count=1) + main[len(top) :]


def drop_ins(main: str, number: int) -> list[str]:
    """Texts of the drop-in, the shortest first: the switch alone, and the switch with all that the main file says of the plugin."""
    head = [*HEADER.splitlines(), f"version = {number}", "", f'[plugins."{TABLES[number]}"]', "  enable_cdi = true"]
    return ["\n".join([*head, *more, ""]) for more in ([], _of_plugin(main, TABLES[number]))]


def side_effects(before: str, after: str) -> list[str]:
    """Lines of two dumps that differ, as they may be shown, but for the switch and the list of files that were read."""
    texts = [
        [line.strip() for line in dump.splitlines() if not re.match(r"\s*(imports|enable_cdi)\s*=", line)]
        for dump in (before, after)
    ]
    one, other = texts
    different = difflib.unified_diff(one, other, lineterm="", n=0)
    return [line[0] + masked(line[1:]) for line in different if not line.startswith(("---", "+++", "@@"))]


def masked(text: str) -> str:
    """The text as it may be shown: registries' credentials stand in the same files."""
    return _SECRET.sub(r"\1 = (not shown)", text)


def runtime_class(dump: str) -> dict[str, t.Any]:
    """The RuntimeClass of Kubernetes by which pods come to nodes with GPUs: CDI needs no runtime of its own, so the handler is the usual one.

    Its label and taint are the node's (https://kubernetes.io/docs/concepts/containers/runtime-class/#scheduling).
    """
    match = re.search(r"""default_runtime_name\s*=\s*["']([^"']+)["']""", dump)
    return {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": "gpu"},
        "handler": match[1] if match else "runc",
        "scheduling": {
            "nodeSelector": {LABEL: "present"},
            "tolerations": [{"key": LABEL, "operator": "Exists", "effect": "NoSchedule"}],
        },
    }


def _top(main: str) -> str:
    """What stands before the first table."""
    lines = main.splitlines(keepends=True)
    first = next((number for number, line in enumerate(lines) if _TABLE.match(line)), len(lines))
    return "".join(lines[:first])


def _of_plugin(main: str, table: str) -> list[str]:
    """What the main file says of a plugin, without the switch and without the head of the plugin's own table."""
    head = re.compile(rf"^\s*\[plugins\.([\"']){re.escape(table)}\1(\]|\.)")
    lines, inside = [], False
    for line in main.splitlines():
        if _TABLE.match(line):
            match = head.match(line)
            inside = match is not None
            if match and match[2] == "]":
                continue
        if inside and not _SWITCH.match(line):
            lines.append(line)
    return lines

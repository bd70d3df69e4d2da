# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's GPUs, described to container runtimes."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError

from .. import boot_units, cdi, cdi_boot, cdi_nvidia, texts
from ..tree import Tree

SPEC: dict[str, t.Any] = {
    "directory": {"type": "path", "default": "/etc/cdi"},
    "unit_directory": {"type": "path", "default": "/etc/systemd/system"},
    "required": {"type": "list", "elements": "str", "default": []},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def directories(asked: t.Mapping[str, t.Any]) -> list[str]:
    """Where specifications may lie, whosever."""
    return sorted({asked["directory"], *cdi_nvidia.DIRECTORIES})


def desired_files(
    asked: t.Mapping[str, t.Any], tree: Tree, gpus: t.Sequence[t.Mapping[str, t.Any]]
) -> tuple[dict[str, str], dict[str, t.Any], dict[str, str]]:
    """Content by path, empty for what is not to be there; the specifications by kind; and why a GPU has none."""
    specs, left_out = cdi_boot.specifications(tree, gpus)
    nvidia = [name for name, reason in left_out.items() if reason == cdi.NVIDIA and asked["state"] == "present"]
    if nvidia:
        spec, why = cdi_nvidia.specification(directories(asked))
        left_out.update(dict.fromkeys(nvidia, why))
        if spec:
            specs[cdi_nvidia.KIND] = spec
            left_out = {name: reason for name, reason in left_out.items() if name not in nvidia}
    specs = specs if asked["state"] == "present" else {}
    paths = {kind: os.path.join(asked["directory"], cdi.file_name(kind)) for kind in cdi.ALL_KINDS}
    files = {path: cdi.content(specs[kind], texts.read(path)) if kind in specs else "" for kind, path in paths.items()}
    # Where the driver does not answer before the next boot, the units that are there describe its GPUs then.
    waits = nvidia and not cdi_nvidia.others(directories(asked))
    for name, text in cdi_nvidia.units(asked["directory"]).items():
        path = os.path.join(asked["unit_directory"], name)
        files[path] = text if cdi_nvidia.KIND in specs or (waits and texts.read(path)) else ""
    for path, text in cdi_boot.files(asked["directory"], asked["unit_directory"]).items():
        files[path] = text if set(specs) & set(cdi.OUR_KINDS) else ""
    return files, specs, left_out


def act(asked: t.Mapping[str, t.Any], dry: bool) -> dict[str, t.Any]:
    """What gpu_cdi returns.

    Raises:
        ChangeError: the GPUs cannot be read, or a file cannot be written.
    """
    tree = Tree()
    gpus = cdi_boot.gpus(tree)
    if tree.left_out:
        raise ChangeError(f"the host's GPUs cannot be read: {tree.left_out}. Run this as root")
    try:
        desired, specs, left_out = desired_files(asked, tree, gpus)
        old = texts.differing(desired)
        units = [path for path in old if path.startswith(asked["unit_directory"] + "/")]
        going = [os.path.basename(path) for path in units if not desired[path]]
        coming = [path for path in units if desired[path]]
        if not dry:
            if going:
                programs.must(["systemctl", "daemon-reload"])
                programs.must(["systemctl", "disable", "--now", *going])
            texts.put({path: desired[path] for path in old})
            if coming:
                watches = {cdi_nvidia.PATH, cdi_boot.PATH}
                boot_units.enable(coming, start=sorted(watches & set(map(os.path.basename, coming))))
    except ChangeError:
        raise
    except OSError as exc:
        raise ChangeError(f"{exc.filename}: {exc.strerror}") from exc
    # Those of NVIDIA that somebody else describes, containers can have.
    foreign = bool(left_out and cdi_nvidia.others(directories(asked)))
    had = {cdi.name(gpu) for gpu in gpus if cdi.name(gpu) not in left_out or (foreign and gpu["driver"] == "nvidia")}
    lines = [f"{name}: {left_out.get(name, 'it is not there')}" for name in asked["required"] if name not in had]
    names = [f"{kind}={device['name']}" for kind, spec in specs.items() for device in spec["devices"]]
    return {
        "changed": bool(old),
        "files": list(old),
        "devices": names,
        "left_out": left_out,
        "lines": lines,
        "passed": not lines,
        "diff": texts.diff(old, desired, cdi.shown),
    }

#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let containerd give containers the GPUs that CDI describes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_containerd
short_description: Let containerd give containers the GPUs that CDI describes
version_added: 0.2.0
description:
  - Switches C(enable_cdi) of containerd's CRI plugin on, where containerd itself says (C(containerd config dump)) that it is off. containerd
    1.7 has it off by default, 2 has it on.
  - The switch comes by a drop-in, which the main file imports; of the main file only the line with the imports changes. In some releases a
    drop-in hides all else that the main file says of the plugin, such as C(SystemdCgroup). So the files as they would be are given to
    containerd first, and nothing is written unless the switch is all that changes.
  - containerd is not restarted. Do that where this module changed something; containers keep running.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  config:
    description: The main file. It is made where there is none.
    type: path
    default: /etc/containerd/config.toml
  drop_in:
    description: The drop-in.
    type: path
    default: /etc/containerd/conf.d/unified-gpu.toml
  state:
    description: With V(absent), the drop-in is removed; an import of its directory stays, which does nothing.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: unified.deploy.gpu_cdi
attributes:
  check_mode:
    description: Can run in check mode. containerd judges the files then too.
    support: full
  diff_mode:
    description: Shows the files, without credentials of registries.
    support: full
  idempotent:
    description: Asks containerd before it writes.
    support: full
"""

EXAMPLES = r"""
- name: Let containerd give GPUs to pods
  unified.deploy.gpu_containerd:
  register: containerd
  notify: Restart containerd

- name: Let pods ask for a node with GPUs
  kubernetes.core.k8s:
    definition: "{{ containerd.runtime_class }}"
"""

RETURN = r"""
files:
  description: Files that were written or removed.
  type: list
  elements: str
  returned: success
runtime_class:
  description:
    - The RuntimeClass C(gpu) of Kubernetes. It leads pods to nodes with the label C(unified.deploy/gpu=present), and tolerates a taint of that name.
      Its handler is containerd's default runtime, for CDI needs no other.
  type: dict
  returned: success
"""

import fnmatch
import glob
import os
import stat
import tempfile
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError
from ansible_collections.unified.deploy.plugins.module_utils._gpu import containerd, texts


def dump(path: str) -> str:
    """The configuration as containerd itself reads it, with all that the file imports.

    Raises:
        UnsupportedError: it refuses the file.
    """
    answer = programs.run(["containerd", "--config", path, "config", "dump"])
    if answer.code:
        raise containerd.UnsupportedError(f"containerd refuses the configuration: {answer.said}")
    return answer.out


class Staged:
    """The files as they would be, in a directory of their own."""

    def __init__(self, directory: str, config: str, drop_in: str) -> None:
        self.directory, self.main = directory, texts.read(config)
        default = "" if self.main.strip() else programs.must(["containerd", "config", "default"])
        self.version = containerd.version(self.main, default)
        self.patterns = [os.path.join(os.path.dirname(config), one) for one in containerd.imports(self.main)]
        self.others = [path for pattern in self.patterns for path in sorted(glob.glob(pattern)) if path != drop_in]

    def dump(self, drop_in: str = "") -> str:
        """What containerd makes of the main file with this text of the drop-in, or with none of ours."""
        extra = [self._put("drop-in.toml", drop_in)] if drop_in else []
        text = containerd.with_imports(self.main, self.version, [*self.others, *extra])
        return dump(self._put("config.toml", text))

    def _put(self, name: str, text: str) -> str:
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as handle:
            handle.write(text)
        return path


def desired(config: str, drop_in: str, state: str) -> tuple[dict[str, str], str]:
    """Content by path, empty for a file that is not to be there; and containerd's own account of its configuration without us.

    Raises:
        UnsupportedError: containerd is too old, or no drop-in changes the switch alone.
    """
    with tempfile.TemporaryDirectory(prefix="unified-containerd-") as directory:
        staged = Staged(directory, config, drop_in)
        before = staged.dump()
        if state == "absent" or containerd.enabled(before):
            return {drop_in: ""}, before
        effects: list[str] = []
        for text in containerd.drop_ins(staged.main, staged.version):
            after = staged.dump(text)
            effects = containerd.side_effects(before, after)
            if containerd.enabled(after) and not effects:
                break
        else:
            raise containerd.UnsupportedError(
                f"a drop-in would change more than the switch: {'; '.join(effects[:4])}. Write 'enable_cdi = true' into "
                f'[plugins."{containerd.TABLES[staged.version]}"] of {config} yourself'
            )
    if any(fnmatch.fnmatch(drop_in, pattern) for pattern in staged.patterns):
        return {drop_in: text}, before
    patterns = [*containerd.imports(staged.main), os.path.join(os.path.dirname(drop_in), "*.toml")]
    return {drop_in: text, config: containerd.with_imports(staged.main, staged.version, patterns)}, before


def mode(config: str) -> int:
    """Our files are as readable as the main one is."""
    return stat.S_IMODE(os.stat(config).st_mode) if os.path.exists(config) else 0o644


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            "config": {"type": "path", "default": "/etc/containerd/config.toml"},
            "drop_in": {"type": "path", "default": "/etc/containerd/conf.d/unified-gpu.toml"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    config, drop_in, state = (module.params[name] for name in ("config", "drop_in", "state"))
    try:
        wished, account = desired(config, drop_in, state)
        old = texts.differing(wished)
        if old and not module.check_mode:
            texts.put({path: wished[path] for path in old}, mode(config))
            if state == "present" and not containerd.enabled(dump(config)):
                texts.put(old, mode(config))
                module.fail_json(msg=f"another file that {config} imports switches CDI off again; nothing was changed")
    except (ChangeError, containerd.UnsupportedError) as exc:
        module.fail_json(msg=str(exc))
    except OSError as exc:
        module.fail_json(msg=f"{exc.filename}: {exc.strerror}")
    diff = texts.diff(old, wished, containerd.masked)
    module.exit_json(changed=bool(old), files=list(old), runtime_class=containerd.runtime_class(account), diff=diff)


if __name__ == "__main__":
    main()

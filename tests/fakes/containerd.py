"""A fake containerd that reads its configuration as 1.7 or 2.1 was seen to do, and writes `config dump`."""

from __future__ import annotations

import glob
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import tomllib
from ansible_collections.unified.deploy.plugins.module_utils._change.programs import Answer

Config = dict[str, t.Any]
CRI = "io.containerd.grpc.v1.cri"
# Debian's sandbox image and the runtime's options stand for all that a main file says of the plugin.
DEFAULTS: Config = {"enable_cdi": False, "sandbox_image": "registry.k8s.io/pause:3.8", "default_runtime_name": "runc"}


@dataclass
class FakeContainerd:
    """In the place of programs.run.

    Attributes:
        merges: whether a drop-in is merged into the plugin's table (2.1), or takes its place (1.7).
        knows: whether the release has the switch at all.
    """

    merges: bool = False
    knows: bool = True
    calls: list[list[str]] = field(default_factory=list)

    def __call__(self, argv: t.Sequence[str], **_options: t.Any) -> Answer:
        self.calls.append(list(argv))
        if list(argv) == ["containerd", "config", "default"]:
            return Answer(0, "version = 2\n", "")
        assert list(argv[:2]) == ["containerd", "--config"] and list(argv[3:]) == ["config", "dump"], argv
        try:
            return Answer(0, self._dump(Path(argv[2])), "")
        except tomllib.TOMLDecodeError as exc:
            return Answer(1, "", f"containerd: failed to load TOML: {exc}")

    def _dump(self, path: Path) -> str:
        main = tomllib.loads(path.read_text(errors="surrogateescape"))
        plugins: Config = main.get("plugins", {})
        for pattern in main.get("imports", []):
            for file in sorted(glob.glob(str(path.parent / pattern))):
                for name, table in tomllib.loads(Path(file).read_text()).get("plugins", {}).items():
                    plugins[name] = merged(plugins.get(name, {}), table) if self.merges else table
        said = merged(DEFAULTS, plugins.get(CRI, {}))
        if not self.knows:
            del said["enable_cdi"]
        return "\n".join([f"imports = {main.get('imports', [])}", "version = 2", *lines(said, f'plugins."{CRI}"'), ""])


def merged(one: Config, other: Config) -> Config:
    both = {**one}
    for key, value in other.items():
        both[key] = merged(one.get(key, {}), value) if isinstance(value, dict) else value
    return both


def lines(table: Config, name: str) -> list[str]:
    """A table as containerd writes it, keys in order and then the tables below it."""
    own = [f"  {key} = {shown(value)}" for key, value in sorted(table.items()) if not isinstance(value, dict)]
    below = [
        line
        for key, value in sorted(table.items())
        if isinstance(value, dict)
        for line in lines(value, f"{name}.{key}")
    ]
    return [f"[{name}]", *own, *below]


def shown(value: t.Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"'

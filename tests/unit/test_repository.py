"""The repository keeps its own promises: documents and code say the same, YAML is sound, nothing dangles."""

from __future__ import annotations

import ast
import re
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.schema import load_documents

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path for path in (ROOT / "roles").iterdir())
YAML_FILES = sorted(
    path
    for path in ROOT.rglob("*.yml")
    if not {".venv", ".venv-floor", "build", ".git"} & set(path.relative_to(ROOT).parts)
)


def literal(module: ast.Module, name: str) -> t.Any:
    value = next(
        node.value
        for node in ast.walk(module)
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name
    )
    return yaml.safe_load(ast.literal_eval(value))


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_yaml_parses_without_duplicate_keys(path: Path) -> None:
    load_documents(path)


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_role_defaults_are_what_its_argument_specs_say(role: Path) -> None:
    defaults = yaml.safe_load((role / "defaults/main.yml").read_text())
    options = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    assert set(defaults) == set(options)
    assert {name: option.get("default") for name, option in options.items()} == defaults


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_role_reads_every_variable_it_declares(role: Path) -> None:
    read = ("tasks", "handlers", "templates", "vars")
    text = "".join(path.read_text() for path in role.rglob("*") if path.is_file() and path.parent.name in read)
    declared = yaml.safe_load((role / "defaults/main.yml").read_text())
    assert [name for name in declared if not re.search(rf"\b{name}\b", text)] == []
    assert all(name.startswith(f"{role.name}_") for name in declared)


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_role_sets_internal_names_with_its_prefix(role: Path) -> None:
    for path in role.glob("tasks/*.yml"):
        for name in re.findall(r"register: (\S+)|loop_var: (\S+)", path.read_text()):
            assert "".join(name).startswith(f"__{role.name}_"), (path, name)


def test_every_notify_has_its_handler() -> None:
    for role in ROLES:
        handlers = role / "handlers/main.yml"
        known = {
            value
            for task in (yaml.safe_load(handlers.read_text()) if handlers.exists() else [])
            for value in (task.get("name"), task.get("listen"))
        }
        for path in role.glob("tasks/*.yml"):
            assert {name for name in re.findall(r"notify: (.+)", path.read_text())} <= known


@pytest.mark.parametrize("path", sorted((ROOT / "plugins/action").glob("*.py")), ids=lambda path: path.stem)
def test_action_arguments_are_what_the_documentation_says(path: Path) -> None:
    code = ast.parse(path.read_text())
    node = next(
        (
            n.value
            for n in ast.walk(code)
            if isinstance(n, ast.AnnAssign) and getattr(n.target, "id", "") == "ARGUMENTS"
        ),
        None,
    )
    if node is None:
        pytest.skip("this action hands its arguments on as they are: the module checks them")
    documented = literal(ast.parse((ROOT / "plugins/modules" / path.name).read_text()), "DOCUMENTATION")["options"]
    if "sorted(FORMATS)" in ast.unparse(node):
        names = {key.value for key in node.keys}
    else:
        arguments = ast.literal_eval(node)
        names = set(arguments)
        for name, option in arguments.items():
            for key in ("type", "default", "required", "elements", "choices"):
                assert option.get(key, {"type": "str"}.get(key)) == documented[name].get(
                    key, {"type": "str"}.get(key)
                ), (name, key)
    assert names == set(documented)


@pytest.mark.parametrize("path", sorted((ROOT / "plugins/modules").glob("*.py")), ids=lambda path: path.stem)
def test_modules_name_their_counterparts(path: Path) -> None:
    others = literal(ast.parse(path.read_text()), "DOCUMENTATION")["seealso"]
    assert others
    for other in (one for one in others if "link" not in one):
        name = other.get("module", other.get("plugin", "")).removeprefix("unified.deploy.")
        folder = other.get("plugin_type", "modules")
        assert name != path.stem and (ROOT / f"plugins/{folder}/{name}.py").is_file(), other


def test_one_way_imports() -> None:
    """Modules and actions may use utils, never the other way; what runs on hosts never imports the controller's."""
    for path in (ROOT / "plugins").rglob("*.py"):
        imported = " ".join(re.findall(r"^(?:from|import) (\S+)", path.read_text(), re.MULTILINE))
        part = path.relative_to(ROOT / "plugins").parts[0]
        if part in ("module_utils", "modules"):
            assert "plugin_utils" not in imported, path
        if part in ("module_utils", "plugin_utils"):
            assert "deploy.plugins.modules" not in imported and "deploy.plugins.action" not in imported, path


def test_files_stay_small() -> None:
    limits = {
        "modules": 300,
        "action": 200,
        "lookup": 200,
        "filter": 200,
        "test": 200,
        "vars": 200,
        "inventory": 200,
        "doc_fragments": 200,
        "module_utils": 400,
        "plugin_utils": 400,
    }
    for path in (ROOT / "plugins").rglob("*.py"):
        lines = len(path.read_text().splitlines())
        assert lines <= limits[path.relative_to(ROOT / "plugins").parts[0]], f"{path.name} has {lines} lines"


def test_no_machine_or_registry_is_named() -> None:
    # Written so that this file does not name them itself.
    words = ["/wo" + "rk/", "artifact" + "-registry", "/ro" + "ot/.pyenv"]
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [path for path in (ROOT / name for name in listed.split("\0") if name) if path.is_file()]
    assert len(files) > 100
    assert [(path.name, word) for path in files for word in words if word.encode() in path.read_bytes()] == []


@pytest.mark.parametrize("path", sorted((ROOT / "plugins").glob("module*/**/*.py")), ids=lambda path: path.stem)
def test_what_runs_on_hosts_is_python_3_9(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=(3, 9))

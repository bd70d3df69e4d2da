# SPDX-License-Identifier: GPL-3.0-or-later
"""The sops program (https://getsops.io/docs/): what it is asked for, and what its exit codes mean."""

from __future__ import annotations

import json
import math
import os
import re
import typing as t

from . import _yaml12

# program, arguments and environment to exit code, stdout and stderr; the text goes to stdin
Runner = t.Callable[[t.Sequence[str], bytes, t.Mapping[str, str]], "tuple[int, bytes, bytes]"]

# https://github.com/getsops/sops/blob/main/cmd/sops/codes/codes.go
DECRYPTING_MAC, DECRYPTING_TREE, MAC_MISMATCH, MAC_NOT_FOUND = 24, 25, 51, 52
CONFIG_NOT_FOUND, NO_FILE, NO_KEY, ALREADY_ENCRYPTED = 61, 100, 128, 203

COMMANDS = ("decrypt", "edit", "encrypt", "rotate", "set", "unset", "updatekeys")

FORMATS = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".env": "dotenv", ".ini": "ini"}

# What PGP, age and the key services need; secrets are given to sops by its environment, never by its arguments.
KEPT_ENVIRONMENT = ("HOME", "PATH", "GNUPGHOME", "GPG_TTY", "XDG_CONFIG_HOME")
KEPT_PREFIXES = ("AWS_", "AZURE_", "GOOGLE_", "CLOUDSDK_", "SOPS_", "VAULT_", "HTTPS_PROXY", "NO_PROXY")

Path = t.Tuple[t.Union[str, int], ...]
Leaf = t.Tuple[Path, t.Any]

# What sops writes beside the message authentication code, by which a section that lost it is known.
SECTION = frozenset({"age", "azure_kv", "gcp_kms", "hc_vault", "key_groups", "kms", "lastmodified", "pgp", "version"})


class SopsError(Exception):
    """What sops refused; `kind` is one of the words that the callers tell apart."""

    def __init__(self, what: str, *, kind: str = "failed", fix: str = "") -> None:
        self.kind = kind
        self.what = what
        self.fix = fix
        super().__init__(f"{what}. {fix}" if fix else what)


def format_of(path: str, declared: str | None = None) -> str:
    return declared or FORMATS.get(os.path.splitext(path)[1], "binary")


def config_for(path: str) -> str:
    """The .sops.yaml nearest to PATH, upwards; empty where there is none."""
    directory = os.path.dirname(os.path.abspath(path))
    while True:
        config = os.path.join(directory, ".sops.yaml")
        if os.path.isfile(config):
            return config
        if directory == os.path.dirname(directory):
            return ""
        directory = os.path.dirname(directory)


class Sops:
    """One sops program with one environment.

    Args:
        run: starts a program.
        program: its path.
        age_key: private age keys, as text.
        age_key_file: a file of private age keys.
        gnupg_home: the GnuPG home directory.
    """

    def __init__(
        self, run: Runner, program: str, *, age_key: str = "", age_key_file: str = "", gnupg_home: str = ""
    ) -> None:
        self.run = run
        self.program = program
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in KEPT_ENVIRONMENT or name.startswith(KEPT_PREFIXES)
        }
        keys = {"SOPS_AGE_KEY": age_key, "SOPS_AGE_KEY_FILE": age_key_file, "GNUPGHOME": gnupg_home}
        self.environment = {**kept, **{name: value for name, value in keys.items() if value}, "LC_ALL": "C"}

    def decrypt(self, path: str, kind: str, output: str | None = None) -> bytes:
        return self._call(["decrypt", "--input-type", kind, "--output-type", output or kind, path], path)

    def decrypt_text(self, content: bytes, kind: str, output: str) -> bytes:
        return self._call(["decrypt", "--input-type", kind, "--output-type", output, "/dev/stdin"], "text", content)

    def encrypt(
        self, content: bytes, path: str, input_kind: str, kind: str, options: t.Sequence[str] = (), config: str = ""
    ) -> bytes:
        """Encrypt a text from stdin as if it lay at PATH: that is what creation rules are chosen by."""
        # With a text from stdin sops would look for its rules from the current directory on.
        configured = ["--config", config or config_for(path)] if config or config_for(path) else []
        options = [*options, "--filename-override", path, "--input-type", input_kind, "--output-type", kind]
        return self._call([*configured, "encrypt", *options], path, content)

    def rotate(self, path: str, kind: str, options: t.Sequence[str] = ()) -> bytes:
        return self._call(["rotate", "--input-type", kind, "--output-type", kind, *options, path], path)

    def update_keys(self, path: str, kind: str, config: str) -> None:
        """Bring the recipients of the file to its creation rule, in place."""
        self._call(["--config", config, "updatekeys", "--yes", "--input-type", kind, path], path)

    def set(self, path: str, kind: str, key: Path, value: t.Any) -> None:
        """Encrypt one value of the file anew, in place; what does not change keeps its bytes."""
        arguments = ["set", "--input-type", kind, "--output-type", kind, "--value-stdin", path, _index(key)]
        self._call(arguments, path, json.dumps(value).encode())

    def unset(self, path: str, kind: str, key: Path) -> None:
        self._call(["unset", "--input-type", kind, "--output-type", kind, path, _index(key)], path)

    def edit(self, path: str, kind: str, content: bytes, directory: str) -> None:
        """Make CONTENT the text of the file, in place; values that do not change keep their bytes.

        Args:
            directory: a private one, where sops keeps the plain text until the editor has ended.
        """
        editor = "cp /dev/stdin"
        environment = {"EDITOR": editor, "SOPS_EDITOR": editor, "TMPDIR": directory}
        self._call(["edit", "--input-type", kind, "--output-type", kind, path], path, content, environment)

    def _call(
        self, arguments: list[str], path: str, content: bytes = b"", more: t.Mapping[str, str] | None = None
    ) -> bytes:
        code, out, err = self.run([self.program, *arguments], content, {**self.environment, **(more or {})})
        if code == 0:
            return out
        said = err.decode(errors="replace")
        if code in (DECRYPTING_MAC, DECRYPTING_TREE, MAC_MISMATCH, MAC_NOT_FOUND):
            fix = "Somebody changed it without sops: restore it from version control"
            raise SopsError("its message authentication code does not match", kind="tampered", fix=fix)
        if code == NO_KEY:
            fix = "Give a private key of one of its recipients (sops_info lists them)"
            raise SopsError("no key here decrypts it", kind="no_key", fix=fix)
        if code == NO_FILE:
            raise SopsError("there is no such file", kind="missing")
        if code == ALREADY_ENCRYPTED:
            raise SopsError("the content is encrypted by sops already", fix="Give it in plain")
        if "metadata not found" in said:
            raise SopsError("is not encrypted by sops", kind="plain", fix=f"Run 'sops encrypt --in-place {path}'")
        if "config file not found" in said or "no matching creation rules" in said or code == CONFIG_NOT_FOUND:
            raise SopsError(
                "no recipients: no creation rule of a .sops.yaml matches this path",
                kind="no_recipients",
                fix="Add a rule, or give age or pgp recipients",
            )
        if "recipient" in said and ("malformed" in said or "unknown" in said or "failed to parse" in said):
            fix = "Recipients begin with age1 or ssh-; compare them with 'age-keygen -y' of their keys"
            raise SopsError("one of the age recipients is none", kind="no_recipients", fix=fix)
        if "Error unmarshalling" in said or "Could not unmarshal" in said or "Error loading" in said:
            raise SopsError(f"cannot be parsed (sops ended with {code})", kind="malformed", fix="Check its format")
        # What else sops says may quote the text.
        first = next(word for word in arguments if word in COMMANDS)
        raise SopsError(f"'sops {first}' ended with {code}", fix=f"Run 'sops {first}' on the file by hand to see why")


def _index(key: Path) -> str:
    return "".join(f"[{json.dumps(part, ensure_ascii=False)}]" for part in key)


def leaves(value: t.Any, path: Path = ()) -> t.Iterator[Leaf]:
    """Every value of a document with its path: names, and numbers of list elements. What is empty is a value too."""
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from leaves(below, (*path, str(key)))
    elif isinstance(value, list) and value:
        for number, below in enumerate(value):
            yield from leaves(below, (*path, number))
    elif path:
        yield path, value


def written(path: Path) -> str:
    """A path as people read it: ``users.0.token``; a dot that belongs to a name has a backslash before it."""
    return ".".join(str(part).replace("\\", "\\\\").replace(".", "\\.") for part in path)


def same(one: t.Any, other: t.Any) -> bool:
    """Whether two values are one for sops: 1 is 1.0, but neither is true, and no number is a text."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return bool(one == other)


def encrypted(value: t.Any) -> bool:
    return isinstance(value, str) and re.match(r"ENC\[AES256_GCM,data:.*,type:\w+\]$", value, re.DOTALL) is not None


def metadata(content: bytes, kind: str) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
    """The data of an encrypted file and its sops section.

    Raises:
        SopsError: there is none (`plain`), it has lost its authentication code (`tampered`), or the file is no such text.
    """
    text = content.decode(errors="replace")
    document: t.Any = {}
    section: t.Any = None
    try:
        if kind in ("yaml", "json", "binary"):
            document = _yaml12.load(text) if kind == "yaml" else json.loads(text)
            section = document.pop("sops", None) if isinstance(document, dict) else None
        else:
            lines = [line for line in text.splitlines() if "=" in line and not line.startswith((";", "#"))]
            flat = {key.strip(): value.strip() for key, value in (line.split("=", 1) for line in lines)}
            prefix = "sops_" if kind == "dotenv" else ""
            inside = text.rpartition("[sops]")[2] if kind == "ini" else text
            names = {key for key in flat if key.startswith("sops_")} if prefix else set(_keys(inside))
            section = _nested({key[len(prefix) :]: flat[key] for key in names}) if "[sops]" in text or prefix else None
            document = {key: value for key, value in flat.items() if key not in names}
    except Exception as exc:
        # The parser's message quotes the text, but for that of our own loader.
        line = f" ({exc})" if isinstance(exc, _yaml12.MalformedYamlError) else ""
        raise SopsError(f"cannot be parsed as {kind}{line}", kind="malformed") from None
    if isinstance(section, dict) and "mac" not in section and SECTION & set(section):
        fix = "Somebody changed it without sops: restore it from version control"
        raise SopsError("its message authentication code was removed", kind="tampered", fix=fix)
    if not isinstance(section, dict) or "mac" not in section:
        raise SopsError("is not encrypted by sops", kind="plain", fix="Encrypt it first")
    return document, section


def _keys(text: str) -> list[str]:
    return [line.split("=", 1)[0].strip() for line in text.splitlines() if "=" in line]


def _nested(flat: dict[str, str]) -> dict[str, t.Any]:
    """Undo how dotenv and INI files hold the section: ``age__list_0__map_recipient``."""
    section: dict[str, t.Any] = {}
    for key, value in flat.items():
        first, *steps = re.split(r"__(?=list_\d|map_)", key)
        place: dict[str, t.Any] = section
        for step in steps:
            place = place.setdefault(first, {})
            first = step.partition("_")[2]
        place[first] = value.strip("\"'")
    return t.cast("dict[str, t.Any]", _listed(section))


def _listed(value: t.Any) -> t.Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdigit() for key in value):
        return [_listed(value[key]) for key in sorted(value, key=int)]
    return {key: _listed(below) for key, below in value.items()}


def recipients(section: dict[str, t.Any]) -> list[list[str]]:
    """Recipients by key group: age recipients, PGP fingerprints, and whole addresses of other keys, as rules write them."""
    groups = section.get("key_groups") or [section]
    return [
        sorted(address(entry) for kind, address in ADDRESSES.items() for entry in group.get(kind) or [])
        for group in groups
    ]


def _kms(entry: dict[str, t.Any]) -> str:
    return "+".join(filter(None, (entry["arn"], entry.get("role"))))


def _azure(entry: dict[str, t.Any]) -> str:
    return "/".join(filter(None, (str(entry["vault_url"]).rstrip("/"), "keys", entry["name"], entry.get("version"))))


def _vault(entry: dict[str, t.Any]) -> str:
    return (
        f"{str(entry['vault_address']).rstrip('/')}/v1/{str(entry['engine_path']).strip('/')}/keys/{entry['key_name']}"
    )


ADDRESSES: dict[str, t.Callable[[dict[str, t.Any]], str]] = {
    "age": lambda entry: str(entry["recipient"]),
    "azure_kv": _azure,
    "gcp_kms": lambda entry: str(entry["resource_id"]),
    "hc_vault": _vault,
    "kms": _kms,
    "pgp": lambda entry: str(entry["fp"]),
}


def threshold(settings: t.Mapping[str, t.Any], groups: t.Sequence[t.Any]) -> int:
    """How many groups have to agree, by a rule or by a file's section: all where nothing is said."""
    return int(settings.get("shamir_threshold") or len(groups))


def undone(groups: t.Sequence[t.Sequence[str]], needed: int) -> list[str]:
    """Classic recipients that take away the protection of post-quantum ones: whoever breaks them reads the file."""
    strong = any(name.startswith("age1pq1") for group in groups for name in group)
    weak = [[name for name in group if not name.startswith("age1pq1")] for group in groups]
    if not strong or sum(map(bool, weak)) < needed:
        return []
    return [name for group in weak for name in group]

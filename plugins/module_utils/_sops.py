# SPDX-License-Identifier: GPL-3.0-or-later
"""The sops program (https://getsops.io/docs/): what it is asked for, and what its exit codes mean."""

from __future__ import annotations

import json
import os
import re
import typing as t

# program, arguments and environment to exit code, stdout and stderr; the text goes to stdin
Runner = t.Callable[[t.Sequence[str], bytes, t.Mapping[str, str]], "tuple[int, bytes, bytes]"]

# https://github.com/getsops/sops/blob/main/cmd/sops/codes/codes.go
DECRYPTING_MAC, DECRYPTING_TREE, MAC_MISMATCH, MAC_NOT_FOUND = 24, 25, 51, 52
CONFIG_NOT_FOUND, NO_FILE, NO_KEY, ALREADY_ENCRYPTED = 61, 100, 128, 203

FORMATS = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".env": "dotenv", ".ini": "ini"}

# What PGP, age and the key services need; secrets are given to sops by its environment, never by its arguments.
KEPT_ENVIRONMENT = ("HOME", "PATH", "GNUPGHOME", "GPG_TTY", "XDG_CONFIG_HOME")
KEPT_PREFIXES = ("AWS_", "AZURE_", "GOOGLE_", "CLOUDSDK_", "SOPS_", "VAULT_", "HTTPS_PROXY", "NO_PROXY")

Leaf = t.Tuple[str, t.Any]


class SopsError(Exception):
    """What sops refused; `kind` is one of the words that the callers tell apart."""

    def __init__(self, what: str, *, kind: str = "failed", fix: str = "") -> None:
        self.kind = kind
        self.what = what
        self.fix = fix
        super().__init__(f"{what}. {fix}" if fix else what)


def format_of(path: str, wanted: str | None = None) -> str:
    return wanted or FORMATS.get(os.path.splitext(path)[1], "binary")


def config_for(path: str) -> str:
    """The .sops.yaml nearest to PATH, upwards; empty where there is none."""
    directory = os.path.dirname(os.path.abspath(path))
    while True:
        found = os.path.join(directory, ".sops.yaml")
        if os.path.isfile(found):
            return found
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
        given = {"SOPS_AGE_KEY": age_key, "SOPS_AGE_KEY_FILE": age_key_file, "GNUPGHOME": gnupg_home}
        self.environment = {**kept, **{name: value for name, value in given.items() if value}, "LC_ALL": "C"}

    def decrypt(self, path: str, kind: str, output: str | None = None) -> bytes:
        return self._call(["decrypt", "--input-type", kind, "--output-type", output or kind, path], path)

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

    def _call(self, arguments: list[str], path: str, content: bytes = b"") -> bytes:
        code, out, err = self.run([self.program, *arguments], content, self.environment)
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
        if "Error unmarshalling" in said or "Could not unmarshal" in said or "Error loading" in said:
            raise SopsError(f"cannot be parsed (sops ended with {code})", kind="malformed", fix="Check its format")
        # What else sops says may quote the text.
        first = next(word for word in arguments if word in ("decrypt", "encrypt", "rotate", "updatekeys"))
        raise SopsError(f"'sops {first}' ended with {code}", fix=f"Run 'sops {first} {path}' by hand to see why")


def leaves(value: t.Any, path: str = "") -> t.Iterator[Leaf]:
    """Every value of a document with its path; list elements have the path of their list and a number."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from leaves(below, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for number, below in enumerate(value):
            yield from leaves(below, f"{path}.{number}")
    else:
        yield path, value


def encrypted(value: t.Any) -> bool:
    return isinstance(value, str) and re.match(r"ENC\[AES256_GCM,data:.*,type:\w+\]$", value, re.DOTALL) is not None


def metadata(
    content: bytes, kind: str, load_yaml: t.Callable[[str], t.Any]
) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
    """The data of an encrypted file and its sops section.

    Raises:
        SopsError: there is none.
    """
    text = content.decode(errors="replace")
    data: t.Any = {}
    section: t.Any = None
    try:
        if kind in ("yaml", "json", "binary"):
            data = load_yaml(text) if kind == "yaml" else json.loads(text)
            section = data.pop("sops", None) if isinstance(data, dict) else None
        else:
            flat = dict(
                line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith((";", "#"))
            )
            flat = {key.strip(): value.strip() for key, value in flat.items()}
            prefix = "sops_" if kind == "dotenv" else ""
            inside = text.rpartition("[sops]")[2] if kind == "ini" else text
            names = {key for key in flat if key.startswith("sops_")} if prefix else set(_keys(inside))
            section = _unflat({key[len(prefix) :]: flat[key] for key in names}) if "[sops]" in text or prefix else None
            data = {key: value for key, value in flat.items() if key not in names}
    except Exception as exc:
        # The parser's message quotes the text.
        raise SopsError(f"cannot be parsed as {kind}", kind="malformed") from exc
    if not isinstance(section, dict) or "mac" not in section:
        raise SopsError("is not encrypted by sops", kind="plain", fix="Encrypt it first")
    return data, section


def _keys(text: str) -> list[str]:
    return [line.split("=", 1)[0].strip() for line in text.splitlines() if "=" in line]


def _unflat(flat: dict[str, str]) -> dict[str, t.Any]:
    """Undo ``age__list_0__map_recipient``: only what is read here is kept, recipients in their order."""
    section: dict[str, t.Any] = {}
    for key, value in sorted(flat.items()):
        found = re.fullmatch(r"(\w+?)__list_(\d+)__map_(recipient|fp|arn|resource_id|created_at)", key)
        if found:
            entries = section.setdefault(found[1], [])
            if not entries or entries[-1].get("_number") != found[2]:
                entries.append({"_number": found[2]})
            entries[-1][found[3]] = value.strip("\"'")
        elif "__" not in key:
            section[key] = value.strip("\"'")
    return section


def recipients(section: dict[str, t.Any]) -> list[list[str]]:
    """Recipients by key group: age recipients, PGP fingerprints, and the ids of other keys."""
    groups = section.get("key_groups") or [section]
    names = {
        "age": "recipient",
        "pgp": "fp",
        "kms": "arn",
        "gcp_kms": "resource_id",
        "azure_kv": "vault_url",
        "hc_vault": "key_name",
    }
    return [
        sorted(str(entry.get(name, "")) for kind, name in names.items() for entry in group.get(kind) or [])
        for group in groups
    ]

# SPDX-License-Identifier: GPL-3.0-or-later
"""New secrets that go to the controller's disk for their keepers' eyes only: files encrypted by SOPS."""

from __future__ import annotations

import os
import typing as t

from ._change.files import Wanted, replace
from ._change.paths import make_directories
from ._sops import Sops, SopsError, format_of

# Recipients of what a module wraps; without any the creation rules of .sops.yaml say who they are.
OPTIONS: dict[str, dict[str, t.Any]] = {
    "age": {"type": "list", "elements": "str", "default": []},
    "pgp": {"type": "list", "elements": "str", "default": []},
}


class Sealed(t.NamedTuple):
    """A file that only its recipients can read."""

    path: str
    content: bytes = b"{}"
    age: t.Sequence[str] = ()
    pgp: t.Sequence[str] = ()


class Wrapper:
    """Encrypts files, and puts them in place only when all of them could be encrypted.

    Args:
        module: the running AnsibleModule, which starts sops.
    """

    def __init__(self, module: t.Any) -> None:
        def run(argv: t.Sequence[str], stdin: bytes, environment: t.Mapping[str, str]) -> tuple[int, bytes, bytes]:
            result: tuple[int, bytes, bytes] = module.run_command(
                list(argv), data=stdin, binary_data=True, encoding=None, environ_update=dict(environment)
            )
            return result

        self.sops = Sops(run, module.get_bin_path("sops", required=True))

    def prove(self, files: t.Iterable[Sealed]) -> None:
        """Show before a secret is made that it can be kept: recipients are right, directories can be written.

        Raises:
            SopsError: a file is there already, or cannot be encrypted; the message names it.
            OSError: a directory cannot be made or written.
        """
        for file in files:
            if os.path.exists(file.path):
                what = f"{file.path} is there already, and what it holds would be lost"
                raise SopsError(what, kind="exists", fix="Move it away if it is of no use any more")
            self._encrypt(file)
            make_directories(os.path.dirname(file.path), 0o700)
            replace(Wanted(f"{file.path}.proof", b""))
            os.unlink(f"{file.path}.proof")

    def write(self, files: t.Iterable[Sealed]) -> None:
        replace(*[Wanted(file.path, self._encrypt(file)) for file in files])

    def _encrypt(self, file: Sealed) -> bytes:
        kind = format_of(file.path)
        options: list[str] = []
        if file.age:
            options += ["--age", ",".join(file.age)]
        if file.pgp:
            options += ["--pgp", ",".join(file.pgp)]
        try:
            return self.sops.encrypt(file.content, file.path, kind, kind, options)
        except SopsError as exc:
            raise SopsError(f"{file.path}: {exc.what}", kind=exc.kind, fix=exc.fix) from None

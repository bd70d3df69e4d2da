# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of the configuration files that a change would rewrite, byte for byte. None of them holds a secret."""

from __future__ import annotations

import glob

from .._url import password_line
from .boot_words import secret
from .command import read_bytes
from .mount import FSTAB, secret_line
from .section import Reader, Section

MOST = 1 << 20
"""Bytes of a text: a larger file is left to people."""
COMMAND_LINES = ("cmdline", "cmdline.txt", "/u-boot")
"""How the names of files with kernel parameters end, besides boot loader entries."""


class Texts(Reader):
    """The text of every path of `request`; None where there is no such file. A pattern stands for the files that it matches.

    Bytes that are no UTF-8 are lone surrogates in it (PEP 383), and line ends are as they are, so that it can be
    written back as it was.
    """

    def read(self) -> Section:
        texts: dict[str, str | None] = {}
        left_out: dict[str, str] = {}
        for path in (path for one in self.request for path in (sorted(glob.glob(one)) if "*" in one else [one])):
            try:
                content = read_bytes(path, MOST)
            except OSError as exc:
                left_out[path] = exc.strerror or str(exc)
                continue
            text = None if content is None else content.decode("utf-8", "surrogateescape")
            if path == FSTAB and text and (line := secret_line(text)):
                left_out[path] = f"line {line} holds a secret, which is not read: move it to a credentials file"
                continue
            if text and (line := password_line(text)):
                left_out[path] = f"line {line} holds a password in a URL, which is not read: take it out of this file"
                continue
            if text and (path.endswith(COMMAND_LINES) or "/loader/entries/" in path) and (name := secret(text)):
                left_out[path] = (
                    f"the kernel parameter {name} holds a secret, which is not read: change this file by hand"
                )
                continue
            texts[path] = text
        return Section(texts, left_out)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of the configuration files that a change would rewrite, byte for byte. None of them holds a secret."""

from __future__ import annotations

from .._url import password_line
from .command import read_bytes
from .mount import FSTAB, secret_line
from .section import Reader, Section

MOST = 1 << 20
"""Bytes of a text: a larger file is left to people."""


class Texts(Reader):
    """The text of every path of `request`; None where there is no such file.

    Bytes that are no UTF-8 are lone surrogates in it (PEP 383), and line ends are as they are, so that it can be
    written back as it was.
    """

    def read(self) -> Section:
        texts: dict[str, str | None] = {}
        left_out: dict[str, str] = {}
        for path in self.request:
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
            texts[path] = text
        return Section(texts, left_out)

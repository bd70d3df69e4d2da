# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords in URLs: proxies and archives carry them as ``user:password@`` (RFC 3986, 3.2.1)."""

from __future__ import annotations

import re

MASK = "(masked)"
# A password may hold an unescaped @: what stands before the last one is not the host.
_USER = re.compile(r"(?<=://)[^/\s\"'?#]*@")
_PASSWORD = re.compile(r"://[^/\s\"'?#:]*:[^/\s\"'?#]*@")


def masked_urls(text: str) -> str:
    """TEXT in which no URL says who logs in: a token may stand where the name does."""
    return _USER.sub(f"{MASK}@", text)


def password_line(text: str) -> int:
    """The number of the first line with a password in a URL; 0 where there is none."""
    return next((number for number, line in enumerate(text.split("\n"), 1) if _PASSWORD.search(line)), 0)

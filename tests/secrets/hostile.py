"""Values that quoting gets wrong when it gets anything wrong."""

from __future__ import annotations

HOSTILE = {
    "PLAIN": "abc",
    "EMPTY": "",
    "SPACES": "  lead and trail  ",
    "QUOTES": "a'b\"c'd",
    "BACKSLASH": "a\\b\\\\c\\",
    "DOLLAR": "$HOME ${HOME} $(id) `id`",
    "HASH": "a # b #c",
    "NEWLINE": "one\ntwo\n\nthree\n",
    "TAB": "a\tb",
    "UNICODE": "pässwörd €☃",
    "EQUALS": "a=b=c;d&e|f>g<h",
    "EXCLAMATION": "a!b !! !x",
    "PERCENT": "100% %n %%",
    "TILDE": "~ ~root *",
    "ESCAPES": "a\\nb\\tc\\x41",
}

# SPDX-License-Identifier: GPL-3.0-or-later
"""sshd_config(5) as it is written: directives in reading order, and a connection that each Match block applies to."""

from __future__ import annotations

import glob
import ipaddress
import os
import re
import shlex
import typing as t

from .command import read

# Where sshd looks for what an Include names without a path.
HOME = "/etc/ssh"
DEEPEST = 16  # as sshd itself (servconf.c, SERVCONF_MAX_DEPTH)
# Criteria of Match that `sshd -T -C` can be given a value for, by the name it has there.
ATTRIBUTES = {
    "user": "user",
    "group": "user",
    "host": "host",
    "address": "addr",
    "localaddress": "laddr",
    "localport": "lport",
    "rdomain": "rdomain",
}
# What no criterion is likely to match (RFC 5737, RFC 2606).
NEUTRAL = {
    "user": "unified-nobody",
    "host": "host.invalid",
    "addr": "192.0.2.1",
    "laddr": "192.0.2.2",
    "lport": "22",
    "rdomain": "none",
}


class Directive(t.TypedDict):
    """One setting as it is written. MATCH holds the criteria of the block it stands in, empty in the global section."""

    source: str
    line: int
    keyword: str
    value: str
    match: str


def directives(path: str, match: str = "", depth: int = 0) -> t.Iterator[Directive]:
    """Every setting of PATH and what it includes, in the order in which sshd reads them."""
    block = match
    for number, line in enumerate((read(path) or "").splitlines(), 1):
        keyword, words = split(line)
        if not keyword:
            continue
        if keyword == "match":
            # An included file's block applies only where the block that includes it does.
            block = " ".join([match, *words]) if match not in ("", "all") else " ".join(words)
        yield {"source": path, "line": number, "keyword": keyword, "value": " ".join(words), "match": block}
        if keyword == "include" and depth < DEEPEST:
            for included in includes(words):
                yield from directives(included, block, depth + 1)


def split(line: str) -> tuple[str, list[str]]:
    """A line's keyword in lower case and its arguments; nothing for a comment or an empty line."""
    keyword = re.match(r"\s*\"?([A-Za-z][A-Za-z0-9]*)\"?(?:\s*=\s*|\s+)(.*)", line)
    if not keyword:
        return "", []
    lexer = shlex.shlex(keyword[2], posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = "#"
    try:
        return keyword[1].lower(), list(lexer)
    except ValueError:  # a quote that does not end: sshd refuses the file, and `sshd -T` says so
        return keyword[1].lower(), keyword[2].split()


def includes(patterns: t.Iterable[str]) -> list[str]:
    return [path for pattern in patterns for path in sorted(glob.glob(os.path.join(HOME, pattern)))]


def include_directories(lines: t.Iterable[Directive]) -> list[str]:
    """Directories whose files are included by a pattern: a file that vanished from one was a setting too."""
    patterns = [word for line in lines if line["keyword"] == "include" for word in line["value"].split()]
    directories = [os.path.dirname(os.path.join(HOME, one)) for one in patterns if set("*?[") & set(one)]
    return [directory for directory in dict.fromkeys(directories) if directory != HOME]


def criteria(match: str) -> list[tuple[str, str]] | None:
    """The criteria of a Match line as pairs; None where `sshd -T -C` cannot be told what satisfies them."""
    words = [part for word in match.split() for part in word.split("=", 1)]
    pairs = []
    while words:
        name = words.pop(0).lower()
        if name in ("all", "invalid-user"):
            pairs.append((name, ""))
        elif name in ATTRIBUTES and words:
            pairs.append((name, words.pop(0)))
        else:
            return None
    return pairs


def listed(value: str, patterns: str) -> bool:
    """Whether a comma-separated pattern list matches (ssh_config(5), PATTERNS): a negated match always refuses."""
    matched = False
    for pattern in patterns.split(","):
        negated, one = pattern.startswith("!"), pattern.lstrip("!")
        if _matches(value, one):
            if negated:
                return False
            matched = True
    return matched


def _matches(value: str, pattern: str) -> bool:
    if "/" in pattern:
        try:
            return ipaddress.ip_address(value) in ipaddress.ip_network(pattern, strict=False)
        except ValueError:
            return False
    translated = "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern)
    return re.fullmatch(translated, value, re.IGNORECASE) is not None


def examples(patterns: str) -> list[str]:
    """A value for each pattern of a list that is not negated."""
    made = []
    for pattern in patterns.split(","):
        if pattern.startswith("!"):
            continue
        if "/" in pattern:
            try:
                made += [str(address) for address in list(_first(ipaddress.ip_network(pattern, strict=False)))]
            except ValueError:
                continue
        else:
            made.append(pattern.replace("*", "1").replace("?", "1"))
    return made


def _first(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> t.Iterator[t.Any]:
    for offset in (1, 2, 0):
        if offset < network.num_addresses:
            yield network[offset]


class Sampler:
    """Finds a connection to which a Match block applies, and as few others as can be.

    Args:
        matches: criteria of every block.
        groups: accounts of the host with the names of their groups.
    """

    def __init__(self, matches: t.Iterable[str], groups: t.Mapping[str, t.Collection[str]]) -> None:
        self.groups = groups
        self.pairs = {match: criteria(match) or [] for match in matches}
        self.candidates: dict[str, list[str]] = {name: [value] for name, value in NEUTRAL.items()}
        for pairs in self.pairs.values():
            for name, patterns in pairs:
                if name in ATTRIBUTES and name != "group":
                    self.candidates[ATTRIBUTES[name]] += examples(patterns)
        self.candidates["user"] += list(groups)

    def connection(self, match: str) -> dict[str, str] | None:
        """Values for `sshd -T -C`; None where no connection that can be told satisfies MATCH."""
        pairs = criteria(match)
        if pairs is None:
            return None
        others = [pair for other, known in self.pairs.items() if other != match for pair in known]
        chosen = {}
        for attribute in NEUTRAL:
            mine = [pair for pair in pairs if ATTRIBUTES.get(pair[0]) == attribute]
            rest = [pair for pair in others if ATTRIBUTES.get(pair[0]) == attribute]
            fitting = [one for one in self.candidates[attribute] if all(self._fits(one, pair) for pair in mine)]
            if not fitting or any("," in one for one in fitting[:1]):
                return None
            chosen[attribute] = min(fitting, key=lambda one: sum(self._fits(one, pair) for pair in rest))
        if ("invalid-user", "") in pairs:
            if chosen["user"] in self.groups:
                return None
            chosen["invalid-user"] = ""
        return chosen

    def _fits(self, value: str, pair: tuple[str, str]) -> bool:
        name, patterns = pair
        if name == "group":
            groups = self.groups.get(value, ())
            # A negated pattern that matches any of the groups refuses, whatever the others do (groupaccess.c).
            refused = [one[1:] for one in patterns.split(",") if one.startswith("!")]
            return not any(listed(group, ",".join(refused)) for group in groups if refused) and any(
                listed(group, patterns) for group in groups
            )
        return listed(value, patterns)


def specification(connection: t.Mapping[str, str]) -> str:
    """The argument of `sshd -C` (sshd(8))."""
    return ",".join(f"{name}={value}" if value else name for name, value in connection.items())

# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet filter as the kernel has it."""

from __future__ import annotations

import json

from .command import Command
from .section import Reader, Section


class Firewall(Reader):
    """Base chains of the kernel's packet filter with their policies (nft -j list ruleset)."""

    def __init__(self, wanted: None = None) -> None:
        super().__init__(wanted)
        self.command = Command("nft", "-j", "list", "ruleset")

    def read(self) -> Section:
        if not self.command.found:
            return Section({"installed": False, "chains": []})
        entries = json.loads(self.command.output())["nftables"]
        chains = [entry["chain"] for entry in entries if "chain" in entry and "hook" in entry["chain"]]
        kept = [{key: chain.get(key) for key in ("family", "table", "name", "hook", "policy")} for chain in chains]
        return Section({"installed": True, "chains": kept})

"""The selections whose outcome is pinned in golden files: benchmark, level, and the host (section `host`) they are made for."""

from __future__ import annotations

_HOSTS = {"cis_debian12": {"os": "debian", "version": "12"}, "cis_debian13": {"os": "debian", "version": "13"}}
SELECTIONS = {
    f"{benchmark}_{level}": (benchmark, level, host)
    for benchmark, host in _HOSTS.items()
    for level in ("l1_server", "l2_server")
}

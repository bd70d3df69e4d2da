"""The selections whose outcome is pinned in golden files: pairs of benchmark and level, and the host (section `host`)."""

from __future__ import annotations

DEBIAN_12 = {"os": "debian", "version": "12"}
UBUNTU_24 = {"os": "ubuntu", "version": "24.04"}
DEBIAN_13 = {"os": "debian", "version": "13"}
SELECTIONS = {
    "cis_debian12_l1_server": ([("cis", "l1_server")], DEBIAN_12),
    "cis_debian12_l2_server": ([("cis", "l2_server")], DEBIAN_12),
    "cis_debian13_l1_server": ([("cis", "l1_server")], DEBIAN_13),
    "cis_debian13_l2_server": ([("cis", "l2_server")], DEBIAN_13),
    "anssi_debian13_minimal": ([("anssi", "minimal")], DEBIAN_13),
    "cis_l2_and_stig_ready_debian13": ([("cis", "l2_server"), ("stig_ready_debian13", "cat_3")], DEBIAN_13),
    "stig_ubuntu2404_cat_3": ([("stig", "cat_3")], UBUNTU_24),
}

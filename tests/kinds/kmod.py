"""Scenarios of kind `kmod`. Only a host with a kernel of its own has modules."""

from __future__ import annotations

from .scenario import Scenario

OURS = "/etc/modprobe.d/00-unified.conf"
# Those that the kernel of the test hosts has as modules.
MODULES = ("atm", "can", "cramfs", "hfs", "hfsplus", "overlay", "rds", "sctp", "squashfs", "tipc", "udf")
ABSENT = ("dccp", "firewire-core", "freevxfs", "jffs2", "usb-storage")
CRAMFS = "kmod/cramfs"
# Purposes of the test hosts need these.
NEEDED = ("overlay",)

SCENARIOS = (
    *(
        Scenario(f"kmod/{name}", "lines_removed", f"sed -i -E '/ {name}( |$)/d' {OURS}", host="uml")
        for name in MODULES
        if name not in NEEDED
    ),
    Scenario(CRAMFS, "lines_commented", f"sed -i -E 's/.* cramfs/#&/' {OURS}", host="uml"),
    Scenario(CRAMFS, "install_line_only", f"sed -i '/blacklist cramfs/d' {OURS}", host="uml"),
    Scenario(CRAMFS, "another_no_op", f"sed -i 's#install cramfs .*#install cramfs /usr/bin/true#' {OURS}", "pass", host="uml"),
    Scenario(
        CRAMFS, "tabs_and_a_continued_line",
        f"sed -i '/install cramfs/d' {OURS}; printf 'install\\tcramfs \\\\\\n /bin/false\\n' >> {OURS}", "pass", host="uml",
    ),
    Scenario(
        CRAMFS, "earlier_file_loads_it",
        "echo 'install cramfs /sbin/modprobe --ignore-install cramfs' > /etc/modprobe.d/00-local.conf", host="uml",
        held="00-local.conf",
    ),
    Scenario(
        CRAMFS, "later_file_is_too_late",
        "echo 'install cramfs /sbin/modprobe --ignore-install cramfs' > /etc/modprobe.d/zz-local.conf", "pass", host="uml",
    ),
    Scenario(
        "kmod/udf", "loaded_by_hand", "modprobe --ignore-install udf", held="is gone at the next boot", host="uml"
    ),
)  # fmt: skip
WITHOUT = {
    **{f"kmod/{name}": "the kernel of the test hosts has no such module" for name in ABSENT},
    **{f"kmod/{name}": "the hosts of the tests are container hosts, which need it" for name in NEEDED},
}


def _blocked(name: str) -> str:
    """Not loaded, and what this host has of it is neither loaded by modprobe, nor by what modprobe runs instead, nor by the name of
    a device.
    """
    either = name.replace("-", "[-_]")
    return f"""if grep '^{name.replace("-", "_")} ' /proc/modules; then exit 1; fi
if modinfo {name} >/dev/null 2>&1; then
  modprobe --showconfig | grep -xE 'blacklist {either}'
  done=$(modprobe -n -v {name} 2>/dev/null) || :
  if echo "$done" | grep -E '/{either}\\.ko'; then exit 1; fi
  if echo "$done" | grep '^install ' | grep -vE '^install[[:space:]]+(/usr)?/bin/(false|true)[[:space:]]*$'; then exit 1; fi
fi
"""


OBSERVERS = {f"kmod/{name}": _blocked(name) for name in (*MODULES, *ABSENT)}

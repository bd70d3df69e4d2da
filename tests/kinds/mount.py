"""Mount options, broken live, in fstab, and where fstab does not own the mount."""

from __future__ import annotations

from .scenario import Scenario

_POINTS = ("/home", "/var", "/var/log", "/var/log/audit", "/var/tmp")
_OPTIONS = {"/home": ("nodev", "nosuid"), "/var": ("nodev", "nosuid")}
_ALL = ("nodev", "nosuid", "noexec")


def _live(point: str, option: str) -> str:
    # With its source, so that mount(8) does not take the rest from fstab.
    return f"mount -o remount,{option[2:]} tmpfs {point}"


def _stored(point: str, option: str) -> str:
    return f"sed -i -E '\\#\\s{point}\\s#s/,?{option}//' /etc/fstab"


SCENARIOS = (
    *(
        Scenario(f"mount/{point}:{option}", "live_only", _live(point, option), host="uml")
        for point in ("/dev/shm", "/tmp")
        for option in _ALL
    ),
    *(
        Scenario(f"mount/{point}:{option}", "stored_only", _stored(point, option), host="uml")
        for point in ("/dev/shm", "/tmp")
        for option in _ALL
    ),
    Scenario("mount//dev/shm:noexec", "in_no_file_at_all", "sed -i '\\#/dev/shm#d' /etc/fstab", host="uml", alone=True),
    Scenario(
        "mount//tmp:noexec",
        "unit_of_the_operator_wins_over_fstab",
        "printf '[Mount]\\nWhat=tmpfs\\nWhere=/tmp\\nType=tmpfs\\nOptions=mode=1777,nosuid,nodev\\n' > /etc/systemd/system/tmp.mount; systemctl daemon-reload",
        held="/etc/systemd/system/tmp.mount",
        host="uml",
        alone=True,
    ),
    Scenario(
        "mount//tmp:nodev",
        "drop_in_of_what_fstab_becomes",
        "d=/etc/systemd/system/tmp.mount.d; mkdir -p $d; printf '[Mount]\\nOptions=mode=1777,nosuid\\n' > $d/site.conf; systemctl daemon-reload",
        held="/etc/systemd/system/tmp.mount.d/site.conf",
        host="uml",
        alone=True,
    ),
    Scenario(
        "mount//tmp:nosuid",
        "opposite_later_in_the_line",
        "sed -i -E '\\#\\s/tmp\\s#s/nosuid/nosuid,suid/' /etc/fstab",
        host="uml",
    ),
    Scenario(
        "mount//tmp:nodev",
        "opposite_earlier_and_tabs",
        "sed -i -E '\\#\\s/tmp\\s#s/nodev/dev,nodev/; s/ \\/tmp /\\t\\/tmp\\t/' /etc/fstab; mount -o remount,nodev /tmp",
        "pass",
        host="uml",
    ),
    Scenario(
        "mount//dev/shm:noexec",
        "commented_line",
        "printf '#tmpfs /dev/shm tmpfs defaults 0 0\\n' >> /etc/fstab",
        "pass",
        host="uml",
    ),
    *(
        # A mount that fstab does not own: a line for it would keep the host from booting.
        Scenario(
            f"mount/{point}:{option}",
            "mounted_by_a_service",
            f"mkdir -p /srv{point} {point}; cp -a {point}/. /srv{point}/; mount --bind /srv{point} {point}; mount -o remount,bind,{option[2:]} {point}",
            held="/etc/fstab has no line for",
            host="uml",
            alone=True,
        )
        for point in _POINTS
        for option in _OPTIONS.get(point, _ALL)
    ),
)
WITHOUT: dict[str, str] = {}
OBSERVERS: dict[str, str] = {}

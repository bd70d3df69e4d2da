"""Directories that only look like file systems of their own."""

from __future__ import annotations

from .scenario import Scenario

_MANUAL = ("/home", "/var", "/var/log", "/var/log/audit", "/var/tmp")
_NOT_MOVED = "A file system of its own cannot be made"
_UNIT = (
    "printf '[Mount]\\nWhat=tmpfs\\nWhere=/var/tmp\\nType=tmpfs\\nOptions=nodev,nosuid,noexec\\n[Install]\\nWantedBy=local-fs.target\\n'"
    " > /etc/systemd/system/var-tmp.mount; systemctl daemon-reload"
)


def _memory_at(point: str) -> str:
    """Mount memory at a directory by hand, with what lay in it."""
    return (
        f"mkdir -p {point} /mnt/copy; cp -a {point}/. /mnt/copy/"
        f"; mount -t tmpfs -o nodev,nosuid,noexec tmpfs {point}; cp -a /mnt/copy/. {point}/"
    )


def _pulled(point: str) -> str:
    """Whether systemd mounts something at a directory at the next boot. Of /dev/shm it makes no unit: it mounts that by itself."""
    unit = f"$(systemd-escape --path --suffix=mount {point})"
    return f'systemctl show --property=RequiredBy,WantedBy --value "{unit}" | grep -qw local-fs.target'


SCENARIOS = (
    *(
        Scenario(
            f"partition/{point}",
            "bind_mount_of_the_same_file_system",
            f"mkdir -p {point}; mount --bind {point} {point}",
            held=_NOT_MOVED,
            host="uml",
            alone=True,
        )
        for point in _MANUAL
    ),
    *(
        Scenario(
            f"partition/{point}",
            "file_system_of_its_own_that_nothing_mounts_again",
            _memory_at(point),
            held=_NOT_MOVED,
            host="uml",
            alone=True,
        )
        for point in ("/home", "/var/tmp")
    ),
    Scenario(
        "partition//home",
        "file_system_of_its_own",
        f"echo 'tmpfs /home tmpfs nodev,nosuid 0 0' >> /etc/fstab; systemctl daemon-reload; {_memory_at('/home')}",
        "pass",
        host="uml",
        alone=True,
    ),
    Scenario(
        "partition//home",
        "line_of_fstab_that_says_noauto",
        f"echo 'tmpfs /home tmpfs nodev,nosuid,noauto 0 0' >> /etc/fstab; systemctl daemon-reload; {_memory_at('/home')}",
        held=_NOT_MOVED,
        host="uml",
        alone=True,
    ),
    Scenario(
        "partition//var/tmp",
        "unit_of_the_operator",
        f"{_UNIT}; systemctl enable --quiet var-tmp.mount; {_memory_at('/var/tmp')}",
        "pass",
        host="uml",
        alone=True,
    ),
    Scenario(
        "partition//var/tmp",
        "unit_that_nothing_pulls_in",
        f"{_UNIT}; {_memory_at('/var/tmp')}",
        held=_NOT_MOVED,
        host="uml",
        alone=True,
    ),
)
WITHOUT = {
    "partition//dev/shm": "nothing runs without shared memory, so it cannot be unmounted",
    "partition//tmp": "programs keep files open in it, so it cannot be unmounted",
}
OBSERVERS = {
    f"partition/{point}": f'[ "$(stat -c %d {point})" != "$(stat -c %d {point}/..)" ]'
    + (f" && {{ {_pulled(point)}; }}" if point != "/dev/shm" else "")
    for point in (*_MANUAL, "/dev/shm", "/tmp")
}

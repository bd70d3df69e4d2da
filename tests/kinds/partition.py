"""Directories that only look like file systems of their own."""

from __future__ import annotations

from .scenario import Scenario

_MANUAL = ("/home", "/var", "/var/log", "/var/log/audit", "/var/tmp")
_NOT_MOVED = "A file system of its own cannot be made"
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
            "file_system_of_its_own",
            f"mkdir -p {point} /mnt/copy; cp -a {point}/. /mnt/copy/; mount -t tmpfs -o nodev,nosuid,noexec tmpfs {point}; cp -a /mnt/copy/. {point}/",
            "pass",
            host="uml",
            alone=True,
        )
        for point in ("/home", "/var/tmp")
    ),
)
WITHOUT = {
    "partition//dev/shm": "nothing runs without shared memory, so it cannot be unmounted",
    "partition//tmp": "programs keep files open in it, so it cannot be unmounted",
}
OBSERVERS = {
    f"partition/{point}": f'[ "$(stat -c %d {point})" != "$(stat -c %d {point}/..)" ]'
    for point in (*_MANUAL, "/dev/shm", "/tmp")
}

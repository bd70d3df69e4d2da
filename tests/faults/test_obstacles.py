"""Files that cannot be replaced, disks that are full, and texts that are no UTF-8, on a real host."""

from __future__ import annotations

import base64
import typing as t

import pytest

from tests.faults.test_dead_runs import book
from tests.integration.conftest import Target

MAKE = {
    "immutable": ("echo old > /etc/odd; chattr +i /etc/odd", "chattr -i /etc/odd", "it is immutable"),
    "directory immutable": (
        "mkdir -p /etc/odd.d; echo old > /etc/odd.d/a; chattr +i /etc/odd.d; ln -sf odd.d/a /etc/odd",
        "chattr -i /etc/odd.d",
        "its directory is immutable",
    ),
    "bind mount": (
        "echo old > /etc/odd; echo old > /root/odd; mount --bind /root/odd /etc/odd",
        "umount /etc/odd",
        "something is mounted on it",
    ),
    "read-only": (
        "mkdir -p /etc/odd.d; echo old > /etc/odd.d/a; mount --bind -o ro /etc/odd.d /etc/odd.d; ln -sf odd.d/a /etc/odd",
        "umount /etc/odd.d",
        "mounted read-only",
    ),
}


def file_set(*files: dict[str, t.Any]) -> dict[str, t.Any]:
    return {"unified.deploy.file_set": {"files": list(files)}}


@pytest.mark.parametrize("case", MAKE)
def test_file_that_cannot_be_replaced_is_named_and_keeps_others_only_if_required(container: Target, case: str) -> None:
    make, unmake, reason = MAKE[case]
    container.shell(f"rm -rf /etc/odd /etc/odd.d; {make}; echo old > /etc/plain")
    try:
        odd, plain = ({"path": f"/etc/{name}", "content": "new\n"} for name in ("odd", "plain"))
        said = container.play(book(container, file_set(odd, plain)), fails=True).output
        assert reason in said and "nothing was changed" in said, said
        assert container.shell("cat /etc/odd /etc/plain").split() == ["old", "old"]
        container.play(book(container, file_set({**odd, "required": False}, plain)))
        assert container.shell("cat /etc/odd /etc/plain").split() == ["old", "new"]
    finally:
        container.shell(unmake)


@pytest.mark.quick
def test_disk_of_the_record_is_full(container: Target) -> None:
    container.shell(
        "mkdir -p /var/lib/unified; mount -t tmpfs -o size=16k,mode=700 tmpfs /var/lib/unified; echo old > /etc/plain"
    )
    try:
        made = {"run": "full", "name": "files", "files": [{"path": "/etc/plain", "content": "new\n" * 9000}]}
        said = container.play(book(container, {"unified.deploy.hardening_batch": made}), fails=True).output
        assert "No space left on device" in said, said
        assert container.shell("cat /etc/plain").strip() == "old"
    finally:
        container.shell("umount /var/lib/unified")
    container.play(book(container, {"unified.deploy.hardening_batch": made}))
    assert container.shell("wc -c < /etc/plain").strip() == "36000"


@pytest.mark.parametrize("content", [b"caf\xe9\n", b"a\r\nb\r\n", b"nul\0\n", b"no newline"])
def test_bytes_come_through_ansible_with_a_diff(container: Target, content: bytes) -> None:
    container.shell("printf 'old \\351\\n' > /etc/plain")
    encoded = base64.b64encode(content).decode()
    file = {"path": "/etc/plain", "content": encoded, "encoding": "base64"}
    assert "old \\xe9" in container.play(book(container, file_set(file)), "--diff").output
    assert base64.b64decode(container.shell("base64 < /etc/plain")) == content
    assert container.play(book(container, file_set(file)), "--diff").changed(container.host.name) == 0


def test_password_of_a_share_is_not_shown(container: Target) -> None:
    container.shell("cp /etc/fstab /root/fstab; echo '//nas/x /mnt cifs user=a,password=hunter2 0 0' >> /etc/fstab")
    file = {"path": "/etc/fstab", "content": "//nas/x /mnt cifs user=a,password=hunter2,nodev 0 0\n"}
    said = container.play(book(container, file_set(file)), "--diff", "--check").output
    assert "password=********,nodev" in said and "hunter2" not in said
    container.shell("mv /root/fstab /etc/fstab")

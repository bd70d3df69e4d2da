"""The key of a host's own modules, from a bare host to a driver that it signed. Firmware is a directory, mokutil a fake where it writes variables;
openssl, DKMS, compiler and kernel are real.
"""

from __future__ import annotations

import pytest

from tests.gpu.conftest import Vendor
from tests.gpu.test_driver import INSTALLED, STATE, role, seller
from tests.integration.conftest import Target

__all__ = ["seller"]

SECRETS = {"gpu_mok_password": "only at the console 7261"}
VARIABLES = "/sys/firmware/efi/efivars"
SHIM = "605dab50-e046-4300-abb6-3dd810dd8b23"
KEY = "/var/lib/dkms/mok.key"
# Writes the request that the real one writes, which needs a firmware (https://github.com/lcp/mokutil).
FAKE_MOKUTIL = f"""#!/usr/bin/python3
import struct, sys
first, second, rest = sys.stdin.read().split("\\n")
assert sys.argv[1] == "--import" and first == second and rest == ""
with open(sys.argv[2], "rb") as handle:
    der = handle.read()
kind = bytes.fromhex("a159c0a5e494a74a87b5ab155c2bf072")
with open("{VARIABLES}/MokNew-{SHIM}", "wb") as handle:
    handle.write(bytes(4) + struct.pack("<16sIII", kind, 44 + len(der), 0, 16 + len(der)) + bytes(16) + der)
"""


@pytest.fixture(scope="module")
def firmware(seller: Vendor) -> Target:
    """Secure Boot is on, and nothing that makes or signs with a key is installed."""
    target = seller.target
    target.shell(f"mount -t tmpfs tmpfs /sys/firmware && mkdir -p {VARIABLES}")
    target.shell(f"printf '\\6\\0\\0\\0\\1' > {VARIABLES}/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c")
    assert target.shell("command -v dkms mokutil || true") == ""
    return target


def test_what_stands_in_the_way_is_said_without_a_secret(seller: Vendor, firmware: Target) -> None:
    foreseen = role(seller, "--check", "-vvv", fails=True, gpu_mok="manage", **SECRETS)
    assert "the key is to be imported: boot the host with someone at the console" in foreseen.output
    ran = role(seller, "-vvv", fails=True, gpu_mok="manage", **SECRETS)
    # Of the real one.
    assert "EFI variables are not supported on this system" in ran.output
    private = firmware.shell(f"cat {KEY}")
    assert firmware.shell(f"stat -c %a {KEY}; command -v dkms || true").split() == ["600"]
    own = {"gpu_mok_key": private, "gpu_mok_certificate": ""}
    half = role(seller, "-vvv", fails=True, gpu_mok="manage", **SECRETS, **own)
    assert "private_key and certificate are given together" in half.output
    for output in (foreseen.output, ran.output, half.output):
        assert SECRETS["gpu_mok_password"] not in output and private.splitlines()[3] not in output


def test_nothing_is_requested_where_something_else_blocks(seller: Vendor, firmware: Target) -> None:
    firmware.shell(f"cat > /usr/bin/mokutil <<'END'\n{FAKE_MOKUTIL}\nEND")
    firmware.shell("echo blacklist nvidia > /etc/modprobe.d/other.conf")
    ran = role(seller, fails=True, gpu_mok="manage", **SECRETS)
    assert "keeps the decided driver from loading" in ran.output
    assert firmware.shell(f"rm /etc/modprobe.d/other.conf; ls {VARIABLES}").split() == [
        "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
    ]


def test_key_that_was_confirmed_signs_the_driver(seller: Vendor, firmware: Target) -> None:
    for _turn in range(2):
        ran = role(seller, "-vvv", fails=True, gpu_mok="manage", **SECRETS)
        assert SECRETS["gpu_mok_password"] not in ran.output
        assert "boot the host with someone at the console, then run this again" in ran.output
    assert firmware.shell(STATE) == ""
    # What shim does at the boot.
    firmware.shell(
        f"cd {VARIABLES}; mkdir ../mok-variables; tail -c +5 MokNew-{SHIM} > ../mok-variables/MokListRT; rm MokNew-{SHIM}"
    )
    role(seller, gpu_mok="manage", **SECRETS)
    assert firmware.shell(STATE) == INSTALLED
    assert (
        firmware.shell(f"modinfo -k $(ls /lib/modules) -F sig_key nvidia-current{SERIAL % '/var/lib/dkms/mok.pub'}")
        == "same\n"
    )
    assert role(seller, gpu_mok="manage", **SECRETS).changed(firmware.host.name) == 0


SERIAL = " | tr -d ':\\n' | grep -qix $(openssl x509 -inform DER -in %s -noout -serial | cut -d= -f2) && echo same"


def test_dkms_of_ubuntu_signs_with_the_key_that_is_made_there(seller: Vendor, firmware: Target) -> None:
    """Debian's DKMS, to which the host calls itself Ubuntu."""
    firmware.shell(
        "cp /etc/os-release /srv/os-release; rm /etc/os-release; printf 'ID=ubuntu\\nID_LIKE=debian\\n' > /etc/os-release"
    )
    firmware.shell("rm -r /sys/firmware/efi/mok-variables; mkdir /srv/again")
    try:
        answer = seller.module("gpu_mok", {"manage": True, "password": SECRETS["gpu_mok_password"]})
        assert answer["state"] == "pending", answer
        firmware.shell(
            "dkms build --force -m nvidia-current -v 550.163.01 -k $(ls /lib/modules) --dkmstree /srv/again >/dev/null"
        )
    finally:
        firmware.shell("cp /srv/os-release /etc/os-release")
    built = "modinfo -F sig_key $(find /srv/again -name 'nvidia-current.ko*')"
    assert firmware.shell(built + SERIAL % "/var/lib/shim-signed/mok/MOK.der") == "same\n"

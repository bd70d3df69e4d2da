"""What a kernel module says of itself, on ELF files made here, signed by openssl as the kernel's sign-file does."""

from __future__ import annotations

import gzip
import lzma
import struct
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._gpu import module_file
from ansible_collections.unified.deploy.plugins.module_utils._gpu.facts import gather
from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.model import Request
from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.plan import plan
from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.tables import tables

from tests.unit.gpu_machines import MACHINES, RELEASE, build, link, put

SIGN = ["openssl", "cms", "-sign", "-binary", "-noattr", "-nocerts", "-outform", "DER", "-md", "sha512"]
MAKE_KEY = ["openssl", "req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "36500", "-batch"]


def elf(vermagic: str) -> bytes:
    """An ELF file with nothing but the section .modinfo and its names."""
    names = b"\0.shstrtab\0.modinfo\0"
    info = f"license=Dual MIT/GPL\0version=550.163.01\0vermagic={vermagic}\0".encode()
    start = 64 + len(names) + len(info)
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack(
        "<HHIQQQIHHHHHH", 1, 62, 1, 0, 0, start, 0, 64, 0, 0, 64, 3, 1
    )
    sections = [(0, 0, 0), (1, 64, len(names)), (11, 64 + len(names), len(info))]
    table = b"".join(struct.pack("<IIQQQQIIQQ", name, 1, 0, 0, at, size, 0, 0, 1, 0) for name, at, size in sections)
    return header + names + info + table


MODULE = elf(f"{RELEASE} SMP preempt mod_unload modversions ")


class Key(t.NamedTuple):
    certificate: Path
    key: Path
    der: bytes

    def sign(self, module: bytes) -> bytes:
        """The module with a signature, as scripts/sign-file appends it."""
        content = self.certificate.with_suffix(".in")
        content.write_bytes(module)
        signed = subprocess.run(
            [*SIGN, "-signer", self.certificate, "-inkey", self.key, "-in", content],
            capture_output=True,
            check=True,
        ).stdout
        return module + signed + struct.pack(">8BI", 0, 0, 2, 0, 0, 0, 0, 0, len(signed)) + module_file.MAGIC


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> list[Key]:
    """Two that call themselves the same, as every DKMS key does."""
    directory = tmp_path_factory.mktemp("keys")
    made = []
    for name in ("one", "two"):
        certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
        subprocess.run(
            [*MAKE_KEY, "-subj", "/CN=DKMS module signing key", "-keyout", key, "-out", certificate],
            capture_output=True,
            check=True,
        )
        der = subprocess.run(
            ["openssl", "x509", "-in", certificate, "-outform", "DER"], capture_output=True, check=True
        )
        made.append(Key(certificate, key, der.stdout))
    return made


@pytest.mark.parametrize(("name", "pack"), [("x.ko", bytes), ("x.ko.xz", lzma.compress), ("x.ko.gz", gzip.compress)])
def test_module_names_the_kernel_that_it_was_built_for(name: str, pack: t.Callable[[bytes], bytes]) -> None:
    assert module_file.describe(name, pack(MODULE), {}) == {"kernel": RELEASE, "signer": "", "unread": ""}


def test_signer_is_the_certificate_not_its_name(keys: list[Key]) -> None:
    mine, other = keys
    certificates = {"/var/lib/dkms/mok.pub": mine.der}
    assert module_file.describe("x.ko", mine.sign(MODULE), certificates)["signer"] == "/var/lib/dkms/mok.pub"
    assert module_file.describe("x.ko", other.sign(MODULE), certificates)["signer"] == "another key"
    assert module_file.describe("x.ko", mine.sign(MODULE), {"/var/lib/dkms/mok.pub": b"no certificate"})["signer"] == (
        "another key"
    )


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("x.ko", b"", "not an ELF"),
        ("x.ko", MODULE[:70], "damaged"),
        ("x.ko", MODULE[:64] + b"\0" * 400, "no section"),
        ("x.ko", MODULE.replace(b".modinfo", b".comment"), "no section .modinfo"),
        ("x.ko.xz", b"not xz", "damaged"),
        ("x.ko.gz", b"not gzip", "damaged"),
        ("x.ko.zst", b"\x28\xb5\x2f\xfd", "packed as .zst"),
    ],
)
def test_what_is_no_module_is_said_to_be_unread(name: str, content: bytes, why: str) -> None:
    described = module_file.describe(name, content, {})
    assert why in described["unread"] and not described["kernel"], described


@pytest.mark.parametrize("cut", range(0, 40, 3))
def test_damaged_signature_is_none_and_ends(cut: int) -> None:
    module_file.signature(MODULE + b"\xff" * cut + module_file.MAGIC)


def installed(root: Path, module: bytes) -> None:
    """What DKMS leaves after the module was installed for the kernel."""
    base = "var/lib/dkms/nvidia-current/550.163.01"
    put(root, f"{base}/source/dkms.conf", "")
    put(root, f"{base}/{RELEASE}/x86_64/module/nvidia.ko", MODULE + b"\0" * 4096)
    put(root, f"{base}/{RELEASE}/x86_64/module/nvidia-peermem.ko", module)
    link(root, f"var/lib/dkms/nvidia-current/kernel-{RELEASE}-x86_64", f"550.163.01/{RELEASE}/x86_64")


@pytest.mark.parametrize(
    ("vermagic", "enforced", "expected"),
    [
        (RELEASE, False, set()),
        ("6.12.94+deb13-amd64", False, {"built_for_another_kernel"}),
        (RELEASE, True, {"unsigned_module"}),
    ],
)
def test_module_that_will_not_load_is_said(vermagic: str, enforced: bool, expected: set[str], tmp_path: Path) -> None:
    root = build(tmp_path, MACHINES["tesla-t4"])
    installed(root, elf(f"{vermagic} SMP "))
    put(root, "proc/cmdline", "module.sig_enforce=1" if enforced else "quiet")
    planned = plan(tables(), gather(str(root), machine="x86_64"), Request())
    rules = {conflict["rule"] for conflict in planned["conflicts"]}
    assert rules & {"built_for_another_kernel", "unsigned_module"} == expected
    # The role builds anew, and blocks where the proof fails. What blocks here is that no key is enrolled.
    assert planned["blocked"] is enforced


def test_module_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    root = build(tmp_path, MACHINES["tesla-t4"])
    installed(root, b"\x28\xb5\x2f\xfd")
    planned = plan(tables(), gather(str(root), machine="x86_64"), Request())
    assert "module_unread" in {conflict["rule"] for conflict in planned["conflicts"]}


def test_signed_module_is_one_for_the_key_of_the_host(keys: list[Key], tmp_path: Path) -> None:
    root = build(tmp_path, MACHINES["tesla-t4"])
    installed(root, keys[0].sign(MODULE))
    put(root, "var/lib/dkms/mok.pub", keys[0].der)
    (module,) = gather(str(root), machine="x86_64")["kernels"][0]["dkms"]
    assert (module["kernel"], module["signer"]) == (RELEASE, "/var/lib/dkms/mok.pub")

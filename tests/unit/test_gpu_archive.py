"""Keys, pins and what apt would do: what can be said without a host; tests/gpu does it on one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._gpu import (
    archive,
    driver,
    health,
    openpgp,
    proof,
    removal,
    source,
    source_dnf,
    transaction,
)
from ansible_collections.unified.deploy.plugins.module_utils._gpu.tree import Tree

from tests.unit.gpu_machines import put


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[bytes, bytes, str]]:
    """By name: armored, not armored, fingerprint as gpg says it."""
    if not shutil.which("gpg"):
        pytest.skip("this needs gpg")
    home = tmp_path_factory.mktemp("gnupg")
    home.chmod(0o700)

    def gpg(*argv: str) -> bytes:
        base = ["gpg", "--batch", "--quiet", "--homedir", str(home), "--pinentry-mode", "loopback", "--passphrase", ""]
        return subprocess.run([*base, *argv], check=True, capture_output=True).stdout

    made = {}
    for name, then, lifetime in (("lasting", "", "never"), ("ended", "20200101T000000!", "30d"), ("second", "", "1y")):
        gpg(*([f"--faked-system-time={then}"] if then else []), "--quick-gen-key", name, "ed25519", "sign", lifetime)
        rows = gpg("--with-colons", "--list-keys", name).decode().splitlines()
        fingerprint = next(row.split(":")[9] for row in rows if row.startswith("fpr"))
        made[name] = (gpg("--armor", "--export", name), gpg("--export", name), fingerprint)
    return made


def test_key_armored_or_not_has_the_fingerprint_that_gpg_says(keys: dict[str, tuple[bytes, bytes, str]]) -> None:
    for armored, packets, fingerprint in keys.values():
        assert openpgp.key(armored).fingerprint == openpgp.key(packets).fingerprint == fingerprint
    assert openpgp.key(keys["lasting"][0]).expires == 0
    # 31 January 2020: thirty days after its making.
    assert openpgp.key(keys["ended"][0]).expires == 1580428800


def repository(key: bytes, fingerprint: str, url: str = "https://example.com/") -> source.Source:
    return source.Source("vendor", url, ("/",), (), (), (fingerprint,), key)


def test_key_that_is_not_the_pinned_one_or_has_expired_is_refused(keys: dict[str, tuple[bytes, bytes, str]]) -> None:
    lasting, ended, second = keys["lasting"], keys["ended"], keys["second"]
    spaced = " ".join(lasting[2][at : at + 4] for at in range(0, 40, 4)).lower()
    assert source.checked_key(repository(lasting[0], spaced)).packets == lasting[1]
    for key, pinned, said in (
        (second[0], lasting[2], "and not the pinned"),
        (ended[0], ended[2], "expired on 2020-01-31"),
        (lasting[0], lasting[2][-16:], "whole fingerprint"),
        (lasting[1] + second[1], lasting[2], "holds 2 keys"),
        (lasting[1][:-9], lasting[2], "ends in the middle"),
        (b"<html>not found</html>", lasting[2], "not one block"),
        (b"", lasting[2], "not one block"),
    ):
        with pytest.raises(source.SourceError, match=said):
            source.checked_key(repository(key, pinned))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"url": "http://example.com/"}, "not protected on its way"),
        ({"url": "https://example.com/ [trusted=yes]"}, "no address"),
        ({"url": "ftp://example.com/"}, "no address"),
        ({"suites": ("stable\nTrusted: yes",), "components": ("main",)}, "are words"),
        ({"suites": ("stable",)}, "any other needs some"),
        ({"suites": ("/",), "components": ("main",)}, "has no components"),
        ({"suites": ()}, "are words"),
        ({"name": "../vendor"}, "name of a file"),
    ],
)
def test_source_that_says_more_than_meant_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(source.SourceError, match=said):
        source.check(repository(b"", "")._replace(**change))


def test_what_apt_would_do_is_read_from_its_simulation() -> None:
    steps = archive.parsed(
        "Reading package lists...\n"
        "Remv nvidia-kernel-dkms [550.163.01-2] [nvidia-driver:amd64 ]\n"
        "Inst libc6:i386 (2.41-12 Debian:13/stable [i386])\n"
        "Inst nvidia-driver [550.163.01-2] (580.178.04-1 vendor:1 [amd64]) []\n"
        "Conf nvidia-driver (580.178.04-1 vendor:1 [amd64])\n"
    )
    assert steps.installed == {"libc6": "2.41-12", "nvidia-driver": "580.178.04-1"}
    assert steps.replaced == {"nvidia-driver": "550.163.01-2"}
    assert steps.removed == {"nvidia-kernel-dkms": "550.163.01-2"}


# As apt 3.0 says it.
POLICY = """nvidia-driver:
  Installed: 550.163.01-2
  Candidate: 550.163.01-2
  Version table:
 *** 550.163.01-2 1001
        500 https://127.0.0.1:8443/driver  Packages
        100 /var/lib/dpkg/status
dkms:
  Installed: 3.2.2-1
  Candidate: 3.2.3-1
  Version table:
     3.2.3-1 500
 *** 3.2.2-1 100
zstd:
  Installed: (none)
  Candidate: 1.5.7-1
  Version table:
     1.5.7-1 500
"""


@pytest.mark.parametrize(
    ("names", "pins", "torn", "settled"),
    [
        (["nvidia-driver", "nvidia-driver=550.163.01-2", "dkms=3.2.2-1"], "pin", [], True),
        (["nvidia-driver"], "another", [], False),
        (["nvidia-driver"], "pin", ["libc6"], False),
        (["nvidia-driver=580.1-1"], "pin", [], False),
        (["dkms"], "pin", [], False),
        (["zstd"], "pin", [], False),
        (["zstd=1.5.7-1"], "pin", [], False),
        (["unknown"], "pin", [], False),
    ],
)
def test_apt_has_nothing_to_do_where_all_is_installed_as_it_would_be(
    names: list[str], pins: str, torn: list[str], settled: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pins").write_text("pin\n")
    monkeypatch.setattr(archive, "PREFERENCES", str(tmp_path / "pins"))
    monkeypatch.setattr(archive, "broken", lambda: torn)
    monkeypatch.setattr(programs, "run", lambda _argv: programs.Answer(0, POLICY, ""))
    assert archive.settled(names, pins) is settled


def test_version_without_what_the_packaging_adds() -> None:
    versions = ("550.163.01-2", "2:580.178.04-0ubuntu1", "580.178.04", "1:535.1-2-3")
    assert [archive.upstream(one) for one in versions] == ["550.163.01", "580.178.04", "580.178.04", "535.1-2"]


def known(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    packages = {
        name.replace("_", "-"): [archive.Package(name.replace("_", "-"), one, "driver") for one in listed.split()]
        for name, listed in versions.items()
    }
    monkeypatch.setattr(archive, "available", lambda names: {name: packages.get(name, []) for name in names})


def test_name_that_moved_to_another_branch_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch, nvidia_driver_535="580.178.04-1")
    with pytest.raises(
        archive.DriverError, match=r"nvidia-driver-535 is not of the branch 535 any longer, but 580\.178\.04-1"
    ):
        archive.chosen(["nvidia-driver-535"], "535")
    with pytest.raises(archive.DriverError, match="apt knows no package nvidia-driver-534"):
        archive.chosen(["nvidia-driver-534"], "534")


def test_fabric_manager_gets_the_version_of_the_driver_or_nothing_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch, driver="580.2-1 580.1-1", fabric="580.1-1")
    assert {one.name: one.version for one in archive.chosen(["driver", "fabric"], "580")} == {
        "driver": "580.1-1",
        "fabric": "580.1-1",
    }
    known(monkeypatch, driver="580.2-1", fabric="580.1-1")
    with pytest.raises(archive.DriverError, match=r"no version in common: driver 580\.2-1, fabric 580\.1-1"):
        archive.chosen(["driver", "fabric"], "580")


@pytest.mark.parametrize(
    ("there", "asked", "version"),
    [
        ({}, "", ""),
        ({"driver": "580.1-1", "dkms": "580.1-2"}, "", "580.1"),
        ({"driver": "580.1-1", "dkms": "580.1-2"}, "newest", ""),
        ({"driver": "580.1-1", "dkms": "580.1-2"}, "580.2", "580.2"),
        ({"driver": "550.1-1", "dkms": "550.1-2"}, "", ""),
        ({"driver": "580.1-1", "dkms": "580.2-2"}, "", ""),
        ({"driver": "580.1-1"}, "", ""),
    ],
)
def test_driver_stays_in_its_version_until_another_is_asked_for(
    there: dict[str, str], asked: str, version: str
) -> None:
    installed = {name: archive.Package(name, one, name) for name, one in there.items()}
    assert driver.version(driver.Driver("nvidia", ("driver", "dkms"), (), "580", asked), installed) == version


@pytest.mark.parametrize(("there", "asked"), [("1-1", "2-1"), ("2-1", "1-1")])
def test_what_the_driver_depends_on_moves_with_it_up_and_back(
    there: str, asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real apt, with lists and a host of its own. The dependency is not asked for, and the pin of before is still there."""
    if not shutil.which("apt-get"):
        pytest.skip("this needs apt")
    driver_package = archive.Package("drv", asked, "gpu")
    for directory in ("state/lists/partial", "cache/archives/partial", "etc/preferences.d", "archive"):
        (tmp_path / directory).mkdir(parents=True)
    known = {
        (
            name,
            version,
        ): f"Package: {name}\nVersion: {version}\nSource: gpu\nArchitecture: all\nMaintainer: n <n@example.com>\n{depends}"
        for version in ("1-1", "2-1")
        for name, depends in (("drv", f"Depends: lib (= {version})\n"), ("lib", ""))
    }
    rest = f"Filename: ./x.deb\nSize: 1\nSHA256: {'0' * 64}\nDescription: x\n\n"
    (tmp_path / "archive/Packages").write_text("".join(one + rest for one in known.values()))
    here = [one for (_name, version), one in known.items() if version == there]
    (tmp_path / "status").write_text("".join(f"{one}Status: install ok installed\nDescription: x\n\n" for one in here))
    (tmp_path / "etc/sources.list").write_text(f"deb [trusted=yes] file:{tmp_path}/archive ./\n")
    (tmp_path / "etc/preferences.d/unified-gpu").write_text(
        archive.preferences([driver_package._replace(version=there)])
    )
    places = {"Dir::State": "state", "Dir::Cache": "cache", "Dir::Etc": "etc", "Dir::State::status": "status"}
    options = [f"-o{name}={tmp_path}/{place}" for name, place in places.items()]
    options += ["-oDir::Etc::SourceParts=/dev/null", "-oAPT::Sandbox::User=root", "-oAcquire::Languages=none"]
    subprocess.run(["apt-get", *options, "-qq", "update"], check=True, capture_output=True)
    monkeypatch.setattr(archive, "INSTALL", (*archive.INSTALL, *options))
    monkeypatch.setattr(archive, "settled", lambda *_arguments: False)
    steps = archive.simulate([f"drv={asked}"], archive.preferences([driver_package]), str(tmp_path))
    assert steps.installed == {"drv": asked, "lib": asked}
    assert steps.replaced == {"drv": there, "lib": there}


@pytest.mark.parametrize(
    ("source", "goes"),
    [
        ("nvidia-graphics-drivers", True),
        ("nvidia-graphics-drivers-tesla-470", True),
        ("nvidia-graphics-drivers-535-server", True),
        ("nvidia-open-gpu-kernel-modules", True),
        ("nvidia-settings-tesla-535", True),
        ("vendor", True),
        ("nvidia-cuda-toolkit", False),
        ("nvidia-container-toolkit", False),
        ("xserver-xorg-video-nvidia-helper", False),
    ],
)
def test_only_parts_of_drivers_go_for_a_driver(source: str, goes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch, nvidia_driver="580.1-1")
    monkeypatch.setattr(archive, "chosen", lambda *_arguments: [archive.Package("nvidia-driver", "580.1-1", "vendor")])
    monkeypatch.setattr(archive, "headers", lambda _releases: [])
    monkeypatch.setattr(archive, "installed", lambda: {"old": archive.Package("old", "1-1", source)})
    steps = archive.Steps({"nvidia-driver": "580.1-1"}, {}, {"old": "1-1"})
    monkeypatch.setattr(archive, "simulate", lambda *_arguments: steps)
    asked = driver.Driver("nvidia", ("nvidia-driver",), (), "580")
    if goes:
        assert driver.planned(asked, ["6.12"]).steps == steps
    else:
        with pytest.raises(archive.DriverError, match="apt would remove old, which are no parts of a driver"):
            driver.planned(asked, ["6.12"])


def test_exclusion_is_of_whole_names() -> None:
    assert '"^libnvidia-gl\\+1$";' in archive.unattended(["libnvidia-gl+1"])
    assert archive.unattended([]) == archive.preferences([]) == ""


@pytest.mark.parametrize(
    ("log", "line"),
    [
        (
            "CC x.o\nx.c:5:29: error: too few arguments to function 'pci_resize_resource'\nmake: *** [x.o] Error 1",
            "x.c:5:29: error: too few",
        ),
        ('ERROR: modpost: "gone" [nvidia.ko] undefined!', "ERROR: modpost"),
        ("make[1]: *** No rule to make target 'modules'.  Stop.", "make[1]: ***"),
        ("all is well", ""),
    ],
)
def test_line_that_says_why_a_build_failed(log: str, line: str) -> None:
    said = proof.refusal(log)
    assert said.startswith(line) and bool(said) == bool(line)


def test_dkms_module_is_named_by_its_file_and_not_by_its_directory(tmp_path: Path) -> None:
    for entry, text in {
        "a-b-1.0": 'PACKAGE_NAME="a-b"\nPACKAGE_VERSION=1.0 # comment\n',
        "other-2": "PACKAGE_NAME=another\nPACKAGE_VERSION=2\n",
    }.items():
        (tmp_path / "usr/src" / entry).mkdir(parents=True)
        (tmp_path / "usr/src" / entry / "dkms.conf").write_text(text)
    assert [(one.name, one.version) for one in proof.sources(str(tmp_path))] == [("a-b", "1.0")]
    assert proof.sources(str(tmp_path / "nowhere")) == []


@pytest.mark.parametrize("insists", [True, False])
def test_modules_are_remembered_by_the_names_of_their_files_and_their_key(
    insists: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("STATE", "MODULES"):
        monkeypatch.setattr(transaction, name, str(tmp_path / "state" / ("" if name == "STATE" else name)))
    current = proof.Sources("nvidia-current", "550.1", "/usr/src")
    monkeypatch.setattr(driver, "modules", lambda sources: [current] if "debian" in sources else [])
    files = [f"/lib/modules/6.12/updates/dkms/{name}.ko.xz" for name in ("nvidia-current", "nvidia-current-uvm")]
    monkeypatch.setattr(proof, "placed", lambda _module, _release: files)
    monkeypatch.setattr(proof, "trusted_keys", lambda _tree: {} if insists else None)
    monkeypatch.setattr(proof, "_kmod", lambda *_argv: programs.Answer(0, "52:F3\n", ""))
    plan = driver.Plan("nvidia", [], [], "", frozenset(["debian"]), archive.Steps({}, {}, {}))
    transaction.remember(driver.proven_modules(plan, ["6.12"]))
    key = " 52:F3" if insists else ""
    remembered = tmp_path / "state/MODULES"
    assert remembered.read_text() == f"nvidia-current{key}\nnvidia-current-uvm{key}\n"
    # Built and signed by the distribution: its next kernel's may be signed with another key.
    transaction.remember(driver.proven_modules(plan._replace(sources=frozenset(["prebuilt"])), ["6.12"]))
    assert remembered.read_text() == "nvidia\n"


def test_trial_has_the_sources_of_all_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ubuntu's packaging: dkms.conf is in nvidia-dkms-580, and what it builds in nvidia-kernel-source-580."""
    if not shutil.which("dpkg-deb"):
        pytest.skip("this needs dpkg-deb")
    contents = {
        "nvidia-dkms-580": {"usr/src/nvidia-580.1/dkms.conf": 'PACKAGE_NAME="nvidia"\nPACKAGE_VERSION="580.1"\n'},
        "nvidia-kernel-source-580": {"usr/src/nvidia-580.1/Kbuild": "obj-m := nvidia.o\n"},
        "nvidia-utils-580": {"usr/bin/nvidia-smi": ""},
    }
    for name, files in contents.items():
        control = "Version: 580.1-1\nArchitecture: all\nMaintainer: nobody <n@example.com>\nDescription: stand-in\n"
        for path, text in {"DEBIAN/control": f"Package: {name}\n{control}", **files}.items():
            (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / path).write_text(text)
        (tmp_path / name / "DEBIAN").chmod(0o755)
        (tmp_path / "archives").mkdir(exist_ok=True)
        target = str(tmp_path / f"archives/{name}_580.1-1_all.deb")
        subprocess.run(["dpkg-deb", "-Znone", "-b", str(tmp_path / name), target], check=True, capture_output=True)
    monkeypatch.setattr(driver, "WORK", str(tmp_path))
    monkeypatch.setattr(proof, "trusted_keys", lambda _tree: None)
    monkeypatch.setattr(proof, "problems", lambda *_arguments, **_more: [])
    built: list[list[str]] = []

    def build(module: proof.Sources, _release: str, _scratch: str) -> tuple[list[str], str]:
        built.append(sorted(os.listdir(f"{module.directory}/{module.name}-{module.version}")))
        return ["nvidia.ko"], ""

    monkeypatch.setattr(proof, "build", build)
    assert driver.tried(["6.8.0-45-generic"]) == []
    assert built == [["Kbuild", "dkms.conf"]]
    assert os.listdir(tmp_path / "root") == ["usr"]
    assert not (tmp_path / "root/usr/bin").exists()


@pytest.mark.parametrize(("loaded", "same"), [("A1", True), ("B1", False), ("", True)])
def test_loaded_build_is_compared_with_what_lies_in_the_drivers_files(
    loaded: str, same: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "sys/module/nvidia/srcversion", f"{loaded}\n")
    put(tmp_path, health.MODULES, "nvidia-current 52:F3\nnvidia-current-uvm 52:F3\n")
    there = {"nvidia-current": "A1", "nvidia-current-uvm": "A2"}

    def modinfo(*argv: str) -> programs.Answer:
        return programs.Answer(0, "".join(f"{there[name]}\n" for name in argv[5:] if name in there), "")

    monkeypatch.setattr(proof, "_kmod", modinfo)
    assert proof.same_build("nvidia", Tree(str(tmp_path))) is same


def test_host_without_a_kernel_is_no_proof() -> None:
    with pytest.raises(archive.DriverError, match="no kernel that can boot was seen"):
        driver.planned(driver.Driver("nvidia", ("driver",), (), "580"), [])


def test_kernel_whose_headers_nobody_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module built for the others alone would be none at the boot of this one."""
    monkeypatch.setattr(
        archive, "installed", lambda: {"linux-image-amd64": archive.Package("linux-image-amd64", "1", "l")}
    )
    known = {"linux-headers-amd64"}
    monkeypatch.setattr(
        archive,
        "available",
        lambda names: {one: [archive.Package(one, "1", "l")] if one in known else [] for one in names},
    )
    with pytest.raises(archive.DriverError, match=r"no package has its headers \(linux-headers-6.12.999\)"):
        archive.headers(["6.12.999"])
    known.add("linux-headers-6.12.999")
    assert archive.headers(["6.12.999"]) == ["linux-headers-6.12.999", "linux-headers-amd64"]


def test_next_kernel_of_ubuntus_hardware_enablement_has_headers_too(monkeypatch: pytest.MonkeyPatch) -> None:
    there = ("linux-image-generic-hwe-24.04", "linux-image-unsigned-6.8.0-45-generic", "linux-image-amd64-dbg")
    monkeypatch.setattr(archive, "installed", lambda: {name: archive.Package(name, "1", "l") for name in there})
    listed = {"linux-headers-generic-hwe-24.04", "linux-headers-amd64-dbg"}
    monkeypatch.setattr(
        archive, "available", lambda names: {one: [archive.Package(one, "1", "l")] * (one in listed) for one in names}
    )
    assert archive.headers([]) == ["linux-headers-generic-hwe-24.04"]


def test_modules_of_the_kernel_that_a_driver_needs_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """depmod -E takes from Module.symvers only what the kernel itself exports; drm.ko exports what every driver of a GPU needs."""
    base = tmp_path / "lib/modules/6.12"
    drm = base / "kernel/drivers/gpu/drm/drm.ko.xz"
    (base / "build").mkdir(parents=True)
    drm.parent.mkdir(parents=True)
    drm.touch()
    rows = [
        ("0x1", "printk", "vmlinux"),
        ("0x2", "drm_ioctl", "drivers/gpu/drm/drm"),
        ("0x3", "snd_card", "sound/core/snd"),
    ]
    table = "".join(f"{crc}\t{name}\t{module}\tEXPORT_SYMBOL\t\n" for crc, name, module in rows)
    (base / "build/Module.symvers").write_text(table)
    asked = {"/evdi.ko": "0x1\tprintk\n0x2\tdrm_ioctl\n", "/plain.ko": "0x1\tprintk\n"}
    monkeypatch.setattr(proof, "_kmod", lambda *argv: programs.Answer(0, asked[argv[-1]], ""))
    tree = Tree(str(tmp_path))
    assert proof.providers(["/evdi.ko"], "6.12", tree) == [str(drm)]
    assert proof.providers(["/plain.ko"], "6.12", tree) == []


def test_way_back_takes_what_was_kept_and_asks_the_archive_for_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package that went, one that was replaced, one that was killed while it was unpacked, and one that is new.

    Others came or moved since by somebody else: they stay.
    """
    for name in ("STATE", "RECORD", "TRANSACTION", "KEPT"):
        monkeypatch.setattr(transaction, name, str(tmp_path / name))
    before = {"gone": "1-1", "newer": "1-1", "torn": "1-1", "secured": "1-1"}
    after = {"newer": "2-1", "torn": "2-1", "new": "1-1", "secured": "2-1"}
    begun = {"before": before, "after": after, "files": {}, "sources": ["driver"]}
    (tmp_path / "TRANSACTION").write_text(json.dumps(begun))
    (tmp_path / "KEPT").mkdir()
    (tmp_path / "KEPT/newer_1-1_amd64.deb").touch()
    now = {"newer": "2-1", "torn": "1-1", "new": "1-1", "secured": "2-2", "openssl": "3-2"}
    monkeypatch.setattr(
        archive, "installed", lambda: {name: archive.Package(name, one, name) for name, one in now.items()}
    )
    torn = [["torn"], []]
    monkeypatch.setattr(archive, "broken", lambda: torn.pop(0) if torn else [])
    calls: list[list[str]] = []
    monkeypatch.setattr(programs, "run", lambda argv, **_more: calls.append(list(argv)) or programs.Answer(0, "", ""))
    assert transaction.undo() == "The driver of before is there again"
    assert calls[0] == ["dpkg", "--purge", "--force-remove-reinstreq", "--force-depends", "new"]
    assert calls[1] == ["dpkg", "--force-confold", "--install", str(tmp_path / "KEPT/newer_1-1_amd64.deb")]
    assert set(calls[2][calls[2].index("install") + 1 :]) == {"gone=1-1", "torn=1-1"}
    assert not transaction.begun()


def test_what_the_archive_no_longer_has_is_named_before_it_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """apt-get is a fake whose archive has dropped one of two packages."""
    for name in ("STATE", "RECORD", "TRANSACTION", "KEPT"):
        monkeypatch.setattr(transaction, name, str(tmp_path / ("" if name == "STATE" else name)))
    monkeypatch.setattr(transaction, "OWN_FILES", ())
    there = {"drv": "1-1", "lib": "1-1"}
    monkeypatch.setattr(transaction, "versions", lambda: there)

    def download(argv: list[str], **_more: int) -> programs.Answer:
        if argv[-1] == "drv=1-1":
            (tmp_path / "KEPT/drv_1-1_amd64.deb").touch()
        return programs.Answer(0 if argv[-1] == "drv=1-1" else 100, "", "")

    monkeypatch.setattr(programs, "run", download)
    assert transaction.begin(archive.Steps({"drv": "2-1", "lib": "2-1"}, there, {}), {"drv"}) == ["lib 1-1"]
    assert transaction.begun()


def test_what_others_install_meanwhile_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler came for DKMS; openssh came by somebody's hand while the driver was built, and git after a kill."""
    for name in ("STATE", "RECORD", "TRANSACTION", "KEPT"):
        monkeypatch.setattr(transaction, name, str(tmp_path / ("" if name == "STATE" else name)))
    monkeypatch.setattr(transaction, "OWN_FILES", ())
    now = {"bash": "1-1"}
    monkeypatch.setattr(
        archive, "installed", lambda: {name: archive.Package(name, one, name) for name, one in now.items()}
    )
    monkeypatch.setattr(archive, "broken", list)
    monkeypatch.setattr(programs, "run", lambda *_argv, **_more: programs.Answer(0, "", ""))
    transaction.begin(archive.Steps({"drv": "1-1", "gcc": "1-1", "lib": "2-1"}, {}, {}), {"drv"})
    now.update({"drv": "1-1", "gcc": "1-1", "openssh": "1-1"})
    transaction.end()
    assert transaction.record() == {"installed": ["drv", "gcc"], "sources": ["drv"]}
    transaction.begin(archive.Steps({"drv": "2-1"}, {"drv": "1-1"}, {}), {"drv"})
    now.update({"drv": "2-1", "git": "1-1"})
    assert transaction.recover() == ["finished what a killed run began"]
    assert transaction.record()["installed"] == ["drv", "gcc"]


NEEDS = {
    "drv": archive.Needs([["dkms"], ["lib"]], []),
    "lib": archive.Needs([], []),
    "dkms": archive.Needs([["gcc", "c-compiler"], ["make"]], []),
    "gcc": archive.Needs([["gcc-14"]], ["c-compiler"]),
    "gcc-14": archive.Needs([], []),
    "make": archive.Needs([], []),
    "linux-headers-amd64": archive.Needs([], []),
    "bash": archive.Needs([["libc6"]], []),
}


@pytest.mark.parametrize(
    ("others", "stays"),
    [
        ({}, set()),
        ({"build-essential": [["gcc"], ["make"]]}, {"gcc", "gcc-14", "make"}),
        ({"waf": [["c-compiler"]]}, {"gcc", "gcc-14"}),
        ({"waf": [["tcc", "c-compiler"]], "tcc": []}, set()),
        ({"zfs-dkms": [["dkms"]]}, {"dkms", "gcc", "gcc-14", "make", "linux-headers-amd64"}),
        # apt would take it away, and is asked before: that is refused.
        ({"cuda": [["lib"]]}, set()),
    ],
)
def test_what_others_need_by_now_stays(others: dict[str, list[list[str]]], stays: set[str]) -> None:
    names = set(NEEDS) - {"bash"}
    there = {**NEEDS, **{name: archive.Needs(groups, []) for name, groups in others.items()}}
    assert removal.unneeded(names, {"drv", "lib"}, there) == sorted(names - stays)


def test_needs_are_read_from_the_fields_of_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (
        "dkms\tinstalled\tdpkg (>= 1.17), gcc | c-compiler, perl:any\tdkms-abi (= 3)\n"
        "gone\tconfig-files\t, libc6\t\nbare\tunpacked\t, \t\n"
    )
    monkeypatch.setattr(programs, "run", lambda *_argv, **_more: programs.Answer(0, rows, ""))
    assert archive.needs() == {
        "dkms": archive.Needs([["dpkg"], ["gcc", "c-compiler"], ["perl"]], ["dkms-abi"]),
        "bare": archive.Needs([], []),
    }


def test_driver_that_others_need_stays_and_they_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {name: archive.Package(name, "1-1", "gpu" if name in ("drv", "lib") else name) for name in (*NEEDS, "cuda")}
    monkeypatch.setattr(archive, "installed", lambda: there)
    monkeypatch.setattr(archive, "needs", lambda: {**NEEDS, "cuda": archive.Needs([["lib"]], [])})
    monkeypatch.setattr(transaction, "begun", lambda: False)
    monkeypatch.setattr(transaction, "record", lambda: {"installed": sorted(set(NEEDS) - {"bash"}), "sources": ["gpu"]})
    asked: list[list[str]] = []
    said = "Remv cuda [1-1]\nRemv lib [1-1]\nRemv drv [1-1]\n"
    monkeypatch.setattr(programs, "run", lambda argv, **_more: asked.append(list(argv)) or programs.Answer(0, said, ""))
    with pytest.raises(archive.DriverError, match=r"^cuda need the driver and would go too"):
        removal.absent(dry=False)
    assert len(asked) == 1 and "-s" in asked[0]


def test_full_boot_is_refused_before_anything_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """The initramfs of the kernel that can boot has 60 MiB, and is written once more beside itself."""
    free = [50 << 20]
    image, exists = "/boot/initrd.img-6.12.107", os.path.exists
    monkeypatch.setattr(os.path, "exists", lambda path: path == image or exists(path))
    monkeypatch.setattr(os.path, "getsize", {image: 60 << 20}.__getitem__)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=free[0]))
    monkeypatch.setattr(archive, "installed", lambda: pytest.fail("apt was asked although /boot is full"))
    monkeypatch.setattr(transaction, "versions", lambda: pytest.fail("something was begun although /boot is full"))
    steps = archive.Steps({"nvidia-driver": "550.163.01-2"}, {}, {})
    plan = driver.Plan("nvidia", [], ["dkms"], "", frozenset(), steps)
    with pytest.raises(driver.DriverError, match="/boot has 50 MiB left, and a new initramfs needs 72"):
        driver.carried_out(plan, ["6.12.107"])
    free[0] = 80 << 20
    driver.room(["6.12.107"])


def test_key_is_armored_as_gpg_reads_it(keys: dict[str, tuple[bytes, bytes, str]]) -> None:
    for armored, packets, _fingerprint in keys.values():
        assert openpgp.dearmored(openpgp.armored(packets)) == packets
        body = [line for line in armored.decode().splitlines() if line and not line.startswith("-")]
        ours = [line for line in openpgp.armored(packets).decode().splitlines() if line and not line.startswith("-")]
        assert ours == body or not body[-1].startswith("=")


def test_file_of_dnf_asks_for_both_signatures_whatever_the_host_allows() -> None:
    text = source_dnf.text(repository(b"", ""), "/etc/pki/rpm-gpg/unified-vendor.asc")
    assert text.splitlines() == [
        "[unified-vendor]",
        "name=unified-vendor",
        "baseurl=https://example.com/",
        "enabled=1",
        "gpgcheck=1",
        "repo_gpgcheck=1",
        "gpgkey=file:///etc/pki/rpm-gpg/unified-vendor.asc",
        "sslverify=1",
        "skip_if_unavailable=0",
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "a/b"}, "name of a file of dnf"),
        ({"suites": ("trixie",)}, "knows no suites"),
        ({"components": ("main",)}, "knows no suites"),
        ({"url": "https://example.com/\ngpgcheck=0"}, "no address"),
        ({"url": "http://example.com/"}, "not protected"),
    ],
)
def test_repository_for_dnf_that_would_write_another_line_is_refused(change: dict[str, t.Any], said: str) -> None:
    with pytest.raises(source.SourceError, match=said):
        source_dnf.check(repository(b"", "")._replace(**change))

"""The hooks after a kernel's package, run by run-parts as linux-run-hooks does; modinfo, depmod, logger and DKMS's hook are fakes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.conftest import INSTALLED

HOOK = INSTALLED / "ansible_collections/unified/deploy/roles/gpu/templates/kernel-hook.sh.j2"
KERNEL = "6.12.107+deb13-amd64"
MODULES = ("nvidia-current-open", "nvidia-current-open-uvm")


class Host:
    """A host on which DKMS builds, or does not, the modules that Debian's open flavour has."""

    def __init__(self, root: Path) -> None:
        self.root, self.state = root, root / "state"
        text = HOOK.read_text().replace("state=/var/lib/unified/gpu", f"state={self.state}")
        self.place("bin/modinfo", f'cat "{root}/built/$2/$5/$4" 2>/dev/null || exit 1')
        self.place("bin/depmod", f'cat "{root}/symbols" >&2 2>/dev/null || true')
        self.place("bin/logger", f'echo "$*" >>"{root}/journal"')
        for name in ("postinst.d/00-", "postinst.d/zz-", "header_postinst.d/zz-", "postrm.d/zz-"):
            self.place(f"{name}unified-gpu", text)
        for directory in ("postinst.d", "header_postinst.d"):
            self.place(
                f"{directory}/dkms",
                f'[ ! -e "{root}/fails" ] || exit 11; [ ! -d "{root}/would" ] || cp -r "{root}/would" "{root}/built"',
            )
        self.remember(*MODULES)

    def place(self, name: str, text: str) -> None:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)

    def remember(self, *lines: str) -> None:
        self.state.mkdir(exist_ok=True)
        (self.state / "modules").write_text("".join(f"{line}\n" for line in lines))

    def would_build(self, *, magic: str = KERNEL, key: str = "52:F3") -> None:
        for module in MODULES:
            place = self.root / "would" / KERNEL / module
            place.mkdir(parents=True, exist_ok=True)
            (place / "vermagic").write_text(f"{magic} SMP preempt mod_unload modversions\n")
            (place / "sig_key").write_text(f"{key}\n")

    def hooks(self, directory: str = "postinst.d") -> tuple[int, str]:
        """Exit status of the run, and what is known of the kernel afterwards."""
        argv = ["run-parts", "--exit-on-error", f"--arg={KERNEL}", str(self.root / directory)]
        environment = {"PATH": f"{self.root}/bin:/usr/bin:/bin"}
        done = subprocess.run(argv, check=False, env=environment, capture_output=True, text=True)
        drift = self.state / "drift" / KERNEL
        return done.returncode, drift.read_text().strip() if drift.exists() else ""


@pytest.fixture
def host(tmp_path: Path) -> Host:
    if not shutil.which("run-parts"):
        pytest.skip("this needs run-parts")
    return Host(tmp_path)


def test_driver_is_found_by_the_names_of_its_files(host: Host) -> None:
    host.would_build()
    assert host.hooks() == (0, "")
    assert not (host.root / "journal").exists()


def test_kernel_for_which_dkms_fails_is_reported_although_no_later_hook_runs(host: Host) -> None:
    (host.root / "fails").touch()
    code, drift = host.hooks()
    assert code and drift == "nvidia-current-open is not built for it"


def test_headers_that_come_after_their_kernel_end_what_was_reported(host: Host) -> None:
    assert host.hooks() == (0, "nvidia-current-open is not built for it")
    assert f"do not boot {KERNEL}: nvidia-current-open is not built for it" in (host.root / "journal").read_text()
    host.would_build()
    assert host.hooks("header_postinst.d") == (0, "")


def test_module_that_the_kernel_would_refuse_is_reported(host: Host) -> None:
    host.would_build(magic="6.12.94")
    assert host.hooks() == (0, "nvidia-current-open was built for 6.12.94")
    shutil.rmtree(host.root / "built")
    host.would_build()
    needed = "nvidia-current-open-uvm.ko.xz needs unknown symbol nvidia_gone"
    lines = ["/updates/dkms/other.ko needs unknown symbol x", f"depmod: WARNING: /updates/dkms/{needed}"]
    (host.root / "symbols").write_text("".join(f"{line}\n" for line in lines))
    assert host.hooks()[1].endswith(needed)
    (host.root / "symbols").unlink()
    assert host.hooks() == (0, "")


def test_key_of_another_build_is_reported_where_the_kernel_insists_on_one(host: Host) -> None:
    host.remember(*(f"{module} 52:F3" for module in MODULES))
    host.would_build()
    assert host.hooks() == (0, "")
    shutil.rmtree(host.root / "built")
    host.would_build(key="A0:01")
    assert "nvidia-current-open is not signed with the key 52:F3" in host.hooks()[1]


def test_host_that_does_not_know_its_modules_says_so(host: Host) -> None:
    (host.state / "modules").unlink()
    assert "run the role" in host.hooks()[1]


def test_kernel_that_goes_takes_its_report_along(host: Host) -> None:
    assert host.hooks()[1]
    assert host.hooks("postrm.d") == (0, "")

"""Root file systems of Debian servers, built from Debian's archive and cached by what they are made of."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import time
from pathlib import Path

from .store import ADMIN, CACHE, KEY, HostsError, locked, need, run, say

SUITES = {"debian12": "bookworm", "debian13": "trixie"}
MIRROR = os.environ.get("UNIFIED_DEBIAN_MIRROR", "http://deb.debian.org/debian")
# What a Debian server installation has beyond priority "important"; linux-base makes it count as a
# machine with a kernel, which many benchmark rules ask for.
PACKAGES = sorted(
    [
        "apparmor",
        "apt-utils",
        "ca-certificates",
        "cron",
        "dbus",
        "iproute2",
        "kmod",
        "libpam-systemd",
        "linux-base",
        "logrotate",
        "nftables",
        "openssh-server",
        "procps",
        "python3",
        "python3-apt",
        "rsyslog",
        "sudo",
        "systemd-sysv",
        "systemd-timesyncd",
    ]
)
# Programs that do the same on every architecture, and most of what an installation runs.
BORROWED = (
    "basename bash cat chmod chown cp cut dash dirname dpkg-deb dpkg-divert env expr find getopt grep gzip head id install ln ls mawk md5sum "
    "mkdir mktemp mv perl readlink rm rmdir sed sha256sum sort stat tail tar test touch tr uniq wc xargs"
)
BORROW = f"""set -eu
cp -a "$1/usr/lib/x86_64-linux-gnu" "$2/usr/lib/"
mkdir "$2/usr/lib64"
ln -s usr/lib64 "$2/lib64"
cp -L "$1/lib64/ld-linux-x86-64.so.2" "$2/lib64/"
for name in {BORROWED}; do
  program=usr/bin/$name
  [ -f "$1/$program" ] && [ -f "$2/$program" ] || continue
  mv "$2/$program" "$2/$program.foreign"
  cp "$1/$program" "$2/$program"
done
"""
RETURN = """set -eu
for kept in "$2"/usr/bin/*.foreign; do mv "$kept" "${kept%.foreign}"; done
rm -r "$2/usr/lib/x86_64-linux-gnu" "$2/usr/lib64" "$2/lib64"
"""
# Bumped when customise() changes, so that old caches are not taken for new ones.
LAYOUT = 4


def key_pair() -> str:
    """The tool's own SSH key (made once); returns the public half."""
    with locked("key"):
        if not KEY.exists():
            need({"ssh-keygen": "openssh-client"})
            run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "unified-deploy-tests", "-f", str(KEY)], why="key"
            )
    return KEY.with_suffix(".pub").read_text()


def native() -> str:
    """This machine's architecture, as Debian names it."""
    return run(["dpkg", "--print-architecture"], why="ask for the architecture").strip()


def emulate(architecture: str) -> None:
    """Let this kernel start another architecture's programs (QEMU's user-mode emulation), which building its images needs."""
    program = {"arm64": "qemu-aarch64", "riscv64": "qemu-riscv64", "amd64": "qemu-x86_64"}[architecture]
    registered = Path("/proc/sys/fs/binfmt_misc")
    if architecture == native() or (registered / program).exists():
        return
    need({f"{program}-static": "qemu-user-static"})
    if not (registered / "register").exists():
        run(
            ["mount", "-t", "binfmt_misc", "binfmt_misc", str(registered)],
            why="reach the kernel's table of program formats",
        )
    if not (registered / program).exists():
        (registered / "register").write_text(Path(f"/usr/lib/binfmt.d/{program}.conf").read_text())


def borrowing(suite: str, architecture: str) -> list[str]:
    """Options of mmdebstrap(1): while it installs another architecture's packages, shell and perl are those of this machine's.

    Emulated they take most of an hour on a busy machine. What is borrowed comes from the suite's own tree, so that versions agree.
    """
    if native() != "amd64" or architecture == native():
        return []
    tree = shlex.quote(str(rootfs(suite)))
    return [
        f'--{when}-hook=sh -c {shlex.quote(script)} sh {tree} "$1"'
        for when, script in (("essential", BORROW), ("customize", RETURN))
    ]


def rootfs(suite: str, architecture: str = "", extra: tuple[str, ...] = ()) -> Path:
    """Directory of the unpacked root file system of SUITE, built on first use.

    Args:
        architecture: Debian's name of it; this machine's own when empty. Another one needs QEMU's user-mode emulation.
        extra: packages beyond PACKAGES.
    """
    architecture = architecture or native()
    if suite not in SUITES:
        raise HostsError(f"unknown suite '{suite}': one of {', '.join(SUITES)}")
    packages = sorted([*PACKAGES, *extra])
    recipe = {"suite": suite, "packages": packages, "mirror": MIRROR, "layout": LAYOUT, "key": key_pair()}
    label = suite
    if extra or architecture != native():
        recipe["architecture"] = architecture
        label = f"{suite}-{architecture}"
    digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:12]
    target = CACHE / "images" / f"{label}-{digest}"
    with locked(f"image-{label}"):
        if (target / "built.json").exists():
            return target / "rootfs"
        need({"mmdebstrap": "mmdebstrap"})
        emulate(architecture)
        say(
            f"building the {label} root file system from {MIRROR} (20 to 60 s, another architecture some minutes, once)"
        )
        started = time.monotonic()
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        root = target / "rootfs"
        archive = target / "rootfs.tar"
        run(
            [
                "mmdebstrap",
                "--variant=important",
                f"--include={','.join(packages)}",
                f"--architectures={architecture}",
                *borrowing(suite, architecture),
                SUITES[suite],
                str(archive),
                MIRROR,
            ],
            why=f"build {label}",
        )
        root.mkdir()
        run(["tar", "-C", str(root), "--xattrs", "--xattrs-include=*", "-xpf", str(archive)], why="unpack")
        archive.unlink()
        customise(root)
        for old in (CACHE / "images").glob(f"{label}-{'[0-9a-f]' * 12}"):
            if old != target:
                shutil.rmtree(old, ignore_errors=True)
        versions = run(["chroot", str(root), "dpkg-query", "-W"], why="record packages").splitlines()
        record = {**recipe, "seconds": round(time.monotonic() - started, 1), "packages_installed": versions}
        (target / "built.json").write_text(json.dumps(record, indent=1))
    return target / "rootfs"


def customise(root: Path) -> None:
    """Give the root file system an administrator with sudo and the tool's key, and nothing else of ours."""
    run(["chroot", str(root), "useradd", "-m", "-s", "/bin/bash", "-G", "sudo", ADMIN], why="add administrator")
    # A locked password ('!') would fail account checks that a real administrator passes.
    run(["chroot", str(root), "usermod", "-p", "$6$unifiedtests$" + "x" * 86, ADMIN], why="set a password hash")
    ssh = root / "home" / ADMIN / ".ssh"
    ssh.mkdir(mode=0o700)
    (ssh / "authorized_keys").write_text(key_pair())
    (ssh / "authorized_keys").chmod(0o600)
    run(["chroot", str(root), "chown", "-R", f"{ADMIN}:{ADMIN}", f"/home/{ADMIN}/.ssh"], why="own the key")
    sudoers = root / "etc/sudoers.d" / ADMIN
    sudoers.write_text(f"{ADMIN} ALL=(ALL:ALL) NOPASSWD: ALL\n")
    sudoers.chmod(0o440)
    for path in (root / "etc/ssh").glob("ssh_host_*"):
        path.unlink()
    (root / "etc/machine-id").write_text("")
    (root / "etc/apt/apt.conf.d/99tests").write_text('Acquire::Languages "none";\n')
    # It would clear the machine's own binfmt table from inside a privileged container.
    (root / "etc/systemd/system/systemd-binfmt.service").symlink_to("/dev/null")
    # A container has no console to ask for a login on: it would end and be started until systemd gives it up.
    (root / "etc/systemd/system/console-getty.service").symlink_to("/dev/null")
    unit = root / "etc/systemd/system/ssh-host-keys.service"
    unit.write_text(
        "[Unit]\nDescription=Make this host's SSH keys\nBefore=ssh.service\nConditionPathExists=!/etc/ssh/ssh_host_ed25519_key\n"
        "[Service]\nType=oneshot\nExecStart=/usr/bin/ssh-keygen -A\n[Install]\nWantedBy=multi-user.target\n"
    )
    wants = root / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / unit.name).symlink_to(f"/etc/systemd/system/{unit.name}")

"""Stand-in archives of a vendor, made and served inside a test host: real apt, real keys, real DKMS modules, but nobody's driver.

Run on the host: python3 gpu_archive.py DIRECTORY COMMAND...
  key NAME [LIFETIME YEAR]   an own key (expired long ago with a lifetime); prints its fingerprint, DIRECTORY/NAME.asc holds it
  publish NAME KEY           packages (JSON on stdin) as the archive NAME, signed with KEY; not signed with -
  publish-rpm NAME KEY       the same for dnf: packages in which nothing is, of "name", "version", "requires" and "pre" (Lua, run before they come)
  certify                    a certificate of 127.0.0.1 that the host trusts
  serve                      DIRECTORY/www on https://127.0.0.1:8443 and http://127.0.0.1:8080; /downgrade/ leads from one to the other

A package is {"name", "version", "source", "depends", "fails_on"}; one whose name ends with -dkms builds two modules of which one
needs a symbol of the other, and does not compile for kernels from `fails_on` ("6,12,107") on. Where it depends on one with kernel-source in its
name, that one has the sources, as in Ubuntu.
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
from pathlib import Path

MODULE = """
#include <linux/module.h>
#include <linux/version.h>
%(guard)s
int standin_answer(void);
int standin_answer(void) { return 42; }
EXPORT_SYMBOL(standin_answer);
static int __init standin_start(void) { return -ENODEV; }
static void __exit standin_stop(void) { }
module_init(standin_start);
module_exit(standin_stop);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("stand-in");
MODULE_VERSION("%(version)s");
"""
USER = """
#include <linux/module.h>
int standin_answer(void);
static int __init standin_start(void) { return standin_answer() == 42 ? -ENODEV : 0; }
static void __exit standin_stop(void) { }
module_init(standin_start);
module_exit(standin_stop);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("stand-in");
"""
GUARD = "#if LINUX_VERSION_CODE >= KERNEL_VERSION(%s)\nvoid standin_resize(void) { too_few_arguments }\n#endif"
# As Debian has it: what the kernel calls nvidia lies in nvidia-current.ko, and modprobe is told so by MODPROBE.
DKMS = """PACKAGE_NAME="nvidia-current"
PACKAGE_VERSION="%(version)s"
BUILT_MODULE_NAME[0]="nvidia"
BUILT_MODULE_NAME[1]="nvidia-uvm"
DEST_MODULE_NAME[0]="$PACKAGE_NAME"
DEST_MODULE_NAME[1]="$PACKAGE_NAME-uvm"
DEST_MODULE_LOCATION[0]="/updates/dkms"
DEST_MODULE_LOCATION[1]="/updates/dkms"
AUTOINSTALL="yes"
MAKE[0]="make -C /lib/modules/$kernelver/build M=$dkms_tree/$PACKAGE_NAME/$PACKAGE_VERSION/build modules"
"""
MODPROBE = """install nvidia modprobe -i nvidia-current $CMDLINE_OPTS
install nvidia-uvm modprobe nvidia ; modprobe -i nvidia-current-uvm $CMDLINE_OPTS
"""


def run(argv: list[str], **options: object) -> str:
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True, **options).stdout  # type: ignore[call-overload]


def gpg(base: Path, *argv: str, year: str = "") -> str:
    home = base / "gnupg"
    home.mkdir(mode=0o700, exist_ok=True)
    then = [f"--faked-system-time={year}0101T000000!"] if year else []
    return run(
        [
            "gpg",
            "--batch",
            "--quiet",
            "--homedir",
            str(home),
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
            *then,
            *argv,
        ]
    )


def key(base: Path, name: str, lifetime: str = "never", year: str = "") -> None:
    gpg(base, "--quick-gen-key", name, "rsa3072", "sign", lifetime, year=year)
    (base / f"{name}.asc").write_text(gpg(base, "--armor", "--export", name))
    rows = gpg(base, "--with-colons", "--list-keys", name).splitlines()
    print(next(row.split(":")[9] for row in rows if row.startswith("fpr")))


def package(base: Path, target: Path, one: dict[str, str]) -> None:
    root = base / "build" / one["name"]
    shutil.rmtree(root, ignore_errors=True)
    control = root / "DEBIAN"
    control.mkdir(parents=True)
    fields = {
        "Package": one["name"],
        "Version": one["version"],
        "Architecture": "amd64",
        "Maintainer": "Stand-in <standin@example.com>",
        "Source": one.get("source", one["name"]),
        "Depends": one.get("depends", ""),
        "Conflicts": one.get("conflicts", ""),
        "Description": "stand-in for tests",
    }
    (control / "control").write_text("".join(f"{name}: {value}\n" for name, value in fields.items() if value))
    if "kernel-source" in one["name"]:
        sources(root, one)
    if one["name"].endswith("-dkms"):
        dkms(root, control, one)
        if "kernel-source" not in fields["Depends"]:
            sources(root, one)
    if one["name"].endswith("-persistenced"):
        unit = root / "usr/lib/systemd/system" / f"{one['name']}.service"
        unit.parent.mkdir(parents=True)
        unit.write_text("[Service]\nExecStart=/bin/false\n[Install]\nWantedBy=multi-user.target\n")
    run(
        [
            "dpkg-deb",
            "--root-owner-group",
            "-Zgzip",
            "-b",
            str(root),
            str(target / f"{one['name']}_{one['version']}.deb"),
        ]
    )


def source_directory(root: Path, one: dict[str, str]) -> tuple[Path, str]:
    version = one["version"].rpartition("-")[0]
    source = root / f"usr/src/nvidia-current-{version}"
    source.mkdir(parents=True, exist_ok=True)
    return source, version


def sources(root: Path, one: dict[str, str]) -> None:
    source, version = source_directory(root, one)
    guard = GUARD % one["fails_on"] if one.get("fails_on") else ""
    (source / "nvidia.c").write_text(MODULE % {"version": version, "guard": guard})
    (source / "nvidia-uvm.c").write_text(USER)
    (source / "Kbuild").write_text("obj-m := nvidia.o nvidia-uvm.o\n")


def dkms(root: Path, control: Path, one: dict[str, str]) -> None:
    source, version = source_directory(root, one)
    (source / "dkms.conf").write_text(DKMS % {"version": version})
    (root / "etc/modprobe.d").mkdir(parents=True)
    (root / "etc/modprobe.d/nvidia.conf").write_text(MODPROBE)
    # What dh_dkms writes.
    (control / "postinst").write_text(
        f'#!/bin/sh\nset -e\n[ "$1" != configure ] || /usr/lib/dkms/common.postinst nvidia-current {version} "" "" "$2"\n'
    )
    (control / "prerm").write_text(f"#!/bin/sh\nset -e\ndkms remove -m nvidia-current -v {version} --all || true\n")
    for name in ("postinst", "prerm"):
        (control / name).chmod(0o755)


def publish(base: Path, name: str, signer: str) -> None:
    """Keeps what the archive had, as archives do."""
    target = base / "www" / name
    target.mkdir(parents=True, exist_ok=True)
    for one in json.load(sys.stdin):
        package(base, target, one)
    (target / "Packages").write_text(run(["apt-ftparchive", "packages", "."], cwd=target))
    for old in ("InRelease", "Release"):
        (target / old).unlink(missing_ok=True)
    (target / "Release").write_text(
        run(["apt-ftparchive", "-o", "APT::FTPArchive::Release::Origin=standin", "release", "."], cwd=target)
    )
    if signer != "-":
        year = "2020" if signer.startswith("expired") else ""
        gpg(
            base,
            "--local-user",
            signer,
            "--clearsign",
            "--output",
            str(target / "InRelease"),
            str(target / "Release"),
            year=year,
        )


SPEC = """Name: %(name)s
Version: %(version)s
Release: 1
Summary: stand-in for tests
License: MIT
BuildArch: noarch
%(requires)s
%%description
%%pre -p <lua>
%(pre)s
%%files
"""


def publish_rpm(base: Path, name: str, signer: str) -> None:
    target = base / "www" / name
    target.mkdir(parents=True, exist_ok=True)
    own = ["--define", f"_gpg_path {base}/gnupg", "--define", f"_gpg_name {signer}"]
    for one in json.load(sys.stdin):
        spec = base / "standin.spec"
        requires = f"Requires: {one['requires']}" if one.get("requires") else ""
        spec.write_text(SPEC % {"pre": "", **one, "requires": requires})
        places = ["--define", f"_rpmdir {target}", "--define", f"_topdir {base}/rpm"]
        run(["rpmbuild", "-bb", *places, str(spec)], stderr=subprocess.DEVNULL)
        # No program signs with a key of the past.
        for file in () if signer == "-" or signer.startswith("expired") else target.glob(f"noarch/{one['name']}-*.rpm"):
            run(["rpmsign", *own, "--addsign", str(file)])
    run(["createrepo_c", "--quiet", str(target)])
    listing = target / "repodata" / "repomd.xml"
    if signer != "-":
        year = "2020" if signer.startswith("expired") else ""
        listing.with_suffix(".xml.asc").unlink(missing_ok=True)
        signature = ["--armor", "--output", f"{listing}.asc", "--detach-sign", str(listing)]
        gpg(base, "--local-user", signer, *signature, year=year)


def certify(base: Path) -> None:
    subject = ["-subj", "/CN=stand-in archive", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "30"]
    files = ["-keyout", str(base / "tls.key"), "-out", str(base / "tls.crt")]
    run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *files, *subject], stderr=subprocess.DEVNULL)
    shutil.copy(base / "tls.crt", "/usr/local/share/ca-certificates/standin.crt")
    run(["update-ca-certificates"], stderr=subprocess.DEVNULL)


class Handler(http.server.SimpleHTTPRequestHandler):
    # apt takes a connection that ends without being closed for a cut one.
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.startswith("/downgrade/"):
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:8080/{self.path.removeprefix('/downgrade/')}")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, *_line: object) -> None:
        return


def serve(base: Path) -> None:
    handler = functools.partial(Handler, directory=str(base / "www"))
    plain = http.server.ThreadingHTTPServer(("127.0.0.1", 8080), handler)
    secure = http.server.ThreadingHTTPServer(("127.0.0.1", 8443), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(base / "tls.crt", base / "tls.key")
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    threading.Thread(target=plain.serve_forever, daemon=True).start()
    secure.serve_forever()


if __name__ == "__main__":
    os.umask(0o022)
    place = Path(sys.argv[1])
    place.mkdir(exist_ok=True)
    {"key": key, "publish": publish, "publish-rpm": publish_rpm, "certify": certify, "serve": serve}[sys.argv[2]](
        place, *sys.argv[3:]
    )

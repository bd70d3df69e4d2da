"""Machine Owner Keys: EFI variables as directories, openssl and mokutil by fakes that write what the real ones write. DKMS is not installed."""

from __future__ import annotations

import base64
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError
from ansible_collections.unified.deploy.plugins.module_utils._gpu import boot, proof, tree
from ansible_collections.unified.deploy.plugins.module_utils._gpu.facts import gather
from ansible_collections.unified.deploy.plugins.module_utils._gpu.steps import mok as step
from ansible_collections.unified.deploy.plugins.plugin_utils._gpu import conflicts

from tests.secrets.modules import five_steps, run
from tests.unit.gpu_machines import build, put

DER = b"\x30\x03\x02\x01\x01"
VARIABLES = "sys/firmware/efi/efivars"
PASSWORD = "at the console only"


def signature_list(der: bytes) -> bytes:
    entry = boot.OWNER + len(der)
    return boot.LIST_HEADER.pack(boot.X509, boot.LIST_HEADER.size + entry, 0, entry) + bytes(16) + der


@dataclass
class FakeTools:
    """openssl makes a key, mokutil requests its import, and nothing else is installed."""

    root: Path
    stdin: list[str] = field(default_factory=list)
    argv: list[list[str]] = field(default_factory=list)
    refuses: bool = False

    def __call__(self, argv: t.Sequence[str], *, stdin: str = "", **_options: t.Any) -> programs.Answer:
        self.argv.append(list(argv))
        if argv[0] not in ("openssl", "mokutil"):
            raise ChangeError(f"{argv[0]}: is not installed")
        if argv[0] == "openssl":
            Path(argv[argv.index("-keyout") + 1]).write_text("MADE HERE")
            Path(argv[argv.index("-out") + 1]).write_bytes(DER)
        if argv[0] == "mokutil":
            self.stdin.append(stdin)
            if self.refuses:
                return programs.Answer(1, "", "EFI variables are not supported on this system")
            der = Path(argv[argv.index("--import") + 1]).read_bytes()
            put(self.root, f"{VARIABLES}/MokNew-{boot.SHIM}", bytes(4) + signature_list(der))
        return programs.Answer(0, "", "")


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTools:
    real = tree.Tree.__init__
    monkeypatch.setattr(tree.Tree, "__init__", lambda self, _root="/": real(self, str(tmp_path)))
    fake = FakeTools(tmp_path)
    monkeypatch.setattr(programs, "run", fake)
    return fake


def secure_boot(root: Path, value: bytes = b"\1") -> None:
    put(root, f"{VARIABLES}/SecureBoot-{boot.GLOBAL}", bytes(4) + value)


def test_four_states_in_the_order_in_which_they_come(tools: FakeTools) -> None:
    off = run("gpu_mok", {"manage": True, "password": PASSWORD})
    assert (off["changed"], off["state"]) == (False, "off")
    secure_boot(tools.root)
    assert run("gpu_mok", {})["state"] == "absent"
    made = five_steps("gpu_mok", {"manage": True, "password": PASSWORD})
    assert made["state"] == "pending"
    # Asked twice, as on a terminal, once for all runs, and never where others can read it.
    assert tools.stdin == [f"{PASSWORD}\n{PASSWORD}\n"]
    assert PASSWORD not in str(tools.argv) and PASSWORD not in str(made)
    # The role's task hides nothing else, for it would hide every message too.
    assert [name for name, option in step.SPEC.items() if option.get("no_log")] == ["password", "private_key"]
    # The boot: shim moves the certificate from the request to the list.
    (tools.root / VARIABLES / f"MokNew-{boot.SHIM}").unlink()
    put(tools.root, "sys/firmware/efi/mok-variables/MokListRT", signature_list(DER))
    assert run("gpu_mok", {"manage": True, "password": PASSWORD})["state"] == "enrolled"
    assert len(tools.stdin) == 1


@pytest.mark.parametrize(
    ("files", "insists"),
    [
        ({}, False),
        ({"proc/cmdline": "quiet module.sig_enforce\n"}, True),
        ({"proc/cmdline": "module.sig_enforce=on\n"}, True),
        ({"proc/cmdline": "module.sig_enforce=0\n"}, False),
        ({"sys/module/module/parameters/sig_enforce": "Y\n"}, True),
        ({"sys/module/module/parameters/sig_enforce": "N\n"}, False),
        ({"sys/kernel/security/lockdown": "none [integrity] confidentiality\n"}, True),
        ({f"{VARIABLES}/SecureBoot-{boot.GLOBAL}": bytes(4) + b"\1"}, True),
        (
            {f"{VARIABLES}/{name}-{boot.GLOBAL}": bytes(4) + b"\1" for name in ("SecureBoot", "SetupMode")},
            False,
        ),
    ],
)
def test_key_proof_and_rule_agree_on_whether_the_kernel_insists_on_signatures(
    files: dict[str, str | bytes], insists: bool, tools: FakeTools
) -> None:
    build(tools.root, {"pci": []})
    for path, content in files.items():
        put(tools.root, path, content)
    rule = conflicts.HOST_FLAGS["signatures_enforced"](gather(str(tools.root), machine="x86_64"))
    assert (run("gpu_mok", {})["state"] != "off", proof.trusted_keys(tree.Tree()) is not None, rule) == (insists,) * 3


def test_key_of_the_controller_is_taken_once_and_never_replaced(tools: FakeTools) -> None:
    secure_boot(tools.root)
    arguments = {
        "manage": True,
        "password": PASSWORD,
        "private_key": "PEM",
        "certificate": base64.b64encode(DER).decode(),
    }
    assert run("gpu_mok", arguments)["state"] == "pending"
    key = tools.root / "var/lib/dkms/mok.key"
    assert key.read_text() == "PEM" and key.stat().st_mode & 0o777 == 0o600
    (tools.root / VARIABLES / f"MokNew-{boot.SHIM}").unlink()
    assert run("gpu_mok", {**arguments, "private_key": "ANOTHER"})["state"] == "pending"
    assert key.read_text() == "PEM" and not any(argv[0] == "openssl" for argv in tools.argv)


@pytest.mark.parametrize(
    ("system", "private", "certificate"),
    [
        ("ID=debian", "var/lib/dkms/mok.key", boot.DKMS_KEY),
        ("ID=ubuntu\nID_LIKE=debian", "var/lib/shim-signed/mok/MOK.priv", boot.SHIM_KEY),
    ],
)
@pytest.mark.parametrize("given", [True, False])
def test_key_is_the_one_that_dkms_of_the_distribution_signs_with(
    tools: FakeTools, system: str, private: str, certificate: str, given: bool
) -> None:
    secure_boot(tools.root)
    put(tools.root, "etc/os-release", system)
    own = {"private_key": "PEM", "certificate": base64.b64encode(DER).decode()} if given else {}
    assert run("gpu_mok", {"manage": True, "password": PASSWORD, **own})["state"] == "pending"
    key = tools.root / private
    assert (key.read_text(), key.stat().st_mode & 0o777) == ("PEM" if given else "MADE HERE", 0o600)
    assert tools.argv[-1] == ["mokutil", "--import", str(tools.root / certificate)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"password": ""}, "a password of one line"),
        ({"password": "two\nlines"}, "a password of one line"),
        ({"private_key": "PEM", "certificate": "LS0t"}, "not DER as base64"),
        ({"private_key": "PEM", "certificate": "no base64"}, "not DER as base64"),
        ({"private_key": "PEM"}, "private_key and certificate are given together"),
        ({"certificate": base64.b64encode(DER).decode()}, "private_key and certificate are given together"),
    ],
)
def test_request_that_cannot_be_made_is_refused(tools: FakeTools, change: dict[str, str], said: str) -> None:
    secure_boot(tools.root)
    answer = run("gpu_mok", {"manage": True, "password": PASSWORD, **change})
    assert answer.get("failed") and said in answer["msg"]
    assert tools.stdin == []


def test_mokutil_that_refuses_is_told_without_the_password(tools: FakeTools) -> None:
    secure_boot(tools.root)
    tools.refuses = True
    answer = run("gpu_mok", {"manage": True, "password": PASSWORD})
    assert answer["failed"] and "not supported on this system" in answer["msg"] and PASSWORD not in answer["msg"]


def test_check_mode_makes_no_key(tools: FakeTools) -> None:
    secure_boot(tools.root)
    assert run("gpu_mok", {"manage": True}, check=True)["state"] == "pending"
    assert tools.argv == [] and not (tools.root / "var").exists()

"""The role vault on three hosts: a cluster is made, kept, upgraded, saved and put back, and refuses what would break it.

With BAO_BIN or VAULT_BIN (`make test-vault`) the servers are real. Without them a stand-in of tests/fakes runs: that shows what the role does
on hosts, and nothing of what a real server does with it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import typing as t
from pathlib import Path

import pytest

from tests.fakes.server import certificate
from tests.hosts import __main__ as tool
from tests.secrets import leaks, programs
from tests.vault.cluster import FIRST, FLAVOUR, HOST, NAMES, REAL, Cluster, Watch, served, servers

from .conftest import ANSIBLE, Target


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Cluster]:
    with servers(tmp_path_factory.mktemp("vault")) as made:
        yield made


def test_refuses_before_anything_is_touched(cluster: Cluster, tmp_path: Path) -> None:
    two = NAMES[:2]
    said = cluster.play(fails=True, vault_servers=two).output
    assert f"vault_servers names 2 servers: {NAMES[0]}, {NAMES[1]}" in said
    said = cluster.play("--limit", FIRST, fails=True).output
    assert "run it without --limit" in said.replace("\n", " ")
    assert "Set either vault_builds" in cluster.play(fails=True, vault_package="openbao").output
    wrong = {
        "vault_shares": 2,
        "vault_threshold": 3,
        "vault_certificate": {"key": "x"},
        "vault_seal": {"config": {"a": "x"}},
    }
    said = cluster.play(fails=True, **wrong).output
    assert "3 of 2 shares and 0 custodians" in said
    assert "vault_certificate needs certificate, key and ca" in said
    assert "vault_seal needs a type" in said
    assert (
        "value of vault_flavour must be one of: openbao, vault"
        in cluster.play(fails=True, vault_flavour="other").output
    )
    build = next(iter(cluster.variables["vault_builds"].values()))
    other = {os.uname().machine: {**build, "sha256": "0" * 64}}
    said = cluster.play(fails=True, vault_builds=other).output
    assert "Nothing was copied to the host" in said.replace("\n", " ")
    said = cluster.play(fails=True, vault_builds={"riscv64": build}).output
    assert "there is no build for x86_64, only for: riscv64" in said or os.uname().machine != "x86_64"
    for number, host in enumerate(cluster.hosts.values()):
        host.shell(f"test ! -e /usr/local/bin/bao && test ! -e /etc/{FLAVOUR}")
        assert number < 3
    shutil.rmtree(cluster.directory / "vault", ignore_errors=True)


def test_dry_run_says_what_would_be_and_makes_nothing(cluster: Cluster) -> None:
    dry = cluster.play("--check", "--diff")
    assert f"+{cluster.directory}/vault/ca.pem" in dry.output
    assert f"+{FLAVOUR}: started" in dry.output
    assert not (cluster.directory / "vault").exists()
    for host in cluster.hosts.values():
        host.shell(f"test ! -e /etc/{FLAVOUR} && test ! -e /etc/systemd/system/{FLAVOUR}.service && ! id {FLAVOUR}")


def test_recipients_that_are_wrong_are_found_before_keys_are_made(cluster: Cluster) -> None:
    said = cluster.play(fails=True, vault_age=["age1nobody"]).output
    assert "vault/ca.key.sops" in said
    assert not (cluster.directory / "vault/ca.pem").exists()


def test_makes_a_cluster_whose_keys_only_its_keepers_have(cluster: Cluster) -> None:
    cluster.directory.joinpath("vault").mkdir(mode=0o700, exist_ok=True)
    old = cluster.directory / "vault/unseal_key_2.sops.json"
    old.write_text("an older cluster's")
    said = cluster.play(fails=True).output
    assert "unseal_key_2.sops.json is there already, and what it holds would be lost" in said.replace("\n", " ")
    assert [cluster.health(name)["initialized"] for name in NAMES] == [False] * 3
    old.unlink()

    first = cluster.play("-vvv", "--diff")
    assert cluster.voters() == NAMES
    assert cluster.awake() == NAMES
    assert cluster.leader() == FIRST
    authority = programs.run(programs.build() / "sops", "decrypt", cluster.directory / "vault/ca.key.sops").decode()
    # A line of a key may be all of the public half, and stand in the certificate just so.
    shown = (cluster.directory / "vault/ca.pem").read_text()
    lines = [line for line in authority.splitlines()[1:-1] if line not in shown]
    assert len(lines) >= 3
    secrets = [*cluster.secrets, *lines]
    assert leaks.occurrences(first.output, secrets) == []
    for name, host in cluster.hosts.items():
        assert leaks.left_behind(host.shell, secrets) == "", name
    files = sorted(cluster.directory.joinpath("vault").iterdir())
    assert [path.name for path in files] == [
        "ca.key.sops", "ca.pem", "root_token.sops.json", *(f"unseal_key_{number}.sops.json" for number in (1, 2, 3)),
    ]  # fmt: skip
    for path in files:
        assert path.name == "ca.pem" or (path.stat().st_mode & 0o777 == 0o600 and "ENC[AES256_GCM" in path.read_text())
    cluster.mount()
    cluster.write("first", "one")
    assert {cluster.read(name, "first") for name in NAMES} == {"one"}


def test_a_second_run_changes_nothing_in_five_executions_a_host(cluster: Cluster) -> None:
    before = cluster.starts()
    again = cluster.play("-vvv")
    assert [again.changed(name) for name in NAMES] == [0, 0, 0]
    assert leaks.occurrences(again.output, cluster.secrets) == []
    assert all(1 <= number <= 5 for number in cluster.executions(again).values()), cluster.executions(again)
    assert [cluster.play("--check").changed(name) for name in NAMES] == [0, 0, 0]
    assert cluster.starts() == before


def test_the_unit_is_hardened_and_every_request_audited(cluster: Cluster) -> None:
    for name, host in cluster.hosts.items():
        host.shell(f"systemd-analyze --no-pager verify /etc/systemd/system/{FLAVOUR}.service")
        verdict = host.shell(f"systemd-analyze --no-pager security {FLAVOUR} | tail -1")
        exposure = float(re.search(r"level for \S+: ([\d.]+)", verdict)[1])  # type: ignore[index]
        assert exposure < 2.0, (name, verdict)
        shown = host.shell(
            f"stat -c '%U %a' /var/lib/{FLAVOUR} /var/log/{FLAVOUR}; stat -c '%U %G %a' /etc/{FLAVOUR}/server.hcl /etc/{FLAVOUR}/tls/server.key"
        ).splitlines()
        assert shown == [f"{FLAVOUR} 700"] * 2 + [f"root {FLAVOUR} 640"] * 2
        assert host.shell(f"ps -o user= -p {cluster.systemd(name, 'MainPID')}").strip() == FLAVOUR
        assert cluster.systemd(name, "LimitCORE") == "0"
    log = cluster.hosts[cluster.leader()].shell(
        f"stat -c %a /var/log/{FLAVOUR}/audit.log; cat /var/log/{FLAVOUR}/audit.log"
    )
    assert log.startswith("600\n")
    assert "secret/data/first" in log
    cluster.hosts[FIRST].shell(f"logrotate --debug /etc/logrotate.d/{FLAVOUR}")
    leader, path = cluster.hosts[cluster.leader()], f"/var/log/{FLAVOUR}/audit.log"
    leader.shell(f"mv {path} {path}.1")
    assert f"its audit log {path} is not there" in cluster.play(fails=True).output.replace("\n", " ")
    leader.shell(f"systemctl reload {FLAVOUR}")
    programs.until(lambda: leader.shell(f"ls {path} || true"), bool)


def test_a_killed_leader_loses_nothing(cluster: Cluster) -> None:
    leader = cluster.leader()
    written = []
    for number in range(20):
        cluster.write(f"kept-{number}", str(number))
        written.append(number)
    cluster.hosts[leader].shell(f"systemctl mask --runtime {FLAVOUR}; systemctl kill -s KILL {FLAVOUR}")
    other = cluster.leader()
    assert other != leader
    assert [int(cluster.read(other, f"kept-{number}")) for number in written] == written
    cluster.write("while-it-was-away", "x")
    cluster.hosts[leader].shell(f"systemctl unmask --runtime {FLAVOUR}; systemctl reset-failed {FLAVOUR} || true")
    with leaks.ArgvWatch(cluster.secrets) as watch:
        back = cluster.play("-vvv")
    assert (watch.seen, watch.in_environment, leaks.occurrences(back.output, cluster.secrets)) == ([], [], [])
    assert back.changed(leader) in (1, 2), "it is unsealed, and started unless systemd was faster"
    assert cluster.awake() == NAMES
    assert [cluster.read(leader, f"kept-{number}") for number in (0, 19)] == ["0", "19"]
    assert cluster.read(leader, "while-it-was-away") == "x"


def test_a_run_after_all_went_down_unseals_all(cluster: Cluster) -> None:
    for host in cluster.hosts.values():
        host.shell(f"systemctl kill -s KILL {FLAVOUR}; systemctl stop {FLAVOUR}")
    said = cluster.play(fails=True, vault_unseal_keys=["literal://bm8="]).output
    assert "sys/unseal was answered with 400" in said
    assert "Check that unseal_keys are enough, and of this cluster" in said.replace("\n", " ")
    cluster.play()
    assert cluster.awake() == NAMES
    assert cluster.read(cluster.leader(), "kept-5") == "5"


def test_an_upgrade_restarts_one_after_another_and_the_leader_last(cluster: Cluster, tmp_path: Path) -> None:
    if REAL:  # another file of the same program: what is appended to it is never read
        newer = tmp_path / "newer"
        newer.write_bytes(Path(REAL).read_bytes() + b"\n")
    else:
        newer = programs.fake_bao("2.4.2")
    cluster.builds(newer)
    leader, before = cluster.leader(), cluster.starts()
    dry = cluster.play("--check", "--diff")
    assert [dry.changed(name) for name in NAMES] == [2, 2, 2], "the program, and the restart"
    assert dry.output.count(f"+{FLAVOUR}: restarted") == 3
    assert cluster.starts() == before
    with Watch(cluster) as watch:
        cluster.play()
    after = cluster.starts()
    assert all(after[name] > before[name] for name in NAMES)
    assert max(after, key=lambda name: after[name]) == leader
    assert watch.samples > 10
    assert watch.fewest == 2
    assert cluster.awake() == NAMES
    if not REAL:
        assert {cluster.health(name)["version"] for name in NAMES} == {"2.4.2"}
    assert cluster.read(leader, "kept-7") == "7"
    assert [cluster.play().changed(name) for name in NAMES] == [0, 0, 0]


def test_a_new_certificate_is_shown_without_a_restart(cluster: Cluster) -> None:
    before = cluster.starts()
    cluster.variables["vault_names"] = ["vault.example.org"]
    done = cluster.play("--diff")
    assert "its names are others: +vault.example.org" in done.output
    for host in cluster.hosts.values():
        address = f"{host.host.address}:8200"
        script = f"openssl s_client -connect {address} </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName"
        shown = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout
        assert "DNS:vault.example.org" in shown
    assert cluster.starts() == before
    assert [cluster.play().changed(name) for name in NAMES] == [0, 0, 0]


def test_a_snapshot_is_restored_and_a_broken_one_is_not(cluster: Cluster) -> None:
    path = cluster.directory / "cluster.snap"
    cluster.write("state", "before")
    assert cluster.play("--check", entry="snapshot", vault_snapshot_path=str(path)).changed(FIRST) == 1
    assert not path.exists()
    taken = cluster.play("-vvv", entry="snapshot", vault_snapshot_path=str(path))
    assert taken.changed(FIRST) == 1
    assert leaks.occurrences(taken.output, cluster.secrets) == []
    assert path.stat().st_mode & 0o777 == 0o600
    assert cluster.play(entry="snapshot", vault_snapshot_path=str(path)).changed(FIRST) == 0
    cluster.write("state", "after")
    whole = path.read_bytes()
    path.write_bytes(whole[:-200])
    said = cluster.play(fails=True, entry="restore", vault_snapshot_path=str(path)).output
    assert "is no whole snapshot" in said
    assert cluster.read(cluster.leader(), "state") == "after"
    path.write_bytes(whole)
    cluster.play("--check", entry="restore", vault_snapshot_path=str(path))
    assert cluster.read(cluster.leader(), "state") == "after"
    cluster.play(entry="restore", vault_snapshot_path=str(path))
    programs.until(lambda: cluster.read(cluster.leader(), "state"), lambda value: value == "before")
    assert cluster.read(cluster.leader(), "kept-3") == "3"


def test_a_restart_never_costs_the_quorum(cluster: Cluster) -> None:
    """A server that stays sealed after its restart ends the roll: the others are left as they are."""
    cluster.variables["vault_config"] = 'log_level = "warn"\n'
    before = cluster.starts()
    said = cluster.play(fails=True, vault_unseal_keys=[]).output
    assert "is sealed, so" in said
    assert "Bring that server back first" in said.replace("\n", " ")
    after = cluster.starts()
    assert sum(after[name] > before[name] for name in NAMES) == 1
    assert len(cluster.awake()) == 2
    cluster.play()
    assert cluster.awake() == NAMES
    assert all(cluster.starts()[name] > before[name] for name in NAMES), "the next run finishes what was left"
    assert [cluster.play().changed(name) for name in NAMES] == [0, 0, 0]


def test_a_server_that_lost_its_disk_joins_again(cluster: Cluster) -> None:
    """Even the first, which is the one that would be initialised."""
    if cluster.leader() == FIRST:
        cluster.hosts[FIRST].shell(f"systemctl restart {FLAVOUR}")
        assert cluster.leader() != FIRST
    keys = (cluster.directory / "vault/unseal_key_1.sops.json").read_bytes()
    cluster.hosts[FIRST].shell(f"systemctl stop {FLAVOUR}; rm -rf /var/lib/{FLAVOUR}/*")
    cluster.play()
    assert (cluster.directory / "vault/unseal_key_1.sops.json").read_bytes() == keys
    assert cluster.voters() == NAMES
    assert cluster.awake() == NAMES
    assert cluster.read(FIRST, "kept-11") == "11"


def lost_and_rebuilt(cluster: Cluster) -> None:
    """Every disk is wiped; the playbook restore_vault brings back what a snapshot and the kept keys hold."""
    names, path = list(cluster.hosts), cluster.directory / "last.snap"
    saved = [f"saved-{number}" for number in range(5)]
    for key in saved:
        cluster.write(key, key)
    cluster.play(entry="snapshot", vault_snapshot_path=str(path))
    said = cluster.rebuild(path, fails=True).output
    assert "belongs to a cluster already, and what it holds would be lost" in said.replace("\n", " ")
    kept = {file.name: file.read_bytes() for file in (cluster.directory / "vault").iterdir()}
    for host in cluster.hosts.values():
        host.shell(f"systemctl stop {FLAVOUR}; rm -rf /var/lib/{FLAVOUR}/*")
    cut = cluster.directory / "cut.snap"
    cut.write_bytes(path.read_bytes()[:-200])
    assert f"{cut} is no whole snapshot" in cluster.rebuild(cut, fails=True).output.replace("\n", " ")
    assert "No such file" in cluster.rebuild(cluster.directory / "none.snap", fails=True).output
    for host in cluster.hosts.values():
        assert host.shell(f"systemctl is-active {FLAVOUR} || true; ls /var/lib/{FLAVOUR}") == "inactive\n", "touched"
    recovered = cluster.rebuild(path, "-vvv")
    assert leaks.occurrences(recovered.output, cluster.secrets) == []
    assert programs.until(cluster.awake, lambda awake: awake == names) == names
    assert cluster.voters() == names
    assert {file.name: file.read_bytes() for file in (cluster.directory / "vault").iterdir()} == kept
    assert {name: [cluster.read(name, key) for key in saved] for name in names} == dict.fromkeys(names, saved)
    assert [cluster.play().changed(name) for name in names] == [0] * len(names)


STANDS_IN = "the stand-in seals nothing, so that it cannot tell old keys from new ones"


@pytest.mark.skipif(not REAL, reason=STANDS_IN)
def test_a_cluster_that_lost_all_its_disks_is_built_anew(cluster: Cluster) -> None:
    lost_and_rebuilt(cluster)


@pytest.mark.skipif(not REAL, reason=STANDS_IN)
def test_a_server_of_its_own_that_lost_its_disk_is_built_anew(tmp_path: Path) -> None:
    with servers(tmp_path, [f"{HOST}-21"]) as made:
        made.play()
        made.mount()
        lost_and_rebuilt(made)


@pytest.fixture
def alone(tmp_path: Path) -> t.Iterator[Cluster]:
    """One server whose three shares three people keep; the first of them is who runs the role."""
    name = f"{HOST}-9"
    patch = pytest.MonkeyPatch()
    programs.on_path(patch)
    keepers = []
    for number in (1, 2, 3):
        programs.run("age-keygen", "-o", tmp_path / f"keeper-{number}")
        keepers.append({"age": [programs.run("age-keygen", "-y", tmp_path / f"keeper-{number}").decode().strip()]})
    patch.setenv("SOPS_AGE_KEY_FILE", str(tmp_path / "keeper-1"))
    try:
        host = Target(tool.up(name, "container", "debian13"), tmp_path)
        made = Cluster(tmp_path, {name: host})
        made.variables.update(vault_custodians=keepers, vault_age=keepers[0]["age"])
        yield made
    finally:
        tool.down([name])
        patch.undo()


def keeper_reads(directory: Path, share: str, keeper: int) -> str:
    env = {**os.environ, "SOPS_AGE_KEY_FILE": str(directory / f"keeper-{keeper}")}
    argv = [programs.build() / "sops", "decrypt", directory / f"vault/{share}.sops.json"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env)
    return str(json.loads(done.stdout)["key"]) if done.returncode == 0 else ""


PACKAGE = r"""
mkdir -p /srv/repo /srv/made/DEBIAN /srv/made/usr/bin; cd /srv
python3 -c 'import urllib.request as r; r.urlretrieve("ADDRESS/program", "made/usr/bin/PROGRAM")'; chmod 755 made/usr/bin/PROGRAM
printf 'Package: NAME\nVersion: 1\nArchitecture: all\nMaintainer: Test <test@example.org>\nDescription: test\n' > made/DEBIAN/control
printf '#!/bin/sh\nset -e\nuseradd --system --user-group --shell /usr/sbin/nologin NAME\n' > made/DEBIAN/postinst; chmod 755 made/DEBIAN/postinst
dpkg-deb --build --root-owner-group -z1 made repo/NAME.deb >/dev/null; cd repo
{ dpkg-deb --field NAME.deb; echo "Filename: ./NAME.deb"
  echo "Size: $(stat -c %s NAME.deb)"; echo "SHA256: $(sha256sum NAME.deb | cut -d' ' -f1)"; } > Packages
echo 'deb [trusted=yes] file:/srv/repo ./' > /etc/apt/sources.list.d/test.list
apt-get -qq update -o Dir::Etc::SourceList=/etc/apt/sources.list.d/test.list -o Dir::Etc::SourceParts=- -o APT::Get::List-Cleanup=0
"""


def test_a_package_and_custodians_who_unseal_by_hand(alone: Cluster, tmp_path: Path) -> None:
    name = next(iter(alone.hosts))
    (tmp_path / "files").mkdir()
    shutil.copy(REAL or programs.fake_bao("2.4.1"), tmp_path / "files/program")
    with served(tmp_path / "files", alone.hosts[name]) as address:
        script = PACKAGE.replace("ADDRESS", address).replace("PROGRAM", alone.program).replace("NAME", alone.unit)
        alone.hosts[name].shell(script)
    alone.variables["vault_package"] = alone.unit
    first = alone.play()
    assert alone.awake() == [name]
    assert "is sealed" not in first.output
    assert alone.play().changed(name) == 0
    alone.hosts[name].shell(f"systemctl restart {alone.unit}")
    said = alone.play()
    assert said.changed(name) == 0
    assert f"{name} is sealed. 2 custodians unseal it" in said.output
    for number in (2, 3):
        key = {"key": keeper_reads(tmp_path, f"unseal_key_{number}", number)}
        alone.ask(name, "sys/unseal", key, method="PUT")
    assert alone.awake() == [name]
    assert alone.leader() == name


SEAL = base64.b64encode(hashlib.sha256(b"canary-seal").digest()).decode()


def given_elsewhere(alone: Cluster, tmp_path: Path) -> None:
    """A certificate and the secret of a seal, made without the role."""
    ca, pair = certificate(tmp_path, next(iter(alone.hosts.values())).host.address)
    matches = re.finditer(r"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----\n", Path(pair).read_text(), re.DOTALL)
    blocks = {block[1].rpartition(" ")[2]: block[0] for block in reversed(list(matches))}
    store = tmp_path / "store"
    store.mkdir()
    for secret, text in (("key", blocks["KEY"]), ("seal", SEAL)):
        (store / secret).touch(0o600)
        (store / secret).write_text(text)
    (tmp_path / "server.pem").write_text(blocks["CERTIFICATE"])
    alone.ca = ca
    alone.variables["secret_stores"] = {"store": {"type": "file", "base": str(store)}}
    alone.variables["vault_certificate"] = {"certificate": str(tmp_path / "server.pem"), "ca": ca, "key": "store://key"}


def test_one_server_with_all_that_can_be_given(alone: Cluster, tmp_path: Path) -> None:
    given_elsewhere(alone, tmp_path)
    if not REAL:  # a stand-in can be either; a real one is what it is
        alone.flavour("vault")
    name = next(iter(alone.hosts))
    host = alone.hosts[name]
    program = Path(REAL) if REAL else programs.fake_bao("2.4.1")
    files = tmp_path / "files"
    files.mkdir()
    with tarfile.open(files / "release.tar.gz", "w:gz", compresslevel=1) as archive:
        archive.add(program, f"release/{alone.program}")
    seal = {"type": "static", "config": {"current_key_id": "1", "current_key": "env://SEAL_KEY"}}
    if alone.unit == "openbao" or not REAL:
        alone.variables["vault_seal"] = {**seal, "environment": {"SEAL_KEY": "store://seal"}}
    with served(files, host) as address:
        sha256 = hashlib.sha256((files / "release.tar.gz").read_bytes()).hexdigest()
        missing = {"url": f"{address}/none.tar.gz", "sha256": sha256}
        said = alone.play(fails=True, vault_builds={os.uname().machine: missing}).output
        assert "none.tar.gz: HTTP Error 404" in said
        build = {"url": f"{address}/release.tar.gz", "sha256": sha256}
        alone.variables["vault_builds"] = {os.uname().machine: build}
        first = alone.play("-vvv", "--diff")
    kind = "recovery" if "vault_seal" in alone.variables else "unseal"
    kept = {path.name for path in (tmp_path / "vault").iterdir()}
    assert kept == {"root_token.sops.json", *(f"{kind}_key_{number}.sops.json" for number in (1, 2, 3))}
    keys = [keeper_reads(tmp_path, f"{kind}_key_{share}", keeper) for share in (1, 2, 3) for keeper in (1, 2, 3)]
    assert [bool(text) for text in keys] == [share == keeper for share in (1, 2, 3) for keeper in (1, 2, 3)]
    shares = [text for text in keys if text]
    assert leaks.occurrences(first.output, [*shares, SEAL]) == []
    assert leaks.left_behind(host.shell, [*shares, SEAL]) == ""
    assert alone.awake() == [name]
    assert host.shell(f"stat -c %a /etc/{alone.unit}/environment").strip() == "600"
    assert host.shell(f"cat /var/log/{alone.unit}/audit.log") != ""
    assert alone.play().changed(name) == 0

    before = alone.starts()[name]
    (tmp_path / "store/seal").write_text(base64.b64encode(hashlib.sha256(b"other").digest()).decode())
    if not REAL:  # a real one would have to be told how to get from the old key to the new one
        alone.play()
        assert alone.starts()[name] > before, "what stands in its environment is new"
        assert alone.awake() == [name], "it opens by itself"
        assert alone.play().changed(name) == 0


def test_a_seal_without_custodians_survives_changes(alone: Cluster, tmp_path: Path) -> None:
    """A server that opens by itself has recovery keys, and nobody is asked for unseal keys that there are not."""
    if FLAVOUR == "vault":
        pytest.skip("HashiCorp Vault has no static seal")
    name = next(iter(alone.hosts))
    host = alone.hosts[name]
    key = "/etc/openbao/seal/key"
    store = tmp_path / "store"
    store.mkdir()
    (store / "seal").touch(0o600)
    (store / "seal").write_text(SEAL)
    alone.variables["secret_stores"] = {"store": {"type": "file", "base": str(store)}}
    alone.variables["vault_custodians"] = []
    alone.variables["vault_seal"] = {
        "type": "static", "config": {"current_key_id": "1", "current_key": f"file://{key}"},
        "files": [{"path": "/etc/openbao/seal/note", "content": "for tests\n"}],
        "secret_files": [{"path": key, "reference": "store://seal", "group": "openbao", "mode": "0640"}],
    }  # fmt: skip
    alone.builds(Path(REAL) if REAL else programs.fake_bao("2.4.1"))
    alone.play()
    assert alone.awake() == [name]
    assert {path.name for path in (tmp_path / "vault").glob("*_key_*")} == {
        f"recovery_key_{number}.sops.json" for number in (1, 2, 3)
    }
    assert alone.play().changed(name) == 0
    before = alone.starts()[name]
    alone.variables["vault_storage"] = {"performance_multiplier": 1}
    alone.variables["vault_listener"] = {"telemetry": {"unauthenticated_metrics_access": True}}
    alone.play()
    assert alone.starts()[name] > before
    assert programs.until(alone.awake, bool) == [name]
    assert "multiplier = 1" in host.shell("cat /etc/openbao/server.hcl")
    assert alone.play().changed(name) == 0
    if REAL:
        assert alone.ask(name, "sys/metrics")["Gauges"], "metrics without a token, as the listener says"


GUIDE = Path(__file__).parents[2] / "docs/vault.md"


@pytest.mark.skipif(not REAL, reason="the stand-in has no engines, policies and logins")
def test_guide_leads_from_nothing_to_the_first_secret(tmp_path: Path) -> None:
    """Its files and commands as they stand there. What only the reader knows is put in: address, public key, and where the program is."""
    section = GUIDE.read_text().partition("## From nothing to the first secret\n")[2].partition("\n## ")[0]
    files = dict(re.findall(r"`(\w+\.yml)`[^`]*:\n\n```yaml\n(.*?)```", section, re.DOTALL))
    commands = re.findall(r"^\$ (.*)$", section, re.MULTILINE)
    assert sorted(files) == ["first.yml", "inventory.yml", "server.yml", "site.yml"]
    environment = {**os.environ, **ANSIBLE, "HOME": str(tmp_path), "DATABASE_PASSWORD": "canary-of-the-guide"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{programs.build()}:{os.environ['PATH']}"

    def run(command: str) -> str:
        argv = ["bash", "-euo", "pipefail", "-c", command]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    host = Target(tool.up(f"{HOST}-22", "container", "debian13"), tmp_path)
    try:
        build = {"src": REAL, "sha256": hashlib.sha256(Path(REAL).read_bytes()).hexdigest()}
        groups = t.cast("dict[str, t.Any]", tool.inventory())["all"]["children"]
        reader = next(group["hosts"][host.host.name] for group in groups.values() if host.host.name in group["hosts"])
        run(commands[1])
        public = re.search(r"age1pq1\w+", run(commands[2]))
        assert public
        for name, text in files.items():
            text = text.replace("{ansible_host: 192.0.2.10}", json.dumps(reader)).replace(
                "192.0.2.10", host.host.address
            )
            text = re.sub(r"(?ms)^      x86_64:\n.*", f"      {os.uname().machine}: {json.dumps(build)}\n", text)
            (tmp_path / name).write_text(text.replace("age1pq1...", public[0]))
        plays = [command for command in commands if command.startswith("ansible-playbook -i")]
        assert [command.split()[-1] for command in plays] == ["server.yml", "first.yml", "site.yml"]
        outputs = [run(command) for command in plays]
        assert host.shell('. /run/app/env; printf %s "$DATABASE_PASSWORD"') == "canary-of-the-guide"
        outputs += [run(command) for command in plays]
        assert [re.findall(r"changed=(\d+)", output) for output in outputs[3:]] == [["0"]] * 3
        assert leaks.occurrences("".join(outputs), ["canary-of-the-guide"]) == []
    finally:
        tool.down([host.host.name])


@pytest.mark.parametrize("count", [5])
def test_more_servers_survive_the_loss_of_more(count: int, tmp_path: Path) -> None:
    names = [f"{HOST}-{number}" for number in range(11, 11 + count)]
    with servers(tmp_path, names) as made:
        made.play()
        assert made.voters() == names, "who has no vote yet is of no use to a majority"
        assert made.awake() == names
        made.mount()
        made.write("kept", "yes")
        again = made.play("-vvv")
        assert [again.changed(name) for name in names] == [0] * count, again.output
        assert all(1 <= number <= 5 for number in made.executions(again).values())
        lost = [made.leader(), next(name for name in names if name != made.leader())]
        for name in lost:
            made.hosts[name].shell(f"systemctl mask --runtime {FLAVOUR}; systemctl kill -s KILL {FLAVOUR}")
        assert made.read(made.leader(), "kept") == "yes"
        made.write("while-two-were-away", "yes")
        for name in lost:
            made.hosts[name].shell(f"systemctl unmask --runtime {FLAVOUR}; systemctl reset-failed {FLAVOUR} || true")
        made.play()
        assert made.awake() == names
        assert {made.read(name, "while-two-were-away") for name in names} == {"yes"}
        made.variables["vault_config"] = 'log_level = "warn"\n'
        leader, before = made.leader(), made.starts()
        made.play()
        after = made.starts()
        assert all(after[name] > before[name] for name in names)
        assert max(after, key=lambda name: after[name]) == leader


def test_says_what_it_ran_against(capsys: pytest.CaptureFixture[str]) -> None:
    against = f"the real server {REAL}" if REAL else "NOT a real server: the stand-in of tests/fakes/bao"
    with capsys.disabled():
        print(f"\nrole vault: tested against {against}")
    assert bool(REAL) == (" NOT " not in f" {against}")

"""Secrets on a real host: delivered, kept, changed, removed; commands that use them; and nothing of them anywhere else."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import typing as t
from pathlib import Path

import pytest
import yaml

from tests.hosts import uml as uml_hosts
from tests.secrets import leaks, programs
from tests.secrets.hostile import HOSTILE

from .conftest import Play, Target

PASSWORD = 'cänary "pass" w/ö+rd?& %n $x'
TOKEN = "canary-token-0123456789"
KEY = "-----BEGIN KEY-----\ncanary+key/line=one\ncanary+key/line=two\n-----END KEY-----"
VALUES = (PASSWORD, TOKEN, KEY)

UNIT = """[Unit]
Description=Consumer of secrets
[Service]
ExecStartPre=/bin/sh -c 'date +%%s.%%N >> /var/lib/consumer.starts'
ExecStart=/bin/sleep infinity
ExecReload=/bin/sh -c 'echo reload >> /var/lib/consumer.reloads'
"""


@pytest.fixture(scope="module")
def store(container: Target) -> Path:
    """A directory of secrets on the controller, and consumers on the host."""
    base = container.directory / "store"
    base.mkdir()
    for name, value in (("password", PASSWORD), ("token", TOKEN), ("key", KEY)):
        put(base, name, value)
    container.shell(
        f"cat > /etc/systemd/system/consumer.service <<'EOF'\n{UNIT}EOF\n"
        "cp /etc/systemd/system/consumer.service /etc/systemd/system/other.service\n"
        "sed -i s/consumer.starts/other.starts/ /etc/systemd/system/other.service\n"
        "systemctl daemon-reload; systemctl start consumer other"
    )
    return base


def put(base: Path, name: str, value: str) -> None:
    path = base / name
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(f"{value}\n")


def run(
    target: Target, tasks: list[dict[str, t.Any]], *arguments: str, fails: bool = False, **variables: t.Any
) -> Play:
    """A play of these tasks on the host, with the declared store."""
    play = {
        "name": "Test", "hosts": "all", "gather_facts": False, "become": True, "tasks": tasks,
        "vars": {"secret_stores": {"team": {"type": "file", "base": str(target.directory / "store")}}, **variables},
    }  # fmt: skip
    path = target.directory / "play.yml"
    path.write_text(yaml.safe_dump([play], allow_unicode=True))
    return target.play(str(path), *arguments, fails=fails)


def role(target: Target, *arguments: str, fails: bool = False, **variables: t.Any) -> Play:
    task = {"name": "Deliver", "ansible.builtin.include_role": {"name": "unified.deploy.secrets"}}
    declared = {f"secrets_{name}": value for name, value in variables.items()}
    return run(target, [task], *arguments, fails=fails, **declared)


def starts(target: Target, name: str = "consumer") -> int:
    return int(target.shell(f"cat /var/lib/{name}.starts | wc -l"))


ENV = {
    "path": "/run/app/env", "values": {"PASSWORD": "team://password", "TOKEN": "team://token"},
    "restart": ["consumer.service"],
}  # fmt: skip
KEY_FILE = {"path": "/etc/app/key.pem", "reference": "team://key", "group": "daemon", "mode": "0640"}


def test_files_follow_check_apply_check_apply_change_remove(container: Target, store: Path) -> None:
    files = [ENV, KEY_FILE, {"path": "/etc/app/all.json", "values": {"p": "team://password"}, "format": "json"}]
    before = starts(container), starts(container, "other")
    dry = role(container, "--check", "--diff", files=files)
    assert dry.changed(container.host.name) == 1
    assert "+file /run/app/env: changed" in dry.output
    assert container.shell("find /run/app /etc/app 2>/dev/null | wc -l || true").strip() == "0"

    with leaks.ArgvWatch(VALUES) as watch:
        first = role(container, "-vvv", "--diff", files=files)
    assert watch.samples > 10
    assert watch.seen == []
    # The consumer itself has them by EnvironmentFile= in other tests, and nothing else ever does.
    assert watch.in_environment == []
    assert leaks.occurrences(first.output, VALUES) == []
    facts = container.shell("stat -c '%a %U %G' /run/app/env /etc/app/key.pem; stat -f -c %T /run/app/env")
    assert facts.split("\n")[:3] == ["600 root root", "640 root daemon", "tmpfs"]
    assert container.shell("cat /etc/app/key.pem") == KEY
    assert json.loads(container.shell("cat /etc/app/all.json")) == {"p": PASSWORD}
    assert container.shell('. /run/app/env; printf %s "$PASSWORD"') == PASSWORD
    assert (starts(container), starts(container, "other")) == (before[0] + 1, before[1])

    assert role(container, "--check", files=files).changed(container.host.name) == 0
    stamp = container.shell("stat -c %Y.%i /run/app/env /etc/app/key.pem")
    again = role(container, "-vvv", files=files)
    assert again.changed(container.host.name) == 0
    assert container.shell("stat -c %Y.%i /run/app/env /etc/app/key.pem") == stamp

    container.shell("echo tampered > /run/app/env; chmod 644 /etc/app/key.pem")
    assert role(container, files=files).changed(container.host.name) == 1
    assert "canary" in container.shell("cat /run/app/env")
    assert container.shell("stat -c %a /etc/app/key.pem").strip() == "640"
    assert starts(container) == before[0] + 2

    gone = role(container, "--diff", files=[ENV])
    assert "+file /etc/app/key.pem: removed" in gone.output
    assert container.shell("ls /etc/app").split() == []
    assert starts(container) == before[0] + 2, "what was removed had no consumer"
    assert role(container, files=[ENV]).changed(container.host.name) == 0
    leftovers = leaks.left_behind(container.shell, VALUES)
    assert leftovers == "", leftovers


def test_systemd_reads_hostile_values_as_they_are(container: Target, store: Path) -> None:
    for name, value in HOSTILE.items():
        put(store, name, value)
    values = {name: f"team://{name}" for name in HOSTILE}
    role(container, files=[{"path": "/run/app/hostile", "values": values}], set="hostile")
    script = "systemd-run --quiet --pipe --wait -p EnvironmentFile=/run/app/hostile env -0 | base64 -w0"
    import base64

    pairs = base64.b64decode(container.shell(script)).decode().split("\0")
    read = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    # A secret file's one final newline is not part of the secret.
    expected = {name: value.removesuffix("\n") if name == "NEWLINE" else value for name, value in HOSTILE.items()}
    assert {name: read.get(name) for name in HOSTILE} == {**expected, "NEWLINE": read["NEWLINE"]}
    assert read["NEWLINE"].startswith("one\ntwo\n\nthree")
    role(container, files=[], set="hostile")


def test_secret_that_moves_to_another_set_stays(container: Target, store: Path) -> None:
    item = {"path": "/etc/app/moving", "reference": "team://token"}
    credential = {"name": "moving", "reference": "team://token"}
    role(container, files=[item], credentials=[credential], set="first")
    assert role(container, files=[item], set="second").changed(container.host.name) == 0, "it is right already"
    role(container, credentials=[credential], set="second-credentials")
    gone = role(container, "--diff", files=[], set="first")
    assert "+file /etc/app/moving: removed" in gone.output
    assert container.shell("cat /etc/app/moving") == TOKEN
    assert "moving" in container.shell("ls /etc/credstore.encrypted /etc/credstore 2>/dev/null || true")
    role(container, files=[], set="second")
    role(container, set="second-credentials")
    assert "moving" not in container.shell("ls /etc/app /etc/credstore.encrypted /etc/credstore 2>/dev/null || true")


def test_check_mode_makes_no_key(container: Target, store: Path) -> None:
    container.shell("mv /var/lib/systemd/credential.secret /root/ 2>/dev/null || true")
    credentials = [{"name": "foreseen", "reference": "team://token"}]
    files = [{"path": "/run/app/foreseen", "reference": "team://token", "at_boot": True}]
    dry = role(container, "--check", "--diff", credentials=credentials, files=files, set="check")
    assert "+credential foreseen: changed" in dry.output
    assert "+boot /run/app/foreseen: changed" in dry.output
    assert "+unit unified-secrets-check.service: changed" in dry.output
    assert container.shell("ls /var/lib/systemd/credential.secret 2>/dev/null || true") == ""
    container.shell("mv /root/credential.secret /var/lib/systemd/ 2>/dev/null || true")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"set": "a/b"}, "name 'a/b' is none for a set"),
        ({"set": ".."}, "name '..' is none for a set"),
        ({"files": [{**KEY_FILE, "at_boot": True}]}, "at_boot is for files below /run"),
    ],
)
def test_bad_sets_are_named(container: Target, store: Path, options: dict[str, t.Any], message: str) -> None:
    assert message in role(container, fails=True, **options).output


def test_template_and_reload(container: Target, store: Path) -> None:
    (container.directory / "templates").mkdir(exist_ok=True)
    (container.directory / "templates/app.conf.j2").write_text("user = {{ app_user }}\npassword = {{ secrets.PW }}\n")
    item = {
        "path": "/etc/app.conf",
        "template": "app.conf.j2",
        "values": {"PW": "team://password"},
        "reload": ["consumer.service"],
    }
    tasks = [{"name": "Deliver", "unified.deploy.secret_set": {"name": "template", "files": [item]}}]
    first = run(container, tasks, "-vvv", app_user="web")
    assert leaks.occurrences(first.output, VALUES) == []
    assert container.shell("cat /etc/app.conf") == f"user = web\npassword = {PASSWORD}\n"
    assert container.shell("cat /var/lib/consumer.reloads | wc -l").strip() == "1"
    assert run(container, tasks, app_user="web").changed(container.host.name) == 0


def test_unit_that_does_not_exist_is_warned_of(container: Target, store: Path) -> None:
    item = {"path": "/etc/later.conf", "reference": "team://token", "restart": ["latr.service"]}
    tasks = [{"name": "Deliver", "unified.deploy.secret_set": {"name": "later", "files": [item]}}]
    said = " ".join(run(container, tasks, "-v").output.split())
    assert "there is no unit latr.service on this host" in said
    assert '"restarted": []' in said
    assert run(container, tasks).changed(container.host.name) == 0


def test_credentials_are_encrypted_where_the_host_can(container: Target, store: Path) -> None:
    credentials = [
        {"name": "app-token", "reference": "team://token"},
        {"name": "plain", "reference": "team://key", "encrypted": "never"},
    ]
    with leaks.ArgvWatch(VALUES) as watch:
        first = role(container, "-vvv", credentials=credentials, set="credentials")
    assert watch.seen == []
    assert leaks.occurrences(first.output, VALUES) == []
    assert role(container, credentials=credentials, set="credentials").changed(container.host.name) == 0
    where = container.shell("ls /etc/credstore.encrypted /etc/credstore 2>/dev/null")
    assert "app-token" in where
    assert container.shell("stat -c %a /etc/credstore/plain").strip() == "600"
    if container.shell("systemd-creds setup >/dev/null 2>&1 && echo yes || echo no").strip() == "yes":
        assert container.shell("systemd-creds decrypt --name=app-token /etc/credstore.encrypted/app-token -") == TOKEN
        assert TOKEN not in container.shell("cat /etc/credstore.encrypted/app-token")
        container.shell("rm /var/lib/systemd/credential.secret; systemd-creds setup")
        assert role(container, credentials=credentials, set="credentials").changed(container.host.name) == 1
        assert container.shell("systemd-creds decrypt --name=app-token /etc/credstore.encrypted/app-token -") == TOKEN
    put(store, "token", TOKEN + "-new")
    assert role(container, credentials=credentials, set="credentials").changed(container.host.name) == 1
    put(store, "token", TOKEN)
    assert role(container, credentials=[], set="credentials").changed(container.host.name) == 1
    assert container.shell("find /etc/credstore /etc/credstore.encrypted -type f | wc -l").strip() == "0"


def test_podman_secrets(container: Target, store: Path) -> None:
    container.shell(
        "export DEBIAN_FRONTEND=noninteractive; patient='-qq -o Acquire::Retries=5'; apt-get $patient update; "
        "apt-get $patient install -y --no-install-recommends podman >/dev/null"
    )
    # The container's own root is an overlay, on which Podman cannot stack another.
    storage = (
        '[storage]\ndriver = "vfs"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"'
    )
    container.shell(f"printf '{storage}' > /etc/containers/storage.conf")
    podman = [{"name": "app", "reference": "team://key"}]
    with leaks.ArgvWatch(VALUES) as watch:
        first = role(container, "-vvv", podman=podman, set="podman")
    assert watch.seen == []
    assert leaks.occurrences(first.output, VALUES) == []
    assert container.shell("podman secret inspect --showsecret --format '{{.SecretData}}' app").strip() == KEY
    assert role(container, podman=podman, set="podman").changed(container.host.name) == 0
    container.shell("podman secret rm app; echo other | podman secret create app -")
    assert role(container, podman=podman, set="podman").changed(container.host.name) == 1
    assert container.shell("podman secret inspect --showsecret --format '{{.SecretData}}' app").strip() == KEY
    real = "mv /usr/bin/podman /usr/bin/podman.real"
    fake = 'printf \'#!/bin/sh\\n[ "$2" = rm ] && exit 125\\nexec /usr/bin/podman.real "$@"\\n\' > /usr/bin/podman; chmod 755 /usr/bin/podman'
    container.shell(f"{real}; {fake}")
    failed = role(container, podman=[], set="podman", fails=True)
    assert "podman secret app: 'podman secret rm' ended with 125" in failed.output
    container.shell("mv /usr/bin/podman.real /usr/bin/podman")
    assert role(container, podman=[], set="podman").changed(container.host.name) == 1
    assert container.shell("podman secret ls --quiet | wc -l").strip() == "0"


def test_every_missing_reference_is_listed_before_the_host_is_touched(container: Target, store: Path) -> None:
    files = [ENV, {"path": "/etc/new", "values": {"A": "team://nothing", "B": "nowhere://x", "C": "env://UNSET_HERE"}}]
    record = "cat /var/lib/unified/secrets/default.json 2>/dev/null | sha256sum || true"
    before = container.shell(record)
    failed = role(container, files=files, fails=True)
    assert "3 of 5 secrets cannot be had" in failed.output
    for part in ("team://nothing: there is no file", "no store 'nowhere' is declared", "env://UNSET_HERE"):
        assert part in failed.output
    assert container.shell(record) == before
    assert container.shell("test -e /etc/new && echo there || echo none").strip() == "none"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([ENV, ENV], "files[1] (/run/app/env): files[0] writes the same. Merge the two"),
        ([{**KEY_FILE, "mode": "0644"}], "files[0] (/etc/app/key.pem): with mode 0644 everybody could read it"),
        ([{**KEY_FILE, "path": "key"}], "files[0] (key): the path is not absolute"),
        ([{**KEY_FILE, "values": {"A": "team://key"}}], "mutually exclusive"),
        ([{**KEY_FILE, "mode": "rw"}], "mode 'rw' is not octal"),
        ([{**KEY_FILE, "mode": 0o600}], "mode '384' is not octal. Write it in quotes"),
        ([{**KEY_FILE, "path": "/run/../etc/key", "at_boot": True}], "write the path as /etc/key"),
        ([{**KEY_FILE, "path": "//run//key/"}], "write the path as /run/key"),
        ([{**KEY_FILE, "path": "/run/k\u202eey"}], "the path has a character that does not show"),
        ([{**KEY_FILE, "owner": "nobody-here"}], "nobody-here"),
        ([{"path": "/x", "values": {"A-B": "team://key"}}], "'A-B' is no name of an environment variable"),
    ],
)
def test_bad_declarations_are_named(container: Target, store: Path, files: list[t.Any], message: str) -> None:
    failed = role(container, files=files, fails=True, set="bad")
    assert message in failed.output
    assert leaks.occurrences(failed.output, VALUES) == []


@pytest.mark.parametrize("disk", ["full", "read-only"])
def test_disk_that_takes_nothing_keeps_the_old_file(container: Target, store: Path, disk: str) -> None:
    item = {"path": "/mnt/small/secret", "values": {"P": "team://password"}}
    container.shell("mkdir -p /mnt/small; mount -t tmpfs -o size=16k none /mnt/small")
    try:
        role(container, files=[item], set=disk)
        before = container.shell("cat /mnt/small/secret")
        put(store, "password", PASSWORD + "x" * 9000)
        fill = (
            "head -c 8192 /dev/zero > /mnt/small/filler || true" if disk == "full" else "mount -o remount,ro /mnt/small"
        )
        container.shell(fill)
        failed = role(container, "-vvv", files=[item], set=disk, fails=True)
        reason = "No space left on device" if disk == "full" else "Read-only file system"
        assert f"{reason}; the old files are as they were" in failed.output
        assert leaks.occurrences(failed.output, VALUES) == []
        assert container.shell("cat /mnt/small/secret") == before
        assert container.shell("ls -A /mnt/small | grep -v filler").split() == ["secret"]
    finally:
        put(store, "password", PASSWORD)
        container.shell("umount -l /mnt/small")


def test_consumer_that_did_not_restart_is_tried_again(container: Target, store: Path) -> None:
    container.shell(
        "cp /etc/systemd/system/consumer.service /etc/systemd/system/weak.service; systemctl daemon-reload; systemctl start weak"
    )
    item = {"path": "/run/app/weak", "values": {"T": "team://token"}, "restart": ["weak.service"]}
    drop_in = "/etc/systemd/system/weak.service.d"
    broken = f"mkdir -p {drop_in}; printf '[Service]\\nExecStartPre=/bin/false\\n' > {drop_in}/x.conf"
    container.shell(f"{broken}; systemctl daemon-reload")
    failed = role(container, files=[item], set="weak", fails=True)
    assert "the secrets are delivered, but 'systemctl try-restart weak.service' ended with" in failed.output
    container.shell("rm -r /etc/systemd/system/weak.service.d; systemctl daemon-reload; systemctl start weak")
    assert role(container, files=[item], set="weak").changed(container.host.name) == 1
    assert role(container, files=[item], set="weak").changed(container.host.name) == 0


def execute(target: Target, *arguments: str, fails: bool = False, **options: t.Any) -> Play:
    tasks = [{"name": "Run", "unified.deploy.secret_exec": options, "register": "ran"}]
    if not fails:
        tasks.append({"name": "Show", "ansible.builtin.debug": {"var": "ran"}})
    return run(target, tasks, "-vvv", *arguments, fails=fails)


def test_command_gets_secrets_and_its_output_is_redacted(container: Target, store: Path) -> None:
    script = """
    test "$(cat "$KEY_FILE")" = "$(printf '%s' "$KEY")" && echo same
    stat -f -c %T "$KEY_FILE"; stat -c %a "$KEY_FILE"
    nsenter -t 1 -m cat "$KEY_FILE" >/dev/null 2>&1 || echo unseen by others
    echo "plain $PASSWORD"; printf %s "$PASSWORD" | base64 -w0; echo
    printf 'xy%s' "$PASSWORD" | base64 -w0; echo; cat "$KEY_FILE" >&2
    python3 -c 'import json,os,urllib.parse as u; p=os.environ["PASSWORD"]; print(json.dumps(p)); print(u.quote(p))'
    """
    with leaks.ArgvWatch(VALUES) as watch:
        ran = execute(
            container, argv=["sh", "-c", script],
            environment={"PASSWORD": "team://password", "KEY": "team://key"}, files={"KEY_FILE": "team://key"},
        )  # fmt: skip
    assert watch.seen == []
    assert leaks.occurrences(ran.output, VALUES) == []
    assert "canary+key" not in ran.output
    assert "same" in ran.output
    assert "tmpfs" in ran.output
    assert "unseen by others" in ran.output
    others = ("ansible", "ssh", "sudo", "systemd", "sleep infinity")
    assert [argv for argv in watch.in_environment if any(word in argv for word in others)] == []
    assert "plain ********" in ran.output
    assert container.shell("find /dev/shm -name 'unified-*' | wc -l").strip() == "0"
    assert leaks.left_behind(container.shell, VALUES) == ""


def test_command_that_fails_passes_its_code_on_and_leaks_nothing(container: Target, store: Path) -> None:
    failed = execute(
        container, argv=["sh", "-c", 'echo "$P" >&2; exit 7'], environment={"P": "team://password"}, fails=True
    )  # fmt: skip
    assert "'sh' ended with 7" in failed.output
    assert '"rc": 7' in failed.output
    assert leaks.occurrences(failed.output, VALUES) == []


def test_command_that_hangs_is_killed_with_all_that_it_started(container: Target, store: Path) -> None:
    failed = execute(
        container, argv=["sh", "-c", "sleep 7777 & sleep 7777"], files={"P": "team://password"}, timeout=1.0, fails=True
    )  # fmt: skip
    assert "'sh' was killed: it took longer than 1 s" in failed.output
    assert container.shell("pgrep -fc '[s]leep 7777' || true").strip() == "0"
    assert container.shell("find /dev/shm -name 'unified-*' | wc -l").strip() == "0"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"argv": ["/no/such/program"]}, "'/no/such/program' cannot be started: No such file or directory"),
        ({"argv": ["true"], "environment": {"A-B": "team://key"}}, "'A-B' is no name of a variable"),
        (
            {"argv": ["true"], "environment": {"A": "team://key"}, "files": {"A": "team://key"}},
            "A stands in environment and in files",
        ),
        ({"argv": ["true"], "environment": {"A": "team://gone"}}, "1 of 1 secrets cannot be had"),
    ],
)
def test_bad_commands_are_named(container: Target, store: Path, options: dict[str, t.Any], message: str) -> None:
    failed = execute(container, fails=True, **options)
    assert message in failed.output


def test_lookup_leaks_nothing_when_its_task_fails(container: Target, store: Path) -> None:
    tasks = [
        {
            "name": "Use it", "ansible.builtin.copy": {"content": "{{ lookup('unified.deploy.secret', 'team://password') }}", "dest": "/nonexistent/x"},
            "no_log": True,
        },
    ]  # fmt: skip
    failed = run(container, tasks, "-vvv", "--diff", fails=True)
    assert leaks.occurrences(failed.output, VALUES) == []


def test_tools_are_installed_by_their_sums(container: Target, tmp_path: Path) -> None:
    """The playbook with builds from here in the place of those on the Internet: an archive and two programs."""
    directory = programs.build()
    archive = tmp_path / "age.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(directory / "age", "age/age")
        tar.add(directory / "age-keygen", "age/age-keygen")
    sums = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in (archive, directory / "sops")}
    machine = os.uname().machine
    age = {machine: {"src": str(archive), "sha256": sums[archive]}}
    sops = {machine: {"src": str(directory / "sops"), "sha256": sums[directory / "sops"]}}
    variables: dict[str, t.Any] = {
        "install_secret_tools_hosts": container.host.name,
        "install_secret_tools_programs": {"age": age, "age-keygen": age, "sops": sops},
    }
    book = "install_secret_tools"
    assert container.play(book, "--check", variables=variables).changed(container.host.name) == 1
    container.play(book, variables=variables)
    assert "sops 3" in container.shell(
        "sops --version --disable-version-check; age --version; age-keygen -o /root/key 2>&1"
    )
    assert container.play(book, variables=variables).changed(container.host.name) == 0
    sops[machine]["sha256"] = "0" * 64
    failed = container.play(book, variables=variables, fails=True)
    assert "Nothing was copied" in failed.output.replace("\n", " ")


def test_unit_reads_its_encrypted_credential(uml: Target) -> None:
    """On a kernel of its own: in a container systemd cannot mount credentials for its units."""
    (uml.directory / "store").mkdir(exist_ok=True)
    put(uml.directory / "store", "token", TOKEN)
    role(uml, credentials=[{"name": "app-token", "reference": "team://token", "encrypted": "always"}])
    reading = "systemd-run --quiet --wait --pipe -p LoadCredentialEncrypted=app-token"
    assert uml.shell(f"{reading} sh -c 'cat $CREDENTIALS_DIRECTORY/app-token'") == TOKEN
    assert TOKEN not in uml.shell("cat /etc/credstore.encrypted/app-token")


def test_files_below_run_are_there_after_a_reboot_before_their_consumer(uml: Target) -> None:
    (uml.directory / "store").mkdir(exist_ok=True)
    put(uml.directory / "store", "token", TOKEN)
    put(uml.directory / "store", "password", PASSWORD)
    uml.shell(
        "cat > /etc/systemd/system/consumer.service <<'EOF'\n[Unit]\nDescription=Consumer\n[Service]\nType=oneshot\nRemainAfterExit=yes\n"
        "ExecStart=/bin/sh -c 'umask 077; cp /run/app/env /var/lib/seen; stat -c \"%%a %%U %%G\" /run/app/env /run/app/it.d/100%% >> /var/lib/seen'\n"
        "[Install]\nWantedBy=multi-user.target\nEOF\nsystemctl daemon-reload; systemctl enable consumer"
    )
    files = [
        {**ENV, "at_boot": True},
        {
            "path": "/run/app/it.d/100%",
            "reference": "team://password",
            "at_boot": True,
            "group": "daemon",
            "mode": "0640",
        },
        {"path": "/run/app/lost", "reference": "team://token"},
    ]
    first = role(uml, "-vvv", "--diff", files=files)
    assert leaks.occurrences(first.output, VALUES) == []
    assert "+boot /run/app/env: changed" in first.output
    assert "+unit unified-secrets-default.service: changed" in first.output
    before = uml.shell("cat /run/app/env")
    assert role(uml, files=files).changed(uml.host.name) == 0
    assert leaks.left_behind(uml.shell, VALUES) == ""
    assert uml.shell("grep -rlF canary /etc/credstore.encrypted /etc/systemd/system || true") == ""

    uml_hosts.restart(uml.host)
    assert uml.shell("systemctl is-active unified-secrets-default consumer").split() == ["active", "active"]
    assert uml.shell("cat /run/app/env") == before
    assert uml.shell("cat /run/app/it.d/100%") == PASSWORD
    seen = uml.shell("cat /var/lib/seen; rm /var/lib/seen")
    assert seen == before + "600 root root\n640 root daemon\n", "it was there when the consumer started"
    assert uml.shell("ls /run/app").split() == ["env", "it.d"], "what was not asked for is gone, as ever"
    assert leaks.left_behind(uml.shell, VALUES) == ""
    again = role(uml, "--diff", files=files)
    assert "+file /run/app/lost: changed" in again.output
    assert "/run/app/env: changed" not in again.output

    uml.shell("systemctl disable --quiet --now consumer")  # without its file it could not be restarted
    role(uml, files=[])
    assert (
        uml.shell("ls /etc/systemd/system/unified-secrets-* /etc/credstore.encrypted/unified-* 2>/dev/null || true")
        == ""
    )
    assert uml.shell("find /run/app -type f") == ""

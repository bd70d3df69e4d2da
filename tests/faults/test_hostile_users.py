"""A local user exchanges what root is about to change: nothing outside is changed, and root never waits."""

from __future__ import annotations

import json
import shutil
import typing as t

import pytest

from tests.faults.conftest import INSTALLED
from tests.hosts.network import ssh
from tests.integration.conftest import ROOT, Target

TURNS = 20


@pytest.fixture(scope="module")
def host(container: Target, tmp_path_factory: pytest.TempPathFactory) -> Target:
    room = tmp_path_factory.mktemp("drill")
    changing = INSTALLED / "ansible_collections/unified/deploy/plugins/module_utils/_change"
    shutil.copytree(changing, room / "_change", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "tests/faults/hostile.py", room)
    container.send(room, "/root/drill")
    container.shell("useradd --create-home mallory")
    return container


def drill(host: Target, case: str, who: str) -> dict[str, t.Any]:
    return t.cast(
        "dict[str, t.Any]", json.loads(host.shell(f"cd /root/drill; PYTHONPATH=. python3 hostile.py {case} {who}"))
    )


@pytest.mark.parametrize("case", ["directory", "file"])
def test_attack_works_on_changes_by_path(host: Target, case: str) -> None:
    assert drill(host, case, "control")["victims"], "the attack never won: it proves nothing"


def test_waiting_for_a_pipe_is_what_a_change_by_path_does(host: Target) -> None:
    done = ssh(host.host, "sudo sh -c 'cd /root/drill; PYTHONPATH=. python3 hostile.py fifo control'", timeout=60)
    assert done.returncode != 0  # ended by the alarm


@pytest.mark.quick
@pytest.mark.parametrize("case", ["directory", "file", "fifo"])
def test_nothing_outside_is_changed(host: Target, case: str) -> None:
    seen = drill(host, case, "ours")
    print(seen)
    assert seen["victims"] == []
    assert seen["turns"] > TURNS and seen["refused"] > 0, seen


OFFENDERS = """
rm -rf /home/mallory /etc/victims; mkdir -p /home/mallory/dir /etc/victims
echo precious > /etc/victims/a; chmod 600 /etc/victims/a
touch /home/mallory/.profile; chmod 666 /home/mallory/.profile
ln -s /etc/victims/a /home/mallory/.link
ln /etc/victims/a /home/mallory/.hard
mkfifo /home/mallory/.fifo
ln -s /etc/victims /home/mallory/.way
touch /home/mallory/.root; chown -h mallory: /home/mallory /home/mallory/.profile /home/mallory/.link /home/mallory/.fifo
"""


def test_offenders_are_listed_and_the_rest_goes_on(host: Target) -> None:
    host.shell(OFFENDERS)
    names = [".link", ".hard", ".fifo", ".way/a", ".root", ".profile"]
    files = [{"path": f"/home/mallory/{name}", "mode": "0644", "owner": "mallory"} for name in names]
    task = {"unified.deploy.file_attributes": {"files": files}, "register": "outcome"}
    for _turn in range(2):  # one turn is a play; the races above make hundreds
        shown = {"ansible.builtin.copy": {"content": "{{ outcome | to_json }}", "dest": "/root/outcome"}}
        book = host.directory / "offenders.yml"
        book.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "become": True, "tasks": [task, shown]}]))
        host.play(str(book))
        outcome = json.loads(host.shell("cat /root/outcome"))
        assert [row["path"].partition("/mallory/")[2] for row in outcome["refused"]] == names[:-1]
        assert host.shell("stat -c '%a %U' /etc/victims/a").strip() == "600 root"
        assert host.shell("stat -c '%a %U' /home/mallory/.profile").strip() == "644 mallory"


def test_names_that_are_to_go_never_take_their_target_along(host: Target) -> None:
    host.shell(OFFENDERS)
    script = (
        "from _change.attributes import Wish, change, look\n"
        "for name in ('.link', '.hard'):\n"
        "    try:\n        change(look(Wish('/home/mallory/' + name, state='absent')))\n    except Exception as exc:\n        print(exc)\n"
    )
    said = host.shell(f"cd /root/drill; PYTHONPATH=. python3 - <<E\n{script}E")
    assert "/home/mallory/.hard: has another name" in said
    assert host.shell("cat /etc/victims/a; ls -A /home/mallory").split() == [
        "precious", ".fifo", ".hard", ".profile", ".root", ".way", "dir",
    ]  # fmt: skip


def test_programs_that_a_user_owns_are_not_run(host: Target) -> None:
    host.shell("for name in visudo onlyhere; do install -o mallory -m 0755 /bin/true /usr/local/bin/$name; done")
    script = (
        "from _change.paths import trusted_program\n"
        "print(trusted_program('visudo'))\n"
        "try:\n    trusted_program('onlyhere')\nexcept OSError as exc:\n    print(exc)\n"
    )
    trusted, refused = host.shell(f"cd /root/drill; PYTHONPATH=. python3 - <<E\n{script}E").splitlines()
    assert trusted == "/usr/sbin/visudo"
    assert "/usr/local/bin/onlyhere: others than root can write to it" in refused

"""Debian's containerd on a host: CDI is switched on, all else stays, and it starts with that."""

from __future__ import annotations

import pytest

from tests.gpu.conftest import Vendor
from tests.integration.conftest import Target

DUMP = "containerd config dump | grep -v imports"
SITE = """
python3 - <<'END'
path = "/etc/containerd/config.toml"
head = '  [plugins."io.containerd.grpc.v1.cri"]\\n'
more = '    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]\\n      SystemdCgroup = true\\n'
text = open(path).read()
assert head in text
open(path, "w").write(text.replace(head, head + '    sandbox_image = "site/pause:9"\\n' + more))
END
systemctl restart containerd
"""


@pytest.fixture(scope="module")
def server(container: Target) -> Vendor:
    container.shell(
        "apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends containerd >/dev/null"
    )
    container.shell(SITE)
    return Vendor(container)


def test_cdi_is_switched_on_and_nothing_else_changes(server: Vendor) -> None:
    shell = server.target.shell
    before = shell(DUMP)
    assert "enable_cdi = false" in before and "SystemdCgroup = true" in before and "site/pause:9" in before
    for check, changed in ((True, True), (False, True), (True, False), (False, False)):
        answer = server.module("gpu_containerd", {"state": "present"}, check=check)
        assert (answer["failed"], answer["changed"]) == (False, changed), answer
    assert shell(DUMP) == before.replace("enable_cdi = false", "enable_cdi = true")
    assert shell("systemctl restart containerd; sleep 1; systemctl is-active containerd").strip() == "active"
    # What runs says so too, not only what it would read.
    assert "CDI" not in shell("journalctl -u containerd --since -30s -p warning -o cat || true")
    assert server.module("gpu_containerd", {"state": "absent"})["changed"] is True
    assert shell(DUMP) == before

"""Logins as a machine of a cloud, against fakes of the clouds' metadata services; AWS's own library judges what is signed."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._vault.client import VaultClient
from ansible_collections.unified.deploy.plugins.module_utils._vault.errors import VaultError

from tests.fakes.clouds import KEY, FakeMetadata, FakeVaultInClouds


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[FakeMetadata]:
    with FakeMetadata() as made:
        for name in (
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_REGION",
            "AWS_DEFAULT_REGION",
        ):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", raising=False)
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://{made.address}/")
        monkeypatch.setenv("GCE_METADATA_HOST", made.address)
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", f"http://{made.address}")
        yield made


@pytest.fixture
def server(tmp_path: Path) -> t.Iterator[FakeVaultInClouds]:
    with FakeVaultInClouds(tmp_path) as made:
        yield made


def login(server: FakeVaultInClouds, method: str, **options: t.Any) -> t.Any:
    client = VaultClient(
        {"url": server.url, "ca_path": server.ca, "auth_method": method, "role": "web", "retries": 0, **options}
    )
    return client.request("GET", "auth/token/lookup-self")["data"]


@pytest.mark.parametrize("method", ["aws", "azure", "gcp"])
def test_machine_logs_in_by_what_its_cloud_says(server: FakeVaultInClouds, metadata: FakeMetadata, method: str) -> None:
    assert login(server, method)["path"] == f"auth/{method}/login"
    assert metadata.asked
    with pytest.raises(VaultError, match=f"login at auth/{method} was refused .*entry for role") as caught:
        login(server, method, role="other")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("region", "sts"),
    [("eu-central-1", "sts.eu-central-1.amazonaws.com"), ("cn-north-1", "sts.cn-north-1.amazonaws.com.cn")],
)
def test_aws_region_is_the_servers_and_not_that_of_this_machine(
    server: FakeVaultInClouds, metadata: FakeMetadata, region: str, sts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", region)
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    assert login(server, "aws")["path"] == "auth/aws/login"
    with pytest.raises(VaultError, match="was refused"):
        login(server, "aws", aws_region=region)
    server.sts, server.region = sts, region
    assert login(server, "aws", aws_region=region)["path"] == "auth/aws/login"
    with pytest.raises(VaultError, match="was refused"):
        login(server, "aws")


def test_aws_credentials_of_the_environment(
    server: FakeVaultInClouds, metadata: FakeMetadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {
        "AccessKeyId": "AWS_ACCESS_KEY_ID",
        "SecretAccessKey": "AWS_SECRET_ACCESS_KEY",
        "Token": "AWS_SESSION_TOKEN",
    }
    for key, name in names.items():
        monkeypatch.setenv(name, KEY[key])
    assert login(server, "aws")["path"] == "auth/aws/login"
    assert metadata.asked == [], "nobody else is asked"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-another")
    with pytest.raises(VaultError, match="login at auth/aws was refused") as caught:
        login(server, "aws")
    assert "canary" not in str(caught.value)


def test_aws_header_of_the_server_is_signed(server: FakeVaultInClouds, metadata: FakeMetadata) -> None:
    server.server_id = "vault.example.org"
    assert login(server, "aws", iam_server_id="vault.example.org")["path"] == "auth/aws/login"
    with pytest.raises(VaultError, match="was refused"):
        login(server, "aws")


def test_azure_machine_of_a_scale_set(server: FakeVaultInClouds, metadata: FakeMetadata) -> None:
    metadata.machine["vmScaleSetName"] = "set-1"
    login(server, "azure")
    sent = next(request.body for request in server.requests if request.path == "/v1/auth/azure/login")
    assert sent["vmss_name"] == "set-1"
    assert "vm_name" not in sent
    with pytest.raises(VaultError, match="was refused"):
        login(server, "azure", azure_resource="https://other.example.org/")


@pytest.mark.parametrize(("method", "cloud"), [("aws", "AWS"), ("azure", "Azure"), ("gcp", "GCP")])
def test_machine_without_an_identity_is_told_so(
    server: FakeVaultInClouds, metadata: FakeMetadata, method: str, cloud: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata.identity = False
    with pytest.raises(
        VaultError, match=f"the metadata service of {cloud} has no identity for this machine \\(HTTP 404\\)"
    ):
        login(server, method)
    metadata.__exit__()
    with pytest.raises(VaultError, match=f"the metadata service of {cloud} at http://127.0.0.1:.* does not answer"):
        login(server, method)
    with (
        pytest.raises(VaultError, match=f"auth_method {method} needs 'role'")
        if method != "aws"
        else pytest.raises(VaultError)
    ):
        login(server, method, role=None)


def test_metadata_is_never_asked_by_way_of_a_proxy(
    server: FakeVaultInClouds, metadata: FakeMetadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert login(server, "gcp")["path"] == "auth/gcp/login"

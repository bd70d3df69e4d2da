# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins of machines in a cloud: what the cloud says of them, by nothing but the standard library.

Sources: https://developer.hashicorp.com/vault/api-docs/auth/aws#login (iam), .../auth/gcp#login and .../auth/azure#login; the signature
is https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import json
import os
import typing as t
import urllib.parse

from .errors import VaultError
from .http import Http, HttpError, Response

Options = t.Mapping[str, t.Any]
Body = t.Dict[str, t.Any]

# Seconds; a metadata service is on the same machine, or there is none.
TIMEOUT = 5.0
IDENTITY = "Action=GetCallerIdentity&Version=2011-06-15"


class AwsKey(t.NamedTuple):
    """Credentials of AWS; `token` is empty where they are lasting ones."""

    id: str
    secret: str
    token: str = ""


def aws(options: Options, now: datetime.datetime | None = None) -> Body:
    """A signed question to AWS who we are, which the server asks in our place.

    Where it asks is the server's to say, and by default the global service, which accepts one region only; the region of this machine
    does not matter (https://developer.hashicorp.com/vault/docs/auth/aws, `region` of the login).

    Raises:
        VaultError: there are no credentials.
    """
    now = now or datetime.datetime.now(datetime.timezone.utc)
    region = options.get("aws_region") or ""
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    host = f"sts.{region}.{domain}" if region else f"sts.{domain}"
    key = aws_key()
    headers = {
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
        "Host": host,
        "X-Amz-Date": now.strftime("%Y%m%dT%H%M%SZ"),
    }
    if key.token:
        headers["X-Amz-Security-Token"] = key.token
    if options.get("iam_server_id"):
        headers["X-Vault-AWS-IAM-Server-ID"] = options["iam_server_id"]
    headers["Authorization"] = authorization(key, region or "us-east-1", headers, IDENTITY)
    return {
        "role": options.get("role"),
        "iam_http_request_method": "POST",
        "iam_request_url": _base64(f"https://{host}/"),
        "iam_request_body": _base64(IDENTITY),
        "iam_request_headers": _base64(json.dumps({name: [value] for name, value in headers.items()})),
    }


def authorization(key: AwsKey, region: str, headers: t.Mapping[str, str], body: str) -> str:
    """Signature version 4 of a POST to / of STS."""
    stamp = headers["X-Amz-Date"]
    sent = sorted((name.lower(), value.strip()) for name, value in headers.items())
    names = ";".join(name for name, _value in sent)
    lines = "".join(f"{name}:{value}\n" for name, value in sent)
    canonical = f"POST\n/\n\n{lines}\n{names}\n{_sha256(body)}"
    scope = f"{stamp[:8]}/{region}/sts/aws4_request"
    signing = f"AWS4{key.secret}".encode()
    for part in scope.split("/"):
        signing = hmac.new(signing, part.encode(), hashlib.sha256).digest()
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{_sha256(canonical)}"
    signature = hmac.new(signing, text.encode(), hashlib.sha256).hexdigest()
    return f"AWS4-HMAC-SHA256 Credential={key.id}/{scope}, SignedHeaders={names}, Signature={signature}"


def aws_key() -> AwsKey:
    """Credentials of the environment, of the container's role or of the instance's role, in this order.

    Sources: https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html,
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html

    Raises:
        VaultError: there are none.
    """
    environment = os.environ
    if environment.get("AWS_ACCESS_KEY_ID") and environment.get("AWS_SECRET_ACCESS_KEY"):
        token = environment.get("AWS_SESSION_TOKEN", "")
        return AwsKey(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"], token)
    container = environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
    if container:
        answer = _ask("AWS", "http://169.254.170.2", "GET", container, {})
    else:
        base = environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or "http://169.254.169.254"
        session = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        headers = {"X-aws-ec2-metadata-token": _ask("AWS", base, "PUT", "/latest/api/token", session)}
        path = "/latest/meta-data/iam/security-credentials/"
        role = _ask("AWS", base, "GET", path, headers).strip().partition("\n")[0]
        answer = _ask("AWS", base, "GET", path + urllib.parse.quote(role), headers)
    made = _json("AWS", answer)
    return AwsKey(made["AccessKeyId"], made["SecretAccessKey"], made.get("Token", ""))


def gcp(options: Options) -> Body:
    """The identity token of the machine's service account, made for this role.

    Source: https://cloud.google.com/compute/docs/instances/verifying-instance-identity

    Raises:
        VaultError: there is no metadata service, or no service account.
    """
    base = f"http://{os.environ.get('GCE_METADATA_HOST') or 'metadata.google.internal'}"
    query = urllib.parse.urlencode({"audience": f"http://vault/{options['role']}", "format": "full"})
    path = f"/computeMetadata/v1/instance/service-accounts/default/identity?{query}"
    return {"role": options["role"], "jwt": _ask("GCP", base, "GET", path, {"Metadata-Flavor": "Google"}).strip()}


def azure(options: Options) -> Body:
    """The token of the machine's managed identity, and which machine it is.

    Source: https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service

    Raises:
        VaultError: there is no metadata service, or no identity.
    """
    base = os.environ.get("AZURE_POD_IDENTITY_AUTHORITY_HOST") or "http://169.254.169.254"
    headers = {"Metadata": "true"}
    resource = options.get("azure_resource") or "https://management.azure.com/"
    query = urllib.parse.urlencode({"api-version": "2018-02-01", "resource": resource})
    token = _json("Azure", _ask("Azure", base, "GET", f"/metadata/identity/oauth2/token?{query}", headers))
    machine = _json("Azure", _ask("Azure", base, "GET", "/metadata/instance/compute?api-version=2021-02-01", headers))
    scale_set = machine.get("vmScaleSetName")
    return {
        "role": options["role"],
        "jwt": token["access_token"],
        "subscription_id": machine["subscriptionId"],
        "resource_group_name": machine["resourceGroupName"],
        "vmss_name" if scale_set else "vm_name": scale_set or machine["name"],
    }


def _ask(cloud: str, base: str, method: str, target: str, headers: t.Mapping[str, str]) -> str:
    """A metadata service's answer; it is never asked by way of a proxy."""
    fix = "Give the machine an identity there, or choose another auth_method"
    try:
        http = Http(base.rstrip("/"), TIMEOUT, proxy="")
        try:
            answer: Response = http.send(method, target, headers)
        finally:
            http.close()
    except (HttpError, ValueError) as exc:
        what = f"the metadata service of {cloud} at {base} does not answer ({exc})"
        raise VaultError(what, kind="unauthorized", fix=fix) from None
    if answer.status != 200:
        what = f"the metadata service of {cloud} has no identity for this machine (HTTP {answer.status})"
        raise VaultError(what, kind="unauthorized", fix=fix)
    return answer.content.decode(errors="replace")


def _json(cloud: str, text: str) -> Body:
    try:
        return t.cast("Body", json.loads(text))
    except ValueError:
        raise VaultError(
            f"the metadata service of {cloud} answered something else",
            kind="unauthorized",
            fix="See what listens there",
        ) from None


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()

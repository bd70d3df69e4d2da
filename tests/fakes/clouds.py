"""Fakes of the metadata services of AWS, Azure and Google Cloud, and of the server's side of logins by them.

Metadata: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html (IMDSv2 only),
https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service, and
https://cloud.google.com/compute/docs/instances/verifying-instance-identity. A request without the header that each insists on is refused.

The server's side follows https://developer.hashicorp.com/vault/api-docs/auth/aws#login, .../azure#login and .../gcp#login. A request for AWS
is judged by AWS's own library, botocore, which signs it again; tokens of the others are a fake's own and signed by nobody. Left out: what the
server asks the cloud of a machine, and everything of roles but their names.
"""

from __future__ import annotations

import base64
import http.server
import json
import threading
import typing as t
from urllib.parse import parse_qs, urlsplit

from .server import Request, route
from .vault import FakeVault, errors

KEY = {"AccessKeyId": "AKIAFAKEMACHINE00001", "SecretAccessKey": "canary-aws-secret", "Token": "canary-aws-session"}
MACHINE = {"subscriptionId": "s-1", "resourceGroupName": "group-1", "name": "vm-1", "vmScaleSetName": ""}
AZURE_TOKEN = "canary-azure-token"


def google_token(audience: str) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"aud": audience}).encode()).decode().rstrip("=")
    return f"canary-head.{claims}.canary-signature"


class FakeMetadata:
    """All three at one address; `asked` lists method and path of each request, `machine` is what Azure's says of the machine."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.machine = dict(MACHINE)
        self.identity = True
        outer = self

        class Answering(http.server.BaseHTTPRequestHandler):
            def _do(self) -> None:
                outer.asked.append(f"{self.command} {self.path}")
                split = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(split.query).items()}
                status, text = outer.answer(self.command, split.path, query, self.headers)
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def __getattr__(self, name: str) -> t.Any:
                if name in ("do_GET", "do_PUT"):
                    return self._do
                raise AttributeError(name)

            def log_message(self, *_arguments: t.Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> t.Self:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_arguments: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(self, method: str, path: str, query: dict[str, str], headers: t.Mapping[str, str]) -> tuple[int, str]:
        if not self.identity:
            return 404, ""
        if path == "/latest/api/token":
            seconds = headers.get("X-aws-ec2-metadata-token-ttl-seconds")
            return (200, "session-1") if method == "PUT" and seconds else (400, "")
        if path.startswith("/latest/"):
            return self._aws(path, headers)
        if path.startswith("/metadata/"):
            return self._azure(path, query, headers)
        if path.startswith("/computeMetadata/"):
            allowed = headers.get("Metadata-Flavor") == "Google"
            return (200, google_token(query["audience"])) if allowed else (403, "")
        return 404, ""

    @staticmethod
    def _aws(path: str, headers: t.Mapping[str, str]) -> tuple[int, str]:
        if headers.get("X-aws-ec2-metadata-token") != "session-1":
            return 401, ""
        folder, _mark, name = path.rpartition("/")
        if folder != "/latest/meta-data/iam/security-credentials":
            return 404, ""
        return 200, json.dumps({"Code": "Success", **KEY}) if name == "web role" or name == "web%20role" else "web role"

    def _azure(self, path: str, query: dict[str, str], headers: t.Mapping[str, str]) -> tuple[int, str]:
        if headers.get("Metadata") != "true" or "api-version" not in query or "X-Forwarded-For" in headers:
            return 400, ""
        if path == "/metadata/identity/oauth2/token":
            return 200, json.dumps({"access_token": f"{AZURE_TOKEN} {query['resource']}", "token_type": "Bearer"})
        return 200, json.dumps(self.machine)


class FakeVaultInClouds(FakeVault):
    """A Vault whose auth methods aws, azure and gcp each have the role `web`; `server_id` is the header that aws asks for.

    `sts` is where it asks AWS: without an ``sts_endpoint`` of its own at the global one, which knows one region.
    """

    server_id, sts, region = "", "sts.amazonaws.com", "us-east-1"

    @route("POST", "/v1/auth/(?P<mount>aws|azure|gcp)/login")
    def login(self, request: Request, mount: str, user: str | None = None) -> t.Any:
        body = request.body
        if body.get("role") != "web":
            raise errors(400, f"entry for role {body.get('role')} not found")
        accepted = {"aws": self._signed, "azure": self._of_machine, "gcp": self._for_role}[mount](body)
        if not accepted:
            raise errors(403, "permission denied")
        return self.token(f"auth/{mount}/login", [], 3600)

    def _signed(self, body: dict[str, str]) -> bool:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        url, text = (base64.b64decode(body[f"iam_request_{name}"]).decode() for name in ("url", "body"))
        listed = json.loads(base64.b64decode(body["iam_request_headers"]))
        headers = {name: values[0] for name, values in listed.items()}
        if self.server_id and headers.get("X-Vault-AWS-IAM-Server-ID") != self.server_id:
            return False
        if urlsplit(url).hostname != self.sts:
            return False
        authorization = headers.pop("Authorization")
        signer = SigV4Auth(Credentials(KEY["AccessKeyId"], KEY["SecretAccessKey"], KEY["Token"]), "sts", self.region)
        signed = AWSRequest(body["iam_http_request_method"], url, headers=headers, data=text)
        signed.context["timestamp"] = headers["X-Amz-Date"]
        canonical = signer.canonical_request(signed)
        signature = signer.signature(signer.string_to_sign(signed, canonical), signed)
        names = signer.signed_headers(signer.headers_to_sign(signed))
        # Of AWS: the session's token and the server's header have to be among what is signed.
        needed = {"host", "x-amz-date", *(["x-vault-aws-iam-server-id"] if self.server_id else [])}
        scope = signer.scope(signed)
        return needed <= set(names.split(";")) and authorization == (
            f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={signature}"
        )

    def _of_machine(self, body: dict[str, str]) -> bool:
        names = {"role", "jwt", "subscription_id", "resource_group_name"}
        token, _mark, resource = body["jwt"].partition(" ")
        return set(body) in ({*names, "vm_name"}, {*names, "vmss_name"}) and (token, resource) == (
            AZURE_TOKEN,
            "https://management.azure.com/",
        )

    def _for_role(self, body: dict[str, str]) -> bool:
        return body["jwt"] == google_token(f"http://vault/{body['role']}")

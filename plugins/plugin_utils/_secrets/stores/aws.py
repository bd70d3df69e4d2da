# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS Secrets Manager (``aws_secretsmanager://name#field``) and Parameter Store (``aws_ssm://name``), by boto3."""

from __future__ import annotations

import typing as t

from ..errors import ForbiddenError, NotFoundError, SecretError, UnavailableError, UnsupportedError
from ..reference import Reference
from .base import Description, Document, Health, SecretStore, encoded, same

NOT_FOUND = ("ResourceNotFoundException", "ParameterNotFound", "ParameterVersionNotFound")
EXPIRED = ("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException")


class Aws(SecretStore):
    """What both have in common: session, time limits, retries and errors."""

    spec = {
        "region": {"type": "str"},
        "profile": {"type": "str"},
        "endpoint": {"type": "str"},
        "access_key_id": {"type": "str"},
        "secret_access_key": {"type": "str", "no_log": True},
        "session_token": {"type": "str", "no_log": True},
        "timeout": {"type": "float", "default": 10},
    }
    service: t.ClassVar[str]

    def __init__(self, name: str, options: t.Mapping[str, t.Any], vault: t.Any = None) -> None:
        super().__init__(name, options, vault)
        self._client: t.Any = None

    def _open(self, service: str) -> t.Any:
        boto3 = self.client("boto3", "boto3")
        config = self.client("botocore.config", "boto3").Config(
            connect_timeout=self.options["timeout"],
            read_timeout=self.options["timeout"],
            retries={"mode": "standard", "total_max_attempts": 3},
        )
        session = boto3.session.Session(
            aws_access_key_id=self.options.get("access_key_id"),
            aws_secret_access_key=self.options.get("secret_access_key"),
            aws_session_token=self.options.get("session_token"),
            region_name=self.options.get("region"),
            profile_name=self.options.get("profile"),
        )
        return session.client(service, endpoint_url=self.options.get("endpoint"), config=config)

    def call(self, operation: str, where: str, **arguments: t.Any) -> t.Any:
        exceptions = self.client("botocore.exceptions", "boto3")
        try:
            self._client = self._client or self._open(self.service)
            return getattr(self._client, operation)(**{key: value for key, value in arguments.items() if value})
        except exceptions.ClientError as exc:
            raise self._error(exc, operation, where) from None
        except (exceptions.ConnectTimeoutError, exceptions.ReadTimeoutError):
            raise self.unreachable(where, self.options["timeout"]) from None
        except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError):
            fix = "Set its access_key_id and secret_access_key, or a profile"
            raise ForbiddenError(f"store '{self.name}' has no AWS credentials", where=where, fix=fix) from None
        except exceptions.NoRegionError:
            raise UnavailableError(
                f"store '{self.name}' has no region", where=where, fix="Declare its 'region'"
            ) from None
        except exceptions.BotoCoreError:
            raise self.unreachable(where) from None

    def _error(self, exc: t.Any, operation: str, where: str) -> SecretError:
        code = exc.response["Error"]["Code"]
        if code in NOT_FOUND:
            return NotFoundError("there is no such secret or version", where=where)
        deleted = code == "InvalidRequestException" and "delet" in exc.response["Error"].get("Message", "")
        if deleted or code == "ResourceExistsException":
            kind = NotFoundError if operation.startswith(("get", "describe")) else UnsupportedError
            fix = "Run 'aws secretsmanager restore-secret', or take another name"
            return kind("is marked for deletion", where=where, fix=fix)
        if code in EXPIRED:
            return ForbiddenError(
                f"AWS does not accept the credentials ({code})", where=where, fix="Have they expired?"
            )
        if "AccessDenied" in code or exc.response["ResponseMetadata"]["HTTPStatusCode"] == 403:
            action = "".join(part.title() for part in operation.split("_"))
            return ForbiddenError(
                f"AWS refuses ({code})",
                where=where,
                fix=f"Allow {self.service}:{action} on this secret to this identity",
            )
        return UnavailableError(f"AWS answered {code}", where=where)

    def check(self) -> Health:
        exceptions = self.client("botocore.exceptions", "boto3")
        try:
            return Health(str(self._open("sts").get_caller_identity()["Arn"]))
        except exceptions.ClientError as exc:
            raise self._error(exc, "get_caller_identity", "") from None
        except exceptions.BotoCoreError:
            raise self.unreachable("") from None


class SecretsManager(Aws):
    type = "aws_secretsmanager"
    service = "secretsmanager"
    reference_options = frozenset({"version", "stage"})
    capabilities = frozenset({"batch", "describe", "list", "put", "versions"})

    def read(self, reference: Reference) -> Document:
        answer = self.call(
            "get_secret_value",
            str(reference),
            SecretId=reference.path,
            VersionId=reference.options.get("version"),
            VersionStage=reference.options.get("stage"),
        )
        return _payload(answer)

    def read_many(self, references: t.Sequence[Reference]) -> dict[Reference, Document | SecretError]:
        plain = [reference for reference in references if not reference.options]
        if len(plain) < 2:
            return super().read_many(references)
        documents: dict[Reference, Document | SecretError] = {}
        for start in range(0, len(plain), 20):
            part = plain[start : start + 20]
            answer = self.call("batch_get_secret_value", "", SecretIdList=[reference.path for reference in part])
            values = {
                name: _payload(value) for value in answer["SecretValues"] for name in (value["Name"], value["ARN"])
            }
            documents.update({reference: values[reference.path] for reference in part if reference.path in values})
        # What the batch did not give is asked for alone, so that its error is its own.
        documents.update(super().read_many([reference for reference in references if reference not in documents]))
        return documents

    def describe(self, reference: Reference) -> Description:
        answer = self.call("describe_secret", str(reference), SecretId=reference.path)
        current = [key for key, stages in answer.get("VersionIdsToStages", {}).items() if "AWSCURRENT" in stages]
        changed = answer.get("LastChangedDate") or answer.get("CreatedDate")
        return Description(reference.path, version="".join(current[:1]), created=changed.isoformat() if changed else "")

    def list(self, prefix: str = "") -> list[str]:
        names: list[str] = []
        following = None
        while True:
            filters = [{"Key": "name", "Values": [prefix]}] if prefix else None
            answer = self.call("list_secrets", prefix, NextToken=following, Filters=filters)
            names += [secret["Name"] for secret in answer["SecretList"] if secret["Name"].startswith(prefix)]
            following = answer.get("NextToken")
            if not following:
                return sorted(names)

    def put(self, reference: Reference, document: str | t.Mapping[str, t.Any]) -> bool:
        text = encoded(document)
        try:
            if same(self.read(self.document_key(reference)), document):
                return False
            self.call("put_secret_value", str(reference), SecretId=reference.path, SecretString=text)
        except NotFoundError:
            self.call("create_secret", str(reference), Name=reference.path, SecretString=text)
        self._documents.clear()
        return True

    def versions(self, reference: Reference) -> t.Sequence[Description]:
        answer = self.call("list_secret_version_ids", str(reference), SecretId=reference.path, IncludeDeprecated=True)
        # Two versions of one second have the same date: their stages tell which is current.
        stages = ("AWSCURRENT", "AWSPREVIOUS")
        listed = sorted(
            answer["Versions"],
            key=lambda item: ([stage in item.get("VersionStages", []) for stage in stages], item["CreatedDate"]),
            reverse=True,
        )
        return [Description(reference.path, item["VersionId"], item["CreatedDate"].isoformat()) for item in listed]


class ParameterStore(Aws):
    type = "aws_ssm"
    service = "ssm"
    reference_options = frozenset({"version"})
    capabilities = frozenset({"batch", "describe", "list", "put", "versions"})

    def _name(self, reference: Reference) -> str:
        version = reference.options.get("version")
        return f"{reference.path}:{version}" if version else reference.path

    def read(self, reference: Reference) -> Document:
        answer = self.call("get_parameter", str(reference), Name=self._name(reference), WithDecryption=True)
        return str(answer["Parameter"]["Value"])

    def read_many(self, references: t.Sequence[Reference]) -> dict[Reference, Document | SecretError]:
        documents: dict[Reference, Document | SecretError] = {}
        for start in range(0, len(references), 10):
            part = {self._name(reference): reference for reference in references[start : start + 10]}
            answer = self.call("get_parameters", "", Names=list(part), WithDecryption=True)
            for value in answer["Parameters"]:
                reference = part.get(value["Name"] + value.get("Selector", ""))
                if reference:
                    documents[reference] = str(value["Value"])
        documents.update(super().read_many([reference for reference in references if reference not in documents]))
        return documents

    def describe(self, reference: Reference) -> Description:
        answer = self.call("get_parameter", str(reference), Name=self._name(reference))["Parameter"]
        return Description(reference.path, str(answer["Version"]), answer["LastModifiedDate"].isoformat())

    def list(self, prefix: str = "") -> list[str]:
        names: list[str] = []
        following = None
        filters = [{"Key": "Name", "Option": "BeginsWith", "Values": [prefix]}] if prefix else None
        while True:
            answer = self.call("describe_parameters", prefix, NextToken=following, ParameterFilters=filters)
            names += [parameter["Name"] for parameter in answer["Parameters"]]
            following = answer.get("NextToken")
            if not following:
                return sorted(names)

    def put(self, reference: Reference, document: str | t.Mapping[str, t.Any]) -> bool:
        text = encoded(document)
        if self.holds(reference, document):
            return False
        self.call("put_parameter", str(reference), Name=reference.path, Value=text, Type="SecureString", Overwrite=True)
        self._documents.clear()
        return True

    def versions(self, reference: Reference) -> t.Sequence[Description]:
        answer = self.call("get_parameter_history", str(reference), Name=reference.path)["Parameters"]
        listed = sorted(answer, key=lambda item: item["Version"], reverse=True)
        return [
            Description(reference.path, str(item["Version"]), item["LastModifiedDate"].isoformat()) for item in listed
        ]


def _payload(answer: t.Mapping[str, t.Any]) -> Document:
    return str(answer["SecretString"]) if "SecretString" in answer else bytes(answer["SecretBinary"])

"""Fake of OpenBao and HashiCorp Vault, after https://openbao.org/api-docs/. For checks of clients only: it proves nothing of a server.

Leaves out: policies' rules (a token may do all, or what `grants` says), leases' time, wrapping, namespaces' isolation, defaults of
most settings, seal and storage. The real server is tested by `make test-vault`.
"""

from __future__ import annotations

import datetime
import re
import typing as t
import uuid
from pathlib import Path

from .server import FakeServer, Refusal, Request, now, route

ROOT = "s.fake-root-token"
BUILT_IN = ("default", "root")
ROLE = {"approle": "role", "jwt": "role", "oidc": "role", "kubernetes": "role", "userpass": "users", "cert": "certs"}
SHOWN_BY_DEFAULT = {
    "approle": {"token_ttl": 0, "token_max_ttl": 0, "token_policies": [], "bind_secret_id": True, "secret_id_ttl": 0},
    "userpass": {"token_ttl": 0, "token_policies": []},
}


def errors(status: int, *messages: str) -> Refusal:
    return Refusal(status, {"errors": list(messages)})


def data(value: t.Any, **more: t.Any) -> dict[str, t.Any]:
    return {
        "request_id": str(uuid.uuid4()),
        "lease_id": "",
        "renewable": False,
        "lease_duration": 0,
        "data": value,
        **more,
    }


class FakeVault(FakeServer):
    tls = True
    not_found: t.ClassVar[t.Any] = {"errors": []}

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.tokens: dict[str, t.Any] = {ROOT: None}
        self.grants: dict[str, list[str]] = {}
        self.mounts = {"secret": self._mount("kv", {"version": "2"}), "kv1": self._mount("kv", {"version": "1"})}
        self.auth = {"token": self._mount("token", {})}
        self.policies: dict[str, str] = {"default": "# default", "root": ""}
        self.objects: dict[str, dict[str, t.Any]] = {}
        self.secret_ids: dict[str, str] = {}
        self.leases: dict[str, int] = {}
        self.agent_token = ""

    @staticmethod
    def _mount(kind: str, options: t.Any, description: str = "", config: t.Any = None) -> dict[str, t.Any]:
        shown = {"default_lease_ttl": 0, "max_lease_ttl": 0, "force_no_cache": False, **(config or {})}
        return {
            "type": kind,
            "description": description,
            "options": options or None,
            "config": shown,
            "accessor": "a",
            "local": False,
        }

    def authenticate(self, request: Request) -> None:
        if re.fullmatch(r"/v1/auth/[^/]+/login(/.*)?|/v1/sys/(health|seal-status|init|unseal)", request.path):
            return
        token = request.headers.get("X-Vault-Token") or self.agent_token
        if token not in self.tokens:
            raise errors(403, "permission denied")
        path = request.path.removeprefix("/v1/")
        needed = {"GET": "read", "LIST": "list", "DELETE": "delete"}.get(request.method, "update")
        granted = self.grants.get(token)
        if granted is not None and not path.startswith(
            ("sys/capabilities-self", "sys/internal", "auth/token/lookup-self")
        ):
            rights = self._rights(token, path)
            if needed not in rights:
                raise errors(403, "1 error occurred:\n\t* permission denied\n\n")

    def _rights(self, token: str, path: str) -> list[str]:
        for grant in self.grants.get(token, ["*:create,read,update,delete,list,sudo"]):
            pattern, _mark, rights = grant.partition(":")
            if re.fullmatch(pattern.replace("*", ".*"), path):
                return rights.split(",")
        return ["deny"]

    @route("POST", "/v1/sys/capabilities-self")
    def capabilities(self, request: Request) -> t.Any:
        token = request.headers.get("X-Vault-Token", "")
        found = {path: self._rights(token, path) for path in request.body["paths"]}
        return data(found, **found)

    @route("GET", "/v1/auth/token/lookup-self")
    def lookup(self, request: Request) -> t.Any:
        return data({"display_name": "root", "expire_time": None, "ttl": 0, "policies": ["root"]})

    # Logging in

    @route("POST", "/v1/auth/(?P<mount>[^/]+)/login(/[^/]+)?")
    def login(self, request: Request, mount: str) -> t.Any:
        kind = self.auth.get(mount, {}).get("type")
        if kind == "approle":
            roles = {
                self.objects[path]["role_id"]: path for path in self.objects if path.startswith(f"auth/{mount}/role/")
            }
            path = roles.get(request.body.get("role_id"))
            if path is None or self.secret_ids.get(request.body.get("secret_id")) != path:
                raise errors(400, "invalid role or secret ID")
        elif kind not in ("jwt", "kubernetes") or request.body.get("jwt") != "fake.jwt":
            raise errors(400 if kind else 403, "permission denied")
        token = f"s.{uuid.uuid4().hex}"
        self.tokens[token] = None
        return {"auth": {"client_token": token, "policies": ["default"], "lease_duration": 3600, "renewable": True}}

    # Mounts, auth methods and policies

    @route("GET", "/v1/sys/internal/ui/mounts/(?P<mount>.+)")
    def ui_mount(self, request: Request, mount: str) -> t.Any:
        if mount not in self.mounts:
            raise errors(403, "preflight capability check returned 403, please ensure client's policies grant access")
        return data(self.mounts[mount])

    def _table(self, kind: str) -> dict[str, t.Any]:
        return self.mounts if kind == "mounts" else self.auth

    @route("GET", "/v1/sys/(?P<kind>mounts|auth)")
    def all_mounts(self, request: Request, kind: str) -> t.Any:
        return data({f"{name}/": mount for name, mount in self._table(kind).items()})

    @route("POST", "/v1/sys/(?P<kind>mounts|auth)/(?P<name>[^/]+)")
    def enable(self, request: Request, kind: str, name: str) -> t.Any:
        if name in self._table(kind):
            raise errors(400, f"path is already in use at {name}/")
        body = request.body
        self._table(kind)[name] = self._mount(
            body["type"], body.get("options"), body.get("description", ""), body.get("config")
        )

    @route("POST", "/v1/sys/(?P<kind>mounts|auth)/(?P<name>[^/]+)/tune")
    def tune(self, request: Request, kind: str, name: str) -> t.Any:
        mount = self._table(kind)[name]
        for key, value in request.body.items():
            if key in ("description", "options"):
                mount[key] = value
            else:
                mount["config"][key] = value

    @route("DELETE", "/v1/sys/(?P<kind>mounts|auth)/(?P<name>[^/]+)")
    def disable(self, request: Request, kind: str, name: str) -> t.Any:
        self._table(kind).pop(name, None)

    @route("GET", "/v1/sys/policies/acl/(?P<name>[^/]+)")
    def policy(self, request: Request, name: str) -> t.Any:
        if name not in self.policies:
            raise errors(404)
        return data({"name": name, "policy": self.policies[name]})

    @route("POST", "/v1/sys/policies/acl/(?P<name>[^/]+)")
    def write_policy(self, request: Request, name: str) -> t.Any:
        self.policies[name] = request.body["policy"]

    @route("DELETE", "/v1/sys/policies/acl/(?P<name>[^/]+)")
    def delete_policy(self, request: Request, name: str) -> t.Any:
        self.policies.pop(name, None)

    # KV

    def _kv(self, mount: str, version: str) -> dict[str, t.Any]:
        if (self.mounts.get(mount, {}).get("options") or {}).get("version") != version:
            raise errors(404, f"no handler for route '{mount}'. route entry not found.")
        return self.objects.setdefault(f"kv/{mount}", {})

    @route("GET", "/v1/(?P<mount>secret)/data/(?P<path>.+)")
    def kv_read(self, request: Request, mount: str, path: str) -> t.Any:
        entry = self._kv(mount, "2").get(path)
        number = int(request.query.get("version") or 0) or (entry or {}).get("current_version", 0)
        version = (entry or {}).get("versions", {}).get(str(number))
        if version is None:
            raise errors(404)
        metadata = {key: version[key] for key in ("created_time", "deletion_time", "destroyed")} | {"version": number}
        gone = version["deletion_time"] or version["destroyed"]
        answer = data({"data": None if gone else version["data"], "metadata": metadata})
        if gone:
            raise Refusal(404, answer)
        return answer

    @route("POST", "/v1/(?P<mount>secret)/data/(?P<path>.+)")
    def kv_write(self, request: Request, mount: str, path: str) -> t.Any:
        entry = self._kv(mount, "2").setdefault(path, self._entry())
        cas = (request.body.get("options") or {}).get("cas")
        if cas is not None and cas != entry["current_version"]:
            raise errors(400, "check-and-set parameter did not match the current version")
        number = entry["current_version"] = entry["current_version"] + 1
        version = {"data": request.body["data"], "created_time": now(), "deletion_time": "", "destroyed": False}
        entry["versions"][str(number)] = version
        return data(
            {"version": number, "created_time": version["created_time"], "deletion_time": "", "destroyed": False}
        )

    @staticmethod
    def _entry() -> dict[str, t.Any]:
        return {
            "versions": {}, "current_version": 0, "created_time": now(), "updated_time": now(), "oldest_version": 0,
            "max_versions": 0, "cas_required": False, "delete_version_after": "0s", "custom_metadata": None,
        }  # fmt: skip

    @route("DELETE", "/v1/(?P<mount>secret)/data/(?P<path>.+)")
    def kv_delete(self, request: Request, mount: str, path: str) -> t.Any:
        entry = self._kv(mount, "2")[path]
        entry["versions"][str(entry["current_version"])]["deletion_time"] = now()

    @route("POST", "/v1/(?P<mount>secret)/(?P<verb>delete|undelete|destroy)/(?P<path>.+)")
    def kv_versions(self, request: Request, mount: str, verb: str, path: str) -> t.Any:
        for number in request.body["versions"]:
            version = self._kv(mount, "2")[path]["versions"][str(number)]
            if verb == "destroy":
                version.update(destroyed=True, data=None)
            else:
                version["deletion_time"] = now() if verb == "delete" else ""

    @route("GET", "/v1/(?P<mount>secret)/metadata/(?P<path>.+)")
    def kv_metadata(self, request: Request, mount: str, path: str) -> t.Any:
        if path not in self._kv(mount, "2"):
            raise errors(404)
        entry = self._kv(mount, "2")[path]
        shown = {
            number: {k: v for k, v in version.items() if k != "data"} for number, version in entry["versions"].items()
        }
        return data({**entry, "versions": shown})

    @route("POST", "/v1/(?P<mount>secret)/metadata/(?P<path>.+)")
    def kv_write_metadata(self, request: Request, mount: str, path: str) -> t.Any:
        self._kv(mount, "2").setdefault(path, self._entry()).update(request.body)

    @route("DELETE", "/v1/(?P<mount>secret)/metadata/(?P<path>.+)")
    def kv_delete_metadata(self, request: Request, mount: str, path: str) -> t.Any:
        self._kv(mount, "2").pop(path, None)

    @route("LIST", "/v1/(?P<mount>secret)/metadata/?(?P<folder>.*)")
    @route("LIST", "/v1/(?P<mount>kv1)/?(?P<folder>.*)")
    def kv_list(self, request: Request, mount: str, folder: str) -> t.Any:
        prefix = f"{folder.strip('/')}/".lstrip("/")
        below = [path[len(prefix) :] for path in self.objects.get(f"kv/{mount}", {}) if path.startswith(prefix)]
        if not below:
            raise errors(404)
        return data({"keys": sorted({rest.partition("/")[0] + rest.partition("/")[1] for rest in below})})

    @route("GET", "/v1/(?P<mount>kv1)/(?P<path>.+)")
    def kv1_read(self, request: Request, mount: str, path: str) -> t.Any:
        if path not in self._kv(mount, "1"):
            raise errors(404)
        return data(self._kv(mount, "1")[path])

    @route("POST", "/v1/(?P<mount>kv1)/(?P<path>.+)")
    def kv1_write(self, request: Request, mount: str, path: str) -> t.Any:
        self._kv(mount, "1")[path] = request.body

    @route("DELETE", "/v1/(?P<mount>kv1)/(?P<path>.+)")
    def kv1_delete(self, request: Request, mount: str, path: str) -> t.Any:
        self._kv(mount, "1").pop(path, None)

    # Issuing: certificates, SSH signatures, secret ids, leases

    @route("POST", "/v1/pki/issue/(?P<role>[^/]+)")
    def issue(self, request: Request, role: str) -> t.Any:
        from .authority import issue

        body = request.body
        if f"pki/roles/{role}" not in self.objects:
            raise errors(400, f"unknown role: {role}")
        certificate, key, ca, expires = issue(
            body["common_name"], body.get("alt_names", ""), body.get("ip_sans", ""), body.get("ttl", "72h")
        )
        return data(
            {"certificate": certificate, "private_key": key, "issuing_ca": ca, "ca_chain": [ca], "expiration": expires,
             "serial_number": "00:01", "private_key_type": "ec"}
        )  # fmt: skip

    @route("POST", "/v1/ssh/sign/(?P<role>[^/]+)")
    def sign(self, request: Request, role: str) -> t.Any:
        from .authority import sign_ssh

        body = request.body
        return data(
            {
                "serial_number": "1",
                "signed_key": sign_ssh(body["public_key"], body["valid_principals"], body.get("ttl", "30m")),
            }
        )

    @route("GET", "/v1/auth/(?P<mount>[^/]+)/role/(?P<role>[^/]+)/role-id")
    def role_id(self, request: Request, mount: str, role: str) -> t.Any:
        return data({"role_id": self._object(f"auth/{mount}/role/{role}")["role_id"]})

    @route("POST", "/v1/auth/(?P<mount>[^/]+)/role/(?P<role>[^/]+)/secret-id")
    def secret_id(self, request: Request, mount: str, role: str) -> t.Any:
        self._object(f"auth/{mount}/role/{role}")
        made = str(uuid.uuid4())
        self.secret_ids[made] = f"auth/{mount}/role/{role}"
        return data({"secret_id": made, "secret_id_accessor": str(uuid.uuid4()), "secret_id_ttl": 0})

    @route("POST", "/v1/auth/(?P<mount>[^/]+)/role/(?P<role>[^/]+)/secret-id/lookup")
    def secret_id_lookup(self, request: Request, mount: str, role: str) -> t.Any:
        if self.secret_ids.get(request.body["secret_id"]) != f"auth/{mount}/role/{role}":
            return None
        return data({"secret_id_ttl": 0, "expiration_time": "0001-01-01T00:00:00Z"})

    @route("POST", "/v1/sys/leases/(?P<verb>lookup|renew|revoke)")
    def lease(self, request: Request, verb: str) -> t.Any:
        lease = request.body["lease_id"]
        if lease not in self.leases:
            raise errors(400, "invalid lease")
        if verb == "revoke":
            del self.leases[lease]
            return None
        if verb == "renew":
            self.leases[lease] = int(request.body.get("increment") or 3600)
            return data(None, lease_id=lease, lease_duration=self.leases[lease], renewable=True)
        expires = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.leases[lease])
        return data({"id": lease, "ttl": self.leases[lease], "renewable": True, "expire_time": expires.isoformat()})

    @route("POST", "/v1/sys/leases/revoke-prefix/(?P<prefix>.+)")
    def revoke_prefix(self, request: Request, prefix: str) -> t.Any:
        self.leases = {lease: ttl for lease, ttl in self.leases.items() if not lease.startswith(prefix)}

    # What is written and read back: roles and configurations

    def _object(self, path: str) -> dict[str, t.Any]:
        if path not in self.objects:
            raise errors(404)
        return self.objects[path]

    OBJECT = "/v1/(?P<path>auth/[^/]+/(?:role|users|certs)/[^/]+|auth/[^/]+/config|pki/roles/[^/]+|database/(?:roles|config)/[^/]+)"

    @route("GET", OBJECT)
    def object_read(self, request: Request, path: str) -> t.Any:
        return data({name: value for name, value in self._object(path).items() if name not in ("password", "role_id")})

    @route("POST", OBJECT)
    def object_write(self, request: Request, path: str) -> t.Any:
        kind = self.auth.get(path.split("/")[1], {}).get("type") if path.startswith("auth/") else ""
        if path.startswith("auth/") and kind is None:
            raise errors(404, "no handler for route")
        new = {**SHOWN_BY_DEFAULT.get(str(kind), {}), "role_id": str(uuid.uuid4())}
        self.objects.setdefault(path, new).update(request.body)

    @route("DELETE", OBJECT)
    def object_delete(self, request: Request, path: str) -> t.Any:
        self.objects.pop(path, None)

"""Fake of OpenBao, after https://openbao.org/api-docs/ and what a real one answers. For checks of clients only: it proves nothing of a server.

tests/vault/test_conformance.py sends it what was recorded of a real server; a difference of an answer is a failure. Leaves out: rules
of policies beyond paths with `*` and their capabilities, the end of tokens and leases by time, namespaces, seal and storage.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import re
import typing as t
import uuid
from pathlib import Path

from .server import FakeServer, Refusal, Request, now, route
from .vault_defaults import OBJECTS, seconds
from .vault_engines import Engines

ROOT = "s.fake-root-token"
VERSION = "v2.6.2+builtin.bao"
LONGEST_LEASE = 2764800
DENIED = "1 error occurred:\n\t* permission denied\n\n"
# What the policy "default" allows.
OWN = r"auth/token/(lookup|renew|revoke)-self|sys/(capabilities-self|leases/(lookup|renew)|wrapping/unwrap|internal/ui/mounts/.*)|cubbyhole/.*"


def errors(status: int, *messages: str) -> Refusal:
    return Refusal(status, {"errors": list(messages)})


def data(value: t.Any, **more: t.Any) -> dict[str, t.Any]:
    return {
        "request_id": str(uuid.uuid4()), "lease_id": "", "renewable": False, "lease_duration": 0, "data": value, "auth": None,
        "warnings": None, "wrap_info": None, **more,
    }  # fmt: skip


class FakeVault(Engines, FakeServer):
    tls = True
    not_found: t.ClassVar[t.Any] = {"errors": []}

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        # Each token with the names of its policies; None may do all.
        self.tokens: dict[str, t.Any] = {ROOT: None}
        self.grants: dict[str, list[str]] = {}
        own = {"sys": ("system", "system endpoints used for control, policy and debugging")}
        own |= {
            "identity": ("identity", "identity store"),
            "cubbyhole": ("cubbyhole", "per-token private secret storage"),
        }
        self.mounts = {name: self._mount(kind, None, text) for name, (kind, text) in own.items()}
        self.mounts["sys"] |= {"seal_wrap": True}
        self.mounts["cubbyhole"] |= {"local": True}
        self.mounts["sys"]["config"]["passthrough_request_headers"] = ["Accept"]
        self.mounts["identity"]["config"]["passthrough_request_headers"] = ["Authorization"]
        self.mounts |= {"secret": self._mount("kv", {"version": "2"}), "kv1": self._mount("kv", {"version": "1"})}
        self.auth = {"token": self._mount("token", None, "token based credentials", {"token_type": "default-service"})}
        self.policies: dict[str, str] = {"default": "# default", "root": ""}
        self.policy_versions: dict[str, int] = {}
        self.objects: dict[str, dict[str, t.Any]] = {}
        self.secret_ids: dict[str, str] = {}
        self.leases: dict[str, dict[str, t.Any]] = {}
        # The token that each lease goes with.
        self.owners: dict[str, str] = {}
        self.wrapped: dict[str, t.Any] = {}
        self.about: dict[str, dict[str, t.Any]] = {}
        # How often a token may still be used, and the policies of one in its last use.
        self.uses: dict[str, int] = {}
        self.last: dict[str, list[str]] = {}
        self.agent_token = ""

    @staticmethod
    def _mount(kind: str, options: t.Any, description: str = "", config: t.Any = None) -> dict[str, t.Any]:
        entry = {
            "accessor": f"{kind}_{uuid.uuid4().hex[:8]}", "description": description, "external_entropy_access": False,
            "config": {"default_lease_ttl": 0, "force_no_cache": False, "max_lease_ttl": 0, **(config or {})},
            "local": False, "options": options, "plugin_version": "", "running_plugin_version": VERSION,
            "running_sha256": "", "seal_wrap": False, "type": kind, "uuid": str(uuid.uuid4()),
        }  # fmt: skip
        if kind in ("approle", "cert", "jwt", "kubernetes", "kv", "ldap", "oidc", "pki", "ssh", "transit", "userpass"):
            entry["deprecation_status"] = "supported"
        return entry

    # Tokens and rights

    def authenticate(self, request: Request) -> None:
        path = request.path.removeprefix("/v1/")
        if re.fullmatch(r"auth/[^/]+/login(/.*)?|sys/(health|seal-status|init|unseal)", path):
            return
        token = request.headers.get("X-Vault-Token") or self.agent_token
        if path == "sys/wrapping/unwrap" and token not in self.tokens:
            return
        if token not in self.tokens:
            raise errors(403, "permission denied")
        if token in self.uses:
            self.uses[token] -= 1
            if not self.uses[token]:
                del self.tokens[token], self.uses[token]
                self.last[token] = self.about[token]["policies"]
                self.about[token]["num_uses"] = -1
        rights = {"GET": {"read"}, "LIST": {"list"}, "DELETE": {"delete"}}.get(request.method, {"create", "update"})
        allowed = self._rights(token, path)
        if "root" not in allowed and not rights & set(allowed):
            raise errors(403, DENIED)

    def _rights(self, token: str, path: str) -> list[str]:
        own = ["create", "list", "read", "update", "delete"]
        if token in self.grants:
            grants = [grant.partition(":")[::2] for grant in self.grants[token]]
            capabilities = [
                right
                for pattern, rights in grants
                if re.fullmatch(pattern.replace("*", ".*"), path)
                for right in rights.split(",")
            ]
            return sorted(set(capabilities)) or (own if re.fullmatch(OWN, path) else ["deny"])
        policies = self.tokens.get(token, self.last.get(token, []))
        if policies in (None, ["root"]):
            return ["root"]
        rules = [rule for name in policies for rule in self._rules(name)]
        capabilities = [right for pattern, rights in rules if re.fullmatch(pattern, path) for right in rights]
        if not capabilities and "default" in policies and re.fullmatch(OWN, path):
            return own
        return sorted(set(capabilities)) or ["deny"]

    def _rules(self, policy: str) -> t.Iterator[tuple[str, list[str]]]:
        for path, rights in re.findall(
            r'path "([^"]+)" *\{ *capabilities *= *\[([^\]]*)\]', self.policies.get(policy, "")
        ):
            yield re.escape(path).replace(r"\*", ".*"), re.findall(r'"(\w+)"', rights)

    def dispatch(self, request: Request) -> t.Any:
        answer = super().dispatch(request)
        if not request.headers.get("X-Vault-Wrap-TTL") or not answer:
            return answer
        token = f"s.{uuid.uuid4().hex}"
        self.wrapped[token] = answer
        accessor = (answer.get("data") or {}).get("secret_id_accessor")
        about = {
            **({"wrapped_accessor": accessor} if accessor else {}),
            "token": token,
            "accessor": uuid.uuid4().hex,
            "ttl": 60,
            "creation_time": now(),
            "creation_path": request.path[4:],
        }
        return {**data(None, wrap_info=about), "request_id": ""}

    @route("POST", "/v1/sys/wrapping/unwrap")
    def unwrap(self, request: Request) -> t.Any:
        token = (request.body or {}).get("token") or request.headers.get("X-Vault-Token", "")
        if token not in self.wrapped:
            raise errors(400, "wrapping token is not valid or does not exist")
        return self.wrapped.pop(token)

    @route("POST", "/v1/sys/capabilities-self")
    def capabilities(self, request: Request) -> t.Any:
        token = request.headers.get("X-Vault-Token", "")
        rights = {path: self._rights(token, path) for path in request.body["paths"]}
        if len(rights) == 1:
            rights["capabilities"] = next(iter(rights.values()))
        return data(rights, **rights)

    @route("GET", "/v1/auth/token/lookup-self")
    def lookup(self, request: Request) -> t.Any:
        token = request.headers.get("X-Vault-Token") or self.agent_token
        policies = self.tokens.get(token)
        return data(
            self.about.get(token)
            or {
                "accessor": uuid.uuid4().hex, "creation_time": 1, "creation_ttl": 0, "display_name": "root" if policies is None else "token",
                "entity_id": "", "expire_time": None, "explicit_max_ttl": 0, "id": token, "meta": None, "num_uses": 0, "orphan": True,
                "path": "auth/token/root", "policies": ["root"] if policies is None else policies, "ttl": 0, "type": "service",
            }
        )  # fmt: skip

    def token(self, path: str, policies: list[str], duration: int, **more: t.Any) -> dict[str, t.Any]:
        token = f"s.{uuid.uuid4().hex}"
        self.tokens[token] = None if policies == ["root"] else sorted({"default", *policies})
        named = self.tokens[token] or ["root"]
        about = {
            "accessor": uuid.uuid4().hex, "client_token": token, "entity_id": "", "lease_duration": duration, "metadata": None,
            "mfa_requirement": None, "num_uses": 0, "orphan": False, "policies": named,
            "renewable": bool(duration), "token_policies": named, "token_type": "service", **more,
        }  # fmt: skip
        if about["num_uses"]:
            self.uses[token] = about["num_uses"]
        self.about[token] = {
            "accessor": about["accessor"], "creation_time": 1, "creation_ttl": duration, "display_name": path.split("/")[1],
            "entity_id": about["entity_id"], "expire_time": now() if duration else None, "explicit_max_ttl": 0, "id": token, "issue_time": now(),
            "meta": about["metadata"], "num_uses": about["num_uses"], "orphan": about["orphan"], "path": path, "policies": named,
            "renewable": bool(duration), "ttl": duration, "type": "service",
        }  # fmt: skip
        return data(None, auth=about)

    @route("POST", "/v1/auth/token/create")
    def create_token(self, request: Request) -> t.Any:
        parent = self.tokens[request.headers["X-Vault-Token"]]
        policies = request.body.get("policies", ["root"] if parent is None else parent)
        duration = seconds(request.body.get("ttl", 0)) or (0 if policies == ["root"] else LONGEST_LEASE)
        return self.token("auth/token/create", policies, duration, num_uses=request.body.get("num_uses", 0))

    @route("POST", "/v1/auth/token/revoke-self")
    def revoke_self(self, request: Request) -> t.Any:
        token = request.headers.get("X-Vault-Token", "")
        self.tokens.pop(token, None)
        for lease in [lease for lease, owner in self.owners.items() if owner == token]:
            self.leases.pop(lease, None)

    @route("POST", "/v1/auth/token/renew-self")
    def renew_self(self, request: Request) -> t.Any:
        about = self.about[request.headers["X-Vault-Token"]]
        return data(
            None, auth={"client_token": about["id"], "lease_duration": about["creation_ttl"], "renewable": True}
        )

    # Logging in

    @route("POST", "/v1/auth/(?P<mount>[^/]+)/login(?:/(?P<user>[^/]+))?")
    def login(self, request: Request, mount: str, user: str | None) -> t.Any:
        kind, body = self.auth.get(mount, {}).get("type"), request.body or {}
        if kind == "approle":
            paths = [path for path in self.objects if path.startswith(f"auth/{mount}/role/")]
            path = next((path for path in paths if self.objects[path]["role_id"] == body.get("role_id")), "")
            if not path or self.secret_ids.get(body.get("secret_id")) != path:
                raise errors(400, "invalid role or secret ID")
            about: dict[str, t.Any] = {"role_name": path.rpartition("/")[2]}
        elif kind in ("userpass", "ldap"):
            path = f"auth/{mount}/users/{user}"
            if self.objects.get(path, {}).get("password") != body.get("password"):
                raise errors(400, "invalid username or password" if kind == "userpass" else "ldap operation failed")
            about = {"username": user}
        elif kind in ("jwt", "kubernetes", "oidc") and body.get("jwt") == "fake.jwt":
            path, about = "", {"role": body.get("role")}
        else:
            raise errors(400 if kind else 403, "permission denied")
        role = self.objects.get(path, {})
        duration = role.get("token_ttl") or LONGEST_LEASE
        return self.token(
            f"auth/{mount}/login",
            role.get("token_policies") or [],
            duration,
            metadata=about,
            num_uses=role.get("token_num_uses", 0),
            orphan=True,
            entity_id=str(uuid.uuid5(uuid.NAMESPACE_OID, path)) if path else "",
        )

    # Mounts, auth methods and policies

    @route("GET", "/v1/sys/internal/ui/mounts/(?P<mount>.+)")
    def ui_mount(self, request: Request, mount: str) -> t.Any:
        asked, mount = mount, mount.partition("/")[0]
        if mount not in self.mounts:
            said = f'preflight capability check returned 403, please ensure client\'s policies grant access to path "{asked}/"'
            raise errors(403, said)
        return data({**self.mounts[mount], "path": f"{mount}/"})

    def _table(self, kind: str) -> dict[str, t.Any]:
        return self.mounts if kind == "mounts" else self.auth

    @route("GET", "/v1/sys/(?P<kind>mounts|auth)")
    def all_mounts(self, request: Request, kind: str) -> t.Any:
        listed = {f"{name}/": mount for name, mount in self._table(kind).items()}
        return data(listed, **listed)

    @route("POST", "/v1/sys/(?P<kind>mounts|auth)/(?P<name>[^/]+)")
    def enable(self, request: Request, kind: str, name: str) -> t.Any:
        if name in self._table(kind):
            raise errors(400, f"path is already in use at {name}/")
        body, config = request.body, self._tuned(request.body.get("config") or {})
        if kind == "auth":
            config = {"token_type": "default-service", **config}
        self._table(kind)[name] = self._mount(
            body["type"], body.get("options") or {}, body.get("description", ""), config
        )

    @staticmethod
    def _tuned(config: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        return {
            name: seconds(value) if name.endswith("_ttl") else value
            for name, value in config.items()
            if value not in ([], "")
        }

    @route("POST", "/v1/sys/(?P<kind>mounts|auth)/(?P<name>[^/]+)/tune")
    def tune(self, request: Request, kind: str, name: str) -> t.Any:
        mount = self._table(kind)[name]
        settings = {key: value for key, value in request.body.items() if key not in ("description", "options")}
        mount.update({key: value for key, value in request.body.items() if key not in settings})
        mount["config"].update(self._tuned(settings))

    @route("DELETE", "/v1/sys/(?P<kind>mounts|auth)/(?P<name>[^/]+)")
    def disable(self, request: Request, kind: str, name: str) -> t.Any:
        self._table(kind).pop(name, None)
        below = f"auth/{name}/" if kind == "auth" else f"{name}/"
        self.objects = {
            path: one for path, one in self.objects.items() if not path.startswith(below) and path != f"kv/{name}"
        }

    @route("GET", "/v1/sys/policies/acl/(?P<name>[^/]+)")
    def policy(self, request: Request, name: str) -> t.Any:
        if name not in self.policies:
            raise errors(404)
        own = dict.fromkeys(
            ("allow_slashes_in_identity_templates", "allow_wildcards_in_identity_templates", "cas_required"), False
        )
        version = self.policy_versions.get(name, 1)
        return data({"name": name, "policy": self.policies[name], "modified": now(), "version": version, **own})

    @route("POST", "/v1/sys/policies/acl/(?P<name>[^/]+)")
    def write_policy(self, request: Request, name: str) -> t.Any:
        for path, rights in re.findall(r'path "([^"]+)" *\{ *capabilities *= *\[([^\]]*)\]', request.body["policy"]):
            for right in re.findall(r'"(\w+)"', rights):
                if right not in ("create", "read", "update", "delete", "list", "sudo", "deny", "patch", "scan"):
                    raise errors(400, f'failed to parse policy: path "{path}": invalid capability "{right}"')
        self.policies[name] = request.body["policy"]
        self.policy_versions[name] = self.policy_versions.get(name, 0) + 1

    @route("DELETE", "/v1/sys/policies/acl/(?P<name>[^/]+)")
    def delete_policy(self, request: Request, name: str) -> t.Any:
        self.policies.pop(name, None)
        self.policy_versions.pop(name, None)

    # Leases

    def lease(self, path: str, duration: int, request: Request, *, renewable: bool) -> str:
        made = f"{path}/{uuid.uuid4().hex}"
        self.leases[made] = {
            "path": path,
            "ttl": duration,
            "renewable": renewable,
            "issue_time": now(),
            "last_renewal": None,
        }
        self.owners[made] = request.headers.get("X-Vault-Token") or self.agent_token
        return made

    @route("LIST", "/v1/sys/leases/lookup/(?P<prefix>.+?)/?")
    def list_leases(self, request: Request, prefix: str) -> t.Any:
        keys = [lease.removeprefix(f"{prefix}/") for lease in self.leases if lease.startswith(f"{prefix}/")]
        if not keys:
            raise errors(404)
        return data({"keys": sorted(keys)})

    @route("POST", "/v1/sys/leases/(?P<verb>lookup|renew|revoke)")
    def leased(self, request: Request, verb: str) -> t.Any:
        lease = self.leases.get(request.body["lease_id"])
        if verb == "revoke":
            self.leases.pop(request.body["lease_id"], None)
            return None
        if lease is None:
            raise errors(400, "invalid lease" if verb == "lookup" else "lease not found")
        if verb == "lookup":
            expires = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=lease["ttl"])
            return data(
                {**lease, "id": request.body["lease_id"], "expire_time": expires.strftime("%Y-%m-%dT%H:%M:%SZ")}
            )
        if not lease["renewable"]:
            raise errors(400, "lease is not renewable")
        lease.update(ttl=int(request.body.get("increment") or 3600), last_renewal=now())
        return data(None, lease_id=request.body["lease_id"], lease_duration=lease["ttl"], renewable=True)

    @route("POST", "/v1/sys/leases/revoke-prefix/(?P<prefix>.+)")
    def revoke_prefix(self, request: Request, prefix: str) -> t.Any:
        self.leases = {lease: about for lease, about in self.leases.items() if not lease.startswith(prefix)}

    @route("POST", "/v1/sys/tools/hash")
    def hash(self, request: Request) -> t.Any:
        return data({"sum": hashlib.sha256(base64.b64decode(request.body["input"])).hexdigest()})

    @route("GET", "/v1/sys/tools/hash")
    def hash_is_not_read(self, request: Request) -> t.Any:
        raise errors(405, "1 error occurred:\n\t* unsupported operation\n\n")

    # AppRole's ids

    def _role(self, mount: str, role: str) -> str:
        path = f"auth/{mount}/role/{role}"
        if path not in self.objects:
            raise errors(404)
        return path

    @route("GET", "/v1/auth/(?P<mount>[^/]+)/role/(?P<role>[^/]+)/role-id")
    def role_id(self, request: Request, mount: str, role: str) -> t.Any:
        return data({"role_id": self.objects[self._role(mount, role)]["role_id"]})

    @route("POST", "/v1/auth/(?P<mount>[^/]+)/role/(?P<role>[^/]+)/secret-id")
    def secret_id(self, request: Request, mount: str, role: str) -> t.Any:
        path, made = self._role(mount, role), str(uuid.uuid4())
        self.secret_ids[made] = path
        about = {"secret_id_num_uses": 0, "secret_id_ttl": self.objects[path].get("secret_id_ttl", 0)}
        return data({"secret_id": made, "secret_id_accessor": str(uuid.uuid5(uuid.NAMESPACE_OID, made)), **about})

    @route("POST", "/v1/auth/(?P<mount>[^/]+)/role/(?P<role>[^/]+)/secret-id/lookup")
    def secret_id_lookup(self, request: Request, mount: str, role: str) -> t.Any:
        made = request.body["secret_id"]
        if self.secret_ids.get(made) != self._role(mount, role):
            return None
        duration = self.objects[f"auth/{mount}/role/{role}"].get("secret_id_ttl", 0)
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=duration)
        about = {
            "cidr_list": [], "creation_time": now(), "expiration_time": end.isoformat() if duration else "0001-01-01T00:00:00Z", "last_updated_time": now(),
            "metadata": {}, "secret_id_accessor": str(uuid.uuid5(uuid.NAMESPACE_OID, made)), "secret_id_num_uses": 0,
            "secret_id_ttl": 0, "token_bound_cidrs": [],
        }  # fmt: skip
        return data(about)

    # What lies below an auth method

    OBJECT = "/v1/(?P<path>auth/(?P<mount>[^/]+)/(?P<kind>role|users|groups|certs|config)(?:/[^/]+)?)"

    @route("GET", OBJECT)
    def auth_read(self, request: Request, path: str, mount: str, kind: str) -> t.Any:
        return self.read_object(path, self.auth.get(mount, {}).get("type", ""), kind)

    @route("POST", OBJECT)
    def auth_write(self, request: Request, path: str, mount: str, kind: str) -> t.Any:
        if mount not in self.auth:
            raise errors(404, f'no handler for route "{path}". route entry not found.')
        kind_of_mount = self.auth[mount]["type"]
        lacking = kind_of_mount == "kubernetes" and "kubernetes_ca_cert" not in request.body
        if kind == "config" and lacking and request.body.get("disable_local_ca_jwt"):
            raise errors(400, "kubernetes_ca_cert must be given when disable_local_ca_jwt is true")
        self.write_object(path, OBJECTS.get((kind_of_mount, kind)), {"role_id": str(uuid.uuid4())}, request.body)

    @route("DELETE", OBJECT)
    def auth_delete(self, request: Request, path: str, mount: str, kind: str) -> t.Any:
        self.objects.pop(path, None)

    # What lies below a secrets engine

    @route("GET", "/v1/(?P<mount>[^/]+)/(?P<rest>.+)")
    @route("POST", "/v1/(?P<mount>[^/]+)/(?P<rest>.+)")
    @route("PUT", "/v1/(?P<mount>[^/]+)/(?P<rest>.+)")
    @route("LIST", "/v1/(?P<mount>[^/]+)/?(?P<rest>.*)")
    @route("DELETE", "/v1/(?P<mount>[^/]+)/(?P<rest>.+)")
    def engine(self, request: Request, mount: str, rest: str) -> t.Any:
        entry = self.mounts.get(mount, {"type": ""})
        kind = (
            {"1": "kv1", "2": "kv2"}.get((entry.get("options") or {}).get("version", "1"), "")
            if entry["type"] == "kv"
            else entry["type"]
        )
        answer = getattr(self, f"engine_{kind or 'none'}", self.engine_none)
        return answer(request, mount, rest)

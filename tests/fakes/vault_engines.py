"""Secrets engines of the fake of OpenBao: KV, PKI, SSH and databases."""

from __future__ import annotations

import re
import typing as t
import uuid

from .server import Refusal, Request, now
from .vault_defaults import OBJECTS, WRITE_ONLY, seconds, shown

NO_ISSUER = "Issuing Certificate was set to default, but no default issuing certificate (configurable at /config/issuers) is currently set"
NO_AIA = (
    "This mount hasn't configured any authority information access (AIA) fields; this may make it harder for systems to find "
    "missing certificates in the chain or to validate revocation status of certificates. Consider updating /config/urls or the "
    "newly generated issuer with this information."
)
IGNORED = "Endpoint ignored these unrecognized parameters: [{}]"
NO_LEASES = (
    "it is encouraged to disable generate_lease and rely on PKI's native capabilities when possible; this option can cause "
    "instance-wide issues with large numbers of issued certificates"
)


class Engines:
    """Answers below a mount; state lies in `objects`, by path, and for KV by ``kv/MOUNT`` and path."""

    objects: dict[str, dict[str, t.Any]]
    mounts: dict[str, dict[str, t.Any]]
    lease: t.Callable[..., str]

    def _data(self, value: t.Any, **more: t.Any) -> dict[str, t.Any]:
        from .vault import data

        return data(value, **more)

    @staticmethod
    def _refused(status: int, *messages: str) -> Refusal:
        return Refusal(status, {"errors": list(messages)})

    def engine_none(self, request: Request, mount: str, rest: str) -> t.Any:
        raise self._refused(404, f'no handler for route "{mount}/{rest}". route entry not found.')

    # Objects that are written and read back

    def read_object(self, path: str, mounted: str, kind: str) -> t.Any:
        if path not in self.objects and (mounted, kind) == ("ldap", "config"):
            return self._data(OBJECTS[mounted, kind])
        if path not in self.objects:
            raise self._refused(404)
        return self._data(
            {name: value for name, value in self.objects[path].items() if name not in (*WRITE_ONLY, "role_id")}
        )

    def write_object(
        self,
        path: str,
        defaults: t.Mapping[str, t.Any] | None,
        own: t.Mapping[str, t.Any],
        sent: t.Mapping[str, t.Any],
    ) -> None:
        entry = self.objects.setdefault(path, {**(defaults or {}), **own})
        entry.update(sent if defaults is None else shown(defaults, sent))
        entry.update({name: sent[name] for name in WRITE_ONLY if name in sent})

    def _object(self, request: Request, mount: str, mounted: str, rest: str) -> t.Any:
        path, kind = f"{mount}/{rest}", rest.partition("/")[0]
        if request.method == "GET":
            return self.read_object(path, mounted, kind)
        if request.method == "LIST":
            names = sorted(one.removeprefix(f"{path}/") for one in self.objects if one.startswith(f"{path}/"))
            if not names:
                raise self._refused(404)
            return self._data({"keys": names})
        if request.method == "DELETE":
            self.objects.pop(path, None)
            return None
        if kind == "roles" and mounted in ("pki", "ssh"):
            self.objects.pop(path, None)  # what is not sent goes back to its default
        self.write_object(path, OBJECTS.get((mounted, kind)), {}, request.body)
        return None

    # KV version 1

    def engine_kv1(self, request: Request, mount: str, rest: str) -> t.Any:
        secrets = self.objects.setdefault(f"kv/{mount}", {})
        if request.method == "LIST":
            return self._listed(mount, rest)
        if request.method == "GET":
            if rest not in secrets:
                raise self._refused(404)
            return self._data(secrets[rest], lease_duration=2764800)
        if request.method == "DELETE":
            secrets.pop(rest, None)
        else:
            secrets[rest] = request.body
        return None

    def _listed(self, mount: str, folder: str) -> t.Any:
        prefix = f"{folder.strip('/')}/".lstrip("/")
        below = [path[len(prefix) :] for path in self.objects.get(f"kv/{mount}", {}) if path.startswith(prefix)]
        if not below:
            raise self._refused(404)
        return self._data({"keys": sorted({rest.partition("/")[0] + rest.partition("/")[1] for rest in below})})

    # KV version 2

    @staticmethod
    def _entry() -> dict[str, t.Any]:
        return {
            "versions": {}, "current_version": 0, "created_time": now(), "updated_time": now(), "oldest_version": 0,
            "max_versions": 0, "cas_required": False, "delete_version_after": "0s", "custom_metadata": None,
            "current_metadata_version": 0, "metadata_cas_required": False,
        }  # fmt: skip

    def engine_kv2(self, request: Request, mount: str, rest: str) -> t.Any:
        verb, _mark, path = rest.partition("/")
        secrets = self.objects.setdefault(f"kv/{mount}", {})
        answer = {
            ("GET", "data"): self._kv_read, ("POST", "data"): self._kv_write, ("PUT", "data"): self._kv_write,
            ("DELETE", "data"): self._kv_delete, ("GET", "metadata"): self._kv_metadata,
            ("POST", "metadata"): self._kv_write_metadata, ("DELETE", "metadata"): lambda secrets, path, _request: secrets.pop(path, None) and None,
            ("POST", "delete"): self._kv_versions, ("POST", "undelete"): self._kv_versions, ("POST", "destroy"): self._kv_versions,
        }.get((request.method, verb))  # fmt: skip
        if request.method == "LIST" and verb == "metadata":
            return self._listed(mount, path)
        if answer is None:
            raise self._refused(404, "1 error occurred:\n\t* unsupported path\n\n")
        return answer(secrets, path, request)

    def _kv_read(self, secrets: dict[str, t.Any], path: str, request: Request) -> t.Any:
        entry = secrets.get(path) or self._entry()
        number = int(request.query.get("version") or 0) or entry["current_version"]
        version = entry["versions"].get(str(number))
        if version is None:
            raise self._refused(404)
        metadata = {key: version[key] for key in ("created_time", "deletion_time", "destroyed")}
        metadata |= {"version": number, "custom_metadata": entry["custom_metadata"]}
        gone = version["deletion_time"] or version["destroyed"]
        answer = self._data({"data": None if gone else version["data"], "metadata": metadata})
        if gone:
            raise Refusal(404, answer)
        return answer

    def _kv_write(self, secrets: dict[str, t.Any], path: str, request: Request) -> t.Any:
        cas = (request.body.get("options") or {}).get("cas")
        if cas is not None and cas != (secrets.get(path) or self._entry())["current_version"]:
            raise self._refused(400, "check-and-set parameter did not match the current version")
        entry = secrets.setdefault(path, self._entry())
        number = entry["current_version"] = entry["current_version"] + 1
        version = {"data": request.body["data"], "created_time": now(), "deletion_time": "", "destroyed": False}
        entry["versions"][str(number)] = version
        about = {key: version[key] for key in ("created_time", "deletion_time", "destroyed")}
        return self._data({**about, "version": number, "custom_metadata": entry["custom_metadata"]})

    def _kv_delete(self, secrets: dict[str, t.Any], path: str, request: Request) -> t.Any:
        entry = secrets[path]
        entry["versions"][str(entry["current_version"])]["deletion_time"] = now()

    def _kv_versions(self, secrets: dict[str, t.Any], path: str, request: Request) -> t.Any:
        verb = request.path.split("/")[3]
        for number in request.body["versions"]:
            version = secrets[path]["versions"][str(number)]
            if verb == "destroy":
                version.update(destroyed=True, data=None)
            else:
                version["deletion_time"] = now() if verb == "delete" else ""

    def _kv_metadata(self, secrets: dict[str, t.Any], path: str, request: Request) -> t.Any:
        if path not in secrets:
            raise self._refused(404)
        entry = secrets[path]
        versions = {n: {k: v for k, v in version.items() if k != "data"} for n, version in entry["versions"].items()}
        return self._data({**entry, "versions": versions})

    def _kv_write_metadata(self, secrets: dict[str, t.Any], path: str, request: Request) -> t.Any:
        entry = secrets.setdefault(path, self._entry())
        entry.update(request.body, current_metadata_version=entry["current_metadata_version"] + 1)

    # Certificates

    def engine_pki(self, request: Request, mount: str, rest: str) -> t.Any:
        issuing = re.fullmatch(r"issue/([^/]+)", rest)
        if issuing:
            return self._issued(request, mount, issuing[1])
        if re.fullmatch(r"root/generate/(internal|exported)", rest):
            return self._root(request, mount)
        if rest == "config/issuers" and request.method == "GET":
            root = self.objects.get(f"{mount}/root")
            return self._data({"default": root["issuer_id"] if root else "", "default_follows_latest_issuer": False})
        if rest == "issuer/default" and request.method == "GET":
            return self._issuer(mount)
        answer = self._object(request, mount, "pki", rest)
        path = f"{mount}/{rest}"
        if request.method == "POST" and rest.startswith("roles/"):
            role = self.objects[path]
            kind = role["key_type"]
            role["key_bits"] = request.body.get("key_bits") or {"ec": 256, "rsa": 2048}.get(kind, 0)
            role["signature_bits"] = request.body.get("signature_bits") or (256 if kind == "rsa" else 0)
            said = [] if f"{mount}/root" in self.objects else [NO_ISSUER]
            said += [NO_LEASES] if role["generate_lease"] else []
            # It is shown, and not taken.
            taken = set(OBJECTS["pki", "roles"]) - {"allow_token_displayname"}
            unknown = sorted(set(request.body) - taken)
            said += [IGNORED.format(" ".join(unknown))] if unknown else []
            return {**self.read_object(path, "pki", "roles"), "warnings": said or None}
        return answer

    def _root(self, request: Request, mount: str) -> t.Any:
        from .authority import authority

        certificate, expires = authority()
        made = {
            "certificate": certificate, "expiration": expires, "issuer_id": str(uuid.uuid4()), "issuer_name": request.body.get("issuer_name", ""),
            "issuing_ca": certificate, "key_id": str(uuid.uuid4()), "key_name": request.body.get("key_name", ""),
            "serial_number": f"00:{uuid.uuid4().hex}",
        }  # fmt: skip
        self.objects.setdefault(f"{mount}/root", made)
        longest = self.mounts[mount]["config"]["max_lease_ttl"] or 2764800
        asked = seconds(request.body.get("ttl", 0))
        said = [
            f'TTL "{asked // 3600}h0m0s" is longer than permitted maxTTL "{longest // 3600}h0m0s", so maxTTL is being used'
        ]
        return self._data(made, warnings=[*(said if asked > longest else []), NO_AIA])

    def _issuer(self, mount: str) -> t.Any:
        root = self.objects.get(f"{mount}/root")
        if root is None:
            raise self._refused(500, "1 error occurred:\n\t* no default issuer currently configured\n\n")
        return self._data({name: root[name] for name in ("certificate", "issuer_id", "issuer_name", "key_id")})

    def _issued(self, request: Request, mount: str, role: str) -> t.Any:
        from .authority import issue

        body = request.body
        if f"{mount}/roles/{role}" not in self.objects:
            raise self._refused(400, f"unknown role: {role}")
        certificate, key, ca, expires = issue(
            body["common_name"], body.get("alt_names", ""), body.get("ip_sans", ""), body.get("ttl", "72h")
        )
        made = {
            "certificate": certificate, "private_key": key, "issuing_ca": ca, "ca_chain": [ca], "expiration": expires,
            "not_before": expires, "serial_number": f"00:{uuid.uuid4().hex}",
            "private_key_type": self.objects[f"{mount}/roles/{role}"].get("key_type", "rsa"),
        }  # fmt: skip
        if not self.objects[f"{mount}/roles/{role}"].get("generate_lease"):
            return self._data(made)
        duration = seconds(body.get("ttl", "72h"))
        lease = self.lease(f"{mount}/issue/{role}", duration, request, renewable=False)
        return self._data(made, lease_id=lease, lease_duration=duration)

    # SSH

    def engine_ssh(self, request: Request, mount: str, rest: str) -> t.Any:
        from .authority import sign_ssh, ssh_authority

        if rest.startswith("sign/"):
            body = request.body
            signed = sign_ssh(body["public_key"], body["valid_principals"], body.get("ttl", "30m"))
            return self._data({"serial_number": "1", "signed_key": signed})
        if rest == "config/ca":
            if request.method == "POST":
                about = {"issuer_id": str(uuid.uuid4()), "issuer_name": "", "public_key": ssh_authority()}
                self.objects[f"{mount}/ca"] = about
                return self._data(about)
            if request.method == "DELETE":
                self.objects.pop(f"{mount}/ca", None)
                return None
            if f"{mount}/ca" not in self.objects:
                raise self._refused(400, "no default issuer currently configured")
            return self._data(self.objects[f"{mount}/ca"])
        return self._object(request, mount, "ssh", rest)

    # Databases, without any

    def engine_database(self, request: Request, mount: str, rest: str) -> t.Any:
        if rest.startswith("creds/"):
            role = rest.partition("/")[2]
            if f"{mount}/roles/{role}" not in self.objects:
                raise self._refused(400, f"unknown role: {role}")
            duration = self.objects[f"{mount}/roles/{role}"]["default_ttl"] or 2764800
            lease = self.lease(f"{mount}/{rest}", duration, request, renewable=True)
            made = {"username": f"v-{role}-{uuid.uuid4().hex[:8]}", "password": f"canary-{uuid.uuid4().hex}"}
            return self._data(made, lease_id=lease, lease_duration=duration, renewable=True)
        if rest.startswith("config/") and request.method in ("POST", "PUT"):
            own = (
                "allowed_roles",
                "password",
                "password_policy",
                "plugin_name",
                "root_credentials_rotate_statements",
                "verify_connection",
            )
            details = {name: value for name, value in request.body.items() if name not in own}
            old = self.objects.get(f"{mount}/{rest}", {}).get("connection_details", {})
            sent = {**request.body, "connection_details": {**old, **details}}
            self.write_object(f"{mount}/{rest}", OBJECTS["database", "config"], {}, sent)
            return None
        return self._object(request, mount, "database", rest)

    def engine_cubbyhole(self, request: Request, mount: str, rest: str) -> t.Any:
        return self._object(request, mount, "cubbyhole", rest)

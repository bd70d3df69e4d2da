"""What OpenBao 2.6 shows of an object of which only the required settings were given; the types are those of its settings."""

from __future__ import annotations

import ipaddress
import re
import typing as t

_TOKEN: dict[str, t.Any] = {
    "token_bound_cidrs": [], "token_explicit_max_ttl": 0, "token_max_ttl": 0, "token_no_default_policy": False,
    "token_num_uses": 0, "token_period": 0, "token_policies": [], "token_strictly_bind_ip": False, "token_ttl": 0,
    "token_type": "default",
}  # fmt: skip

APPROLE = {
    **_TOKEN, "bind_secret_id": True, "local_secret_ids": False, "secret_id_bound_cidrs": None, "secret_id_num_uses": 0,
    "secret_id_ttl": 0,
}  # fmt: skip

LDAP = {
    **_TOKEN, "anonymous_group_search": False, "binddn": "", "case_sensitive_names": False, "certificate": "",
    "connection_timeout": 30, "deny_null_bind": True, "dereference_aliases": "never", "discoverdn": False, "groupattr": "cn",
    "groupdn": "", "groupfilter": "(|(memberUid={{.Username}})(member={{.UserDN}})(uniqueMember={{.UserDN}}))",
    "insecure_tls": False, "max_page_size": 0, "request_timeout": 90, "starttls": False, "tls_max_version": "tls12",
    "tls_min_version": "tls12", "upndomain": "", "url": "ldap://127.0.0.1", "use_pre111_group_cn_behavior": False,
    "use_token_groups": False, "userattr": "cn", "userdn": "", "userfilter": "({{.UserAttr}}={{.Username}})",
    "username_as_alias": False,
}  # fmt: skip

PKI_ROLE = {
    "allow_any_name": False, "allow_bare_domains": False, "allow_glob_domains": False, "allow_globs_in_identity_templates": False,
    "allow_ip_sans": True, "allow_localhost": True, "allow_subdomains": False, "allow_token_displayname": False,
    "allow_wildcard_certificates": True, "allowed_domains": [], "allowed_domains_template": False, "allowed_ip_sans_cidr": [],
    "allowed_other_sans": [], "allowed_serial_numbers": [], "allowed_uri_sans": [], "allowed_uri_sans_template": False,
    "allowed_user_ids": [], "basic_constraints_valid_for_non_ca": False, "client_flag": True,
    "cn_validations": ["email", "hostname"], "code_signing_flag": False, "country": [], "email_protection_flag": False,
    "enforce_hostnames": True, "ext_key_usage": [], "ext_key_usage_oids": [], "generate_lease": False, "issuer_ref": "default",
    "key_bits": 2048, "key_type": "rsa", "key_usage": ["DigitalSignature", "KeyAgreement", "KeyEncipherment"], "locality": [],
    "max_ttl": 0, "no_store": False, "not_after": "", "not_after_bound": "permit", "not_before": "", "not_before_bound": "permit",
    "not_before_duration": 30, "organization": [], "ou": [], "policy_identifiers": [], "postal_code": [], "province": [],
    "require_cn": True, "server_flag": True, "signature_bits": 0, "street_address": [], "ttl": 0, "use_csr_common_name": True,
    "use_csr_sans": True, "use_pss": False,
}  # fmt: skip

SSH_ROLE = {
    "algorithm_signer": "default", "allow_bare_domains": False, "allow_commas_in_identity_templates": False,
    "allow_empty_principals": False, "allow_host_certificates": False, "allow_subdomains": False,
    "allow_user_certificates": False, "allow_user_key_ids": False, "allowed_critical_options": "", "allowed_domains": "",
    "allowed_domains_template": False, "allowed_extensions": "", "allowed_user_key_lengths": {}, "allowed_users": "",
    "allowed_users_template": False, "default_critical_options": {}, "default_extensions": {}, "default_extensions_template": False,
    "default_user": "", "default_user_template": False, "issuer_ref": "default", "key_id_format": "", "key_type": "ca",
    "max_ttl": 0, "not_before_duration": 30, "ttl": 0,
}  # fmt: skip

DATABASE_ROLE = {
    "creation_statements": [], "credential_type": "password", "db_name": "", "default_ttl": 0, "max_ttl": 0,
    "renew_statements": [], "revocation_statements": [], "rollback_statements": [],
}  # fmt: skip

DATABASE_CONFIG = {
    "allowed_roles": [], "connection_details": {}, "password_policy": "", "plugin_name": "", "plugin_version": "",
    "root_credentials_rotate_statements": [],
}  # fmt: skip

# By the type of what is mounted, and the kind of object below it.
OBJECTS: dict[tuple[str, str], dict[str, t.Any]] = {
    ("approle", "role"): APPROLE,
    ("userpass", "users"): _TOKEN,
    ("ldap", "config"): LDAP,
    ("ldap", "groups"): {"policies": []},
    ("pki", "roles"): PKI_ROLE,
    ("ssh", "roles"): SSH_ROLE,
    ("database", "roles"): DATABASE_ROLE,
    ("database", "config"): DATABASE_CONFIG,
}
WRITE_ONLY = ("bindpass", "password")


def seconds(duration: t.Any) -> int:
    """Seconds of ``90``, ``"90s"``, ``"1h30m"`` or ``"30d"``."""
    if isinstance(duration, int) or str(duration).isdigit():
        return int(duration)
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([smhd])", str(duration)))


def shown(defaults: t.Mapping[str, t.Any], sent: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """GIVEN settings as a server shows them: durations in seconds, lists as lists, addresses without /32, unknown ones left out."""
    return {name: _like(defaults[name], value, name) for name, value in sent.items() if name in defaults}


def _like(default: t.Any, value: t.Any, name: str) -> t.Any:
    if isinstance(default, bool):
        return str(value).lower() in ("true", "1", "yes")
    if isinstance(default, int):
        return seconds(value)
    if isinstance(default, list):
        items = value if isinstance(value, list) else [part.strip() for part in str(value).split(",") if part.strip()]
        return [_address(item) for item in items] if name.endswith("_cidrs") else items
    return value


def _address(text: str) -> str:
    network = ipaddress.ip_network(text, strict=False)
    return str(network.network_address) if network.num_addresses == 1 else text

# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the host's public key and certificate, and signs anew where that one is not good any more."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible_collections.unified.deploy.plugins.plugin_utils._controller_action import ControllerAction, Result
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets import certificate, values


class ActionModule(ControllerAction):
    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        "common_name": {"type": "str", "required": True},
        "alt_names": {"type": "list", "elements": "str", "default": []},
        "ip_sans": {"type": "list", "elements": "str", "default": []},
        "cert_path": {"type": "path", "required": True},
        "key_path": {"type": "path", "required": True},
        "issuer_path": {"type": "path", "required": True},
        "group": {"type": "str", "default": "root"},
        "ca_certificate": {"type": "path", "required": True},
        "ca_key": {"type": "str", "required": True},
        "days": {"type": "int", "default": 397},
        "renew_days": {"type": "int", "default": 60},
    }

    def act(self, arguments: Result, task_vars: Result) -> Result:
        if certificate.MISSING:
            raise AnsibleActionFail(certificate.MISSING)
        if arguments["renew_days"] >= arguments["days"]:
            raise AnsibleActionFail("renew_days is not less than days: the certificate would be issued every time")
        issuer = self._issuer(arguments["ca_certificate"])
        names = certificate.Names(arguments["common_name"], tuple(arguments["alt_names"]), tuple(arguments["ip_sans"]))
        try:
            names.general()
        except ValueError as exc:
            raise AnsibleActionFail(f"ip_sans: {exc}. Write addresses, and names in alt_names") from None
        files = {name: arguments[name] for name in ("cert_path", "key_path", "issuer_path", "group")}
        done = self.module("certificate_files", files, task_vars)
        if done.get("failed"):
            return done
        reason, expires = "there is none", ""
        if issuer and done["public_key"]:
            reason, expires = certificate.state(
                done["certificate"], done["public_key"], issuer, names, arguments["renew_days"]
            )
            if not reason and done["issuer"] != issuer.strip():
                reason = "the authority's certificate beside it is another"
        changed = bool(reason) or done["changed"]
        if reason and not self._task.check_mode:
            signed, expires = self._sign(arguments, issuer, done["public_key"], names, task_vars)
            done = self.module("certificate_files", {**files, "certificate": signed, "issuer": issuer}, task_vars)
            if done.get("failed"):
                return done
        after = f"{arguments['cert_path']}: {reason}\n" if reason else ""
        return {"changed": changed, "reason": reason, "expires": expires, "diff": {"before": "", "after": after}}

    def _issuer(self, path: str) -> str:
        try:
            with open(path, "rb") as handle:
                return certificate.checked(handle.read())
        except ValueError:
            raise AnsibleActionFail(
                f"ca_certificate: {path} is no certificate in PEM. Move it away, or name another path"
            ) from None
        except FileNotFoundError:
            if self._task.check_mode:  # its own check mode has not made it
                return ""
            raise AnsibleActionFail(f"ca_certificate: there is no file {path} on the controller") from None

    def _sign(
        self, arguments: Result, issuer: str, public: str, names: certificate.Names, task_vars: Result
    ) -> tuple[str, str]:
        reference = arguments["ca_key"]
        key = values.values_of(values.resolver_of(self, task_vars), [reference])[reference]
        try:
            return certificate.sign(issuer, key, public, names, arguments["days"], arguments["renew_days"])
        except ValueError as exc:
            raise AnsibleActionFail(f"ca_key {reference}: {exc}") from None

# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge that all Vault modules share: arguments in, result or clear failure out."""

from __future__ import annotations

import re
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .client import Answer, VaultClient
from .errors import VaultError
from .options import OPTIONS
from .paths import segment
from .said import without
from .settings import differing, names_diff

Act = t.Callable[[VaultClient, Answer, bool], Answer]


def run_module(spec: dict[str, dict[str, t.Any]], act: Act, **constraints: t.Any) -> t.NoReturn:
    """Build the module, connect, and answer with what ACT(client, parameters, check mode) returns."""
    module = AnsibleModule(argument_spec={**OPTIONS, **spec}, supports_check_mode=True, **constraints)
    # A short value would be masked wherever it stands by chance, in a version's number for one. Results hold names only.
    module.no_log_values = {value for value in module.no_log_values if len(str(value)) >= 4}
    result: Answer = {}
    try:
        result = act(VaultClient(module.params), module.params, module.check_mode)
    except VaultError as exc:
        module.fail_json(msg=str(exc), kind=exc.kind)
    except OSError as exc:
        module.fail_json(msg=f"{exc.filename or 'a file'}: {exc.strerror}; nothing was changed")
    module.exit_json(**result)
    raise SystemExit  # exit_json does not return


def run_role_module(mount: str) -> t.NoReturn:
    """A module for the roles of a secrets engine that lies at MOUNT where nothing else is said."""
    spec: dict[str, dict[str, t.Any]] = {
        "name": {"type": "str", "required": True},
        "mount": {"type": "str", "default": mount},
        "config": {"type": "dict", "default": {}},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    }

    def act(client: VaultClient, params: Answer, check_mode: bool) -> Answer:
        path = f"{params['mount'].strip('/')}/roles/{segment(params['name'], 'name')}"
        return settle(client, path, params["config"], state=params["state"], check_mode=check_mode, merge=True)

    run_module(spec, act)


def warnings_of(answer: Answer, config: t.Mapping[str, t.Any]) -> list[str]:
    """What the server remarked on a write, less the parameters it ignored that only merging has sent."""
    remarks = []
    for warning in answer.get("warnings") or []:
        ignored = re.search(r"unrecognized parameters: \[([^\]]*)\]", warning)
        if ignored and not set(ignored[1].split()) & set(config):
            continue
        remarks.append(without([warning], config))
    return remarks


def _derived(name: str, changed: t.Collection[str]) -> bool:
    """Whether a setting follows from one that changes: the sizes of an old type of key are none of the new one's."""
    return "key_type" in changed and name in ("key_bits", "signature_bits", "algorithm_signer")


def answered(answer: Answer) -> Answer:
    """What a module returns of any answer: its data and lease, or the token that opens it where it was wrapped."""
    wrapped = answer.get("wrap_info") or {}
    lease: Answer = {
        "lease_id": str(answer.get("lease_id") or ""), "lease_duration": int(answer.get("lease_duration") or 0),
        "renewable": bool(answer.get("renewable")),
    }  # fmt: skip
    return {**lease, "wrap_token": wrapped["token"]} if wrapped else {**lease, "data": answer.get("data") or {}}


def settle(
    client: VaultClient,
    path: str,
    config: t.Mapping[str, t.Any],
    *,
    state: str = "present",
    check_mode: bool = False,
    write_only: t.Collection[str] = (),
    outdated: t.Callable[[], t.Collection[str]] = tuple,
    write: t.Callable[[str, Answer], Answer] | None = None,
    merge: bool = False,
) -> Answer:
    """Bring the object at PATH to the wanted settings: one read, and one write or delete where it differs.

    Args:
        write_only: settings that the server takes but never shows; they are sent when the object is new, or something
            else changes.
        write: writes the settings to the path and returns the answer; by default the client does.
        merge: whether what the server shows is sent too: some paths take what they are not sent back to its default.
        outdated: which of them have to be sent though nothing else changes; asked only where the object is there.
    """
    answer = client.read(path)
    current = answer["data"] if answer else None
    if state == "absent":
        if current is not None and not check_mode:
            client.delete(path)
        return {"changed": current is not None, "changed_names": [], "diff": names_diff(current or (), current, None)}
    visible = {name: value for name, value in config.items() if name not in write_only}
    changed = differing(visible, current)
    if current is not None:
        changed = sorted({*changed, *outdated()})
    remarks: list[str] = []
    differs = current is None or bool(changed)
    if differs and not check_mode:
        kept = {name: value for name, value in (current or {}).items() if not _derived(name, changed)} if merge else {}
        sent = {**kept, **config}
        remarks = warnings_of(write(path, sent) if write else client.write(path, **sent), config)
    return {
        "changed": differs,
        "warnings": remarks,
        "changed_names": changed,
        "diff": names_diff(changed, current, {**visible, **dict.fromkeys(changed)}),
    }

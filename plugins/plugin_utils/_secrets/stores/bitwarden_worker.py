# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one call of bitwarden-sdk in a process of its own: request on stdin, answer on stdout, both JSON.

The client holds Python's interpreter lock while it waits for the network, so that no thread could end it at a time-out.
"""

from __future__ import annotations

import json
import re
import sys
import typing as t


def main() -> None:
    asked: dict[str, t.Any] = json.load(sys.stdin)
    import bitwarden_sdk

    json.dump(_answer(bitwarden_sdk, asked), sys.stdout, default=str)


def _answer(sdk: t.Any, asked: dict[str, t.Any]) -> dict[str, t.Any]:
    step = "login"
    try:
        client = sdk.BitwardenClient(sdk.client_settings_from_dict(asked["settings"]))
        client.auth().login_access_token(asked["access_token"])
        step = "call"
        answer = getattr(client.secrets(), asked["operation"])(*asked["arguments"]).data
        items = [answer] if asked["operation"] in ("get", "create", "update") else answer.data
        return {"items": [dict(vars(item)) for item in items]}
    except Exception as exc:
        # The client has one exception for all; its text has the status, and could have the response.
        status = re.search(r"\[(\d{3})\b", str(exc))
        return {"error": step, "status": int(status[1]) if status else 0, "token": "access token" in str(exc).lower()}


if __name__ == "__main__":
    main()

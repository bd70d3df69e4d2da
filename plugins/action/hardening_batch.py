# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of unified.deploy.hardening_batch: says who runs it."""

from __future__ import annotations

from ansible_collections.unified.deploy.plugins.plugin_utils._run_owner import OwnedAction


class ActionModule(OwnedAction):
    """All is in the module; see there."""

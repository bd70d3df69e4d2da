# SPDX-License-Identifier: GPL-3.0-or-later
"""Which run of ansible-playbook this is.

A strategy loads the class of every action before it forks the workers, so what is computed here at import is the same
for all hosts and tasks of one run, and for no other.
"""

from __future__ import annotations

import datetime
import secrets

RUN = f"{datetime.datetime.now(datetime.timezone.utc):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"

# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a host's GPUs and what decides about their drivers: standard library only, no process, no change."""

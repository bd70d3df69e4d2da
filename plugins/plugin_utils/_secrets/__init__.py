# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets: one grammar for references, one interface for stores. No value here ever reaches a message."""

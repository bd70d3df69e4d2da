# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the effective state of a host. Standard library only, Python 3.9 or newer, never a change."""

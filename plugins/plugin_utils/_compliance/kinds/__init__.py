# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of rules: each answers what to look at, whether it holds, what to change, and how Goss shows it."""

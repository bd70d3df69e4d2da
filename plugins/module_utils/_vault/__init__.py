# SPDX-License-Identifier: GPL-3.0-or-later
"""HashiCorp Vault and OpenBao, by their HTTP API and nothing but the standard library."""

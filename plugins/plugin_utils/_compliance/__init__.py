# SPDX-License-Identifier: GPL-3.0-or-later
"""Compliance on the controller: select, plan, the Goss file, results and reports. Pure but for the results directory."""

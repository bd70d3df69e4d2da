# SPDX-License-Identifier: GPL-3.0-or-later
"""Deciding about drivers of GPUs: pure functions over tables (roles/gpu/files) and the facts of a host."""

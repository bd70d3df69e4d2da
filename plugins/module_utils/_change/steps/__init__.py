# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules that change any host do, a file each: the options, and a function that gives what the module returns."""

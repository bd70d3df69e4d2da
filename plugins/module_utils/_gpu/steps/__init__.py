# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules of the role gpu do, a file each: the options, and a function that gives what the module returns."""

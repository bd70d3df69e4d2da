# SPDX-License-Identifier: GPL-3.0-or-later
"""One adapter a vendor: `base` has the interface, the others each speak to one kind of store."""

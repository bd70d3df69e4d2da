# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that changes a host: the one writer of files, batches with a journal, runs with a way back."""

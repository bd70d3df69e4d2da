"""Drivers installed for real on test hosts: minutes, not seconds (make test-gpu)."""

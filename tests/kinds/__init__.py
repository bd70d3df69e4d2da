"""Scenarios of each kind: what breaks a rule on a real host, what only looks as if it did, and who else can tell."""

"""Whole machines: hardened, booted again, broken and cut off, on every architecture."""

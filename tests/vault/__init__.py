"""Vault modules: against a real server where one is given, else its recordings, else a fake that is named as one."""

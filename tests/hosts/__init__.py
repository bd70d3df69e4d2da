"""Disposable Debian test hosts: real systemd, real sshd, reached over the network."""

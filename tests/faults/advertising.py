"""A router on a host's link: it advertises itself and a prefix, as real ones do, and forwards nothing."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import typing as t
from pathlib import Path

from tests.hosts.store import Host

PREFIX = "2001:db8:7::"
"""For documentation (RFC 3849), so that no real network is shadowed."""


def advertisement(prefix: str) -> bytes:
    """Of a router for half an hour and an on-link prefix of 64 bits to make addresses of (RFC 4861, 4.2 and 4.6.2); the kernel adds the checksum."""
    router = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
    return router + struct.pack(
        "!BBBBIII16s", 3, 4, 64, 0xC0, 86400, 14400, 0, socket.inet_pton(socket.AF_INET6, prefix)
    )


@contextlib.contextmanager
def router(host: Host) -> t.Iterator[None]:
    """Advertise once a second on HOST's link, across its boots."""
    # Frames of the host pass both ends of its link, which are this machine's own: it must not follow that router itself.
    for link, key in ((host.peer, "disable_ipv6"), (host.link, "accept_ra")):
        Path(f"/proc/sys/net/ipv6/conf/{link}/{key}").write_text({"disable_ipv6": "1", "accept_ra": "0"}[key])
    ended = threading.Event()

    def advertise() -> None:
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sender:
            sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
            while not ended.wait(1):
                with contextlib.suppress(OSError):  # no carrier while the host boots
                    sender.sendto(advertisement(PREFIX), ("ff02::1", 0, 0, socket.if_nametoindex(host.link)))

    sending = threading.Thread(target=advertise)
    sending.start()
    try:
        yield
    finally:
        ended.set()
        sending.join()

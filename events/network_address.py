"""How is a host with its port written?"""

from __future__ import annotations


def host_port(host: str, port: int) -> str:
    """Return `localhost:25`, or `[::1]:25` for an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

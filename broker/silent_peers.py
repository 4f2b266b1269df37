"""When is a connection given up because the machine at its other end is silent?

A broker that is killed closes its connections. One whose machine or network is gone does not: what
waits for its answer would wait for the deadline, and everything asked after it for another one.
"""

from __future__ import annotations

import socket

SILENCE = 3.0  # seconds: Kafka has other leaders after about as many

_OPTIONS = {
    "SO_KEEPALIVE": (socket.SOL_SOCKET, 1),  # ask the other machine, also while we wait for answers
    "TCP_KEEPIDLE": (socket.IPPROTO_TCP, 1),  # after 1 s without a packet,
    "TCP_KEEPINTVL": (socket.IPPROTO_TCP, 1),  # every second
    "TCP_KEEPCNT": (socket.IPPROTO_TCP, int(SILENCE) - 1),
    "TCP_USER_TIMEOUT": (socket.IPPROTO_TCP, int(SILENCE * 1000)),  # for what we have sent
}


def give_up_when_silent(connection: socket.socket) -> None:
    """Let the kernel close a connection whose other machine acknowledges nothing for SILENCE
    seconds. A broker that is busy or frozen is not silent: its kernel answers. What the operating
    system does not know is left out."""
    for name, (level, value) in _OPTIONS.items():
        option = getattr(socket, name, None)
        if option is not None:
            connection.setsockopt(level, option, value)

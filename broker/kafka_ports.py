"""On which port does an embedded Kafka listen?"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Sequence

from farandole.broker.broker_errors import UnreachableError

DEFAULT_PORT = 9092
_PORT_WAIT = 5.0  # seconds to wait for the port of the last start


async def choose_port(
    wanted: int | None, remembered: int | None, default: int = DEFAULT_PORT
) -> int:
    """Return the port to listen on: `wanted`, else that of the last start, else `default`, or
    another one if it is taken. It waits for the port of the last start: running workers connect to
    it, and it can stay taken for a moment after its broker was killed."""
    if wanted is None and remembered is not None:
        ends = time.monotonic() + _PORT_WAIT
        while free_port(remembered) != remembered and time.monotonic() < ends:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    return free_port(wanted or remembered or default)


def free_port(port: int) -> int:
    """Return this port, or another that is free. Raises UnreachableError if none is free."""
    for candidate in (port, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise UnreachableError("no port is free on this machine")


def free_ports(wanted: Sequence[int]) -> list[int]:
    """Return these ports if all are free, otherwise as many others, no two the same."""
    for candidates in (wanted, [0] * len(wanted)):
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            probes = [held.enter_context(socket.socket()) for _ in candidates]
            for probe, candidate in zip(probes, candidates, strict=True):
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", candidate))
            return [probe.getsockname()[1] for probe in probes]
    raise UnreachableError(f"{len(wanted)} ports are not free on this machine")

"""Which processes of a folder answer scrapes, and where?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import orjson

_FOLDER = Path(".farandole") / "metrics"
"""Below the pipeline's folder: a file for each process that answers, named by its id."""


class MetricsAddress(NamedTuple):
    """Where a process answers."""

    service: str
    pid: int
    url: str


@contextmanager
def kept_address(folder: Path, address: MetricsAddress) -> Iterator[None]:
    """Write the address while the block runs; nothing where the folder cannot be written."""
    file = folder / _FOLDER / f"{address.pid}.json"
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(orjson.dumps(address._asdict()))
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink()


def read_addresses(folder: Path) -> list[MetricsAddress]:
    """Return where the processes of a folder answer, by their names; not those that were killed."""
    found = []
    for file in (folder / _FOLDER).glob("*.json"):
        with suppress(OSError, ValueError, TypeError):
            address = MetricsAddress(**orjson.loads(file.read_bytes()))
            os.kill(address.pid, 0)
            found.append(address)
    return sorted(found)

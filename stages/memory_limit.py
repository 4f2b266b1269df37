"""How much memory may this process hold?"""

from __future__ import annotations

import resource

if not __name__.startswith("farandole."):
    raise ImportError("stages.memory_limit is a part of farandole: import farandole.stages")


def limit_memory(mebibytes: int) -> None:
    """Limit the memory of this process, so that a function that allocates without end gets a
    MemoryError before the machine runs out of memory."""
    limit = mebibytes * 2**20
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(
        resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard)
    )


def memory_limit() -> int | None:
    """Return how many bytes of data this process may hold; None if there is no limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return None if soft == resource.RLIM_INFINITY else soft

"""Which events are examples of many, whatever the order in which they come?"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nsmallest

from xxhash import xxh3_64_intdigest

MAX_SAMPLES = 5


def first_ids(ids: Iterable[str]) -> list[str]:
    """Return the MAX_SAMPLES ids with the least hashes, in the order of these."""
    return nsmallest(MAX_SAMPLES, ids, key=_order)


def first_raw_ids(ids: Iterable[bytes]) -> list[str]:
    """Return what `first_ids` returns, of ids that are not decoded yet."""
    return [each.decode(errors="backslashreplace") for each in nsmallest(MAX_SAMPLES, ids, _raw)]


def _order(id_: str) -> tuple[int, str]:
    return xxh3_64_intdigest(id_.encode("utf-8", "backslashreplace")), id_


def _raw(id_: bytes) -> tuple[int, bytes]:
    return xxh3_64_intdigest(id_), id_

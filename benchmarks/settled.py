"""Is each line in a topic exactly once, and after the earlier lines of its key?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import orjson
from aiokafka import TopicPartition

from benchmarks import pipelines
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan

_FIRST_BASKET = orjson.loads(pipelines.line(0))["basket_id"]


class Settled:
    """Checks which of `lines` lines are in a topic, how often, and in which order."""

    def __init__(self, lines: int) -> None:
        self._seen = bytearray(lines)
        self._last: dict[int, int] = {}
        self.count = self._displaced = 0

    def see(self, values: Iterable[bytes | None]) -> None:
        """Add values of one partition, in the order of the partition."""
        seen, last = self._seen, self._last
        for value in values:
            line = orjson.loads(value or b"")
            number, key = line["basket_id"] - _FIRST_BASKET, line["household_id"]
            self.count += 1
            if seen[number]:
                continue  # a duplicate: its order does not count
            seen[number] = 1
            if number < last.get(key, -1):
                self._displaced += 1
            last[key] = number

    def find_faults(self, expected: int | None) -> list[str]:
        """Return what is wrong if the topic should have `expected` lines; None if this number is
        unknown."""
        distinct = sum(self._seen)
        expected = distinct if expected is None else expected
        return [
            f"{number:,} lines {what}"
            for what, number in (
                ("lost", expected - distinct),
                ("too many", distinct - expected),
                ("doubled", self.count - distinct),
                ("out of order", self._displaced),
            )
            if number > 0
        ]


async def read_settled_lines(
    settings: Settings, lines: int, start: Mapping[TopicPartition, int]
) -> Settled:
    """Return the check of all committed records from these offsets on."""
    found = Settled(lines)
    async for records in scan(settings, sorted({tp.topic for tp in start}), start=start):
        found.see(record.value for record in records)
    return found

"""Does each line stand in a topic once, behind those of its key that came before it?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import orjson
from aiokafka import TopicPartition

from benchmarks import pipelines
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan

_FIRST_BASKET = orjson.loads(pipelines.line(0))["basket_id"]


class Settled:
    """The lines that were seen, of `lines` that there are."""

    def __init__(self, lines: int) -> None:
        self._seen = bytearray(lines)
        self._last: dict[int, int] = {}
        self.count = self._displaced = 0

    def see(self, values: Iterable[bytes | None]) -> None:
        """Of one partition, as they stand there."""
        seen, last = self._seen, self._last
        for value in values:
            line = orjson.loads(value or b"")
            number, key = line["basket_id"] - _FIRST_BASKET, line["household_id"]
            self.count += 1
            if seen[number]:
                continue  # doubled: its order says nothing more
            seen[number] = 1
            if number < last.get(key, -1):
                self._displaced += 1
            last[key] = number

    def wrongs(self, expected: int | None) -> list[str]:
        """What is amiss where so many lines are to stand; None: as many as there are."""
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


async def settled(settings: Settings, lines: int, start: Mapping[TopicPartition, int]) -> Settled:
    """What a reader of committed records finds from these offsets on."""
    found = Settled(lines)
    async for records in scan(settings, sorted({tp.topic for tp in start}), start=start):
        found.see(record.value for record in records)
    return found

"""How many dead letters of a stage are open, by what was read of its topic?"""

from __future__ import annotations

from farandole.events.record import Record
from farandole.events.settlement_record import is_settlement, own_settlement, parse_settlement
from farandole.operations.results import Result

MAX_LETTERS = 10_000
"""How many open letters of a stage are known one by one; beyond that the oldest are forgotten."""


class OpenLetterHead(Result):
    """What is known of the open letters of one stage."""

    pipeline: str
    stage: str
    count: int
    more: bool
    """True if there may be more than `count`, because older records were not read."""
    oldest: int | None
    """When the oldest of those that are counted died, in milliseconds of the epoch, as is
    `newest`; None if none is open."""
    newest: int | None


class OpenLetters:
    """The letters of one stage that were not settled, in the order of the log."""

    def __init__(
        self, pipeline: str, stage: str, *, left_out: int = 0, most: int = MAX_LETTERS
    ) -> None:
        """`left_out`: records before this offset are not read; 0 for none."""
        self._names = pipeline, stage
        self._most = most
        self._left_out = left_out
        self._open: dict[int, int] = {}
        """By offset: when it died."""

    def take(self, record: Record) -> None:
        """Take the next record of the topic. Raises NewerFormatError for a settlement that this
        release cannot read: what it settles counts as open."""
        if not is_settlement(record.headers):
            if own_settlement(record.offset, record.headers) is not None:
                return
            self._open[record.offset] = record.timestamp
            if len(self._open) > self._most:
                oldest = next(iter(self._open))
                del self._open[oldest]
                self._left_out = oldest + 1
            return
        settlement = parse_settlement(record.value, record.headers)
        for offset in settlement.settles if settlement else ():
            if offset < record.offset:  # a settlement settles only earlier letters
                self._open.pop(offset, None)

    def drop_before(self, offset: int) -> bool:
        """Forget the letters that retention has deleted, those before this offset. Return True if
        that changes what is known."""
        gone = [each for each in self._open if each < offset]
        for each in gone:
            del self._open[each]
        were_left_out = 0 < self._left_out <= offset
        if were_left_out:
            self._left_out = 0
        return bool(gone) or were_left_out

    def head(self) -> OpenLetterHead:
        """Return what is known now."""
        pipeline, stage = self._names
        times = self._open.values()
        return OpenLetterHead(
            pipeline=pipeline,
            stage=stage,
            count=len(times),
            more=self._left_out > 0,
            oldest=next(iter(times), None),
            newest=next(reversed(times), None),
        )

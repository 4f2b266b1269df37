"""How often did each value of a column come, as long as they are few?

1 and 1.0 are one value; true, 1 and "1" are three. Of a text of more than MAX_TEXT characters the
hash and the length stand for it: it is counted, but nobody can read it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import accumulate
from operator import sub
from typing import Any, TypeVar

import numpy as np

from farandole.quality.profiles.number_form import (
    LIMIT,
    Number,
    NumberCounts,
    canonical,
    number_to_wire,
    numbers_from_wire,
)
from farandole.quality.profiles.packed import pack_json, unpack_json
from farandole.quality.profiles.quantile_sketch import MAX_COUNT
from farandole.quality.profiles.value_hash import (
    Hashes,
    hash_booleans,
    hash_numbers,
    hash_text,
    hash_texts,
    joined,
)

MAX_VALUES = 1_000
MAX_TEXT = 100

LongText = tuple[int, int]
"""Hash and length in characters of a text that is not kept."""
Value = bool | int | float | str
_KeyT = TypeVar("_KeyT")


class TopValues:
    """Exact counts of at most MAX_VALUES values. Whoever adds looks at `overflows`."""

    __slots__ = ("booleans", "long_texts", "numbers", "texts")

    def __init__(self) -> None:
        self.booleans: dict[bool, int] = {}
        self.numbers: dict[Number, int] = {}
        self.texts: dict[str, int] = {}
        self.long_texts: dict[LongText, int] = {}

    def add_booleans(self, counts: Mapping[bool, int]) -> None:
        _add(self.booleans, counts)

    def add_numbers(self, counts: NumberCounts) -> None:
        """Add finite numbers."""
        _add(self.numbers, counts)

    def add_texts(self, counts: Mapping[str, int]) -> None:
        """Add texts without lone surrogates, of any length."""
        if max(map(len, counts), default=0) <= MAX_TEXT:
            _add(self.texts, counts)
            return
        for text, count in counts.items():
            if len(text) <= MAX_TEXT:
                self.texts[text] = self.texts.get(text, 0) + count
            else:
                long = hash_text(text), len(text)
                self.long_texts[long] = self.long_texts.get(long, 0) + count

    def merge(self, other: TopValues) -> None:
        for name in self.__slots__:
            _add(getattr(self, name), getattr(other, name))

    def copy(self) -> TopValues:
        copied = TopValues()
        copied.merge(self)
        return copied

    def __len__(self) -> int:
        """How many different values there are."""
        return sum(len(getattr(self, name)) for name in self.__slots__)

    @property
    def overflows(self) -> bool:
        return len(self) > MAX_VALUES

    def hashes(self) -> Hashes:
        """Return the hash of each value."""
        hashes: list[Hashes] = []
        if self.booleans:
            hashes.append(hash_booleans(self.booleans))
        if self.numbers:
            hashes.append(hash_numbers(self.numbers))
        if self.texts:
            hashes.append(hash_texts(list(self.texts)))
        if self.long_texts:
            hashes.append(np.array([hashed for hashed, _ in self.long_texts], np.uint64))
        return joined(hashes)

    def text_lengths(self) -> dict[int, int]:
        """Return how many texts have each length, in characters."""
        lengths: dict[int, int] = {}
        for text, count in self.texts.items():
            lengths[len(text)] = lengths.get(len(text), 0) + count
        for (_, length), count in self.long_texts.items():
            lengths[length] = lengths.get(length, 0) + count
        return lengths

    def most_frequent(self, most: int) -> list[tuple[Value, int]]:
        """Return at most so many values with their counts, the most frequent first; of equal counts
        booleans, then numbers, then texts, each in their order. Long texts are not among them."""
        ordered: list[tuple[Value, int]] = [
            *sorted(self.booleans.items()),
            *((canonical(number), count) for number, count in sorted(self.numbers.items())),
            *sorted(self.texts.items()),
        ]
        ordered.sort(key=lambda counted: -counted[1])  # stable: equal counts stay in order
        return ordered[:most]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TopValues) and all(
            getattr(self, name) == getattr(other, name) for name in self.__slots__
        )

    __hash__ = None  # type: ignore[assignment]

    def to_wire(self) -> dict[str, object]:
        """Return the counts as JSON: lists of sorted values and of their counts, by kind. Where all
        numbers are integers, only the first is there, and then the gaps: fewer bytes."""
        wire: dict[str, object] = {}
        kinds: tuple[tuple[str, dict[Any, int]], ...] = (
            ("booleans", self.booleans),
            ("numbers", self.numbers),
            ("texts", self.texts),
            ("long", self.long_texts),
        )
        for name, counts in kinds:
            if counts:
                values = sorted(counts)
                sums = list(map(counts.__getitem__, values))
                if counts is self.numbers:
                    if not -(2**62) < values[0] <= values[-1] < 2**62:
                        values = list(map(number_to_wire, values))
                    elif set(map(type, values)) == {int}:
                        name = "integers"
                        values = [values[0], *map(sub, values[1:], values)]
                wire[name] = pack_json([values, sums])
        return wire

    @classmethod
    def from_wire(cls, wire: object) -> TopValues:
        """Return the values that `to_wire` wrote. Raise ValueError for anything else."""
        if not isinstance(wire, dict):
            raise ValueError("top values are an object")
        read = cls()
        for name, counts in wire.items():
            match name:
                case "booleans":
                    read.booleans = _counted(counts, _booleans)
                case "numbers":
                    read.numbers = _counted(counts, numbers_from_wire)
                case "integers" if "numbers" not in wire:
                    read.numbers = _counted(counts, _gaps)
                case "texts":
                    read.texts = _counted(counts, _short_texts)
                case "long":
                    read.long_texts = _counted(counts, _long_texts)
                case _:
                    raise ValueError("top values are booleans, numbers and texts")
        if read.overflows:
            raise ValueError("there are more top values than a column keeps")
        return read


def _add(counts: dict[Any, int], more: Mapping[Any, int]) -> None:
    if not counts:
        counts.update(more)
        return
    for value, count in more.items():
        counts[value] = counts.get(value, 0) + count


def _counted(wire: object, read: Callable[[list[Any]], list[_KeyT]]) -> dict[_KeyT, int]:
    match unpack_json(wire):
        case [list(values), list(counts)] if len(values) == len(counts) <= MAX_VALUES:
            if set(map(type, counts)) <= {int} and all(1 <= count <= MAX_COUNT for count in counts):
                return dict(zip(read(values), counts, strict=True))
    raise ValueError("values and their counts are two lists of one length")


def _gaps(wire: list[Any]) -> list[Number]:
    if set(map(type, wire)) <= {int} and sum(map(abs, wire)) < LIMIT:
        return list(accumulate(wire))
    raise ValueError("the gaps between integers are integers")


def _booleans(wire: list[Any]) -> list[bool]:
    if set(map(type, wire)) <= {bool}:
        return wire
    raise ValueError("booleans are expected")


def _short_texts(wire: list[Any]) -> list[str]:
    if set(map(type, wire)) <= {str} and max(map(len, wire), default=0) <= MAX_TEXT:
        return wire
    raise ValueError(f"texts of at most {MAX_TEXT} characters are expected")


def _long_texts(wire: list[Any]) -> list[LongText]:
    return [_long_text(each) for each in wire]


def _long_text(wire: object) -> LongText:
    match wire:
        case [int(hashed), int(length)] if 0 <= hashed < 2**64 and MAX_TEXT < length <= MAX_COUNT:
            return hashed, length
    raise ValueError("a long text is its hash and its length")

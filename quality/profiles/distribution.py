"""Which values does a column have: each with its count, or, where they are too many, in sketches?

As long as there are at most MAX_VALUES different values, each is kept with its count, and there is
no sketch: whatever a sketch would say follows from them. With one more they *overflow*: they are
added to the sketches and forgotten for good. So the state depends on the values alone, not on the
order or the grouping in which they came. A personal column has overflowed from the start, and has
no sketch of its numbers either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from farandole.quality.profiles.hyperloglog import HyperLogLog
from farandole.quality.profiles.number_form import Number, NumberCounts, nearest_double
from farandole.quality.profiles.quantile_sketch import QuantileSketch
from farandole.quality.profiles.top_values import MAX_VALUES, TopValues
from farandole.quality.profiles.value_hash import (
    hash_booleans,
    hash_doubles,
    hash_integers,
    hash_numbers,
    hash_texts,
)

_CHUNK = 8_192
"""Numbers that are sketched at once: what is computed of them stays in the processor's cache."""


class Distribution:
    """`values` is None once they have overflowed; the sketches are empty until then. `registers`
    count different values, `numbers` and `lengths` (of texts, in characters) are their spread."""

    __slots__ = ("lengths", "numbers", "personal", "registers", "values")

    def __init__(self, *, personal: bool = False) -> None:
        self.personal = personal
        self.values: TopValues | None = None if personal else TopValues()
        self.registers = HyperLogLog()
        self.numbers = QuantileSketch()
        self.lengths = QuantileSketch()

    def add_booleans(self, counts: Mapping[bool, int]) -> None:
        if self.values is None:
            self.registers.add(hash_booleans(counts))
        else:
            self.values.add_booleans(counts)
            self._forget_if_too_many()

    def add_numbers(self, counts: NumberCounts) -> None:
        """Add different finite numbers, with how often each comes."""
        if len(counts) > MAX_VALUES:
            self.forget_values()
        if self.values is None:
            self._sketch_numbers(counts)
        else:
            self.values.add_numbers(counts)
            self._forget_if_too_many()

    def add_many_numbers(
        self,
        numbers: NDArray[np.int64] | NDArray[np.float64],
        counts: NDArray[np.int64] | None = None,
    ) -> None:
        """Add finite numbers of which more than MAX_VALUES are different, each as often as `counts`
        says; once if that is None."""
        self.forget_values()
        for first in range(0, len(numbers), _CHUNK):
            part = numbers[first : first + _CHUNK]
            if part.dtype == np.int64:
                self.registers.add(hash_integers(part.astype(np.int64, copy=False)))
            else:
                self.registers.add(hash_doubles(part.astype(np.float64, copy=False)))
            if not self.personal:
                counted = None if counts is None else counts[first : first + _CHUNK]
                self.numbers.add(part.astype(np.float64, copy=False), counted)

    def add_texts(self, counts: Mapping[str, int]) -> None:
        """Add different texts without lone surrogates, with how often each comes."""
        if len(counts) > MAX_VALUES:
            self.forget_values()
        if self.values is None:
            self.registers.add(hash_texts(list(counts)))
            self.lengths.add(
                np.fromiter(map(len, counts), np.float64, len(counts)),
                np.fromiter(counts.values(), np.int64, len(counts)),
            )
        else:
            self.values.add_texts(counts)
            self._forget_if_too_many()

    def merge(self, other: Distribution) -> None:
        """Add all values of another one. What either must not keep is not kept."""
        if other.personal:
            self.make_personal()
        if self.values is not None and other.values is not None:
            self.values.merge(other.values)
            self._forget_if_too_many()
            return
        self.forget_values()
        if other.values is not None:
            self._sketch(other.values)
            return
        self.registers.merge(other.registers)
        self.lengths.merge(other.lengths)
        if not self.personal:
            self.numbers.merge(other.numbers)

    def forget_values(self) -> None:
        """Move all values into the sketches, and keep none from now on."""
        if (values := self.values) is not None:
            self.values = None
            self._sketch(values)

    def forget_sketches(self) -> None:
        """Empty the sketches, and keep no values from now on."""
        self.values = None
        self.registers, self.numbers, self.lengths = (
            HyperLogLog(),
            QuantileSketch(),
            QuantileSketch(),
        )

    def make_personal(self) -> None:
        """Forget what a personal column must not keep."""
        self.personal = True
        self.forget_values()
        self.numbers = QuantileSketch()

    def number_sketch(self) -> QuantileSketch:
        """Return how the numbers are spread. Not to be changed."""
        if self.values is None:
            return self.numbers
        sketch = QuantileSketch()
        sketch.add(_doubles(self.values.numbers), _counts(self.values.numbers))
        return sketch

    def length_sketch(self) -> QuantileSketch:
        """Return how the lengths of texts are spread, in characters. Not to be changed."""
        if self.values is None:
            return self.lengths
        sketch = QuantileSketch()
        lengths = self.values.text_lengths()
        sketch.add(_doubles(lengths), _counts(lengths))
        return sketch

    def copy(self) -> Distribution:
        copied = Distribution(personal=self.personal)
        copied.values = None if self.values is None else self.values.copy()
        copied.registers = self.registers.copy()
        copied.numbers, copied.lengths = self.numbers.copy(), self.lengths.copy()
        return copied

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Distribution) and all(
            getattr(self, name) == getattr(other, name) for name in self.__slots__
        )

    __hash__ = None  # type: ignore[assignment]

    def to_wire(self) -> dict[str, object]:
        """Return the values or the sketches as JSON, without those that are empty."""
        if self.values is not None:
            return {"values": self.values.to_wire()}
        sketches: dict[str, HyperLogLog | QuantileSketch] = {
            "registers": self.registers, "numbers": self.numbers, "lengths": self.lengths
        }  # fmt: skip
        return {"sketches": {name: each.to_wire() for name, each in sketches.items() if each}}

    @classmethod
    def from_wire(cls, wire: Mapping[str, object], *, personal: bool) -> Distribution:
        """Return the distribution that `to_wire` wrote. Raise ValueError for anything else."""
        read = cls(personal=personal)
        match wire:
            case {"values": values} if "sketches" not in wire and not personal:
                read.values = TopValues.from_wire(values)
            case {"sketches": dict(sketches)} if "values" not in wire:
                read.values = None
                for name, each in sketches.items():
                    if name == "registers":
                        read.registers = HyperLogLog.from_wire(each)
                    elif name == "lengths" or (name == "numbers" and not personal):
                        setattr(read, name, QuantileSketch.from_wire(each))
                    else:
                        raise ValueError(f"no such sketch: {name:.20}")
            case _:
                raise ValueError(
                    "a column has either values or sketches, and if personal no values"
                )
        return read

    def _forget_if_too_many(self) -> None:
        if self.values is not None and self.values.overflows:
            self.forget_values()

    def _sketch(self, values: TopValues) -> None:
        self.registers.add(values.hashes())
        lengths = values.text_lengths()
        self.lengths.add(_doubles(lengths), _counts(lengths))
        if not self.personal:
            self.numbers.add(_doubles(values.numbers), _counts(values.numbers))

    def _sketch_numbers(self, counts: NumberCounts) -> None:
        self.registers.add(hash_numbers(counts))
        if not self.personal:
            self.numbers.add(_doubles(counts), _counts(counts))


def _doubles(numbers: Iterable[Number]) -> NDArray[np.float64]:
    """Return the double nearest to each number."""
    try:
        return np.array(list(numbers), np.float64)
    except OverflowError:
        return np.array([nearest_double(each) for each in numbers])


def _counts(counts: NumberCounts) -> NDArray[np.int64]:
    return np.fromiter(counts.values(), np.int64, len(counts))

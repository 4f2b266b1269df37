"""How are the values of a column gathered, part by part?

Values of a large batch are made compact while they are in the processor's cache: numbers become
arrays, texts are counted.
"""

from __future__ import annotations

from collections import Counter
from types import NoneType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from farandole.quality.profiles.column_arrays import add_doubles, add_integers
from farandole.quality.profiles.column_profile import ColumnProfile, added
from farandole.quality.profiles.column_values import (
    add_booleans,
    add_double_values,
    add_integer_values,
    add_lists,
    add_texts,
)
from farandole.quality.profiles.distribution import Distribution

_MANY = 1_000
"""From so many numbers on an array costs less than counting them one by one."""

_NumberT = TypeVar("_NumberT", np.int64, np.float64)


class ColumnGatherer:
    """The values of one column so far. `size` counts them, nulls among them."""

    __slots__ = (
        "_double_arrays", "_doubles", "_integer_arrays", "_integers", "_large", "_profile",
        "_texts", "size",
    )  # fmt: skip

    def __init__(self, *, personal: bool) -> None:
        self.size = 0
        self._profile = ColumnProfile(Distribution(personal=personal))
        self._texts: Counter[str] = Counter()
        self._integers: list[int] = []
        self._integer_arrays: list[NDArray[np.int64]] = []
        self._large: list[int] = []  # of more than 64 bits
        self._doubles: list[float] = []
        self._double_arrays: list[NDArray[np.float64]] = []

    def add(self, values: list[Any], types: set[type]) -> None:
        """Add values of these types, which are those that JSON is read as; texts have no lone
        surrogates."""
        self.size += len(values)
        if NoneType in types:
            present = [value for value in values if value is not None]
            self._profile.nulls += len(values) - len(present)
            values, types = present, types - {NoneType}
        for each in types:
            of_type = values if len(types) == 1 else [v for v in values if type(v) is each]
            self._add_of_type(each, of_type)

    def add_nulls(self, nulls: int) -> None:
        self.size += nulls
        self._profile.nulls += nulls

    def add_integers(self, integers: NDArray[np.int64]) -> None:
        self.size += len(integers)
        self._integer_arrays.append(integers)

    def add_doubles(self, doubles: NDArray[np.float64]) -> None:
        self.size += len(doubles)
        self._double_arrays.append(doubles)

    def add_texts(self, counts: Counter[str]) -> None:
        """Add different texts without lone surrogates, with how often each comes."""
        self.size += counts.total()
        self._texts.update(counts)

    def profile(self) -> ColumnProfile:
        """Return the profile of all values, after which none may be added."""
        profile = self._profile
        if self._integer_arrays:
            if self._integers:
                self._compact_integers()
            add_integers(profile, _joined(self._integer_arrays))
        if few := self._integers + self._large:
            add_integer_values(profile, few)
        if self._double_arrays:
            if self._doubles:
                self._compact_doubles()
            add_doubles(profile, _joined(self._double_arrays))
        if self._doubles:
            add_double_values(profile, self._doubles)
        if self._texts:
            add_texts(profile, self._texts)
        return profile

    def _add_of_type(self, type_: type, values: list[Any]) -> None:
        if type_ is int:
            self._integers += values
            if len(self._integers) > _MANY:
                self._compact_integers()
        elif type_ is float:
            self._doubles += values
            if len(self._doubles) > _MANY:
                self._compact_doubles()
        elif type_ is str:
            self._texts.update(values)
        elif type_ is bool:
            add_booleans(self._profile, values)
        elif type_ is list:
            add_lists(self._profile, values)
        else:
            self._profile.kinds = added(self._profile.kinds, {"object": len(values)})

    def _compact_integers(self) -> None:
        try:
            self._integer_arrays.append(np.array(self._integers, np.int64))
        except OverflowError:
            self._large += [n for n in self._integers if not -(2**63) <= n < 2**63]
            small = [n for n in self._integers if -(2**63) <= n < 2**63]
            self._integer_arrays.append(np.array(small, np.int64))
        self._integers = []

    def _compact_doubles(self) -> None:
        self._double_arrays.append(np.array(self._doubles, np.float64))
        self._doubles = []


def _joined(arrays: list[NDArray[_NumberT]]) -> NDArray[_NumberT]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)

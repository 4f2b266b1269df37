"""What is the profile of some rows, as JSON or as columns?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from farandole.quality.profiles.column_input import read_column
from farandole.quality.profiles.edge_profile import EdgeProfile
from farandole.quality.profiles.row_columns import RowColumns
from farandole.quality.profiles.row_reader import ReadRows, read_rows, readable
from farandole.quality.profiles.value_hash import hash_rows, joined

_CHUNK = 512
"""Rows that are read at once: their objects stay in the processor's cache."""
_CHUNK_BYTES = 1024 * 1024
"""Bytes that are read at once, if they are of several rows: objects take ten times as much."""


def profile_rows(raws: Sequence[bytes], personal: frozenset[str]) -> EdgeProfile:
    """Return the profile of rows, each of which is a text of JSON; those that `read_rows` does not
    read are counted. `personal` are the paths of columns of which no value is to be kept."""
    return _profile(raws, personal, None)


def profile_with_rows(
    raws: Sequence[bytes], personal: frozenset[str]
) -> tuple[EdgeProfile, ReadRows]:
    """Return what `profile_rows` returns, and the rows."""
    read = ReadRows([], [])
    return _profile(raws, personal, read), read


def _profile(
    raws: Sequence[bytes], personal: frozenset[str], all_read: ReadRows | None
) -> EdgeProfile:
    """Return the profile of rows, which are added to `all_read`, if it is given."""
    columns, done, unreadable, hashes = RowColumns(personal), 0, 0, []
    for part in _parts(raws):
        read = read_rows(part)
        columns.add_rows(read.rows)
        unreadable += len(read.unreadable)
        hashes.append(hash_rows(readable(part, read)))
        if all_read is not None:
            all_read.rows.extend(read.rows)
            all_read.unreadable.extend(done + place for place in read.unreadable)
        done += len(part)
    profile = columns.profile(len(raws) - unreadable, unreadable)
    profile.note_rows(joined(hashes))
    return profile


def profile_columns(columns: Mapping[str, Any], rows: int, personal: frozenset[str]) -> EdgeProfile:
    """Return the profile of rows whose fields are given as columns: NumPy arrays, masked or not,
    Arrow arrays, or sequences of Python values; what is masked or None is null. Raise ValueError
    for a column that is not as long as there are rows, or has several dimensions.

    NaN and the infinities are counted as not finite. What is none of JSON's types is read as its
    text; in texts, `?` stands for a lone surrogate. Objects in a column are opened, as in rows.
    How many rows are different is not known (`EdgeProfile.note_rows`).
    """
    gathered = RowColumns(personal)
    for name, given in columns.items():
        column = read_column(given)
        if column.rows != rows:
            raise ValueError(f"the column {name} has {column.rows} values, not {rows}")
        gathered.add_column(name, column)
    return gathered.profile(rows)


def _parts(raws: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Yield the texts in parts that are read at once."""
    for first in range(0, len(raws), _CHUNK):
        part = raws[first : first + _CHUNK]
        size = sum(map(len, part))
        step = len(part) if size <= _CHUNK_BYTES else max(len(part) * _CHUNK_BYTES // size, 1)
        for start in range(0, len(part), step):
            yield part[start : start + step]

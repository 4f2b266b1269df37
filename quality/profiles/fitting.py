"""Which parts of columns are left out, so that they fit into so many bytes?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import orjson

from farandole.quality.profiles.column_profile import ColumnProfile
from farandole.quality.profiles.column_wire import column_to_json


class FittedColumns(NamedTuple):
    columns: dict[str, orjson.Fragment]
    left_out: int
    """How many values, nulls among them, are in columns that were left out."""
    cut: bool
    """True if there are such columns."""


def fit_columns(columns: Mapping[str, ColumnProfile], room: int, room_if_cut: int) -> FittedColumns:
    """Return the columns as JSON that takes at most so many bytes with their names and commas. Top
    values go first, then sketches, each time those of the longest column; then whole columns, the
    last in order first. The profiles are left as they are."""
    texts = {name: orjson.dumps(column_to_json(column)) for name, column in columns.items()}
    size = sum(len(text) + len(orjson.dumps(name)) + 2 for name, text in texts.items())
    size -= bool(texts)  # no comma behind the last
    for shorten in (ColumnProfile.without_values, ColumnProfile.without_sketches):
        for name in sorted(texts, key=lambda each: (-len(texts[each]), each)):
            if size <= room:
                break
            shorter = orjson.dumps(column_to_json(shorten(columns[name])))
            if len(shorter) < len(texts[name]):
                size -= len(texts[name]) - len(shorter)
                texts[name] = shorter
    left_out = 0
    if cut := size > room:
        while texts and size > room_if_cut:
            name, text = texts.popitem()
            size -= len(text) + len(orjson.dumps(name)) + 2
            left_out += columns[name].count + columns[name].nulls
    return FittedColumns({n: orjson.Fragment(text) for n, text in texts.items()}, left_out, cut)

"""Which values are in each column of rows of JSON?

An object inside a row is a column (of kind *object*), and its fields are opened, down to the fourth
name of a path. A list is one column and is not opened, nor is a personal object, whose fields'
names may be personal. A row that is no object is the one column `value`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from farandole.quality.profiles.column_gatherer import ColumnGatherer
from farandole.quality.profiles.column_input import GivenColumn
from farandole.quality.profiles.column_names import (
    MAX_COLUMNS,
    MAX_DEPTH,
    MAX_NAME,
    field_path,
    is_personal,
)
from farandole.quality.profiles.edge_profile import EdgeProfile

SINGLE_COLUMN = "value"


class RowColumns:
    """Gathers the columns of rows, part by part: what is done while the objects of a part are in
    the processor's cache takes half the time, and of however many names few are held."""

    __slots__ = ("_columns", "_left_out", "_personal")

    def __init__(self, personal: frozenset[str]) -> None:
        """`personal` names columns by their paths."""
        self._personal = personal
        self._columns: dict[str, ColumnGatherer] = {}
        self._left_out = 0

    def add_rows(self, rows: Sequence[Any]) -> None:
        """Add rows as orjson reads them."""
        if set(map(type, rows)) - {dict}:
            self._add(SINGLE_COLUMN, [row for row in rows if type(row) is not dict], MAX_DEPTH)
            rows = [row for row in rows if type(row) is dict]
        self._add_objects(rows, "", 1)
        if len(self._columns) > 2 * MAX_COLUMNS:
            self._drop_last()

    def add_column(self, name: str, column: GivenColumn) -> None:
        """Add a field of all rows that is given as a column."""
        path, values = field_path(name), column.values
        if isinstance(values, list):
            self._add(path, values, 1)
        elif isinstance(values, Counter):
            self._column(path).add_texts(values)
        elif values.dtype == np.int64:
            self._column(path).add_integers(values.astype(np.int64, copy=False))
        else:
            self._column(path).add_doubles(values.astype(np.float64, copy=False))
        self._column(path).add_nulls(column.nulls)

    def profile(self, rows: int, unreadable: int = 0) -> EdgeProfile:
        """Return the profile of all rows, after which none may be added: of so many that were
        added, and of so many that could not be read."""
        self._drop_last()
        profiles = {path: self._columns[path].profile() for path in sorted(self._columns)}
        return EdgeProfile(rows, profiles, unreadable=unreadable, left_out=self._left_out)

    def _add_objects(self, objects: Sequence[dict[str, Any]], prefix: str, depth: int) -> None:
        fields = {field_path(name, prefix): values for name, values in _fields(objects).items()}
        kept: Collection[str] = fields if len(fields) <= MAX_COLUMNS else _first(fields)
        for path, values in fields.items():
            if path in kept:
                self._add(path, values, depth)
            else:
                self._left_out += self._size(path, values, depth)

    def _add(self, path: str, values: list[Any], depth: int) -> None:
        types = set(map(type, values))
        if dict in types and depth < MAX_DEPTH and path not in self._personal:
            objects = [value for value in values if type(value) is dict]
            self._add_objects(objects, f"{path}.", depth + 1)
        self._column(path).add(values, types)

    def _size(self, path: str, values: list[Any], depth: int) -> int:
        """Return how many values there are, those of the fields of objects among them."""
        size = len(values)
        if depth < MAX_DEPTH and path not in self._personal:
            objects = [value for value in values if type(value) is dict]
            for name, inside in _fields(objects).items():
                size += self._size(field_path(name, f"{path}."), inside, depth + 1)
        return size

    def _column(self, path: str) -> ColumnGatherer:
        if (column := self._columns.get(path)) is None:
            column = ColumnGatherer(personal=is_personal(path, self._personal))
            self._columns[path] = column
        return column

    def _drop_last(self) -> None:
        """Leave out the columns that are not kept."""
        for path in self._columns.keys() - _first(self._columns):
            self._left_out += self._columns.pop(path).size


def _first(paths: Iterable[str]) -> set[str]:
    """Return the paths that are kept of these."""
    return set(sorted(path for path in paths if len(path) <= MAX_NAME)[:MAX_COLUMNS])


def _fields(objects: Sequence[dict[str, Any]]) -> Mapping[str, list[Any]]:
    """Return the values of each field, in the order of the objects that have it."""
    if not objects:
        return {}
    names = objects[0]
    if set(map(len, objects)) == {len(names)}:
        try:
            if len(names) < 2:
                return {name: list(map(itemgetter(name), objects)) for name in names}
            values = zip(*map(itemgetter(*names), objects), strict=True)
            return dict(zip(names, map(list, values), strict=True))
        except KeyError:
            pass  # as many fields, but others
    fields: defaultdict[str, list[Any]] = defaultdict(list)
    for each in objects:
        for name, value in each.items():
            fields[name].append(value)
    return fields

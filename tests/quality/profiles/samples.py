"""Which rows do the tests of profiles make, and which limits do they lower?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import orjson
from hypothesis import strategies as st

from farandole.quality.profiles import (
    column_arrays,
    column_gatherer,
    distribution,
    edge_profile,
    row_columns,
    top_values,
)
from farandole.quality.profiles.edge_profile import EdgeProfile
from farandole.quality.profiles.profiling import profile_rows

PERSONAL = frozenset({"p", "o.p"})
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([0.0, -0.0, 1.0, 0.1, -2.5, 1e300, 5e-324, 2**53 + 1, 2**64 - 1, -(2**63)])
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(
        [
            "",
            "a",
            "1",
            "1.0",
            "true",
            "2026-07-31",
            "-7.25e3",
            "2020-02-29T12:00+01",
            "x" * 101,
            "y" * 500,
            "é",
        ]
    )
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
)
FIELDS = st.sampled_from(["a", "b", "c.d", "o", "p", "o.p", "\\"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=3)
)
ROWS = st.lists(st.dictionaries(FIELDS, VALUES, max_size=4) | VALUES, max_size=12)
RAWS = ROWS.map(lambda rows: [orjson.dumps(row) for row in rows])


def profiled(raws: Sequence[bytes]) -> EdgeProfile:
    return profile_rows(raws, PERSONAL)


def decoded(delta: bytes) -> EdgeProfile:
    return EdgeProfile.from_json(orjson.loads(delta))


def merged(parts: Sequence[EdgeProfile]) -> EdgeProfile:
    profile = EdgeProfile()
    for part in parts:
        profile.merge(part)
    return profile


def lines(first: int, last: int) -> list[bytes]:
    """Rows with columns of few and of many values."""
    return [
        orjson.dumps(
            {
                "id": 31_198_570_044 + number,
                "price": number * 0.37,
                "count": number % 50,
                "name": f"ORD-{number:07}",
                "state": ("new", "paid", None)[number % 3],
                "p": f"person {number}",
            }
        )
        for number in range(first, last)
    ]


@contextmanager
def few_kept(values: int = 4, columns: int = 200) -> Iterator[None]:
    """Lower the limits, so that few rows exceed them."""
    limits: list[tuple[Any, str, int]] = [
        (top_values, "MAX_VALUES", values),
        (distribution, "MAX_VALUES", values),
        (column_arrays, "MAX_VALUES", values),
        (column_gatherer, "_MANY", values),
        (column_arrays, "SAMPLE", 2 * values),
        (row_columns, "MAX_COLUMNS", columns),
        (edge_profile, "MAX_COLUMNS", columns),
    ]
    patches = [patch.object(module, name, limit) for module, name, limit in limits]
    for each in patches:
        each.start()
    try:
        yield
    finally:
        for each in patches:
            each.stop()

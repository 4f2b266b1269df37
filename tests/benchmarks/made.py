"""What does a contestant make of a line?"""

from __future__ import annotations

import orjson

from benchmarks import pipelines
from benchmarks.peers.lines import paid_cents


def result(number: int) -> tuple[bytes, bytes]:
    """Key and value, as they should be."""
    line = orjson.loads(pipelines.line(number))
    return b"%d" % line["household_id"], orjson.dumps({**line, "paid_cents": paid_cents(number)})

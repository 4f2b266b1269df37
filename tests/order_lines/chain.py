"""What does the whole pipeline do, with plain calls in place of topics?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from farandole.stages.contract import Reject
from stages.order_lines.enrich import enrich
from stages.order_lines.flag_coupon import flag_coupon
from stages.order_lines.ingest import ingest
from stages.order_lines.load import load
from stages.order_lines.plan import plan
from stages.order_lines.price import price
from stages.order_lines.schemas import Chunk, EnrichedLine, FeedRequested, Line, PricedLine
from stages.order_lines.validate import validate
from tests.order_lines.made import Made

WEEKS = [1, 2]
BATCH = 1000


@dataclass
class Run:
    """What one run produced."""

    priced: list[PricedLine] = field(default_factory=list)
    edges: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)


def run(
    weeks: list[int],
    *,
    validate: Callable[[Line], Line] = validate,
    price: Callable[[EnrichedLine], PricedLine] = price,
) -> Run:
    """All stages but `load` over `weeks`."""
    done = Run()
    for line in _ingested(done, FeedRequested(weeks=weeks)):
        done.edges["line.ingested"] += 1
        try:
            valid = validate(line)
        except Reject as reject:
            done.dead[str(reject)] += 1
            continue
        done.edges["line.validated"] += 1
        rich = enrich(valid)
        done.edges["line.enriched"] += 1
        priced = price(rich)
        done.edges["line.priced"] += 1
        done.edges["coupon.exceeded"] += flag_coupon(priced) is not None
        done.priced.append(priced)
    return done


def _ingested(done: Run, feed: FeedRequested) -> Iterator[Line]:
    for chunk in plan(feed):
        done.edges["chunk.planned"] += 1
        # Across the wire and back, as every event goes.
        yield from ingest(Chunk.model_validate_json(chunk.model_dump_json()))


def load_all(lines: list[PricedLine]) -> Made:
    """Load in batches, as a lane does; the context tells what was logged."""
    context = Made()
    for at in range(0, len(lines), BATCH):
        load(lines[at : at + BATCH], context)
    return context

"""Which product was bought, and by which household?"""

from __future__ import annotations

from stages.order_lines import reference_data
from stages.order_lines.schemas import EnrichedLine, Line


def enrich(line: Line) -> EnrichedLine:
    """Add the product and the household, each where it is known."""
    return EnrichedLine(
        **line.__dict__,  # twice as fast as model_dump(), and the fields are plain
        product=reference_data.products().get(line.product_id),
        household=reference_data.households().get(line.household_id),
    )

"""Which events of a run are examples of it, and of what breaks its checks?"""

from __future__ import annotations

from farandole.events.quality_history import MAX_EXAMPLES, CheckExamples, EventExamples
from farandole.ledger.edge_data import EdgeData

_MAX_TEXT = 100  # characters of a value


def event_examples(data: EdgeData) -> EventExamples:
    """Return examples of the events of one type; empty if there are none."""
    found: EventExamples = {}
    if data.ids:
        found["ids"] = data.ids[:MAX_EXAMPLES]
    rules = {} if data.tallies is None else data.tallies.rules
    checks: dict[str, CheckExamples] = {}
    for name, tally in rules.items():
        if tally.failed:
            most = sorted(tally.values.items(), key=lambda each: (-each[1], each[0]))
            checks[name] = {
                "ids": [*tally.samples][:MAX_EXAMPLES],
                "values": {value[:_MAX_TEXT]: count for value, count in most[:MAX_EXAMPLES]},
            }
    if checks:
        found["checks"] = checks
    return found

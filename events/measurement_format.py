"""How is a number about a run written for a person?"""

from __future__ import annotations

from farandole.events.number_format import format_figure, format_share
from farandole.events.time_format import format_short_elapsed

SHARES = frozenset(
    {"dead share", "repeated share", "null share", "top-value share", "failing share"}
)
"""The kinds of measurements that are shares."""
_SPANS = frozenset({"duration", "age", "silence"})


def measured_text(kind: str, value: float) -> str:
    """Return `1 204`, `0.39 %` or `3 min 05 s`, by the kind of a measurement."""
    if kind in SHARES:
        return f"{format_share(value)} %"
    return format_short_elapsed(value) if kind in _SPANS else format_figure(value)


def deviation_text(kind: str, value: float, expected: float, score: float) -> str:
    """Return how far a number is from what was expected; `score`: in usual deviations."""
    side = "above" if score > 0 else "below"
    deviations = format_figure(round(abs(score), 1))
    text = f"{deviations} usual deviations {side} the expected {measured_text(kind, expected)}"
    if value > 0 and expected > 0 and kind not in SHARES:
        text += f", {format_figure(round(value / expected, 2))} times as much"
    return text

"""How soon must people know of an incident of which kind?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from farandole.events.alert_record import AlertKind

IncidentSeverity = Literal["page", "notify", "digest"]
"""How soon people are told of an incident:

page    at once, at any time of the day
notify  at once, but not within the quiet hours of its route
digest  at the next time of `digest_at`, with all others that wait for it
"""

FAILURE_KIND = "dead"
"""The kind of an incident of dead letters; that of any other is the kind of its alert."""
INCIDENT_KINDS: tuple[str, ...] = (FAILURE_KIND, *get_args(AlertKind))

_PAGES: frozenset[AlertKind] = frozenset(
    (
        # a stage has stopped
        "stage.lost", "stage.held", "stage.full", "stage.unworked",
        # nobody knows how things are
        "topic.changed", "ledger.lags", "scheduler.clock", "scheduler.tzdata",
    )
)  # fmt: skip


def incident_severity(
    kind: str, overrides: Mapping[str, IncidentSeverity] | None = None
) -> IncidentSeverity:
    """Return the severity of an incident: that of its kind in the file, else the default. A stage
    that has stopped, and what hides how things are, is a page; nothing is a digest by default."""
    given = (overrides or {}).get(kind)
    if given is not None:
        return given
    return "page" if kind in _PAGES else "notify"

"""Which runs may not enter which gated stages?"""

from __future__ import annotations

from collections.abc import Iterable

from farandole.events.alert_record import Alert
from farandole.events.safe_text import short_line
from farandole.operations.graph.stage_condition import ShutRun


def shut_runs(alerts: Iterable[Alert]) -> dict[tuple[str, str], list[ShutRun]]:
    """Return the runs by pipeline and stage, as the alerts that fire say it."""
    found: dict[tuple[str, str], list[ShutRun]] = {}
    for each in alerts:
        if each.kind == "gate.failed" and each.stage is not None and each.run is not None:
            shut = ShutRun(each.run, short_line(each.text), each.since)
            found.setdefault((each.pipeline, each.stage), []).append(shut)
    return found

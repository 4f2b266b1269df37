"""Which numbers about runs are not to be told now?"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from farandole.events.anomaly_document import IgnoredNumbers, IgnoreDocument
from farandole.events.controls_in_force import TimedDocument, is_expired


def ignored_numbers(
    documents: Iterable[TimedDocument], now: datetime
) -> dict[str, tuple[IgnoredNumbers, ...]]:
    """Return by pipeline the numbers that are not to be told now, in order. `documents`: in the
    order of the log."""
    newest = {
        each.control.subject: each.control
        for each in documents
        if isinstance(each.control, IgnoreDocument)
    }
    found: dict[str, list[IgnoredNumbers]] = {}
    for control in newest.values():
        if not is_expired(control, now):
            found.setdefault(control.pipeline, []).append(control.numbers)
    return {pipeline: tuple(sorted(each)) for pipeline, each in found.items()}

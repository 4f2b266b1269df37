"""How is the trace of an event shown on a terminal?"""

from __future__ import annotations

from farandole.cli.rendering.tables import format_columns
from farandole.events.record import Record
from farandole.events.record_time import known_time
from farandole.events.safe_text import single_line
from farandole.events.schedule_origin import schedule_origin
from farandole.events.time_format import format_day_time, format_timestamp, utc_timestamp
from farandole.operations.events.trace import TraceResult
from farandole.operations.reason_text import reason_text

_MAX_KEY_LENGTH = 24  # characters of a key that are shown
_MAX_VALUE_LENGTH = 72  # characters of a value that are shown


def trace_lines(result: TraceResult) -> list[str]:
    """Return a table of causes, event, effects and dead letters, then the notes."""
    event = [] if result.event is None else [result.event]
    rows = [("", "event", "by", "place", "time (UTC)", "key", "data")]
    for kind, records in (("cause", result.causes), ("EVENT", event), ("effect", result.effects)):
        for traced in records:
            by = traced.stage or _root_text(traced.record)
            rows.append((kind, traced.event_type, by, *_cells(traced.record)))
    for traced in result.dead:
        account = traced.result.failure()
        why = _shorten(str(account.get("message")), _MAX_VALUE_LENGTH)
        error, stage = str(account.get("error")), str(account.get("stage"))
        rows.append(("dead", error, stage, *_cells(traced.record)[:-1], why))
        settled = traced.settlement
        if settled is not None:
            what = f"{settled.how} by {settled.by} at {utc_timestamp(settled.at)}"
            rows.append(("settled", "", "", "", "", "", what))
    table = [tuple(single_line(cell) for cell in row) for row in rows]
    notes = (single_line(reason_text(reason)) for reason in result.reasons)
    return [*format_columns(table, left=7), *notes]


def _root_text(record: Record) -> str:
    origin = schedule_origin(record.headers)
    if origin is None:
        return "(root)"
    return f"(schedule {origin.schedule}, {format_timestamp(origin.planned)})"


def _cells(record: Record) -> tuple[str, str, str, str]:
    value = (record.value or b"").decode(errors="backslashreplace")
    key = "" if record.key is None else record.key.decode(errors="backslashreplace")
    time = known_time(record.timestamp)
    shown_time = (
        "(unknown)" if time is None else f"{format_day_time(time)}.{time.microsecond // 1000:03}"
    )
    return (
        f"{record.topic}/{record.partition}/{record.offset}",
        shown_time,
        _shorten(key, _MAX_KEY_LENGTH),
        _shorten(value, _MAX_VALUE_LENGTH),
    )


def _shorten(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"

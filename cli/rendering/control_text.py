"""How is a control document written as text?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from farandole.events.safe_text import short_line, single_line
from farandole.events.time_format import utc_timestamp

if TYPE_CHECKING:
    from farandole.operations.control.control_query import (
        PauseState,
        StageModeState,
        UnfitControl,
        UnreadableControl,
    )
    from farandole.operations.control.switch import SwitchResult
    from farandole.operations.control.throttle import RateState


def by_text(by: str, comment: str) -> str:
    """Return ` by ann ("the disk is full")`, with the space before it; empty if nobody said it."""
    who = f" by {single_line(by)}" if by else ""
    return f'{who} ("{short_line(comment)}")' if comment else who


def pause_text(pause: PauseState) -> str:
    """Return `on hold by ann since 2026-11-24 12:00:00 UTC until 2026-11-24 14:00:00 UTC`."""
    by = by_text(pause.by, pause.comment)
    whole = " with the whole pipeline" if pause.pipeline else ""
    until = f" until {utc_timestamp(pause.until)}" if pause.until else ""
    return f"on hold{whole}{by} since {utc_timestamp(pause.since)}{until}"


def mode_text(switch: StageModeState) -> str:
    """Return `canary of shop:price2 for 10 % by ann since 2026-11-24 12:00:00 UTC (generation
    7)`."""
    if switch.since is None:
        return switch.mode
    by = by_text(switch.by, switch.comment)
    whole = " with the whole pipeline" if switch.pipeline else ""
    until = f" until {utc_timestamp(switch.until)}" if switch.until else ""
    return (
        f"{switch.mode}{_candidate_text(switch.run, switch.share)}{whole}{by} since"
        f" {utc_timestamp(switch.since)}{until} (generation {switch.generation})"
    )


def switched_text(result: SwitchResult) -> str:
    """Return `price: canary of shop:price2 for 10 % until 2026-11-24 14:00:00 UTC`."""
    until = f" until {utc_timestamp(result.until)}" if result.until else ""
    candidate = _candidate_text(result.run, result.share)
    return f"{result.target}: {result.mode}{candidate}{until} (generation {result.generation})"


def unfit_text(control: UnfitControl) -> str:
    """Return why a document changes nothing."""
    by = by_text(control.by, control.comment)
    return single_line(
        f"the document {control.key}{by} (generation {control.generation}) changes nothing:"
        f" {control.why}"
    )


def unreadable_text(control: UnreadableControl) -> str:
    """Return why a record is no document."""
    key = short_line(control.key)
    return single_line(
        f"{control.position} (key {key}) is no control document and changes nothing: {control.why}"
    )


def _candidate_text(run: str, share: float | None) -> str:
    share_text = "" if share is None else f" for {share * 100:g} %"
    return f" of {run}{share_text}" if run else ""


def rate_text(state: RateState) -> str:
    """Return `100/s until 2026-11-24 14:00:00 UTC; the file says 1000/s`."""
    in_force = _rates(state.rate, state.per_key)
    until = f" until {utc_timestamp(state.until)}" if state.until else ""
    in_file = _rates(state.file_rate, state.file_per_key)
    return f"{in_force}{until}" + (f"; the file says {in_file}" if in_file != in_force else "")


def _rates(rate: str | None, per_key: str | None) -> str:
    parts = [rate, f"{per_key} for each key" if per_key else None]
    return ", ".join(part for part in parts if part) or "no limit"

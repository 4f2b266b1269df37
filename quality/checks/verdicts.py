"""Do the data of one run, or window, pass the checks of an event type?

What is judged here is known when the run ends. A check that compares it with the runs before
(`needs_history`) is judged where those are known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any, NamedTuple

from farandole.events.check_spec import CheckSpec, Rule, needs_history
from farandole.events.check_verdict import CheckVerdict
from farandole.events.number_format import format_exact, grouped
from farandole.quality.checks.function_answers import NEVER_CALLED, FunctionAnswer, judge_answer
from farandole.quality.checks.known_values import known_values, unknown_text, unknown_values
from farandole.quality.checks.rule_tallies import RuleTallies, RuleTally
from farandole.quality.checks.schema_drift import schema_drift
from farandole.quality.checks.verdict_words import judged, not_judged, skipped
from farandole.quality.profiles.column_profile import ColumnProfile
from farandole.quality.profiles.edge_profile import EdgeProfile
from farandole.quality.profiles.number_form import nearest_double
from farandole.quality.profiles.top_values import TopValues


class JudgedData(NamedTuple):
    """What is known of the data of one event type."""

    profile: EdgeProfile | None = None
    """None if no event came."""
    tallies: RuleTallies | None = None
    oldest: float | None = None
    """How old the oldest event was when it was worked, in seconds; None if that is not known."""
    schema: Mapping[str, Any] | None = None
    key: str = ""
    """The field that is the event's key; empty if it has none."""
    at: int | None = None
    """When the run ended, in milliseconds of the epoch."""
    keys: RuleTally | None = None
    """How many rows have a key that has come before, as far as lanes know it."""
    answers: Mapping[str, FunctionAnswer] = MappingProxyType({})
    """What the functions of checks have answered, by the check's name."""


def judge_check(
    name: str, check: CheckSpec, event_type: str, data: Mapping[str, JudgedData]
) -> CheckVerdict:
    """Return the verdict of one check of an event type, from what is known of all event types of
    the run."""
    own = data.get(event_type, JudgedData())
    if needs_history(check):
        return not_judged(check, "it is compared with the runs before")
    tally = own.tallies.rules.get(name) if own.tallies is not None else None
    if tally is not None:
        return _judge_rows(check, tally.judged, tally.failed)
    if check.rule == "function" and own.profile is not None and own.profile.rows:
        return judge_answer(check, own.answers.get(name, NEVER_CALLED))
    if check.rule in _JUDGES:
        return _JUDGES[check.rule](check, own, data)
    if own.profile is None or not own.profile.rows:
        return skipped(check, f"the run has no {event_type}")
    return skipped(check, "its rule is not in what the lanes have counted")


def _judge_rows(check: CheckSpec, rows: int, failed: int) -> CheckVerdict:
    share = 1.0 if not rows else (rows - failed) / rows
    least = check.share if check.share is not None else 1.0
    passed = share >= least if check.share is not None else not failed
    why = ""
    if not passed:
        why = f"{_of(failed, rows)} rows break it"
        why += f": {share:.2%} keep it, and {least:.2%} must" if check.share is not None else ""
    return judged(check, passed, share, why) | {"failed": failed, "rows": rows}


def _judge_unique(check: CheckSpec, own: JudgedData, _: Mapping[str, JudgedData]) -> CheckVerdict:
    if check.column in ("", own.key):
        if own.keys is not None and own.profile is not None:
            keys = own.keys
            if keys.judged == own.profile.rows:  # else a lane had forgotten the run
                why = f"{_of(keys.failed, keys.judged)} rows have a key that has come before"
                verdict = judged(check, not keys.failed, keys.failed, why)
                return verdict | {"failed": keys.failed, "rows": keys.judged}
        check = check.model_copy(update={"column": own.key})
    column = _column(check, own)
    if column is None:
        return _absent(check, own)
    distinct, is_exact = column.distinct()
    scalars = sum(column.kinds.get(kind, 0) for kind in ("int", "float", "bool", "text"))
    repeated = scalars - distinct
    if is_exact:
        return judged(check, repeated <= 0, repeated, f"{grouped(repeated)} values come again")
    # The number of different values is known within 2 %.
    if repeated <= 0.04 * scalars:
        return judged(check, True, None, "")
    return judged(check, False, repeated, f"about {_of(repeated, scalars)} values come again")


def _judge_fresh(check: CheckSpec, own: JudgedData, _: Mapping[str, JudgedData]) -> CheckVerdict:
    if check.column:
        return _judge_newest_time(check, own)
    if own.oldest is None or check.within is None:
        return skipped(check, "the run has no such event")
    return judged(
        check,
        own.oldest <= check.within,
        round(own.oldest, 3),
        f"an event was {grouped(round(own.oldest))} s old when it was worked;"
        f" {format_exact(check.within)} s are allowed",
    )


def _judge_newest_time(check: CheckSpec, own: JudgedData) -> CheckVerdict:
    """Judge the newest of the times in a column, as they were when the run ended."""
    column = _column(check, own)
    if column is None:
        return _absent(check, own)
    if column.latest is None or own.at is None or check.within is None:
        return skipped(check, f"no value of {check.column} is known to be a date")
    age = max(0.0, own.at / 1_000 - column.latest / 1_000_000)
    return judged(
        check,
        age <= check.within,
        round(age, 3),
        f"the newest {check.column} was {grouped(round(age))} s old when the run ended;"
        f" {format_exact(check.within)} s are allowed",
    )


def _judge_row_count(
    check: CheckSpec, own: JudgedData, _: Mapping[str, JudgedData]
) -> CheckVerdict:
    rows = own.profile.rows + own.profile.unreadable if own.profile is not None else 0
    if check.min is not None and rows < check.min:
        return judged(
            check, False, rows, f"{grouped(rows)} rows came, fewer than {format_exact(check.min)}"
        )
    if check.max is not None and rows > check.max:
        return judged(
            check, False, rows, f"{grouped(rows)} rows came, more than {format_exact(check.max)}"
        )
    return judged(check, True, rows, "")


def _judge_schema(check: CheckSpec, own: JudgedData, _: Mapping[str, JudgedData]) -> CheckVerdict:
    if own.profile is None or not own.profile.rows:
        return skipped(check, "the run has no such event")
    if not own.schema:
        return skipped(check, "the event type has no schema")
    found = schema_drift(own.profile, own.schema)
    return judged(check, not found, len(found), "; ".join(found))


def _judge_known(check: CheckSpec, own: JudgedData, data: Mapping[str, JudgedData]) -> CheckVerdict:
    column, other = _column(check, own), _other_column(check, data)
    if column is None:
        return _absent(check, own)
    values = column.distribution.values
    there = TopValues() if other is None else other.distribution.values
    if values is None or there is None:
        return skipped(check, "there are more than 1,000 different values, or personal ones")
    unknown = unknown_values(values, frozenset(known_values(there)))
    return judged(check, not unknown, len(unknown), unknown_text(unknown, check.against))


def _judge_sum(check: CheckSpec, own: JudgedData, data: Mapping[str, JudgedData]) -> CheckVerdict:
    here, there = _total(_column(check, own)), _total(_other_column(check, data))
    if here is None or there is None:
        return skipped(check, "a column is personal, or has values and none of them is a number")
    difference = here - there
    where = f"{check.against} {check.field or check.column}"
    return judged(
        check,
        abs(difference) <= Fraction(check.max or 0),
        nearest_double(difference),
        f"its sum is {_amount(here)}, that of {where} {_amount(there)}",
    )


_Judge = Callable[[CheckSpec, JudgedData, Mapping[str, JudgedData]], CheckVerdict]
_JUDGES: Mapping[Rule, _Judge] = {
    "unique": _judge_unique,
    "fresh": _judge_fresh,
    "rows": _judge_row_count,
    "schema": _judge_schema,
    "known": _judge_known,
    "sum": _judge_sum,
}


def _column(check: CheckSpec, data: JudgedData) -> ColumnProfile | None:
    return None if data.profile is None else data.profile.columns.get(check.column)


def _other_column(check: CheckSpec, data: Mapping[str, JudgedData]) -> ColumnProfile | None:
    profile = data.get(check.against, JudgedData()).profile
    return None if profile is None else profile.columns.get(check.field or check.column)


def _total(column: ColumnProfile | None) -> Fraction | None:
    """Return the exact sum of a column, decimals in texts among its numbers, 0 without any value;
    None if it is personal or has only other values."""
    if column is None or not column.count:
        return Fraction(0)
    return column.exact_amount


def _amount(sum_: Fraction) -> str:
    return format_exact(nearest_double(sum_))


def _of(part: int, whole: int) -> str:
    return f"{grouped(part)} of {grouped(whole)}"


def _absent(check: CheckSpec, own: JudgedData) -> CheckVerdict:
    if own.profile is None or not own.profile.rows:
        return skipped(check, "the run has no such event")
    return skipped(check, f"no row has the column {check.column}")

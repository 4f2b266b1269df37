"""Which verdicts have the checks of a version over the data of one run, or of one window?"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import orjson

from farandole.events.check_spec import needs_history
from farandole.events.check_verdict import CheckVerdicts, check_key
from farandole.events.run_row import RunRow, split_edge_name
from farandole.events.topology_version import Version
from farandole.ledger.edge_data import EdgeData

if TYPE_CHECKING:
    from farandole.quality.checks.function_answers import FunctionAnswer
    from farandole.quality.profiles.column_profile import ColumnProfile

    Answers = Mapping[str, FunctionAnswer]
    """What the functions of checks have answered about one run or window, by `event type/check`."""

_NONE: Answers = MappingProxyType({})
_MAX_VALUES_BYTES = 200 * 1024  # of the values in one row of the history


def has_checks(version: Version) -> bool:
    """Return True if a version checks the data of runs."""
    return any(event.checks for event in version.events.values())


def judge_run(
    version: Version, run: RunRow, found: Collection[EdgeData], answers: Answers = _NONE
) -> CheckVerdicts:
    """Return the verdicts over a run that has ended. Event types whose profiles are kept for
    windows have theirs there."""
    oldest: dict[str, float] = {}
    for name, edge in run["edges"].items():
        event_type, _ = split_edge_name(name)
        oldest[event_type] = max(edge["age"], oldest.get(event_type, 0.0))
    by_run = [name for name, event in version.events.items() if event.is_by_run]
    by_event = {each.key.event: each for each in found}
    return _judge(version, by_run, by_event, oldest, run["closed"], answers)


def judge_open_run(
    version: Version,
    run: RunRow,
    found: Collection[EdgeData],
    at: int,
    answers: Answers = _NONE,
) -> CheckVerdicts:
    """Return the verdicts over what has come of a run so far. `at`: milliseconds of the epoch."""
    return judge_run(version, {**run, "closed": at}, found, answers)


def judge_window(version: Version, found: EdgeData, answers: Answers = _NONE) -> CheckVerdicts:
    """Return the verdicts over a window that is over."""
    event_type = found.key.event
    return _judge(version, [event_type], {event_type: found}, {}, found.until, answers)


def _judge(
    version: Version,
    event_types: Collection[str],
    found: Mapping[str, EdgeData],
    oldest: Mapping[str, float],
    ended: int | None,
    answers: Answers,
) -> CheckVerdicts:
    # On demand: numpy costs 0.1 s and 20 MB, which only a checked pipeline should pay.
    from farandole.quality.checks.verdicts import JudgedData, judge_check

    data = {
        name: JudgedData(
            found[name].profile if name in found else None,
            found[name].tallies if name in found else None,
            oldest.get(name),
            event.data_schema,
            event.key or "",
            ended,
            found[name].keys if name in found else None,
            {
                check: answers[key]
                for check in event.checks
                if (key := check_key(name, check)) in answers
            },
        )
        for name, event in version.events.items()
    }
    return {
        check_key(event_type, name): judge_check(name, check, event_type, data)
        for event_type in event_types
        if event_type in version.events
        for name, check in version.events[event_type].checks.items()
    }


def compared_columns(version: Version, found: Collection[EdgeData]) -> dict[str, Any]:
    """Return the profiles of the columns that a check compares with those of the runs before, as
    JSON, by `event type/column`."""
    from farandole.quality.profiles.column_wire import column_to_json  # on demand, as above

    columns = {}
    for data in found:
        event = version.events.get(data.key.event)
        if event is None or data.profile is None:
            continue
        for check in event.checks.values():
            column = data.profile.columns.get(check.column)
            if check.rule == "drift" and column is not None:
                columns[f"{data.key.event}/{check.column}"] = column_to_json(column)
    return columns


def compared_values(version: Version, found: Collection[EdgeData]) -> dict[str, Any]:
    """Return the values of the columns about which a check says that values must be known, and of
    those from which they are, as JSON, by `event type/column`. None are those that are personal,
    too many or too large."""
    by_event = {data.key.event: data.profile for data in found}
    written: dict[str, Any] = {}
    left = _MAX_VALUES_BYTES
    for event_type, column in _columns_of_values(version):
        profile = by_event.get(event_type)
        known = None if profile is None else profile.columns.get(column)
        values = {} if known is None else _values_to_wire(known)
        left -= len(orjson.dumps(values))
        written[f"{event_type}/{column}"] = values if left >= 0 else None
    return written


def _columns_of_values(version: Version) -> Collection[tuple[str, str]]:
    return dict.fromkeys(
        place
        for event_type, event in version.events.items()
        for check in event.checks.values()
        if check.rule == "known" and needs_history(check)
        for place in (
            (event_type, check.column),
            (check.against, check.field or check.column),
        )
    )


def _values_to_wire(column: ColumnProfile) -> dict[str, Any] | None:
    values = column.distribution.values
    return None if values is None else values.to_wire()

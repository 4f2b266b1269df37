"""Which data does a trigger have, for one planned time?

Texts in the data may have templates, such as `${planned}`, `${planned - 1d:%Y-%m-%d}`,
`${planned.week}` and `${run}`. docs/topology.md has the table of names. A text that is one template
of a number becomes a number, and one of something that is missing becomes null. `$${` stands for
`${`. Keys are never templates.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, NamedTuple

from farandole.events.firing_record import time_text
from farandole.events.schedule_row import Arrival
from farandole.events.schedule_spec import DependencySpec, ScheduleSpec
from farandole.stages.nearest_name import did_you_mean

JSON = Any
DataPath = tuple[str | int, ...]
Value = str | int | None

_TEMPLATE = re.compile(r"\$\$\{|\$\{([^{}]*)(\}?)")
_EXPRESSION = re.compile(
    r"\s*(?P<name>[A-Za-z_]\w*(?:\.\w+)*)\s*"
    r"(?P<moves>(?:[+-]\s*[0-9]{1,6}[smhdw]\s*)*)"
    r"(?::(?P<format>.*))?"
)
_MOVE = re.compile(r"([+-])\s*([0-9]+)([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DIRECTIVE = re.compile(r"%(.?)", re.DOTALL)
_DIRECTIVES = frozenset("aAbBdfGHIjmMpSuUVwWyYzZ%")  # those that are the same on every platform

_TIME_NAMES = ("planned", "previous")
_TEXT_NAMES = ("schedule", "pipeline")
_TIME_PARTS: Mapping[str, Callable[[datetime], str | int]] = {
    "year": lambda time: time.year,
    "month": lambda time: time.month,
    "day": lambda time: time.day,
    "hour": lambda time: time.hour,
    "minute": lambda time: time.minute,
    "second": lambda time: time.second,
    "week": lambda time: time.isocalendar().week,
    "weekday": lambda time: time.isoweekday(),
    "epoch": lambda time: int(time.timestamp()),
    "date": lambda time: time.date().isoformat(),
    "utc": time_text,
}
_RUN_NAMES = ("run", "status")
_FILE_NAMES = ("file", "file.etag", "file.size", "file.modified")


class TemplateError(Exception):
    """A template cannot be replaced; the message says which, where and why."""


@dataclass(frozen=True, slots=True)
class TemplateValues:
    """What the templates of one firing stand for."""

    pipeline: str
    schedule: str
    planned: datetime
    previous: datetime | None
    """The planned time before; None if there is none."""
    zone: tzinfo
    """The schedule's."""
    arrivals: Mapping[int, Arrival] = field(default_factory=dict)
    """What has come, by the index of the dependency. Others are missing."""


class TemplateProblem(NamedTuple):
    """What is wrong with a template."""

    path: DataPath
    """Where its text is in the data."""
    column: int
    """Where it begins in the text, counted from 1."""
    message: str
    remedy: str


def render(data: JSON, values: TemplateValues) -> JSON:
    """Return the data of a trigger. Raises TemplateError."""
    return _replace_texts(data, (), values)


def template_problems(data: JSON, spec: ScheduleSpec) -> list[TemplateProblem]:
    """Return what is wrong with the templates in the data of this schedule."""
    return [
        TemplateProblem(path, problem.column, problem.message, problem.remedy)
        for path, text in data_texts(data)
        for problem in _text_problems(text, spec)
    ]


def named_arrivals(spec: ScheduleSpec) -> list[str]:
    """Return the templates that stand for what the schedule depends on, each once: `${run}`."""
    return [
        *dict.fromkeys(
            part.source
            for _, text in data_texts(spec.data)
            for part in _parse_text(text)
            if isinstance(part, _Template)
            and part.name.partition(".")[0] not in (*_TIME_NAMES, *_TEXT_NAMES)
        )
    ]


class _Template(NamedTuple):
    """A template in a text."""

    source: str
    column: int
    name: str
    moves: str
    format: str | None


class _SyntaxProblem(NamedTuple):
    column: int
    message: str
    remedy: str


def data_texts(data: JSON, path: DataPath = ()) -> Iterator[tuple[DataPath, str]]:
    """Yield each text in the data of a schedule, and where it is."""
    if isinstance(data, str):
        yield path, data
    elif isinstance(data, Mapping):
        for key, value in data.items():
            yield from data_texts(value, (*path, key))
    elif isinstance(data, list | tuple):
        for index, value in enumerate(data):
            yield from data_texts(value, (*path, index))


def _replace_texts(data: JSON, path: DataPath, values: TemplateValues) -> JSON:
    if isinstance(data, str):
        try:
            return _replace_text(data, values)
        except TemplateError as error:
            at = ".".join(map(str, path))
            raise TemplateError(f"{f'data.{at}' if at else 'data'}: {error}") from None
    if isinstance(data, Mapping):
        return {key: _replace_texts(value, (*path, key), values) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_replace_texts(value, (*path, i), values) for i, value in enumerate(data)]
    return data


def _replace_text(text: str, values: TemplateValues) -> Value:
    parts = _parse_text(text)
    match parts:
        case (_Template() as template,):
            return _template_value(template, values)
    return "".join(map(str, (_mixed_part(part, values) for part in parts)))


def _mixed_part(part: str | _Template | _SyntaxProblem, values: TemplateValues) -> str | int:
    if isinstance(part, str):
        return part
    if isinstance(part, _SyntaxProblem):
        raise TemplateError(part.message)
    value = _template_value(part, values)
    if value is None:
        raise TemplateError(f"there is nothing for {part.source}")
    return value


@lru_cache(maxsize=20_000)  # the texts of an installation: the same ones fire again and again
def _parse_text(text: str) -> tuple[str | _Template | _SyntaxProblem, ...]:
    """Return the parts of a text, in order."""
    return tuple(_parts_of(text))


def _parts_of(text: str) -> Iterator[str | _Template | _SyntaxProblem]:
    end = 0
    for found in _TEMPLATE.finditer(text):
        if found.start() > end:
            yield text[end : found.start()]
        end = found.end()
        if found[0] == "$${":
            yield "${"
            continue
        column = found.start() + 1
        if not found[2]:
            yield _SyntaxProblem(
                column, f"`{found[0]:.40}` has no end", "close it by `}`, or write `$${` for `${`"
            )
            continue
        parsed = _EXPRESSION.fullmatch(found[1])
        if parsed is None:
            yield _SyntaxProblem(
                column,
                f"`{found[0]:.40}` is no template",
                "write for example ${planned}, ${planned - 1d:%Y-%m-%d} or ${planned.week}",
            )
            continue
        yield _Template(found[0], column, parsed["name"], parsed["moves"], parsed["format"])
    if end < len(text):
        yield text[end:]


def _template_value(template: _Template, values: TemplateValues) -> Value:
    head, *rest = template.name.split(".")
    if head in _TIME_NAMES:
        time: datetime | None = getattr(values, head)
        return None if time is None else _time_value(template, time, values.zone, ".".join(rest))
    if template.moves or template.format is not None:
        raise TemplateError(f"{template.source}: only times can be moved or formatted")
    if template.name in _TEXT_NAMES:
        text: str = getattr(values, template.name)
        return text
    return _arrival_value(template, values.arrivals)


def _time_value(template: _Template, time: datetime, zone: tzinfo, part: str) -> str | int:
    try:
        moved = _moved(time, zone, template.moves)
        if template.format is not None and not part:
            return moved.strftime(template.format)
        if not part:
            return moved.isoformat().replace("+00:00", "Z")
        return _TIME_PARTS[part](moved)
    except (OverflowError, ValueError):
        raise TemplateError(f"{template.source} is no time that can be written") from None
    except KeyError:
        raise TemplateError(f"there is no {template.source}") from None


def _moved(time: datetime, zone: tzinfo, moves: str) -> datetime:
    """Return the time in the zone, moved. Days and weeks keep the time of day in the zone; hours,
    minutes and seconds are of time that passes."""
    local = time.astimezone(zone)
    for sign, count, unit in _MOVE.findall(moves):
        by = timedelta(**{_UNITS[unit]: int(sign + count)})
        if unit in "dw":
            local = (local + by).astimezone(UTC).astimezone(zone)  # a time in a gap is moved on
        else:
            local = (local.astimezone(UTC) + by).astimezone(zone)
    return local


def _arrival_value(template: _Template, arrivals: Mapping[int, Arrival]) -> Value:
    head, *rest = template.name.split(".")
    if head == "after" and len(rest) > 1 and rest[0].isdigit():
        arrival, name = arrivals.get(int(rest[0])), ".".join(rest[1:])
    else:
        of_runs = head in _RUN_NAMES
        found = [each for each in arrivals.values() if ("status" in each.detail) == of_runs]
        arrival, name = (found[0] if found else None), template.name
    if name not in (*_RUN_NAMES, *_FILE_NAMES):
        raise TemplateError(f"there is no {template.source}")
    if arrival is None:
        return None
    if name in ("run", "file"):
        return arrival.cause
    value = arrival.detail.get(name.removeprefix("file."))
    return int(value) if name == "file.size" and value is not None else value


def _text_problems(text: str, spec: ScheduleSpec) -> Iterator[_SyntaxProblem]:
    parts = _parse_text(text)
    for part in parts:
        if isinstance(part, _SyntaxProblem):
            yield part
        elif isinstance(part, _Template):
            found = _template_problem(part, spec, alone=len(parts) == 1)
            if found is not None:
                yield _SyntaxProblem(part.column, *found)


def _template_problem(
    template: _Template, spec: ScheduleSpec, *, alone: bool
) -> tuple[str, str] | None:
    """Return what is wrong with a template, and what helps; None if it can be replaced."""
    source, name = template.source, template.name
    head, _, part = name.partition(".")
    if head in _TIME_NAMES:
        return _time_problem(template, part, spec)
    known = _known_names(spec)
    if name not in known:
        return f"there is no {source} here", did_you_mean(
            name, known, f"known here are {', '.join(known)}"
        )
    if template.moves or template.format is not None:
        return (
            f"{source}: only planned and previous can be moved or formatted",
            f"write ${{{name}}}",
        )
    if name not in _TEXT_NAMES and spec.otherwise == "fire" and not alone:
        return (
            f"{source} may be missing, because of `otherwise: fire`, and then this text cannot be"
            " written",
            "let it be the whole text: then it is null",
        )
    return None


def _time_problem(template: _Template, part: str, spec: ScheduleSpec) -> tuple[str, str] | None:
    source, head = template.source, template.name.partition(".")[0]
    if head == "previous" and not spec.is_timed:
        return (
            f"there is no {source} here: this schedule has no planned times",
            "write ${planned}, when the last of what it waits for came",
        )
    if part and part not in _TIME_PARTS:
        return f"{source} is no part of a time", did_you_mean(
            part, _TIME_PARTS, f"its parts are {', '.join(_TIME_PARTS)}"
        )
    if template.format is None:
        return None
    if part:
        return f"{source} has a part and a format", "write one of the two"
    unknown = [d for d in _DIRECTIVE.findall(template.format) if d not in _DIRECTIVES]
    if unknown:
        return (
            f"{source}: no format has %{unknown[0]}",
            "write for example %Y-%m-%d, %H:%M or %G-W%V; %% is a percent sign",
        )
    if not template.format:
        return f"{source} has an empty format", "write for example ${planned:%Y-%m-%d}"
    return None


def _known_names(spec: ScheduleSpec) -> list[str]:
    """Return the names that the templates of a schedule may have, beside those of times."""
    names = [*_TIME_NAMES, *_TEXT_NAMES]
    for names_of, is_run in ((_RUN_NAMES, True), (_FILE_NAMES, False)):
        if len(_dependencies(spec.after, is_run)) == 1:
            names += names_of
    if len(spec.after) > 1:
        for index, dependency in enumerate(spec.after):
            names += [
                f"after.{index}.{name}"
                for name in (_RUN_NAMES if dependency.pipeline else _FILE_NAMES)
            ]
    return names


def _dependencies(after: Sequence[DependencySpec], is_run: bool) -> list[DependencySpec]:
    return [each for each in after if bool(each.pipeline) == is_run]

"""Can the data of each schedule be rendered, and do they fit the event that it triggers?

They are rendered for the next planned times. What is missing if `otherwise: fire` is missing here
too, once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from farandole.events.envelope import trigger_headers
from farandole.events.root_record import SCHEDULE_SOURCE
from farandole.events.schedule_row import Arrival
from farandole.events.schedule_spec import ScheduleSpec
from farandole.router import schema_propagation
from farandole.router.lint_context import LintContext, LintRule
from farandole.router.lint_finding import Finding
from farandole.router.schedule_sections import sound_schedules
from farandole.scheduler.data_misfit import misfit_finder
from farandole.scheduler.recurrence import END_OF_TIME, planned_between, previous_planned
from farandole.scheduler.time_zones import load_zone
from farandole.scheduler.trigger_data import (
    TemplateError,
    TemplateValues,
    data_texts,
    render,
    template_problems,
)
from farandole.stages.cel_expression import ExpressionError, Undecided, compile_expression
from farandole.stages.json_schema import NoSchemaError, accepted_schema

_TIMES_TRIED = 3


def _lint_templates(context: LintContext) -> Iterator[Finding]:
    for name, spec in sound_schedules(context):
        for problem in template_problems(spec.data, spec):
            yield context.text_finding(
                ("schedules", name, "data", *problem.path),
                problem.column,
                problem.message,
                problem.remedy,
            )


def _lint_foreign_templates(context: LintContext) -> Iterator[Finding]:
    """Find templates of Airflow and others, which go out as they are written."""
    for name, spec in sound_schedules(context):
        for path, text in data_texts(spec.data):
            if "{{" in text:
                yield context.finding(
                    ("schedules", name, "data", *path),
                    f"{text!r:.60} is published as it is written: {{{{ begins no template",
                    "write for example ${planned.date}",
                    severity="warning",
                )


def _lint_data(context: LintContext) -> Iterator[Finding]:
    """Find data that a subscriber of the event would refuse."""
    for name, spec in sound_schedules(context):
        if template_problems(spec.data, spec):
            continue
        for values in _sample_values(context.topology.pipeline, name, spec):
            problem = _data_problem(context, spec, values)
            if problem is not None:
                yield context.finding(
                    ("schedules", name, "data" if spec.data is not None else "triggers"), *problem
                )
                break


def _sample_values(pipeline: str, name: str, spec: ScheduleSpec) -> Iterator[TemplateValues]:
    now = datetime.now(UTC)
    times = list(planned_between(spec, now, END_OF_TIME, _TIMES_TRIED)) if spec.is_timed else []
    arrivals = {
        index: Arrival(at=now, cause="0123456789abc", detail={"status": dependency.status[0]})
        if dependency.pipeline
        else Arrival(
            at=now,
            cause=dependency.file,
            detail={"etag": "0123", "size": "1024", "modified": "2026-01-01T00:00:00Z"},
        )
        for index, dependency in enumerate(spec.after)
    }
    for planned in times or [now]:
        previous = previous_planned(spec, planned) if spec.is_timed else None
        zone = load_zone(spec.zone)
        yield TemplateValues(pipeline, name, planned, previous, zone, arrivals)
    if spec.after and spec.otherwise == "fire":
        yield TemplateValues(pipeline, name, planned, previous, zone)


def _data_problem(
    context: LintContext, spec: ScheduleSpec, values: TemplateValues
) -> tuple[str, str] | None:
    """Return what is wrong with the data of a firing, and what helps; None if nothing is."""
    try:
        data = render(spec.data, values)
        raw = orjson.dumps(data)
    except (TemplateError, orjson.JSONEncodeError) as error:
        return f"the data cannot be rendered: {error}", "write a template that has a value"
    takers = schema_propagation.schema_consumers(
        context.topology, context.signatures, spec.triggers
    )
    for stage, takes in takers:
        section = context.topology.stages[stage]
        condition = section.when.get(spec.triggers)
        problem = _condition_problem(condition, data, spec) or _misfit(takes, data, raw)
        if problem is not None:
            given = "without `data:` they are null" if spec.data is None else f"{raw.decode():.200}"
            return (
                f"stage {stage!r} would refuse the data of this {spec.triggers!r}: {problem}"
                f" ({given})",
                f"write data as that stage takes them: farandole try {spec.triggers} --data …"
                " tries them",
            )
    return None


def _condition_problem(condition: str | None, data: Any, spec: ScheduleSpec) -> str | None:
    """Return why the filter of a subscription cannot be evaluated; None if it can."""
    if condition is None:
        return None
    headers = trigger_headers(SCHEDULE_SOURCE, spec.triggers, "sample", datetime.now(UTC))
    attributes = {name.removeprefix("ce_"): value.decode() for name, value in headers}
    try:
        compile_expression(condition)(data, attributes)
    except Undecided as undecided:
        return str(undecided)
    except ExpressionError:
        pass  # it has a finding of its own
    return None


def _misfit(takes: Any, data: Any, raw: bytes) -> str | None:
    """Return why a stage cannot read the data; None if it can, or if that is not known."""
    try:
        TypeAdapter(takes).validate_json(raw)
    except ValidationError as error:
        first, *more = error.errors(include_url=False, include_context=False)
        where = ".".join(map(str, first["loc"])) or "data"
        return f"{where}: {first['msg']}{f', and {len(more)} more' if more else ''}"
    except (PydanticUserError, TypeError):
        return None
    try:
        return misfit_finder(accepted_schema(takes))(data) or None
    except NoSchemaError:
        return None


SCHEDULE_DATA_RULES: Mapping[str, LintRule] = {
    "schedule_templates": _lint_templates,
    "schedule_foreign_templates": _lint_foreign_templates,
    "schedule_data": _lint_data,
}

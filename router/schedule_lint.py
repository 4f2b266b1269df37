"""Do the schedules of a file say when they fire, and what, and is each key of some effect?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from farandole.events.kafka_names import STAGE_PATTERN
from farandole.router.file_model import ScheduleSection
from farandole.router.lint_context import LintContext, LintRule
from farandole.router.lint_finding import Finding
from farandole.router.schedule_sections import is_timed, written_schedule
from farandole.stages.nearest_name import did_you_mean

_TIMES = ("cron", "every", "at")
_MAX_NAME_LENGTH = 100
_OF_PLANNED_TIMES = ("jitter", "start", "end", "exclude", "include")


def _lint_schedule_names(context: LintContext) -> Iterator[Finding]:
    for name in context.topology.schedules:
        if STAGE_PATTERN.fullmatch(name) and len(name) <= _MAX_NAME_LENGTH:
            continue
        message = (
            f"{name!r} is no schedule name: a lowercase word, with single dashes or underscores"
        )
        if len(name) > _MAX_NAME_LENGTH:
            message = f"this name has {len(name)} characters, more than {_MAX_NAME_LENGTH}"
        fixed = name.lower().replace(".", "-").replace(" ", "-")[:_MAX_NAME_LENGTH].rstrip("-_")
        remedy = (
            f"write {fixed!r}" if STAGE_PATTERN.fullmatch(fixed) else "write for example nightly"
        )
        yield context.finding(("schedules", name), message, remedy, on_key=True)


def _lint_when(context: LintContext) -> Iterator[Finding]:
    """Each schedule says in one way when it fires."""
    for name in context.topology.schedules:
        written = written_schedule(context, name)
        times = [key for key in _TIMES if written.get(key) is not None]
        if len(times) > 1:
            yield context.finding(
                ("schedules", name, times[1]),
                f"schedule {name!r} has both `{times[0]}:` and `{times[1]}:`",
                "keep one, and write a second schedule for the other",
                on_key=True,
            )
        elif not times and written.get("after") is None:
            yield context.finding(
                ("schedules", name),
                f"schedule {name!r} does not say when it fires",
                "add `cron:`, `every:`, `at:` or `after:`",
                on_key=True,
            )


def _lint_triggers(context: LintContext) -> Iterator[Finding]:
    """Each schedule triggers a root."""
    topology = context.topology
    used = dict.fromkeys(t for stage in topology.stages.values() for t in stage.subscribes)
    roots = [event_type for event_type in used if not topology.emitters(event_type)]
    listed = f"the roots of this pipeline are {', '.join(roots)}"
    for name, schedule in topology.schedules.items():
        path, triggers = ("schedules", name, "triggers"), schedule.triggers
        emitters = topology.emitters(triggers)
        if emitters:
            yield context.finding(
                path,
                f"schedule {name!r} triggers {triggers!r}, which stage {emitters[0]!r} emits: it"
                " would open no run",
                listed,
            )
        elif triggers not in used:
            yield context.finding(
                path,
                f"schedule {name!r} triggers {triggers!r}, to which no stage subscribes",
                did_you_mean(triggers, roots, listed),
            )


def _lint_effects(context: LintContext) -> Iterator[Finding]:
    """Find keys that decide nothing beside the others of the same schedule."""
    for name, schedule in context.topology.schedules.items():
        for key, message, remedy in _without_effect(written_schedule(context, name), schedule):
            yield context.finding(
                ("schedules", name, key),
                f"`{key}:` has no effect here: {message}",
                remedy,
                on_key=True,
            )


def _without_effect(
    written: Mapping[str, Any], schedule: ScheduleSection
) -> Iterator[tuple[str, str, str]]:
    given = {key for key, value in written.items() if value is not None}
    if not is_timed(written):
        if "after" not in given:
            return  # it is said that it has no time
        for key in _OF_PLANNED_TIMES:
            if key in given:
                yield key, "the schedule has no planned times", "delete it, or add `cron:`"
        if len(schedule.after or ()) == 1:
            for key in ("within", "otherwise"):
                if key in given:
                    yield (
                        key,
                        "the schedule waits for one thing, and fires when that comes",
                        "delete it, or name several things that it waits for",
                    )
    elif "after" not in given:
        for key in ("within", "otherwise"):
            if key in given:
                yield key, "the schedule waits for nothing", "delete it, or add `after:`"
    catch_up = schedule.catch_up
    if catch_up.runs == "none" and (catch_up.within or catch_up.per_minute):
        yield (
            "catch_up",
            "nothing fires late",
            "write `catch_up: none`, or runs: latest or all",
        )


SCHEDULE_RULES: Mapping[str, LintRule] = {
    "schedule_names": _lint_schedule_names,
    "schedule_when": _lint_when,
    "schedule_triggers": _lint_triggers,
    "schedule_effects": _lint_effects,
}

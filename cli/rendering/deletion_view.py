"""How is shown what a deletion deletes?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from farandole.cli.rendering.counts import count_text
from farandole.cli.rendering.tables import format_columns
from farandole.events.number_format import grouped

if TYPE_CHECKING:
    from farandole.operations.deletion.delete import DeletionResult
    from farandole.operations.deletion.deletion_plan import DeletionPlan


def plan_lines(plan: DeletionPlan) -> Iterator[str]:
    """Yield what would go, what is not finished, and what stands in the way."""
    rows = [["topic", "partitions", "offsets"]]
    rows += [[each.topic, grouped(each.partitions), grouped(each.offsets)] for each in plan.topics]
    yield from format_columns(rows)
    yield ""
    schedules = f"{count_text(plan.schedules, 'schedule')}, " if plan.schedules else ""
    yield (
        f"{plan.pipeline}: {count_text(len(plan.versions), 'version')}, "
        f"{count_text(len(plan.topics), 'topic')}, {count_text(len(plan.groups), 'group')}, "
        f"{count_text(plan.runs, 'run')}, {count_text(plan.incidents, 'incident')}, "
        f"{schedules}{count_text(plan.controls, 'control document')}"
    )
    unfinished = [
        count_text(count, name)
        for count, name in (
            (plan.unread, "unread offset"),
            (plan.waiting, "waiting event"),
            (plan.open_letters, "open dead letter"),
            (plan.open_runs, "open run"),
            (plan.open_incidents, "open incident"),
            (plan.unsent_notices, "unsent notice"),
        )
        if count
    ]
    if unfinished:
        yield f"not finished, and lost: {', '.join(unfinished)}"
    for group in plan.idle_readers:
        yield f"the group {group} of another program has read its topics and has no member now"
    for obstacle in plan.obstacles:
        yield f"in the way: {obstacle.message}"


def result_line(result: DeletionResult) -> str:
    """Return what was deleted."""
    return (
        f"{result.pipeline}: deleted {count_text(result.versions, 'version')}, "
        f"{count_text(result.topics, 'topic')}, {count_text(result.groups, 'group')} and "
        f"{count_text(result.rows, 'row')}"
    )

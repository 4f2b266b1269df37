"""How is the status of pipelines shown in a terminal?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from farandole.cli.rendering.control_text import (
    mode_text,
    pause_text,
    rate_text,
    unfit_text,
    unreadable_text,
)
from farandole.cli.rendering.counts import count_text
from farandole.cli.rendering.tables import Alarm, format_columns
from farandole.events.failure_fingerprint import failure_title
from farandole.events.next_step import CommandLine
from farandole.events.number_format import grouped
from farandole.events.number_ranges import format_ranges
from farandole.events.safe_text import single_line
from farandole.events.time_format import utc_timestamp
from farandole.operations.dead_letters.open_letter_counts import OpenLetterCount
from farandole.operations.reason_text import reason_text
from farandole.operations.status.lag import InputState
from farandole.operations.status.notification_backlog import NotificationBacklog
from farandole.operations.status.pipeline_status import (
    LostInput,
    PipelineStatus,
    StatusResult,
    ThrottledStage,
    UncountedReader,
)
from farandole.operations.status.schedule_summary import ScheduleSummary
from farandole.operations.status.waiting_events import OpenBreakerLane, WaitingEvents

_MAX_NAMED_SCHEDULES = 3


def status_lines(
    status: StatusResult, monitor_line: str, command_line: CommandLine
) -> Iterator[str]:
    """Yield the lines of a status. `monitor_line` has the figures of a monitor, or says why there
    are none."""
    yield f"Kafka at {status.bootstrap}"
    for pipeline in (status, *status.others):
        yield from _pipeline_lines(pipeline, command_line)
    if status.publishing:
        yield (
            "a version is being published; if no router runs, one has died in between, and the "
            f"next one ends it: {command_line('up')}"
        )
    problem = status.ledger.problem()
    if problem is not None:
        yield reason_text(problem, command_line)
    for control in status.unreadable_controls:
        yield Alarm(unreadable_text(control))
    for unfit in status.unfit_controls:
        yield Alarm(unfit_text(unfit))
    yield monitor_line
    yield from _notification_lines(status.notifier, command_line)


def _pipeline_lines(status: PipelineStatus, command_line: CommandLine) -> Iterator[str]:
    if status.version is None or status.published is None:
        yield f"{status.pipeline}, nothing published yet"
    else:
        again = f", a rollback to @{status.rollback_of}" if status.rollback_of else ""
        published = f"{utc_timestamp(status.published)} by {status.published_by}"
        yield f"{status.version}, published {published}{again}"
        yield ""
        draining = {f"{stage} (draining)": each for stage, each in status.draining.items()}
        # `waiting` and `dead` have the stages in this order.
        counts = [*zip(status.waiting.values(), status.dead.values(), strict=True)]
        yield from format_columns(_stage_rows({**status.stages, **draining}, counts), left=2)
        without = [stage for stage, workers in status.workers.items() if not workers]
        if without:
            every = "any stage" if len(without) == len(status.workers) else ", ".join(without)
            yield Alarm(f"no worker is running for {every}: {command_line('up')}")
        for stage, pause in status.paused.items():
            yield f"{stage} is {pause_text(pause)}"
        for stage, switched in status.switched.items():
            if stage not in status.paused:
                yield f"{stage} is switched to {mode_text(switched)}"
        for stage, throttled in status.throttled.items():
            yield throttled_line(stage, throttled)
        yield from gate_lines(status.gated, command_line)
        for stage, waiting in status.waiting.items():
            yield from waiting_lines(stage, waiting, command_line)
        for stage, states in {**status.stages, **draining}.items():
            yield from _trouble_lines(stage, states)
        for stage, inputs in status.lost.items():
            yield Alarm(_lost_line(stage, inputs, command_line))
        for topic in status.changed_topics:
            yield Alarm(topic.text(command_line))
        for reader in status.uncounted_readers:
            yield _reader_line(reader)
        for stage, program in status.programs.items():
            if program.unread and not program.members:
                yield (
                    f"no program handles {stage}: the group {program.group} has no member;"
                    f" {grouped(program.unread)} unread; start your program"
                )
        if status.schedules is not None:
            yield schedules_line(status.schedules, command_line)
    yield ""
    yield from _router_lines(status.router)


def schedules_line(summary: ScheduleSummary, command_line: CommandLine) -> str:
    """Return `3 schedules, 1 paused, overdue: nightly: farandole schedules`."""
    parts = [count_text(summary.schedules, "schedule")]
    if summary.paused:
        parts.append(f"{grouped(len(summary.paused))} paused")
    if summary.overdue:
        more = f" and {grouped(len(summary.overdue) - _MAX_NAMED_SCHEDULES)} more"
        named = ", ".join(summary.overdue[:_MAX_NAMED_SCHEDULES])
        is_more = len(summary.overdue) > _MAX_NAMED_SCHEDULES
        parts.append(f"overdue: {named}{more if is_more else ''}")
    is_idle = len(summary.paused) == summary.schedules
    if not summary.schedulers and not is_idle:
        parts.append("no scheduler is at work")
    text = f"{', '.join(parts)}: {command_line('schedules')}"
    return Alarm(text) if summary.overdue else text


def throttled_line(stage: str, throttled: ThrottledStage) -> str:
    """Return `load is throttled: 100/s until …; 1 204 events wait, since …`."""
    rates = [
        f"{'roots ' if rate.kind == 'roots' else ''}{rate_text(rate)}" for rate in throttled.rates
    ]
    text = f"{stage} is throttled: {' and '.join(rates)}"
    if throttled.since is None:
        return text
    noun = "event waits" if throttled.waiting == 1 else "events wait"
    since = utc_timestamp(throttled.since)
    return f"{text}; {grouped(throttled.waiting)} {noun}, since {since}"


def gate_lines(gated: Mapping[str, int], command_line: CommandLine) -> Iterator[str]:
    """Yield a line for each stage with a gate before which something is unread."""
    for stage, unread in gated.items():
        if unread:
            yield (
                f"{stage} has a gate, and takes a run once all upstream is worked and its checks"
                f" have passed: {command_line('gates', stage)}"
            )


def _trouble_lines(stage: str, inputs: Sequence[InputState]) -> Iterator[str]:
    """Yield a line for each reason why lanes fail and try again."""
    places: dict[str, list[str]] = {}
    for each in inputs:
        if each.trouble:
            places.setdefault(each.trouble, []).append(f"{each.event}/{each.partition}")
    for trouble, at in places.items():
        text = f"the last try of {stage} at {', '.join(at)} failed: {trouble}"
        yield Alarm(single_line(text))


def _lost_line(stage: str, inputs: Sequence[LostInput], command_line: CommandLine) -> str:
    places = ", ".join(f"{each.event}/{each.partition}" for each in inputs)
    decide = command_line("seek", stage, "--to earliest|latest|OFFSET")
    return f"{stage} has stopped: its offset is lost at {places}; decide where it goes on: {decide}"


def _reader_line(reader: UncountedReader) -> str:
    now = "" if reader.members else " (it has no member now)"
    return single_line(
        f"the group {reader.group}{now} reads {reader.event}, to which no stage subscribes: its"
        " work is in no books, and runs are complete without it; if it belongs to the pipeline,"
        " declare it as a stage with `external: true` (docs/wire.md)"
    )


def _router_lines(report: Mapping[str, Any] | None) -> Iterator[str]:
    if report is None:
        return
    if report["findings"]:
        since = utc_timestamp(datetime.fromisoformat(report["reported"]))
        yield Alarm(f"the router refuses the file, since {since}:")
        yield from (f"  {finding}" for finding in report["findings"])
    if report["waiting"]:
        yield f"the router waits with {report['file']}:"
        yield from (f"  {change}" for change in report["waiting"])


def _stage_rows(
    stages: Mapping[str, Sequence[InputState]],
    counts: Sequence[tuple[WaitingEvents, OpenLetterCount]],
) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("stage", "input", "lag", "waits", "dead", "by partition")]
    for (stage, inputs), of_stage in zip(stages.items(), counts, strict=True):
        for index, event in enumerate(dict.fromkeys(each.event for each in inputs)):
            partitions = [each for each in inputs if each.event == event]
            by_partition = " ".join(
                "none" if each.committed is None else grouped(each.lag) for each in partitions
            )
            lag = sum(each.lag for each in partitions)
            # They are counts of a stage, not of each of its inputs.
            waiting, dead = ("" if index else str(count) for count in of_stage)
            if dead not in ("", "0"):
                dead = Alarm(dead)
            rows.append((stage, event, grouped(lag), waiting, dead, by_partition))
    return rows


def waiting_lines(stage: str, waiting: WaitingEvents, command_line: CommandLine) -> list[str]:
    """Return how many events of a stage wait, how many of them for a person, and a line for the
    lanes that have an open breaker for the same reason."""
    lines = []
    if waiting.since is not None:
        count = "1 event waits" if str(waiting) == "1" else f"{waiting} events wait"
        lines.append(
            f"{stage}: {count} to be tried again, the oldest since {utc_timestamp(waiting.since)}"
        )
    if waiting.for_person:
        noun = "row waits" if waiting.for_person == 1 else "rows wait"
        lines.append(
            f"{stage}: {grouped(waiting.for_person)} {noun} until a person decides:"
            f" {command_line('parked', stage)}"
        )
    kinds: dict[str, list[OpenBreakerLane]] = {}
    for lane in waiting.held:
        kinds.setdefault(failure_title(lane.why), []).append(lane)
    for alike in kinds.values():
        first = min(alike, key=lambda lane: lane.since)
        noun = "lane" if len(alike) == 1 else "lanes"
        lanes = format_ranges(lane.lane for lane in alike)
        lines.append(
            f"{stage} holds its input in {noun} {lanes}, since "
            f"{utc_timestamp(first.since)}: {first.why}"
        )
    return lines


def _notification_lines(backlog: NotificationBacklog, command_line: CommandLine) -> Iterator[str]:
    if backlog.open:
        noun = "incident is" if backlog.open == 1 else "incidents are"
        yield Alarm(f"{backlog.open} {noun} open: {command_line('incidents')}")
    if backlog.unread:
        unread = f"{grouped(backlog.unread)} offsets of dead letters"
        yield f"the notifier has {unread} to read; if none runs: {command_line('notify')}"
    if backlog.waiting and backlog.waiting_since is not None:
        noun = "notice waits" if backlog.waiting == 1 else "notices wait"
        since = utc_timestamp(backlog.waiting_since)
        yield f"{backlog.waiting} {noun} to be delivered, since {since}"
    for recipient, problem in backlog.failures.items():
        yield f"  {recipient}: {problem}"

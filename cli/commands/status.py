"""What is in force, how far are stages and books behind, and what does the router wait for?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from farandole.cli.context import CliContext, run_async
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.rendering.tables import format_columns

if TYPE_CHECKING:
    from farandole.broker.cluster_admin import ClusterAdmin
    from farandole.broker.consumer_lag import InputLag
    from farandole.broker.settings import Settings
    from farandole.catalog.topology_table import TopologyTable
    from farandole.events.control_documents import TimedDocument
    from farandole.operations.dead_letters.open_letter_counts import OpenLetterCount
    from farandole.operations.status.waiting_events import WaitingEvents


@click.command()
@json_option
@click.pass_obj
def status(context: CliContext, as_json: bool) -> None:
    """Show the broker, the version in force, each stage's lag, and what the router waits for.

    All pipelines that were published are shown, the folder's own first; with -f that file's alone.
    Lag is in offsets: the markers of transactions take offsets too. A stage at rest has 0. A stage
    that is draining stands in older versions alone, and still has events of theirs. `waits` counts
    the events that wait to be tried again, `dead` the dead letters that are not settled: farandole
    dead
    """
    context.configure_logs()
    run_async(_show_status(context, as_json))


async def _show_status(context: CliContext, as_json: bool) -> None:
    from farandole.broker.cluster_admin import ClusterAdmin
    from farandole.catalog.published_versions import read_versions
    from farandole.cli.command_hints import complete_commands
    from farandole.cli.commands.top import monitor_summary
    from farandole.operations.control import control_query
    from farandole.operations.reason_text import reason_text
    from farandole.operations.runs import bookkeeper_lag
    from farandole.operations.status import notification_backlog
    from farandole.router.topology_store import read_topology

    settings = await context.connect()
    own = await context.pipeline(settings)
    table = await read_topology(settings)
    said = await control_query.read_control_state(settings)
    others = [
        name for name in table.pipelines() if name != own and context.topology_override is None
    ]
    if table.newest(own) is None and not (own in table.reports or others):
        await read_versions(settings, own)  # says what to do
    async with ClusterAdmin.open(settings) as admin:
        first, *rest = [
            await _pipeline_status(admin, settings, table, said, name) for name in (own, *others)
        ]
        told = await notification_backlog.read_notification_backlog(
            admin, settings, {(v.pipeline, stage) for v in table.versions for stage in v.stages}
        )
    books = await bookkeeper_lag.read_bookkeeper_lag(settings)
    if as_json:
        head = {"bootstrap": settings.bootstrap, "namespace": settings.namespace}
        print_json({**head, **first, "others": rest, "notifier": told, "ledger": asdict(books)})
        return
    print_line(f"Kafka at {settings.bootstrap}")
    for each in (first, *rest):
        for line in _status_lines(each):
            print_line(line)
    problem = books.problem()
    if problem:
        print_line(reason_text(problem, context.command_line))
    print_line(complete_commands(context, await monitor_summary(context), ("top", "monitor")))
    for line in notification_backlog.notification_lines(
        told,
        context.command_line("incidents"),
        context.command_line("notify"),
    ):
        print_line(line)


async def _pipeline_status(
    admin: ClusterAdmin,
    settings: Settings,
    table: TopologyTable,
    found: Mapping[bytes, TimedDocument],
    name: str,
) -> dict[str, Any]:
    from farandole.broker.consumer_lag import ordered_lag_pass
    from farandole.operations.control import control_query
    from farandole.operations.dead_letters.open_letter_counts import count_open_letters
    from farandole.operations.status.waiting_events import count_waiting_events

    version = table.newest(name)
    lags = await ordered_lag_pass(admin, settings.names, version) if version else {}
    draining = await _draining_stages(admin, settings, table, name)
    dead = await count_open_letters(admin, settings, name, [*lags, *draining])
    waiting = await count_waiting_events(admin, settings, name, [*lags, *draining])
    held = control_query.active_pauses(found, name, [*lags, *draining], datetime.now(UTC))
    said = table.reports.get(name)
    return {
        "pipeline": name,
        "version": version.name if version else None,
        "published": version.published if version else None,
        "published_by": version.published_by if version else None,
        "rollback_of": version.rollback_of if version else None,
        "stages": {stage: [_input_data(each) for each in inputs] for stage, inputs in lags.items()},
        "draining": {
            stage: [_input_data(each) for each in inputs] for stage, inputs in draining.items()
        },
        "waiting": waiting,
        "dead": dead,
        "paused": {stage: control_query.pause_data(pause) for stage, pause in held.items()},
        "router": said.model_dump(mode="json", exclude={"kind", "pipeline"}) if said else None,
    }


async def _draining_stages(
    admin: ClusterAdmin, settings: Settings, table: TopologyTable, name: str
) -> dict[str, list[InputLag]]:
    """The stages that only older versions have, and before which events of theirs are unread."""
    from aiokafka import TopicPartition

    from farandole.broker.consumer_lag import partition_lag
    from farandole.router.cluster_snapshot import unread_events

    newest = table.newest(name)
    gone: dict[str, dict[str, str]] = {}
    for version in table.of(name):
        if version.retired is not None:
            continue
        for stage in version.stages.keys() - (newest.stages.keys() if newest else ()):
            for event_type in version.stages[stage].subscribes:
                gone.setdefault(stage, {})[version.events[event_type].topic] = event_type
    existing = await admin.topics() if gone else {}
    found = {}
    for stage, topics in sorted(gone.items()):
        partitions = {
            TopicPartition(topic, index): event_type
            for topic, event_type in topics.items()
            for index in range(existing.get(topic, 0))
        }
        found[stage] = await partition_lag(
            admin, settings.names.stage_group(name, stage), partitions
        )
    # Where no worker is left, what is behind may be markers and events of newer versions alone.
    waiting = {each.stage for each in await unread_events(settings, table.of(name), found)}
    return {stage: inputs for stage, inputs in found.items() if stage in waiting}


def _input_data(each: InputLag) -> dict[str, Any]:
    return {
        "event": each.event_type,
        "topic": each.partition.topic,
        "partition": each.partition.partition,
        "committed": each.committed,
        "end": each.end,
        "lag": each.lag,
    }


def _status_lines(pipeline: dict[str, Any]) -> Iterator[str]:
    from farandole.operations.control.control_query import pause_text
    from farandole.operations.status.waiting_events import waiting_lines

    if pipeline["version"] is None:
        yield f"{pipeline['pipeline']}, nothing published yet"
    else:
        again = f", a rollback to @{pipeline['rollback_of']}" if pipeline["rollback_of"] else ""
        said = f"{pipeline['published']:%Y-%m-%d %H:%M:%S} UTC by {pipeline['published_by']}"
        yield f"{pipeline['version']}, published {said}{again}"
        yield ""
        draining = {f"{stage} (draining)": each for stage, each in pipeline["draining"].items()}
        # In the same order.
        of_stages = [*zip(pipeline["waiting"].values(), pipeline["dead"].values(), strict=True)]
        yield from format_columns(
            _stage_rows({**pipeline["stages"], **draining}, of_stages), left=2
        )
        for stage, pause in pipeline["paused"].items():
            yield f"{stage} is {pause_text(pause)}"
        for stage, found in pipeline["waiting"].items():
            yield from waiting_lines(stage, found)
    yield ""
    router = pipeline["router"] or {"findings": (), "waiting": ()}
    if router["findings"]:
        yield f"the router refuses {router['file']}:"
        yield from (f"  {finding}" for finding in router["findings"])
    if router["waiting"]:
        yield f"the router waits with {router['file']}:"
        yield from (f"  {each}" for each in router["waiting"])


def _stage_rows(
    stages: dict[str, list[dict[str, Any]]],
    of_stages: Sequence[tuple[WaitingEvents, OpenLetterCount]],
) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("stage", "input", "lag", "waits", "dead", "by partition")]
    for (stage, inputs), counts in zip(stages.items(), of_stages, strict=True):
        for index, event in enumerate(dict.fromkeys(each["event"] for each in inputs)):
            of = [each for each in inputs if each["event"] == event]
            by_partition = " ".join(
                "none" if each["committed"] is None else f"{each['lag']:,}" for each in of
            )
            lag = sum(each["lag"] for each in of)
            # Of a stage, not of each of its inputs.
            waiting, dead = ("" if index else str(count) for count in counts)
            rows.append((stage, event, f"{lag:,}", waiting, dead, by_partition))
    return rows

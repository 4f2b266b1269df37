"""What is in force, how far are stages and books behind, and what does the router wait for?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from farandole.console.output import columns, json_option, say, say_json
from farandole.console.wiring import Here, run

if TYPE_CHECKING:
    from farandole.broker.admin import Admin
    from farandole.broker.lag import Input
    from farandole.broker.settings import Settings
    from farandole.console.dead_letters.deaths import Dead
    from farandole.console.waits import Waits
    from farandole.events.control import Said
    from farandole.router.table import Table


@click.command()
@json_option
@click.pass_obj
def status(here: Here, as_json: bool) -> None:
    """Show the broker, the version in force, each stage's lag, and what the router waits for.

    All pipelines that were published are shown, the folder's own first; with -f that file's alone.
    Lag is in offsets: the markers of transactions take offsets too. A stage at rest has 0. A stage
    that is draining stands in older versions alone, and still has events of theirs. `waits` counts
    the events that wait to be tried again, `dead` the dead letters that are not settled: farandole
    dead
    """
    here.logs()
    run(_status(here, as_json))


async def _status(here: Here, as_json: bool) -> None:
    from farandole.broker.admin import Admin
    from farandole.console import asked, notices
    from farandole.console.books import bookkeeping
    from farandole.console.commands.top import in_short
    from farandole.console.hints import farandole, suggested
    from farandole.router.table import read
    from farandole.worker.versions import published

    settings = await here.reached()
    own = await here.pipeline(settings)
    table = await read(settings)
    said = await asked.asked(settings)
    others = [name for name in table.pipelines() if name != own and here.chosen is None]
    if table.newest(own) is None and not (own in table.reports or others):
        await published(settings, own)  # says what to do
    async with Admin.open(settings) as admin:
        first, *rest = [
            await _pipeline(admin, settings, table, said, name) for name in (own, *others)
        ]
        told = await notices.looked(
            admin, settings, {(v.pipeline, stage) for v in table.versions for stage in v.stages}
        )
    books = await bookkeeping.state(settings)
    if as_json:
        head = {"bootstrap": settings.bootstrap, "namespace": settings.namespace}
        say_json({**head, **first, "others": rest, "notifier": told, "ledger": asdict(books)})
        return
    say(f"Kafka at {settings.bootstrap}")
    for each in (first, *rest):
        for line in _lines(each):
            say(line)
    behind = books.said()
    if behind:
        say(behind)
    say(suggested(here, await in_short(here), ("top", "monitor")))
    for line in notices.lines(told, farandole(here, "incidents"), farandole(here, "notify")):
        say(line)


async def _pipeline(
    admin: Admin, settings: Settings, table: Table, found: Mapping[bytes, Said], name: str
) -> dict[str, Any]:
    from farandole.broker.lag import ordered_pass
    from farandole.console import asked
    from farandole.console.dead_letters.deaths import counted
    from farandole.console.waits import waits

    version = table.newest(name)
    lags = await ordered_pass(admin, settings.names, version) if version else {}
    draining = await _draining(admin, settings, table, name)
    dead = await counted(admin, settings, name, [*lags, *draining])
    waiting = await waits(admin, settings, name, [*lags, *draining])
    held = asked.pauses(found, name, [*lags, *draining], datetime.now(UTC))
    said = table.reports.get(name)
    return {
        "pipeline": name,
        "version": version.name if version else None,
        "published": version.published if version else None,
        "published_by": version.published_by if version else None,
        "rollback_of": version.rollback_of if version else None,
        "stages": {stage: [_input(each) for each in inputs] for stage, inputs in lags.items()},
        "draining": {
            stage: [_input(each) for each in inputs] for stage, inputs in draining.items()
        },
        "waiting": waiting,
        "dead": dead,
        "paused": {stage: asked.plain(pause) for stage, pause in held.items()},
        "router": said.model_dump(mode="json", exclude={"kind", "pipeline"}) if said else None,
    }


async def _draining(
    admin: Admin, settings: Settings, table: Table, name: str
) -> dict[str, list[Input]]:
    """The stages that only older versions have, and before which events of theirs are unread."""
    from aiokafka import TopicPartition

    from farandole.broker.lag import looked
    from farandole.router.facts import unread

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
        found[stage] = await looked(admin, settings.names.group(name, stage), partitions)
    # Where no worker is left, what is behind may be markers and events of newer versions alone.
    waiting = {each.stage for each in await unread(settings, table.of(name), found)}
    return {stage: inputs for stage, inputs in found.items() if stage in waiting}


def _input(each: Input) -> dict[str, Any]:
    return {
        "event": each.event_type,
        "topic": each.partition.topic,
        "partition": each.partition.partition,
        "committed": each.committed,
        "end": each.end,
        "lag": each.lag,
    }


def _lines(pipeline: dict[str, Any]) -> Iterator[str]:
    from farandole.console.asked import words
    from farandole.console.waits import lines

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
        yield from columns(_rows({**pipeline["stages"], **draining}, of_stages), left=2)
        for stage, pause in pipeline["paused"].items():
            yield f"{stage} is {words(pause)}"
        for stage, found in pipeline["waiting"].items():
            yield from lines(stage, found)
    yield ""
    router = pipeline["router"] or {"findings": (), "waiting": ()}
    if router["findings"]:
        yield f"the router refuses {router['file']}:"
        yield from (f"  {finding}" for finding in router["findings"])
    if router["waiting"]:
        yield f"the router waits with {router['file']}:"
        yield from (f"  {each}" for each in router["waiting"])


def _rows(
    stages: dict[str, list[dict[str, Any]]], of_stages: Sequence[tuple[Waits, Dead]]
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

"""Where does a stage go on?

A lane whose offset is lost (retention or a wiped topic took it) waits for a person to decide.
Moving an offset goes by the lane's own protocol, under the lane's own transactional id:

1. Starting the producer fences whoever holds that id: no lane and no zombie can commit an older
   offset over ours, and an open transaction is settled.
2. **Then** the committed offset is read again: only now it cannot change behind our back.
3. The new offset commits in a transaction. A worker that is born between 1 and 3 fences *us*, and
   nothing has changed; one that is born later reads our offset.

That is exact whether workers run or not. While they run only a lost offset is moved all the same:
nobody works there, whereas elsewhere the lane would jump under the eyes of its reader.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from farandole.cli import shell_completion
from farandole.cli.context import CliContext, run_async
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.parameters import OffsetParameter
from farandole.cli.rendering.errors import CommandError
from farandole.operations.names import require_known

if TYPE_CHECKING:
    from aiokafka import TopicPartition

    from farandole.broker.cluster_admin import ClusterAdmin
    from farandole.broker.consumer_lag import InputLag
    from farandole.broker.settings import Settings
    from farandole.events.topology_version import Version


@dataclass(frozen=True, slots=True)
class InputPosition:
    """One partition of a stage's input, as it stands."""

    input: InputLag
    first: int
    """The offset of the oldest record that is kept."""

    @property
    def lost(self) -> bool:
        committed = self.input.committed
        return committed is None or not self.first <= committed <= self.input.end

    @property
    def lane(self) -> int:
        index: int = self.input.partition.partition
        return index

    @property
    def name(self) -> str:
        return f"{self.input.event_type}/{self.input.partition.partition}"


@click.command()
@click.argument("stage", shell_complete=shell_completion.complete_stages)
@click.option("--to", required=True, type=OffsetParameter(), metavar="earliest|latest|OFFSET")
@click.option("--partition", type=click.IntRange(min=0), metavar="N", help="This one, lost or not.")
@click.option("--event", "event_type", metavar="TYPE",
              shell_complete=shell_completion.complete_event_types,
              help="This input alone, of a stage with several.")  # fmt: skip
@click.option("--all", "every", is_flag=True, help="Every partition, lost or not.")
@json_option
@click.pass_obj
def seek(
    context: CliContext,
    stage: str,
    to: str | int,
    partition: int | None,
    event_type: str | None,
    every: bool,
    as_json: bool,
) -> None:
    """Decide where STAGE goes on, where its offset is lost.

    Its workers may run: they take it up by themselves. With --partition or --all an offset that is
    not lost is moved too, once the stage's workers are stopped: back, and events are handled again
    (their results keep their ids); forth, and events are never handled.
    """
    if every and partition is not None:
        raise click.UsageError("--all and --partition exclude each other")
    context.configure_logs()
    run_async(_seek(context, stage, to, partition, event_type, every, as_json))


async def _seek(
    context: CliContext,
    stage: str,
    to: str | int,
    partition: int | None,
    event_type: str | None,
    every: bool,
    as_json: bool,
) -> None:
    from farandole.broker.cluster_admin import ClusterAdmin

    settings = await context.connect()
    version = await context.newest_version(settings)
    require_known(stage, version.stages, "stage")
    if event_type is not None:
        require_known(event_type, version.stages[stage].subscribes, f"input of {stage}")
    async with ClusterAdmin.open(settings) as admin:
        places = [
            place
            for place in await _input_positions(admin, settings, version, stage)
            if event_type in (None, place.input.event_type)
            and partition in (None, place.input.partition.partition)
        ]
        if not places:
            raise CommandError(f"farandole: {stage} has no partition {partition}")
        chosen = places if every or partition is not None else [p for p in places if p.lost]
        waiting = [
            place
            for place in await _retry_positions(admin, settings, version, stage)
            if place.lost and event_type is None and partition in (None, place.lane)
        ]
        if not chosen and not waiting:
            raise CommandError(
                f"farandole: no offset of {stage} is lost, nothing was moved; "
                "--partition N or --all moves one that is not"
            )
        if isinstance(to, int) and len(chosen) > 1:
            raise CommandError(
                f"farandole: {', '.join(p.name for p in chosen)} cannot all go to {to}; "
                "choose with --partition (and --event)"
            )
        targets = {place: _target_offset(place, to) for place in chosen}
        # What waits is state, and stays; behind it there is nothing but what the lane knows.
        targets |= {place: place.input.end for place in waiting}
        await _refuse_live_workers(admin, settings, version, stage, chosen)
        for place, target in targets.items():
            await _commit_offset(settings, admin, version, stage, place, target)
    if as_json:
        print_json(
            [
                {
                    "event": place.input.event_type,
                    "partition": place.input.partition.partition,
                    "from": place.input.committed,
                    "to": target,
                    "lost": place.lost,
                }
                for place, target in targets.items()
            ]
        )
        return
    for place, target in targets.items():
        print_line(f"{stage} goes on in {place.name} at {target}{_describe_move(place, target)}")


def _target_offset(place: InputPosition, to: str | int) -> int:
    if to == "earliest":
        return place.first
    if to == "latest":
        return place.input.end
    assert isinstance(to, int)
    if not place.first <= to <= place.input.end:
        raise CommandError(
            f"farandole: {place.name} has offsets from {place.first} to {place.input.end}, not {to}"
        )
    return to


def _describe_move(place: InputPosition, target: int) -> str:
    if place.input.committed is None:
        return ""
    by = target - place.input.committed
    if by == 0:
        return ", where it was"
    return f" (was {place.input.committed}: {abs(by)} offsets {'skipped' if by > 0 else 'again'})"


async def _input_positions(
    admin: ClusterAdmin, settings: Settings, version: Version, stage: str
) -> list[InputPosition]:
    from farandole.broker.consumer_lag import stage_input_lag

    found = await stage_input_lag(admin, settings.names, version, stage)
    first = await admin.start_offsets([each.partition for each in found])
    return [InputPosition(each, first[each.partition]) for each in found]


async def _retry_positions(
    admin: ClusterAdmin, settings: Settings, version: Version, stage: str
) -> list[InputPosition]:
    """Of the retry topic. A lane takes replays up by its offset there; those before a lost one are
    taken up no more; the books show them parked."""
    from aiokafka import TopicPartition

    from farandole.broker.consumer_lag import partition_lag

    parking = version.stages[stage].parking
    if parking is None:
        return []
    tps = {TopicPartition(parking.topic, index): "retry" for index in range(parking.partitions)}
    found = await partition_lag(admin, settings.names.stage_group(version.pipeline, stage), tps)
    return [InputPosition(each, 0) for each in found]


async def _refuse_live_workers(
    admin: ClusterAdmin,
    settings: Settings,
    version: Version,
    stage: str,
    chosen: list[InputPosition],
) -> None:
    sound = [place.name for place in chosen if not place.lost]
    group = settings.names.stage_group(version.pipeline, stage)
    if sound and await admin.members(group):
        raise CommandError(
            f"farandole: workers of {stage} are alive, so only lost offsets are moved, not that of "
            f"{', '.join(sound)}; stop `farandole up` or `farandole work` first"
        )


async def _commit_offset(
    settings: Settings,
    admin: ClusterAdmin,
    version: Version,
    stage: str,
    place: InputPosition,
    target: int,
) -> None:
    from farandole.broker.broker_errors import (
        DeadlineExceededError,
        ProducerFencedError,
        TransactionFailedError,
    )
    from farandole.broker.transactions import fenced_producer

    group = settings.names.stage_group(version.pipeline, stage)
    tp: TopicPartition = place.input.partition
    lane = settings.names.lane_transactional_id(version.pipeline, stage, tp.partition)
    async with fenced_producer(settings, lane) as producer:
        now = (await admin.committed(group, [tp]))[tp]
        if (now.offset if now else None) != place.input.committed:
            raise CommandError(
                f"farandole: the offset of {place.name} has just moved to "
                f"{now.offset if now else 'none'}, nothing was moved; look again with: "
                "farandole status"
            )
        try:
            # No metadata: whatever died at the old place is no news about the new one.
            await producer.transact({}, 0, {group: {tp: target}})
        except ProducerFencedError as error:
            raise CommandError(
                f"farandole: a worker took {place.name} at this very moment "
                f"({error}), nothing was moved; try again"
            ) from None
        except (DeadlineExceededError, TransactionFailedError) as error:
            raise DeadlineExceededError(
                f"moving {place.name}: {error}; whether it was moved is unknown; look with: "
                "farandole status"
            ) from None

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

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from farandole.console import names
from farandole.console.failing import Failed
from farandole.console.output import json_option, say, say_json
from farandole.console.wiring import Here, known, run

if TYPE_CHECKING:
    from aiokafka import TopicPartition

    from farandole.broker.admin import Admin
    from farandole.broker.lag import Input
    from farandole.broker.settings import Settings
    from farandole.events.topology import Version


@dataclass(frozen=True, slots=True)
class Place:
    """One partition of a stage's input, as it stands."""

    input: Input
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


class _To(click.ParamType):
    name = "earliest|latest|OFFSET"

    def convert(self, value: Any, param: Any, ctx: Any) -> str | int:
        if value in ("earliest", "latest"):
            return str(value)
        if not str(value).isdigit():
            self.fail(f"{value!r} is neither earliest, latest nor an offset", param, ctx)
        return int(value)


@click.command()
@click.argument("stage", shell_complete=names.stages)
@click.option("--to", required=True, type=_To(), metavar="earliest|latest|OFFSET")
@click.option("--partition", type=click.IntRange(min=0), metavar="N", help="This one, lost or not.")
@click.option("--event", "event_type", metavar="TYPE", shell_complete=names.event_types,
              help="This input alone, of a stage with several.")  # fmt: skip
@click.option("--all", "every", is_flag=True, help="Every partition, lost or not.")
@json_option
@click.pass_obj
def seek(
    here: Here,
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
    here.logs()
    run(_seek(here, stage, to, partition, event_type, every, as_json))


async def _seek(
    here: Here,
    stage: str,
    to: str | int,
    partition: int | None,
    event_type: str | None,
    every: bool,
    as_json: bool,
) -> None:
    from farandole.broker.admin import Admin

    settings = await here.reached()
    version = await here.version(settings)
    known(stage, version.stages, "stage")
    if event_type is not None:
        known(event_type, version.stages[stage].subscribes, f"input of {stage}")
    async with Admin.open(settings) as admin:
        places = [
            place
            for place in await _places(admin, settings, version, stage)
            if event_type in (None, place.input.event_type)
            and partition in (None, place.input.partition.partition)
        ]
        if not places:
            raise Failed(f"farandole: {stage} has no partition {partition}")
        chosen = places if every or partition is not None else [p for p in places if p.lost]
        waiting = [
            place
            for place in await _waiting(admin, settings, version, stage)
            if place.lost and event_type is None and partition in (None, place.lane)
        ]
        if not chosen and not waiting:
            raise Failed(
                f"farandole: no offset of {stage} is lost, nothing was moved; "
                "--partition N or --all moves one that is not"
            )
        if isinstance(to, int) and len(chosen) > 1:
            raise Failed(
                f"farandole: {', '.join(p.name for p in chosen)} cannot all go to {to}; "
                "choose with --partition (and --event)"
            )
        targets = {place: _target(place, to) for place in chosen}
        # What waits is state, and stays; behind it there is nothing but what the lane knows.
        targets |= {place: place.input.end for place in waiting}
        await _refuse_at_work(admin, settings, version, stage, chosen)
        for place, target in targets.items():
            await _move(settings, admin, version, stage, place, target)
    if as_json:
        say_json(
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
        say(f"{stage} goes on in {place.name} at {target}{_meaning(place, target)}")


def _target(place: Place, to: str | int) -> int:
    if to == "earliest":
        return place.first
    if to == "latest":
        return place.input.end
    assert isinstance(to, int)
    if not place.first <= to <= place.input.end:
        raise Failed(
            f"farandole: {place.name} has offsets from {place.first} to {place.input.end}, not {to}"
        )
    return to


def _meaning(place: Place, target: int) -> str:
    if place.input.committed is None:
        return ""
    by = target - place.input.committed
    if by == 0:
        return ", where it was"
    return f" (was {place.input.committed}: {abs(by)} offsets {'skipped' if by > 0 else 'again'})"


async def _places(admin: Admin, settings: Settings, version: Version, stage: str) -> list[Place]:
    from farandole.broker.lag import inputs

    found = await inputs(admin, settings.names, version, stage)
    first = await admin.start_offsets([each.partition for each in found])
    return [Place(each, first[each.partition]) for each in found]


async def _waiting(admin: Admin, settings: Settings, version: Version, stage: str) -> list[Place]:
    """Of the retry topic. A lane takes replays up by its offset there; those before a lost one are
    taken up no more; the books show them parked."""
    from aiokafka import TopicPartition

    from farandole.broker.lag import looked

    parking = version.stages[stage].parking
    if parking is None:
        return []
    tps = {TopicPartition(parking.topic, index): "retry" for index in range(parking.partitions)}
    found = await looked(admin, settings.names.group(version.pipeline, stage), tps)
    return [Place(each, 0) for each in found]


async def _refuse_at_work(
    admin: Admin, settings: Settings, version: Version, stage: str, chosen: list[Place]
) -> None:
    sound = [place.name for place in chosen if not place.lost]
    group = settings.names.group(version.pipeline, stage)
    if sound and await admin.members(group):
        raise Failed(
            f"farandole: workers of {stage} are alive, so only lost offsets are moved, not that of "
            f"{', '.join(sound)}; stop `farandole up` or `farandole work` first"
        )


async def _move(
    settings: Settings, admin: Admin, version: Version, stage: str, place: Place, target: int
) -> None:
    from aiokafka.errors import KafkaError
    from aiokafka.structs import OffsetAndMetadata

    from farandole.broker.clients import opened, producer
    from farandole.broker.errors import Unanswered
    from farandole.broker.fenced import FENCED

    group = settings.names.group(version.pipeline, stage)
    tp: TopicPartition = place.input.partition
    lane = settings.names.transactional_id(version.pipeline, stage, tp.partition)
    async with opened(producer(settings, transactional_id=lane), settings) as fence:
        now = (await admin.committed(group, [tp]))[tp]
        if (now.offset if now else None) != place.input.committed:
            raise Failed(
                f"farandole: the offset of {place.name} has just moved to "
                f"{now.offset if now else 'none'}, nothing was moved; look again with: "
                "farandole status"
            )
        try:
            async with asyncio.timeout(settings.deadline):
                await fence.begin_transaction()
                # No metadata: whatever died at the old place is no news about the new one.
                await fence.send_offsets_to_transaction({tp: OffsetAndMetadata(target, "")}, group)
                await fence.commit_transaction()
        except TimeoutError:
            raise Unanswered(
                f"moving {place.name}: no answer within {settings.deadline:g} s, whether it was "
                "moved is unknown; look with: farandole status"
            ) from None
        except FENCED as error:
            raise Failed(
                f"farandole: a worker took {place.name} at this very moment "
                f"({type(error).__name__}), nothing was moved; try again"
            ) from None
        except KafkaError as error:
            raise Unanswered(
                f"moving {place.name}: {type(error).__name__}: {error}; whether it was moved is "
                "unknown; look with: farandole status"
            ) from None

"""How is a run begun anew?"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

import click

from farandole.console.failing import Failed
from farandole.console.output import json_option, say, say_json
from farandole.console.wiring import Here, run

if TYPE_CHECKING:
    from farandole.broker.settings import Settings
    from farandole.console.commands.trigger import Published
    from farandole.events.ledger import Root
    from farandole.events.record import Header, Record


@click.command()
@click.argument("run_id", metavar="RUN")
@json_option
@click.pass_obj
def again(here: Here, run_id: str, as_json: bool) -> None:
    """Publish the root of RUN once more, and print the id of the run that it opens.

    It is wired by the version that is in force now; the books name the run that it repeats.
    """
    here.logs()
    run(_again(here, run_id, as_json))


async def _again(here: Here, run_id: str, as_json: bool) -> None:
    published = await repeat(await here.reached(), run_id)
    if as_json:
        say_json(published)
    else:
        say(published.run)


async def repeat(settings: Settings, run_id: str) -> Published:
    """Publish the root of a run as a new one, linked to it; returns when Kafka has it. Raises
    Failed, NothingApplied and BrokerError."""
    from aiokafka.errors import KafkaError

    from farandole.broker.clients import opened, producer, within
    from farandole.console.books.rows import row_of
    from farandole.console.commands.trigger import Published
    from farandole.events.ids import RunIds
    from farandole.worker.versions import published

    row = await row_of(settings, run_id)
    root = row["root"]
    if root is None:
        raise Failed(
            f"farandole: {run_id} has no root: there are events that claim the run, and none that "
            "opened it; there is nothing to repeat"
        )
    versions = await published(settings, row["pipeline"])
    newest = versions[max(versions)]
    event = newest.events.get(root["type"])
    if event is None or not newest.subscribers(root["type"]):
        raise Failed(
            f"farandole: {run_id} was opened by a {root['type']}, to which no stage of "
            f"{newest.name} subscribes; run: farandole history"
        )
    record = await _root(settings, run_id, root)
    # Where its key had it, whatever partitioner that was; unless the topic is another one now.
    partition = root["partition"] if event.topic == root["topic"] else None
    async with opened(producer(settings), settings) as client:
        try:
            sent = await within(
                client.send_and_wait(
                    event.topic,
                    value=record.value,
                    key=record.key,
                    partition=partition,
                    headers=linked(record.headers, run_id),
                ),
                settings.deadline,
                f"publishing to {event.topic}; whether it was published is unknown",
            )
        except KafkaError as error:
            raise Failed(f"farandole: Kafka refuses the event: {error}") from None
    new = RunIds(newest.installation, event.topic).of(sent.partition, sent.offset)
    event_id = next((v for n, v in record.headers if n == "ce_id"), b"").decode(errors="replace")
    return Published(event_id, new, event.topic, sent.partition, sent.offset)


def linked(headers: Sequence[Header], run_id: str) -> list[Header]:
    """The headers of a root that repeats a run."""
    from farandole.events.envelope import AGAIN

    return [*((n, v) for n, v in headers if n != AGAIN), (AGAIN, run_id.encode())]


async def _root(settings: Settings, run_id: str, root: Root) -> Record:
    """The record that opened the run. Raises Failed where it is gone."""
    from aiokafka import TopicPartition

    from farandole.broker.tables import scan

    topic, partition, offset = root["topic"], root["partition"], root["offset"]
    start = {TopicPartition(topic, partition): offset}
    async with aclosing(scan(settings, [topic], start=start)) as batches:  # type: ignore[type-var]  # it is one
        async for records in batches:
            if records[0].offset == offset:
                return records[0]
            break
    raise Failed(
        f"farandole: the root of {run_id} is gone: {topic}/{partition} no longer holds offset "
        f"{offset} (retention); publish it anew: farandole trigger {root['type']} --data …"
    )

"""How is a run begun anew?"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

import click

from farandole.cli.context import CliContext, run_async
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.rendering.errors import CommandError

if TYPE_CHECKING:
    from farandole.broker.settings import Settings
    from farandole.cli.commands.trigger import PublishedRoot
    from farandole.events.ledger_entry import RunRoot
    from farandole.events.record import Header, Record


@click.command()
@click.argument("run_id", metavar="RUN")
@json_option
@click.pass_obj
def again(context: CliContext, run_id: str, as_json: bool) -> None:
    """Publish the root of RUN once more, and print the id of the run that it opens.

    It is wired by the version that is in force now; the books name the run that it repeats.
    """
    context.configure_logs()
    run_async(_again(context, run_id, as_json))


async def _again(context: CliContext, run_id: str, as_json: bool) -> None:
    published = await publish_again(await context.connect(), run_id)
    if as_json:
        print_json(published)
    else:
        print_line(published.run)


async def publish_again(settings: Settings, run_id: str) -> PublishedRoot:
    """Publish the root of a run as a new one, linked to it; returns when Kafka has it. Raises
    CommandError, NothingAppliedError and BrokerError."""
    from aiokafka.errors import KafkaError

    from farandole.broker.kafka_clients import make_producer, open_client, with_deadline
    from farandole.catalog.published_versions import read_versions
    from farandole.cli.commands.trigger import PublishedRoot
    from farandole.events.run_ids import RunIdGenerator
    from farandole.operations.runs.run_rows import read_run_row

    row = await read_run_row(settings, run_id)
    root = row["root"]
    if root is None:
        raise CommandError(
            f"farandole: {run_id} has no root: there are events that claim the run, and none that "
            "opened it; there is nothing to repeat"
        )
    versions = await read_versions(settings, row["pipeline"])
    newest = versions[max(versions)]
    event = newest.events.get(root["type"])
    if event is None or not newest.subscribers(root["type"]):
        raise CommandError(
            f"farandole: {run_id} was opened by a {root['type']}, to which no stage of "
            f"{newest.name} subscribes; run: farandole history"
        )
    record = await _read_root_record(settings, run_id, root)
    # Where its key had it, whatever partitioner that was; unless the topic is another one now.
    partition = root["partition"] if event.topic == root["topic"] else None
    async with open_client(make_producer(settings), settings) as client:
        try:
            sent = await with_deadline(
                client.send_and_wait(
                    event.topic,
                    value=record.value,
                    key=record.key,
                    partition=partition,
                    headers=link_to_run(record.headers, run_id),
                ),
                settings.deadline,
                f"publishing to {event.topic}; whether it was published is unknown",
            )
        except KafkaError as error:
            raise CommandError(f"farandole: Kafka refuses the event: {error}") from None
    new = RunIdGenerator(newest.installation, event.topic).of(sent.partition, sent.offset)
    event_id = next((v for n, v in record.headers if n == "ce_id"), b"").decode(errors="replace")
    return PublishedRoot(event_id, new, event.topic, sent.partition, sent.offset)


def link_to_run(headers: Sequence[Header], run_id: str) -> list[Header]:
    """The headers of a root that repeats a run."""
    from farandole.events.envelope import REPEATED_RUN_HEADER

    return [
        *((n, v) for n, v in headers if n != REPEATED_RUN_HEADER),
        (REPEATED_RUN_HEADER, run_id.encode()),
    ]


async def _read_root_record(settings: Settings, run_id: str, root: RunRoot) -> Record:
    """The record that opened the run. Raises CommandError where it is gone."""
    from aiokafka import TopicPartition

    from farandole.broker.topic_reader import scan

    topic, partition, offset = root["topic"], root["partition"], root["offset"]
    start = {TopicPartition(topic, partition): offset}
    async with aclosing(scan(settings, [topic], start=start)) as batches:
        async for records in batches:
            if records[0].offset == offset:
                return records[0]
            break
    raise CommandError(
        f"farandole: the root of {run_id} is gone: {topic}/{partition} no longer holds offset "
        f"{offset} (retention); publish it anew: farandole trigger {root['type']} --data …"
    )

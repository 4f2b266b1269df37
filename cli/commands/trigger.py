"""How does a person publish an event?"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click
import orjson

from farandole.cli import shell_completion
from farandole.cli.context import CliContext, run_async
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.rendering.errors import CommandError
from farandole.operations.names import require_known

if TYPE_CHECKING:
    from farandole.broker.settings import Settings
    from farandole.events.topology_version import Version

# Not under our own scheme `farandole://`: what a person publishes is no stage's result.
TRIGGER_SOURCE = "urn:farandole:trigger"


@dataclass(frozen=True, slots=True)
class PublishedRoot:
    """Where an event went, and the run that it opens."""

    id: str
    run: str
    topic: str
    partition: int
    offset: int


@click.command()
@click.argument("event_type", metavar="TYPE", shell_complete=shell_completion.complete_root_types)
@click.option(
    "--data", required=True, metavar="JSON|@FILE|-", help="The event's data; - for standard input."
)
@click.option("--force", is_flag=True, help="Publish whatever it is, to any event type.")
@json_option
@click.pass_obj
def trigger(context: CliContext, event_type: str, data: str, force: bool, as_json: bool) -> None:
    """Publish an event of TYPE and print the id of the run that it opens.

    The data are checked as the subscribing stages will check them.
    """
    context.configure_logs()
    run_async(_trigger(context, event_type, _read_data(data), force, as_json))


def _read_data(given: str) -> bytes:
    """The data as one line of JSON. Raises UsageError."""
    try:
        if given == "-":
            raw = sys.stdin.buffer.read()
        elif given.startswith("@"):
            raw = Path(given[1:]).read_bytes()
        else:
            raw = given.encode("utf-8", "surrogateescape")
        return orjson.dumps(orjson.loads(raw))
    except OSError as error:
        raise click.UsageError(f"--data {given}: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise click.UsageError(f"--data is not JSON: {error}") from None


async def _trigger(
    context: CliContext, event_type: str, data: bytes, force: bool, as_json: bool
) -> None:
    settings = await context.connect()
    version = await context.newest_version(settings)
    require_known(event_type, version.events, "event type")
    if not force:
        _refuse_emitted_type(version, event_type)
        _validate_data(context, version, event_type, data)
    published = await publish_root(settings, version, event_type, data)
    if as_json:
        print_json(published)
    else:
        print_line(published.run)


def _refuse_emitted_type(version: Version, event_type: str) -> None:
    emitters = version.emitters(event_type)
    if emitters:
        raise CommandError(
            f"farandole: {event_type} is emitted by {', '.join(emitters)}; a trigger is one of "
            f"{', '.join(version.roots())} (--force publishes it all the same)"
        )


def _validate_data(context: CliContext, version: Version, event_type: str, data: bytes) -> None:
    """Decode the data as each subscriber will, so that what is refused here would be a dead letter
    there. Raises CommandError, FunctionNotFoundError."""
    from pydantic import ValidationError

    from farandole.events.envelope import trigger_headers
    from farandole.stages.cel_expression import Undecided
    from farandole.stages.function_loader import add_to_import_path, load_function
    from farandole.stages.function_signature import read_signature
    from farandole.worker.codecs import input_decoder
    from farandole.worker.output_routing import bind_outputs

    add_to_import_path(context.folder)
    attributes = {
        name.removeprefix("ce_"): value.decode()
        for name, value in trigger_headers(
            TRIGGER_SOURCE, event_type, str(uuid4()), datetime.now(UTC)
        )
        if name.startswith("ce_")
    }
    for stage in version.subscribers(event_type):
        signature = read_signature(load_function(version.stages[stage].run))
        bound = bind_outputs(version, event_type, stage, signature)
        assert bound is not None  # it subscribes
        try:
            if bound.accepts is None or bound.accepts(data, attributes):
                (bound.member_decode or input_decoder(signature))(data)
        except Undecided as undecided:
            raise CommandError(
                f"farandole: {stage} would refuse this {event_type}: {undecided} "
                "(--force publishes it all the same)"
            ) from None
        except ValidationError as error:
            first, *more = error.errors(include_url=False, include_context=False)
            where = ".".join(map(str, first["loc"])) or "data"
            rest = f", and {len(more)} more" if more else ""
            raise CommandError(
                f"farandole: {stage} would refuse this {event_type}: {where}: {first['msg']}{rest} "
                "(--force publishes it all the same)"
            ) from None


async def publish_root(
    settings: Settings, version: Version, event_type: str, data: bytes
) -> PublishedRoot:
    """Publish an event as a root; returns when Kafka has it. Raises BrokerError, CommandError."""
    from aiokafka.errors import KafkaError

    from farandole.broker.kafka_clients import make_producer, open_client, with_deadline
    from farandole.events.envelope import trigger_headers
    from farandole.events.run_ids import RunIdGenerator

    event = version.events[event_type]
    event_id = str(uuid4())
    async with open_client(make_producer(settings), settings) as client:
        try:
            sent = await with_deadline(
                client.send_and_wait(
                    event.topic,
                    value=data,
                    key=_record_key(data, event.key),
                    headers=trigger_headers(
                        TRIGGER_SOURCE, event_type, event_id, datetime.now(UTC)
                    ),
                ),
                settings.deadline,
                f"publishing to {event.topic}; whether it was published is unknown",
            )
        except KafkaError as error:
            raise CommandError(f"farandole: Kafka refuses the event: {error}") from None
    run_id = RunIdGenerator(version.installation, event.topic).of(sent.partition, sent.offset)
    return PublishedRoot(event_id, run_id, event.topic, sent.partition, sent.offset)


def _record_key(data: bytes, field: str | None) -> bytes | None:
    from farandole.events.event_key import output_key

    content: Any = orjson.loads(data)
    return output_key(content, field) if field is not None else None

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

from farandole.console import names
from farandole.console.failing import Failed
from farandole.console.output import json_option, say, say_json
from farandole.console.wiring import Here, known, run

if TYPE_CHECKING:
    from farandole.broker.settings import Settings
    from farandole.events.topology import Version

# Not under our own scheme `farandole://`: what a person publishes is no stage's result.
SOURCE = "urn:farandole:trigger"


@dataclass(frozen=True, slots=True)
class Published:
    """Where an event went, and the run that it opens."""

    id: str
    run: str
    topic: str
    partition: int
    offset: int


@click.command()
@click.argument("event_type", metavar="TYPE", shell_complete=names.roots)
@click.option(
    "--data", required=True, metavar="JSON|@FILE|-", help="The event's data; - for standard input."
)
@click.option("--force", is_flag=True, help="Publish whatever it is, to any event type.")
@json_option
@click.pass_obj
def trigger(here: Here, event_type: str, data: str, force: bool, as_json: bool) -> None:
    """Publish an event of TYPE and print the id of the run that it opens.

    The data are checked as the subscribing stages will check them.
    """
    here.logs()
    run(_trigger(here, event_type, _json(data), force, as_json))


def _json(given: str) -> bytes:
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


async def _trigger(here: Here, event_type: str, data: bytes, force: bool, as_json: bool) -> None:
    settings = await here.reached()
    version = await here.version(settings)
    known(event_type, version.events, "event type")
    if not force:
        _refuse_emitted(version, event_type)
        _check(here, version, event_type, data)
    published = await publish(settings, version, event_type, data)
    if as_json:
        say_json(published)
    else:
        say(published.run)


def _refuse_emitted(version: Version, event_type: str) -> None:
    emitters = version.emitters(event_type)
    if emitters:
        raise Failed(
            f"farandole: {event_type} is emitted by {', '.join(emitters)}; a trigger is one of "
            f"{', '.join(version.roots())} (--force publishes it all the same)"
        )


def _check(here: Here, version: Version, event_type: str, data: bytes) -> None:
    """Decode the data as each subscriber will, so that what is refused here would be a dead letter
    there. Raises Failed, NotFound."""
    from pydantic import ValidationError

    from farandole.events.envelope import trigger_headers
    from farandole.stages.expression import Undecided
    from farandole.stages.loading import load, on_path
    from farandole.stages.signature import read
    from farandole.worker.binding import bind, reader

    on_path(here.folder)
    attributes = {
        name.removeprefix("ce_"): value.decode()
        for name, value in trigger_headers(SOURCE, event_type, str(uuid4()), datetime.now(UTC))
        if name.startswith("ce_")
    }
    for stage in version.subscribers(event_type):
        signature = read(load(version.stages[stage].run))
        bound = bind(version, event_type, stage, signature)
        assert bound is not None  # it subscribes
        try:
            if bound.wanted is None or bound.wanted(data, attributes):
                (bound.decode or reader(signature))(data)
        except Undecided as undecided:
            raise Failed(
                f"farandole: {stage} would refuse this {event_type}: {undecided} "
                "(--force publishes it all the same)"
            ) from None
        except ValidationError as error:
            first, *more = error.errors(include_url=False, include_context=False)
            where = ".".join(map(str, first["loc"])) or "data"
            rest = f", and {len(more)} more" if more else ""
            raise Failed(
                f"farandole: {stage} would refuse this {event_type}: {where}: {first['msg']}{rest} "
                "(--force publishes it all the same)"
            ) from None


async def publish(settings: Settings, version: Version, event_type: str, data: bytes) -> Published:
    """Publish an event as a root; returns when Kafka has it. Raises BrokerError, Failed."""
    from aiokafka.errors import KafkaError

    from farandole.broker.clients import opened, producer, within
    from farandole.events.envelope import trigger_headers
    from farandole.events.ids import RunIds

    event = version.events[event_type]
    event_id = str(uuid4())
    async with opened(producer(settings), settings) as client:
        try:
            sent = await within(
                client.send_and_wait(
                    event.topic,
                    value=data,
                    key=_key(data, event.key),
                    headers=trigger_headers(SOURCE, event_type, event_id, datetime.now(UTC)),
                ),
                settings.deadline,
                f"publishing to {event.topic}; whether it was published is unknown",
            )
        except KafkaError as error:
            raise Failed(f"farandole: Kafka refuses the event: {error}") from None
    run_id = RunIds(version.installation, event.topic).of(sent.partition, sent.offset)
    return Published(event_id, run_id, event.topic, sent.partition, sent.offset)


def _key(data: bytes, field: str | None) -> bytes | None:
    from farandole.worker.binding import key_of

    content: Any = orjson.loads(data)
    return key_of(content, field) if field is not None else None

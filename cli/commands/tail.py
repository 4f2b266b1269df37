"""What stands in a topic, and what comes in?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
import orjson

from farandole.cli import shell_completion
from farandole.cli.context import CliContext, run_async
from farandole.cli.output import print_byte_lines
from farandole.operations.names import require_known

if TYPE_CHECKING:
    from farandole.events.record import Record
    from farandole.events.topology_version import Version


@click.command()
@click.argument(
    "event_type",
    metavar="[TYPE]",
    required=False,
    shell_complete=shell_completion.complete_event_types,
)
@click.option(
    "--dead",
    "stage",
    metavar="STAGE",
    shell_complete=shell_completion.complete_stages,
    help="Its dead letters.",
)
@click.option("--from-start", is_flag=True, help="Begin with the oldest that is kept.")
@click.option("--no-follow", is_flag=True, help="Print all that there is now, and end.")
@click.option(
    "--json", "as_json", is_flag=True, help="With id, run, key, position and time of each."
)
@click.pass_obj
def tail(
    context: CliContext,
    event_type: str | None,
    stage: str | None,
    from_start: bool,
    no_follow: bool,
    as_json: bool,
) -> None:
    """Print the events of TYPE as they come in, as JSON lines of their data.

    Or the dead letters of a stage, with why they died. Only what is committed is shown.
    """
    if (event_type is None) == (stage is None):
        raise click.UsageError("name either an event TYPE or a stage with --dead STAGE")
    context.configure_logs()
    run_async(
        _print_records(context, event_type, stage, from_start or no_follow, not no_follow, as_json)
    )


async def _print_records(
    context: CliContext,
    event_type: str | None,
    stage: str | None,
    from_start: bool,
    follow: bool,
    full: bool,
) -> None:
    from farandole.broker.topic_reader import scan
    from farandole.events import settlement_record

    settings = await context.connect()
    version = await context.newest_version(settings)
    if stage is not None:
        topic = settings.names.dead_topic(
            version.pipeline, require_known(stage, version.stages, "stage")
        )
    else:
        topic = version.events[require_known(event_type or "", version.events, "event type")].topic
    line = _choose_format(RecordFormatter(version), full=full, dead=stage is not None)
    start = "earliest" if from_start else "latest"
    async for records in scan(settings, [topic], start=start, follow=follow):  # type: ignore[arg-type]
        if stage is not None:
            records = [r for r in records if not settlement_record.is_settlement(r.headers)]
        print_byte_lines(map(line, records))


def _choose_format(told: RecordFormatter, *, full: bool, dead: bool) -> Callable[[Record], bytes]:
    if full:
        return lambda record: _dump_json(told.full(record))
    if dead:
        return lambda record: _dump_json(told.dead(record))
    return lambda record: json_line(record.value)


def json_line(value: bytes | None) -> bytes:
    """A value as one line of JSON: as it is where it is one, else what comes nearest."""
    try:
        content = orjson.loads(value or b"null")
    except orjson.JSONDecodeError:
        return _dump_json((value or b"").decode(errors="backslashreplace"))
    return value if value and b"\n" not in value else _dump_json(content)


class RecordFormatter:
    """Records as a person reads them."""

    def __init__(self, version: Version) -> None:
        from farandole.events.run_ids import RunIdGenerator

        self._version = version
        self._ours = f"farandole://{version.installation}/".encode()
        self._types = {event.topic: event_type for event_type, event in version.events.items()}
        self._runs = {topic: RunIdGenerator(version.installation, topic) for topic in self._types}

    def dead(self, record: Record) -> dict[str, Any]:
        """Why it died, and its data."""
        account = self._account(record)
        return {
            "why": f"{account.get('error')}: {account.get('message')}",
            "data": orjson.Fragment(json_line(record.value)),
        }

    def full(self, record: Record) -> dict[str, Any]:
        """Its attributes, where it stands, its data; of a dead letter why it died, and where the
        event that died stands."""
        from farandole.events.envelope import UnreadableEventError, parse_envelope

        said: dict[str, Any] = {}
        data = record.value
        try:
            envelope = parse_envelope(record)
            said = dict(envelope.attributes)
            data = envelope.data
        except UnreadableEventError as error:
            said = {"unreadable": str(error)}
        account = self._account(record)
        topic = account.get("topic", record.topic)
        told = {
            "id": said.get("id"),
            "type": said.get("type") or self._types.get(topic),
            "run": self._run(record, account),
            "key": None if record.key is None else record.key.decode(errors="backslashreplace"),
            "partition": record.partition,
            "offset": record.offset,
            "time": said.get("time") or datetime.fromtimestamp(record.timestamp / 1000, UTC),
        }
        if "unreadable" in said:
            told["unreadable"] = said["unreadable"]
        if account:
            told["dead"] = account
        return told | {"data": orjson.Fragment(json_line(data))}

    def _account(self, record: Record) -> dict[str, Any]:
        from farandole.events.dead_letter import DEAD_HEADER_PREFIX

        account: dict[str, Any] = {
            name.removeprefix(DEAD_HEADER_PREFIX): (value or b"").decode(errors="replace")
            for name, value in record.headers
            if name.startswith(DEAD_HEADER_PREFIX)
        }
        for number in ("attempts", "replays", "partition", "offset", "timestamp"):
            # Anybody may write here: what is no number stays what it is.
            said = account.get(number, "")
            if said.isdecimal() and len(said) < 19:  # JSON takes 64 bits
                account[number] = int(said)
        return account

    def _run(self, record: Record, account: dict[str, Any]) -> str | None:
        """Of what our stages emitted, the run that it carries; of a root, the run that it opens."""
        headers = dict(record.headers)
        run_id = headers.get("ce_runid")
        if run_id and (headers.get("ce_source") or b"").startswith(self._ours):
            return run_id.decode(errors="replace")
        runs = self._runs.get(account.get("topic", record.topic))
        partition = account.get("partition", record.partition)
        offset = account.get("offset", record.offset)
        if runs is None or not isinstance(partition, int) or not isinstance(offset, int):
            return None
        return runs.of(partition, offset)


def _dump_json(content: Any) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_UTC_Z)

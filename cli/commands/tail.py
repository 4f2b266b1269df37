"""Which records are in a topic, and which arrive?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from farandole.cli import shell_completion
from farandole.cli.context import CliContext
from farandole.cli.output import print_byte_lines
from farandole.cli.parameters import MomentParameter
from farandole.cli.rendering.counts import count_text

if TYPE_CHECKING:
    from farandole.operations.events.read_records import ReadRequest
    from farandole.operations.events.record_result import RecordResult
    from farandole.operations.installation import Installation

MAX_LAST = 100_000  # farandole.operations.events.read_records.MAX_LAST, without its import


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
@click.option(
    "-n", "last", type=click.IntRange(1, MAX_LAST), metavar="N", help="The last N that are kept."
)
@click.option(
    "--since", type=MomentParameter(), metavar="2h", help="Those of the last 2 h, or since a time."
)
@click.option("--from-start", is_flag=True, help="Begin with the oldest that is kept.")
@click.option("--run", "run_id", metavar="RUN", help="Only those of this run.")
@click.option("--key", metavar="KEY", help="Only those with this key.")
@click.option(
    "--follow/--no-follow",
    default=None,
    help="Go on with what comes, or end with what there is now.  [default: go on, but not with -n,"
    " --since or --run]",
)
@click.option(
    "--save",
    "file",
    metavar="FILE",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="Write them to a file that `try` and `trigger --file` read; - for standard output.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="With id, run, key, position and time of each."
)
@click.pass_obj
def tail(
    context: CliContext,
    /,
    event_type: str | None,
    stage: str | None,
    last: int | None,
    since: int | None,
    from_start: bool,
    run_id: str | None,
    key: str | None,
    follow: bool | None,
    file: Path | None,
    as_json: bool,
) -> None:
    """Print the events of TYPE as JSON lines, as they come in.

    Each line is the data of an event. With --dead, the dead letters of a stage and why they died
    are printed. Only committed events are shown.
    """
    from farandole.operations.events.read_records import ReadRequest

    if (event_type is None) == (stage is None):
        raise click.UsageError("name either an event TYPE or a stage with --dead STAGE")
    if file is not None and as_json:
        raise click.UsageError("say either --save or --json")
    if from_start and since is not None:
        raise click.UsageError("say either --from-start or --since")
    is_past = any(value is not None for value in (last, since, run_id))
    follows = not is_past if follow is None else follow
    # Where nothing says where to begin and nothing will follow, all that is kept is meant.
    all_kept = since is None and last is None and (run_id is not None or not follows)
    request = ReadRequest(
        event_type, stage, from_start or all_kept, since, last, run_id, key, follows
    )
    context.configure_logs()
    if file is None:
        write = _line_printer(request, as_json)
        context.run(lambda installation: _read(installation, request, write))
    else:
        # Lazy, so that an older file stays whole if nothing can be read.
        with click.open_file(str(file), "wb", lazy=True) as stream:
            saver = _EventSaver(stream)
            try:
                context.run(lambda installation: _read(installation, request, saver.save))
                saver.save([])
            finally:
                if saver.has_begun:
                    click.echo(saver.account(str(file)), err=True)


async def _read(
    installation: Installation,
    request: ReadRequest,
    write: Callable[[Sequence[RecordResult]], None],
) -> None:
    from farandole.operations.events.read_records import read_records

    async with aclosing(read_records(installation, request)) as batches:
        async for results in batches:
            write(results)


def _line_printer(request: ReadRequest, as_json: bool) -> Callable[[Sequence[RecordResult]], None]:
    def lines(results: Sequence[RecordResult]) -> Iterator[bytes]:
        for result in results:
            if as_json:
                yield _dump_json(result.to_data())
            elif request.dead_stage is not None:
                yield _dump_json(result.failure_data())
            else:
                yield result.value_line()

    return lambda results: print_byte_lines(lines(results))


class _EventSaver:
    """Writes events to a file, and counts them."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._saved = 0
        self._unreadable = 0
        self.has_begun = False

    def save(self, results: Sequence[RecordResult]) -> None:
        """Write the events; one that cannot be read is left out and counted."""
        from farandole.events.event_lines import format_event_line

        self.has_begun = True
        for result in results:
            try:
                line = format_event_line(result.event_line())
            except ValueError:
                self._unreadable += 1
            else:
                self._stream.write(line + b"\n")
                self._saved += 1
        self._stream.flush()

    def account(self, where: str) -> str:
        """Return how many events were written, and how many could not be."""
        text = f"saved {count_text(self._saved, 'event')} to {where}"
        if self._unreadable:
            text += f"; left out {count_text(self._unreadable, 'record')} that are no JSON events"
        return text


def _dump_json(data: Any) -> bytes:
    import orjson

    return orjson.dumps(data, option=orjson.OPT_UTC_Z)

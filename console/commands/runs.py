"""Which runs were there, and how did they end?"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from farandole.console.books.spans import moment, span
from farandole.console.output import columns, json_option, say, say_json
from farandole.console.wiring import Here, run

if TYPE_CHECKING:
    from farandole.broker.settings import Settings
    from farandole.console.books.newest import Newest, Run

_ROOM = 1_000  # rows that are held besides those that are asked for


class Moment(click.ParamType):
    """`2h` ago, or a date and time in UTC; milliseconds of the epoch."""

    name = "moment"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        from farandole.console.commands.mute import Duration

        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            length: timedelta = Duration().convert(value, param, ctx)
            return int((time.time() - length.total_seconds()) * 1000)
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


@click.command()
@click.option("--pipeline", metavar="NAME", help="Of this pipeline alone.")
@click.option("--status", metavar="WORDS", help="running, failed, … or how it begins.")
@click.option("--since", type=Moment(), metavar="2h", help="Opened in the last 2 h, or since then.")
@click.option("--until", type=Moment(), metavar="1h", help="Opened before that.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True)
@json_option
@click.pass_obj
def runs(
    here: Here,
    pipeline: str | None,
    status: str | None,
    since: int | None,
    until: int | None,
    limit: int,
    as_json: bool,
) -> None:
    """List runs, the newest first: when each was opened, how long it took, how many events it had,
    and what of it died or is in flight.

    Times are UTC. What one run did: farandole run ID
    """
    from farandole.events.ledger import STATUSES

    if status is not None and not any(s.startswith(status) for s in STATUSES):
        raise click.UsageError(f"no status begins with {status!r}; there are {', '.join(STATUSES)}")

    def wanted(each: Run) -> bool:
        return (
            pipeline in (None, each.pipeline)
            and each.status.startswith(status or "")
            and (since is None or each.opened >= since)
            and (until is None or each.opened < until)
        )

    here.logs()
    run(_runs(here, wanted, limit, as_json))


async def _runs(here: Here, wanted: Callable[[Run], bool], limit: int, as_json: bool) -> None:
    from farandole.console.books import rows
    from farandole.console.books.bookkeeping import no_books, state

    settings = await here.reached()
    if not await rows.exist(settings):
        no_books(await state(settings))
    found = [*await _newest(settings, wanted, limit)][: limit + 1]
    if as_json:
        say_json([each._asdict() for each in found[:limit]])
        return
    if not found:
        say("no such run")
        return
    for line in columns(_table(found[:limit], int(time.time() * 1000)), left=3):
        say(line)
    if len(found) > limit:
        say(f"and older ones (--limit {10 * limit})")
    if any(each.closed is None for each in found[:limit]):
        behind = (await state(settings)).said()
        if behind:
            say(behind)


async def _newest(settings: Settings, wanted: Callable[[Run], bool], limit: int) -> Newest:
    """As many as are asked for, and one: so that it can be said that there are more."""
    from farandole.console.books import rows
    from farandole.console.books.newest import Newest

    room = limit + 1 + _ROOM
    while True:
        newest = Newest(wanted, room)
        async for batch in rows.written(settings):
            for each in batch:
                newest.add(each.run, each.row)
        if newest.sure(limit + 1):
            return newest
        room *= 8


def _table(found: list[Run], now: int) -> list[tuple[str, ...]]:
    from farandole.events.display import in_one_line

    head = ("run", "pipeline", "status", "opened (UTC)", "took", "events", "dead", "in flight")
    return [
        head,
        *(
            (
                in_one_line(each.run),
                in_one_line(f"{each.pipeline}@{each.version}"),
                in_one_line(each.status) + (", late" if each.late else ""),
                moment(each.opened) if each.opened else "",
                span(((each.closed or now) - each.opened) / 1000) if each.opened else "",
                f"{each.events:,}",
                f"{each.dead:,}",
                f"{each.in_flight:,}",
            )
            for each in found
        ),
    ]

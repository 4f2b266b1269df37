"""Does the demo mend what tills forgot, and believe it only when the books do?"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from farandole.broker.settings import Settings
from farandole.broker.tables import scan
from farandole.console.demonstration.mending import FORGOTTEN, mend
from farandole.console.failing import Failed
from farandole.console.wiring import Here
from farandole.events import retry
from farandole.events.ids import RunIds
from farandole.events.ledger import Row
from farandole.router.table import current
from tests.console.booked import edge, put, row
from tests.console.conftest import LINE, Bury, Call

pytestmark = pytest.mark.kafka

Mend = Callable[[], tuple[Row, str]]


def closed(run: str, dead: int, **more: int) -> Row:
    """A run of which so many lines died."""
    return row(run, {"line.ingested>validate": edge(10, dead=dead)}, **more)


@pytest.fixture
def run(applied: Call, settings: Settings) -> str:
    """The run of what dies."""

    async def first() -> str:
        version = await current(settings, "order-lines")
        assert version is not None
        root = version.events["feed.requested"].topic
        return RunIds(version.installation, root).of(0, 0)

    return asyncio.run(first())


@pytest.fixture
def mended(run: str, folder: Path, settings: Settings, capsys: pytest.CaptureFixture[str]) -> Mend:
    """Mends what has died of a run of which three lines did: its row then, and what is said."""

    def mended() -> tuple[Row, str]:
        said = io.StringIO()

        async def mending() -> Row:
            version = await current(settings, "order-lines")
            assert version is not None
            console = Console(file=said, highlight=False)
            return await mend(console, Here(folder), settings, version, closed(run, 3), 1.0)

        found = asyncio.run(mending())
        return found, said.getvalue() + capsys.readouterr().out

    return mended


def orders(settings: Settings) -> list[retry.Waiting]:
    async def read() -> list[retry.Waiting]:
        topic = settings.names.retry("order-lines", "validate")
        return [retry.read(r.value or b"") async for rs in scan(settings, [topic]) for r in rs]

    return asyncio.run(read())


def test_what_a_till_forgot_is_replayed_with_one_piece_and_nothing_else_is(
    die: Bury, run: str, mended: Mend, settings: Settings, folder: Path
) -> None:
    die(FORGOTTEN, "nothing was sold", FORGOTTEN)
    put(settings, closed(run, 3), closed(run, 1, amended=1))
    found, said = mended()
    assert found["amended"] == 1
    assert [json.loads(o.value or b"") for o in orders(settings)] == [LINE | {"quantity": 1}] * 2
    assert json.loads((folder / ".farandole" / "one-each.json").read_text()) == {"quantity": 1}
    for part in (f"dead --run {run}", "dead replay --run", "one-each.json --yes"):
        assert part in said
    assert "validate: 2 letters replayed" in said
    assert "3 dead before, 1 now" in said


def test_where_no_till_forgot_anything_that_is_said_and_nothing_is_done(
    die: Bury, mended: Mend, settings: Settings
) -> None:
    die("nothing was sold")
    found, said = mended()
    assert found["amended"] == 0
    assert "nothing to mend" in said
    assert orders(settings) == []


def test_what_nobody_works_is_told_after_a_while(
    die: Bury, run: str, mended: Mend, settings: Settings
) -> None:
    die(FORGOTTEN)
    half = row(run, {"line.ingested>validate": edge(10, dead=2, parked=1)}, amended=1)
    put(settings, closed(run, 3), half)
    with pytest.raises(Failed, match=rf"not settled after 1 s; .*farandole .*run {run}"):
        mended()


def test_a_mended_line_that_dies_again_is_not_taken_for_settled(
    die: Bury, run: str, mended: Mend, settings: Settings
) -> None:
    die(FORGOTTEN)
    put(settings, closed(run, 3), closed(run, 3, amended=1))
    with pytest.raises(Failed, match="died again"):
        mended()

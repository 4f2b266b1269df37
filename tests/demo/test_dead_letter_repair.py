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
from farandole.broker.topic_reader import scan
from farandole.cli.context import CliContext
from farandole.demo.dead_letter_repair import REPAIRABLE_REASON, repair_dead_letters
from farandole.demo.errors import DemoError
from farandole.events import retry_record
from farandole.events.run_ids import RunIdGenerator
from farandole.events.run_row import RunRow
from farandole.router.topology_store import current_version
from tests.cli.booked import edge, put, row
from tests.cli.conftest import LINE, Bury, Call

pytestmark = pytest.mark.kafka

Mend = Callable[[], tuple[RunRow, str]]


def closed(run: str, dead: int, **more: int) -> RunRow:
    """A run of which so many lines died."""
    return row(run, {"line.ingested>validate": edge(10, dead=dead)}, **more)


@pytest.fixture
def run(applied: Call, settings: Settings) -> str:
    """The run of what dies."""

    async def first() -> str:
        version = await current_version(settings, "order-lines")
        assert version is not None
        root = version.events["feed.requested"].topic
        return RunIdGenerator(version.installation, root).run_id(0, 0, version.format)

    return asyncio.run(first())


@pytest.fixture
def mended(run: str, folder: Path, settings: Settings, capsys: pytest.CaptureFixture[str]) -> Mend:
    """Mends what has died of a run of which three lines did: its row then, and what is said."""

    def mended() -> tuple[RunRow, str]:
        said = io.StringIO()

        async def mending() -> RunRow:
            version = await current_version(settings, "order-lines")
            assert version is not None
            console = Console(file=said, highlight=False)
            context = CliContext(folder)
            return await repair_dead_letters(
                console,
                context.invocation,
                context.installation_of(settings),
                closed(run, 3),
                1.0,
            )

        found = asyncio.run(mending())
        return found, said.getvalue() + capsys.readouterr().out

    return mended


def orders(settings: Settings) -> list[retry_record.ParkedEvent]:
    async def read() -> list[retry_record.ParkedEvent]:
        topic = settings.names.retry_topic("order-lines", "validate")
        return [
            retry_record.parse_retry_row(r.value or b"")
            async for rs in scan(settings, [topic])
            for r in rs
        ]

    return asyncio.run(read())


def test_only_lines_with_a_forgotten_quantity_are_replayed(
    die: Bury, run: str, mended: Mend, settings: Settings, folder: Path
) -> None:
    die(REPAIRABLE_REASON, "nothing was sold", REPAIRABLE_REASON)
    put(settings, closed(run, 3), closed(run, 1, amended=1))
    found, said = mended()
    assert found["amended"] == 1
    assert [json.loads(o.value or b"") for o in orders(settings)] == [LINE | {"quantity": 1}] * 2
    assert json.loads((folder / ".farandole" / "one-each.json").read_text()) == {"quantity": 1}
    for part in (f"dead --run {run}", "dead replay --run", "one-each.json --yes"):
        assert part in said
    assert "validate: 2 letters replayed" in said
    assert "3 dead before, 1 now" in said


def test_without_a_forgotten_quantity_nothing_is_replayed(
    die: Bury, mended: Mend, settings: Settings
) -> None:
    die("nothing was sold")
    found, said = mended()
    assert found["amended"] == 0
    assert "nothing to mend" in said
    assert orders(settings) == []


def test_a_replay_that_is_not_settled_in_time_is_an_error(
    die: Bury, run: str, mended: Mend, settings: Settings
) -> None:
    die(REPAIRABLE_REASON)
    half = row(run, {"line.ingested>validate": edge(10, dead=2, parked=1)}, amended=1)
    put(settings, closed(run, 3), half)
    with pytest.raises(DemoError, match=rf"not settled after 1 s; .*farandole .*run {run}"):
        mended()


def test_a_mended_line_that_dies_again_is_an_error(
    die: Bury, run: str, mended: Mend, settings: Settings
) -> None:
    die(REPAIRABLE_REASON)
    put(settings, closed(run, 3), closed(run, 3, amended=1))
    with pytest.raises(DemoError, match="died again"):
        mended()

"""Is the shipped pipeline exactly once from the trigger to the table, whoever dies on the way?"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
import structlog

from farandole.broker import embedded_kafka
from farandole.broker.settings import Settings
from farandole.demo.oracle import expected_figures, figure_differences, loaded_figures
from stages.order_lines.plan import rows_per_week
from tests.books.clean import assert_clean, books_read
from tests.soak.books import read
from tests.soak.chaos import ROOT, Chaos, prepared, trigger, until

log = structlog.get_logger()

LINES = int(os.environ.get("SOAK_LINES", "200000"))
KILLS = int(os.environ.get("SOAK_KILLS", "20"))
FREEZES = int(os.environ.get("SOAK_FREEZES", "5"))
SEED = int(os.environ.get("SOAK_SEED", "1"))


@pytest.mark.kafka
def test_a_week_arrives_once_though_workers_are_killed(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDER_LINES_DB", table(tmp_path))

    async def run() -> None:
        chaos = await prepared(settings, SEED)
        await survived(chaos, [1], table(tmp_path), kills=3, patience=60)

    asyncio.run(run())
    assert_clean(settings, ROOT)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_all_lines_arrive_once_whatever_is_killed_or_frozen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SOAK_LINES, SOAK_KILLS, SOAK_FREEZES and SOAK_SEED say how much of it."""
    monkeypatch.setenv("ORDER_LINES_DB", table(tmp_path))
    with own_kafka(tmp_path, port=19192) as settings:
        asyncio.run(soaked(settings, tmp_path, kills=KILLS, freezes=FREEZES))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_all_lines_arrive_once_though_each_of_three_brokers_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The replicas of the others go on meanwhile. SOAK_LINES and SOAK_SEED say how much of it."""
    monkeypatch.setenv("ORDER_LINES_DB", table(tmp_path))
    with own_kafka(tmp_path, port=19292, nodes=3) as settings:
        asyncio.run(soaked(settings, tmp_path))


@contextmanager
def own_kafka(home: Path, *, port: int, nodes: int = 1) -> Iterator[Settings]:
    """A Kafka that may be killed. In the end the books must be clean."""
    try:
        running = asyncio.run(
            embedded_kafka.start_embedded(home, progress=lambda _: None, port=port, nodes=nodes)
        )
        settings = Settings(
            bootstrap=running.address,
            replication_factor=nodes,
            session_timeout=3,
            heartbeat_interval=0.5,
        )
        yield settings
        began = time.monotonic()
        assert_clean(settings, ROOT)
        log.info("soak.audited", seconds=round(time.monotonic() - began, 1))
    finally:
        asyncio.run(embedded_kafka.stop_embedded(home))


async def soaked(settings: Settings, home: Path, *, kills: int = 0, freezes: int = 0) -> None:
    """SOAK_LINES through all faults, and once each node of the Kafka in `home` is killed."""
    running = embedded_kafka.embedded_status(home)
    assert running is not None
    chaos = await prepared(settings, SEED)
    await survived(
        chaos, weeks_of(LINES), table(home), kills=kills, freezes=freezes,
        outages=[chaos.outage(home, node) for node in running.nodes], patience=300 + LINES / 100,
    )  # fmt: skip
    assert chaos.outages == running.size


async def survived(
    chaos: Chaos,
    weeks: Sequence[int],
    table: str,
    *,
    kills: int,
    patience: float,
    freezes: int = 0,
    outages: Sequence[Callable[[], Awaitable[None]]] = (),
) -> None:
    """One run over the weeks under all these faults, and its books, which must balance."""
    wanted = await asyncio.to_thread(expected_figures, weeks)
    assert wanted.edges
    consumed = 1 + sum(
        wanted.edges[event_type]
        for stage in chaos.version.stages.values()
        for event_type in stage.subscribes
        if event_type in wanted.edges
    )
    faults = [chaos.kill] * kills + [chaos.freeze] * freezes
    faults += outages  # type: ignore[arg-type]  # of other callables
    chaos.die.shuffle(faults)
    stopping = asyncio.Event()
    running = asyncio.create_task(chaos.supervisor.run(stopping))
    try:
        await until(chaos.supervisor.ready, 60, "the workers are not ready")
        began = time.monotonic()
        await trigger(chaos.settings, chaos.version, orjson.dumps({"weeks": weeks}))
        await chaos.suffer(faults, consumed)
        await chaos.rest(patience)
        seconds = time.monotonic() - began
        await books_read(chaos.settings)
        behind = time.monotonic() - began - seconds
    finally:
        stopping.set()
        sound = await running
    assert sound, "a process was put into quarantine"
    books = await read(chaos.settings, chaos.version)
    log.info(
        "soak.ended",
        lines=books.edges()["line.ingested"],
        loaded=books.edges()["line.priced"],
        dead=sum(books.dead().values()),
        seconds=round(seconds, 1),
        behind=round(behind, 1),
        kills=chaos.kills,
        freezes=chaos.freezes,
        outages=chaos.outages,
    )
    assert books.faults() == []
    edges = {k: v for k, v in books.edges().items() if k != "feed.requested"}
    found = replace(
        await asyncio.to_thread(loaded_figures, table, weeks), edges=edges, dead=books.dead()
    )
    assert figure_differences(wanted, found) == []
    assert (chaos.kills, chaos.freezes) == (kills, freezes)


def table(folder: Path) -> str:
    return f"sqlite:///{folder}/lines.db"


def weeks_of(lines: int) -> list[int]:
    """Neighbouring weeks, from the second on, that hold about so many lines."""
    weeks: list[int] = []
    held = 0
    for week, rows in list(rows_per_week().items())[1:]:
        if weeks and abs(held + rows - lines) > abs(held - lines):
            break
        weeks.append(week)
        held += rows
    return weeks

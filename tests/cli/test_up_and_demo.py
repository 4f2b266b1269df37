"""Do the commands that run workers do the whole job, and leave nothing behind?"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.demo.oracle import expected_figures, figure_differences, loaded_figures
from farandole.events.number_format import grouped
from tests.cli.conftest import environment, process, until
from tests.cli.running import Running

pytestmark = pytest.mark.kafka

WEEK = 1  # the shortest of the year
FORGOTTEN = 4  # in which the till of one shop forgot to count the pieces of one line
TABLE = ".farandole/order-lines.db"


@pytest.fixture
def up(folder: Path, settings: Settings) -> Iterator[Running]:
    running = Running(process("-C", str(folder), "up", env=environment(settings)))
    try:
        yield running
    finally:
        if running.child.poll() is None:
            running.child.kill()
        running.ended(20)


def rows(folder: Path, sql: str = "SELECT count(*) FROM order_lines") -> int:
    try:
        with sqlite3.connect(f"file:{folder / TABLE}?mode=ro", uri=True) as connection:
            (found,) = connection.execute(sql).fetchone()
            return int(found)
    except sqlite3.OperationalError:
        return 0  # not there yet


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def bare_trigger(settings: Settings) -> None:
    """As kcat would: a value, and nothing else."""

    async def sent() -> None:
        async with open_client(make_producer(settings), settings) as client:
            to = settings.names.event_topic("order-lines", "feed.requested")
            await client.send_and_wait(to, b'{"weeks": [%d]}' % WEEK)

    asyncio.run(sent())


def test_up_loads_what_kcat_asks_for_and_ends_without_orphans(
    up: Running, folder: Path, settings: Settings
) -> None:
    until(lambda: any("is in force" in line for line in up.out), 120, "a version is in force")
    bare_trigger(settings)
    lines = expected_figures([WEEK]).table["lines"]
    until(lambda: rows(folder) == lines or up.child.poll() is not None, 180, "all lines are loaded")
    scraped = metrics(up)
    assert sum(scraped["messaging_client_consumed_messages_total", "load"]) == lines
    assert sum(scraped["farandole_outcomes_total", "load"]) == lines
    assert {*scraped["farandole_open_breakers", "load"]} == {0}
    assert urlopen(address(up).replace("/metrics", "/readyz")).status == 200
    pids = up.pids()
    # Eight stages, router, bookkeeper, notifier, monitor and scheduler; one may have been started
    # again.
    assert len(pids) >= 13
    up.child.send_signal(signal.SIGTERM)
    assert up.ended(30) == 0, up.err
    assert [pid for pid in pids if alive(pid)] == []
    assert rows(folder) == lines
    said = "".join(up.out)
    assert f"kcat -P -b {settings.bootstrap}" in said


def address(up: Running) -> str:
    (line,) = (line for line in up.out if line.startswith("metrics are at "))
    return line.split()[-1]


def metrics(up: Running) -> dict[tuple[str, str], list[float]]:
    """The values of each name and stage in a scrape that has the figures of its last heartbeat."""

    def scrape() -> dict[tuple[str, str], list[float]]:
        found: dict[tuple[str, str], list[float]] = {}
        for family in text_string_to_metric_families(urlopen(address(up)).read().decode()):
            for sample in family.samples:
                stage = sample.labels.get("stage", sample.labels["process"])
                found.setdefault((sample.name, stage), []).append(sample.value)
        return found

    until(
        lambda: not any(scrape()["farandole_lane_lag_events", "load"]), 60, "a lag of 0 is scraped"
    )
    return scrape()


@pytest.fixture
def demo(folder: Path, settings: Settings) -> Callable[[], Running]:
    def demo() -> Running:
        words = ("-C", str(folder), "demo", "--weeks", str(FORGOTTEN))
        return Running(process(*words, env=environment(settings)))

    return demo


def touch_table(folder: Path) -> None:
    """Put one cent where it was not."""
    with sqlite3.connect(folder / TABLE) as connection:
        connection.execute("UPDATE order_lines SET paid_cents = paid_cents + 1 WHERE rowid = 1")


def test_the_demo_mends_what_died_and_agrees_until_somebody_touches_its_table(
    demo: Callable[[], Running], folder: Path, settings: Settings
) -> None:
    """The mail, what died, its repair, the books that have settled it; only then the figures."""
    running = demo()
    assert running.ended(200) == 0, running.err
    page = "".join(running.out)
    told = [
        "Mails about what died", "dead --run ", "dead replay --run ", "validate: 1 letter replayed",
        "The books have settled that: 83 dead before, 82 now.", "amended once",
        "All figures agree, to the cent", "What is odd about the data",
        f"pieces: 244 of {grouped(28_120)} lines: ", "sold: ", "catalogue: ",
    ]  # fmt: skip
    assert sorted(told, key=page.index) == told
    mended = "quantity = 1 AND week = 4 AND sales_cents = 50 AND basket_id = 31502778568"
    assert rows(folder, f"SELECT count(*) FROM order_lines WHERE {mended}") == 1
    run = re.search(r"run (\w{13})", page)
    assert run is not None
    audit = Running(process("-C", str(folder), "audit", run[1], env=environment(settings)))
    assert audit.ended(120) == 0, audit.out
    touch_table(folder)
    found = loaded_figures(f"sqlite:///{folder / TABLE}", [FORGOTTEN])
    different = figure_differences(expected_figures([FORGOTTEN], mended=True), found)
    assert any(line.startswith("paid_cents: expected ") for line in different)


@pytest.mark.soak
@pytest.mark.timeout(600)  # two demos of 28,000 lines each
def test_a_second_demo_counts_right_and_exits_with_1_if_a_cent_is_elsewhere(
    demo: Callable[[], Running], folder: Path
) -> None:
    """Its own counts are right, though the table holds its lines already, mended ones as well."""
    first = demo()
    assert first.ended(200) == 0, first.err
    touch_table(folder)
    second = demo()
    assert second.ended(200) == 1
    differing = [line.strip() for line in second.out if ": expected " in line]
    assert any(line.startswith("paid_cents: expected ") for line in differing)
    assert not any(line.startswith(("line.", "dead: ", "lines: ")) for line in differing)
    assert second.err[-1].startswith("farandole: ")

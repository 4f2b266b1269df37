"""Do the commands that run workers do the whole job, and leave nothing behind?"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.demo.oracle import expected_figures
from tests.cli.conftest import environment, process, until

pytestmark = pytest.mark.kafka

WEEK = 1  # the shortest of the year
FORGOTTEN = 4  # in which the till of one shop forgot to count the pieces of one line
_STARTED = re.compile(r'"pid": (\d+), "event": "service.started"')
TABLE = ".farandole/order-lines.db"


class Running:
    """A command at work, and all that it says."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self.child = child
        self.out: list[str] = []
        self.err: list[str] = []
        self._readers = [
            threading.Thread(target=lambda: self.out.extend(child.stdout or ())),
            threading.Thread(target=lambda: self.err.extend(child.stderr or ())),
        ]
        for reader in self._readers:
            reader.start()

    def ended(self, seconds: float) -> int:
        code = self.child.wait(seconds)
        for reader in self._readers:
            reader.join()
        return code

    def pids(self) -> list[int]:
        """Of the worker processes that it started."""
        # Not line by line: the log is shared by several processes.
        return [int(pid) for pid in _STARTED.findall("".join(self.err))]


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
    until(lambda: any("is in force" in line for line in up.out), 20, "a version is in force")
    bare_trigger(settings)
    lines = expected_figures([WEEK]).table["lines"]
    until(lambda: rows(folder) == lines or up.child.poll() is not None, 40, "all lines are loaded")
    pids = up.pids()
    # Seven stages, router, bookkeeper, notifier and monitor; one may have been started again.
    assert len(pids) >= 11
    up.child.send_signal(signal.SIGTERM)
    assert up.ended(30) == 0, up.err
    assert [pid for pid in pids if alive(pid)] == []
    assert rows(folder) == lines
    said = "".join(up.out)
    assert f"kcat -P -b {settings.bootstrap}" in said


@pytest.mark.timeout(600)  # two demos of 28,000 lines each
def test_the_demo_mends_what_died_and_agrees_until_somebody_touches_its_table(
    folder: Path, settings: Settings
) -> None:
    """The mail, what died, its repair, the books that have settled it; only then the figures. The
    second run's own counts are right too, though the table holds its lines already, mended ones as
    well; one cent that is not where it was is exit 1."""
    words = ("-C", str(folder), "demo", "--weeks", str(FORGOTTEN))
    first = Running(process(*words, env=environment(settings)))
    assert first.ended(200) == 0, first.err
    page = "".join(first.out)
    told = [
        "Mails about what died", "dead --run ", "dead replay --run ", "validate: 1 letter replayed",
        "The books have settled that: 83 dead before, 82 now.", "amended once",
        "All figures agree, to the cent",
    ]  # fmt: skip
    assert sorted(told, key=page.index) == told
    mended = "quantity = 1 AND week = 4 AND sales_cents = 50 AND basket_id = 31502778568"
    assert rows(folder, f"SELECT count(*) FROM order_lines WHERE {mended}") == 1
    run = re.search(r"run (\w{13})", page)
    assert run is not None
    audit = Running(process("-C", str(folder), "audit", run[1], env=environment(settings)))
    assert audit.ended(120) == 0, audit.out
    with sqlite3.connect(folder / TABLE) as connection:
        connection.execute("UPDATE order_lines SET paid_cents = paid_cents + 1 WHERE rowid = 1")
    second = Running(process(*words, env=environment(settings)))
    assert second.ended(200) == 1
    differing = [line.strip() for line in second.out if ": expected " in line]
    assert any(line.startswith("paid_cents: expected ") for line in differing)
    assert not any(line.startswith(("line.", "dead: ", "lines: ")) for line in differing)
    assert second.err[-1].startswith("farandole: ")

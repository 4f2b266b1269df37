"""Does a browser learn what changes, once and soon, whatever it does itself?"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import fastapi.routing
import orjson
import pytest
import uvicorn

from farandole.operations.events.tail_events import TailBatch
from farandole.web.console import MAX_STREAMS, Console
from farandole.web.open_streams import OpenStreams
from farandole.web.routers import graph
from tests.read_model.fed import FedModel
from tests.read_model.stand import run_row, until
from tests.web.guarded import asked_by_viewer, console_without_kafka

PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Event:
    id: str
    views: dict[str, Any]


class Stream:
    """Reads the events of one stream."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def lines(self) -> list[str]:
        """Return the lines of the next event or comment; none at the end of the stream."""
        lines: list[str] = []
        async with asyncio.timeout(PATIENCE):
            while line := (await self.response.content.readline()).decode():
                if line == "\n":
                    return lines
                lines.append(line.rstrip("\n"))
        return lines

    async def next(self) -> Event:
        while True:
            fields = dict(line.split(": ", 1) for line in await self.lines())
            if "data" in fields:
                return Event(fields["id"], orjson.loads(fields["data"])["views"])


class Site:
    """A console that answers at an address."""

    def __init__(
        self, console: Console, fed: FedModel, client: aiohttp.ClientSession, url: str
    ) -> None:
        self.console = console
        self.fed = fed
        self.client = client
        self.url = url

    @asynccontextmanager
    async def stream(self, *topics: str, last: str | None = None) -> AsyncIterator[Stream]:
        headers = {} if last is None else {"Last-Event-ID": last}
        asked = {"topics": ",".join(topics)}
        async with self.client.get(f"{self.url}stream", params=asked, headers=headers) as response:
            yield Stream(response)


@asynccontextmanager
async def served(most: int = MAX_STREAMS) -> AsyncIterator[Site]:
    """`most`: how many streams it has at most."""
    listener = socket.create_server(("127.0.0.1", 0))
    console = console_without_kafka()
    console = replace(console, streams=OpenStreams("browsers", most))
    fed = FedModel(console.model)
    application = asked_by_viewer(console)
    config = uvicorn.Config(application, log_config=None, lifespan="off", access_log=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve([listener]))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1/"
    try:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, read_bufsize=2**14) as client:
            yield Site(console, fed, client, address)
    finally:
        fed.model.close()
        server.should_exit = True
        await serving


async def test_a_stream_begins_with_what_is_there_and_tells_what_changes() -> None:
    async with served() as site:
        site.fed.write(run_row("aaa"))
        async with site.stream("runs", "run-counts") as stream:
            first = await stream.next()
            assert first.views["runs"]["whole"]
            assert [*first.views["runs"]["rows"]] == ["aaa"]
            assert first.views["run-counts"]["rows"] == {"p": {"running": 1}}
            site.fed.write(run_row("bbb"), run_row("aaa", "completed"))
            runs = (await stream.next()).views["runs"]
            assert not runs["whole"]
            assert {run: row["status"] for run, row in runs["rows"].items()} == {
                "bbb": "running",
                "aaa": "completed",
            }


async def test_another_console_goes_on_where_a_stream_has_ended() -> None:
    async with served() as one, served() as other:
        rows = [run_row("aaa"), run_row("bbb")]
        one.fed.write(*rows)
        other.fed.write(*rows)
        async with one.stream("runs") as stream:
            last = (await stream.next()).id
        other.fed.write(run_row("bbb", "failed"))
        async with other.stream("runs", last=last) as stream:
            runs = (await stream.next()).views["runs"]
        assert (runs["whole"], [*runs["rows"]]) == (False, ["bbb"])


async def test_a_console_that_is_behind_tells_nothing_twice() -> None:
    async with served() as ahead, served() as behind:
        ahead.fed.write(run_row("aaa"), run_row("aaa", "failed"))
        async with ahead.stream("runs") as stream:
            last = (await stream.next()).id
        async with behind.stream("runs", last=last) as stream:
            first = await stream.next()
            assert first.views["runs"]["rows"] == {}
            behind.fed.write(run_row("aaa"), run_row("aaa", "failed"), run_row("bbb"))
            later = await stream.next()
        assert [*later.views["runs"]["rows"]] == ["bbb"]


@pytest.mark.parametrize("last", ["", "nonsense", "AbCdEfGh1~00000000", "x" * 999])
async def test_an_id_that_means_nothing_here_gives_everything(last: str) -> None:
    async with served() as site:
        site.fed.write(run_row("aaa"))
        async with site.stream("runs", last=last) as stream:
            assert (await stream.next()).views["runs"]["whole"]


async def test_a_view_that_is_none_is_refused() -> None:
    async with served() as site, site.stream("runs", "nonsense") as stream:
        assert stream.response.status == 400
        assert "there is no view 'nonsense'" in (await stream.response.json())["detail"]


async def test_fifty_browsers_are_told_and_leave_nothing_behind() -> None:
    async with served() as site:
        async with AsyncExitStack() as stack:
            streams = [
                await stack.enter_async_context(site.stream("runs", "attention")) for _ in range(50)
            ]
            await asyncio.gather(*(stream.next() for stream in streams))
            site.fed.write(run_row("aaa"))
            told = await asyncio.gather(*(stream.next() for stream in streams))
            assert all([*event.views["runs"]["rows"]] == ["aaa"] for event in told)
        await until(lambda: site.fed.watched == 0, "forgotten")


async def test_a_stream_too_many_is_refused_until_another_browser_leaves() -> None:
    async with served(most=1) as site:
        async with site.stream("runs") as first:
            await first.next()
            async with site.stream("runs") as second:
                assert second.response.status == 503
                assert (await second.response.json())["code"] == "too_many_streams"
        async with asyncio.timeout(PATIENCE):
            status = 503
            while status == 503:
                async with site.stream("runs") as third:
                    status = third.response.status


async def test_a_browser_that_reads_slowly_gets_the_newest_rows_alone() -> None:
    async with served() as site, site.stream("runs") as stream:
        await stream.next()
        for number in range(100):  # nothing is sent meanwhile
            site.fed.write(*(run_row(f"r{index:03}", amended=number) for index in range(100)))
        runs = (await stream.next()).views["runs"]["rows"]
        assert len(runs) == 100
        assert {row["amended"] for row in runs.values()} == {99}


async def test_at_most_four_events_come_in_a_second() -> None:
    async with served() as site, site.stream("runs") as stream:
        await stream.next()
        ended = asyncio.get_running_loop().time() + 1.0
        count = 0
        while asyncio.get_running_loop().time() < ended:
            site.fed.write(run_row("aaa", amended=count))
            await stream.next()
            count += 1
        assert count <= 5  # one of them may have waited


async def test_a_stream_in_which_nothing_happens_is_kept_alive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert fastapi.routing._PING_INTERVAL == 15.0  # type: ignore[attr-defined]
    monkeypatch.setattr(fastapi.routing, "_PING_INTERVAL", 0.05)
    async with served() as site, site.stream("runs") as stream:
        await stream.next()
        assert (await stream.lines())[0].startswith(":")
        assert stream.response.headers["X-Accel-Buffering"] == "no"


async def test_a_console_that_stops_ends_its_streams() -> None:
    async with served() as site, site.stream("runs") as stream:
        await stream.next()
        site.fed.model.close()
        assert await stream.lines() == []


async def test_a_console_that_stops_ends_its_tails(monkeypatch: pytest.MonkeyPatch) -> None:
    async def prepare(*_: object) -> None:
        pass

    async def tell(*_: object) -> AsyncIterator[TailBatch]:
        yield TailBatch(events=[], skipped=7, undecided=0, reason="")
        await asyncio.Event().wait()

    monkeypatch.setattr(graph, "prepare_tail", prepare)
    monkeypatch.setattr(graph, "tail_events", tell)
    async with served() as site:
        tail = f"{site.url}pipelines/p/event-types/asked/tail"
        async with site.client.get(tail) as response:
            stream = Stream(response)
            assert "skipped" in (await stream.lines())[-1]
            site.console.tails.close()
            assert await stream.lines() == []

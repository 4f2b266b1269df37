"""What does the monitor answer to whom asks?"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from farandole.broker.errors import BrokerError
from farandole.monitor.app import Counting
from farandole.monitor.pulse import EVERY, Pulse

ADDRESS = Path(".farandole") / "monitor.json"
"""In the pipeline's folder: where its monitor listens."""
OLD = 5 * EVERY
"""Seconds after which what was heard of Kafka is old."""


class PortTaken(BrokerError):  # noqa: N818 -- what the port is
    """Nobody can listen there."""


def stages(counting: Counting | None, pulse: Pulse, now: float) -> dict[str, Any]:
    """All figures, and how far they can be believed. `now` in seconds of the epoch."""
    silent = trouble(counting, pulse, now)
    found = counting.fold.stages(now) if counting is not None and counting.loaded else {}
    return {
        "at": now,
        "trouble": silent,
        "heard": pulse.heard,
        "unread": pulse.unread,
        "entries": counting.entries if counting else 0,
        "foreign": counting.foreign if counting else 0,
        "partitions": {
            "counted": list(pulse.owned),
            "of": counting.partitions if counting else None,
        },
        "stages": [
            {"pipeline": pipeline, "stage": stage, "last": said.last / 1000, **said.spans}
            for (pipeline, stage), said in found.items()
        ],
    }


def trouble(counting: Counting | None, pulse: Pulse, now: float) -> str | None:
    """Why the figures are not those of now; None: they are."""
    if counting is None:
        return f"the monitor waits: {pulse.why or 'it has just begun'}"
    if pulse.heard is None or now - pulse.heard > OLD:
        since = f"for {now - pulse.heard:.0f} s" if pulse.heard is not None else "yet"
        return f"Kafka has not answered the monitor {since}: {pulse.why or 'no word of it'}"
    if not counting.loaded:
        return "the monitor reads back the windows that it had"
    if pulse.unread is None:
        return "the monitor does not know how much it has not counted"
    missing = counting.partitions - len(pulse.owned)
    if missing:
        return (
            f"{missing} of {counting.partitions} partitions of the ledger are counted by "
            "another monitor of this Kafka and namespace: let one alone run"
        )
    return None


@dataclass(slots=True)
class State:
    """What is known: nothing is counted before the ledger was found."""

    pulse: Pulse = field(default_factory=Pulse)
    counting: Counting | None = None


@asynccontextmanager
async def answering(folder: Path, host: str, port: int, state: State) -> AsyncIterator[str]:
    """Answer at the address that is yielded, `http://host:port`. Raises PortTaken."""

    async def figures(_: web.Request) -> web.Response:
        return _json(stages(state.counting, state.pulse, time.time()))

    async def health(_: web.Request) -> web.Response:
        wrong = trouble(state.counting, state.pulse, time.time())
        return _json({"ok": wrong is None, "trouble": wrong}, status=503 if wrong else 200)

    async def minutes(request: web.Request) -> web.Response:
        found = (
            state.counting.fold.minutes(
                request.match_info["pipeline"], request.match_info["stage"], time.time()
            )
            if state.counting is not None
            else []
        )
        return _json({"minutes": found})

    app = web.Application()
    app.router.add_get("/stages", figures)
    app.router.add_get("/stages/{pipeline}/{stage}/minutes", minutes)
    app.router.add_get("/health", health)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
            raise PortTaken(
                f"the monitor cannot listen at {host}:{port}: {why}; choose another place by "
                "FARANDOLE_MONITOR_HOST and FARANDOLE_MONITOR_PORT (0: any free port)"
            ) from None
        bound = runner.addresses[0][1]
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{bound}"
        with _written(folder / ADDRESS, {"url": url, "pid": os.getpid()}):
            yield url
    finally:
        await runner.cleanup()


def _json(said: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(said), content_type="application/json", status=status)


@contextmanager
def _written(file: Path, said: dict[str, Any]) -> Iterator[None]:
    """The file says so while the block runs."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    new.write_bytes(orjson.dumps(said))
    new.replace(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)

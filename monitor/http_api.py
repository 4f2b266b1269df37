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

from farandole.broker.broker_errors import BrokerError
from farandole.monitor.faust_app import MonitorApp
from farandole.monitor.lag_watchdog import PROBE_INTERVAL, LagStatus

ADDRESS_FILE = Path(".farandole") / "monitor.json"
"""In the pipeline's folder: where its monitor listens."""
STALE_AFTER = 5 * PROBE_INTERVAL
"""Seconds after which what was heard of Kafka is old."""


class PortTakenError(BrokerError):
    """Nobody can listen there."""


def figures_document(counting: MonitorApp | None, pulse: LagStatus, now: float) -> dict[str, Any]:
    """All figures, and how far they can be believed. `now` in seconds of the epoch."""
    silent = staleness_reason(counting, pulse, now)
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


def staleness_reason(counting: MonitorApp | None, pulse: LagStatus, now: float) -> str | None:
    """Why the figures are not those of now; None: they are."""
    if counting is None:
        return f"the monitor waits: {pulse.why or 'it has just begun'}"
    if pulse.heard is None or now - pulse.heard > STALE_AFTER:
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
class MonitorState:
    """What is known: nothing is counted before the ledger was found."""

    pulse: LagStatus = field(default_factory=LagStatus)
    counting: MonitorApp | None = None


@asynccontextmanager
async def serve_http(folder: Path, host: str, port: int, state: MonitorState) -> AsyncIterator[str]:
    """Answer at the address that is yielded, `http://host:port`. Raises PortTakenError."""

    async def figures(_: web.Request) -> web.Response:
        return _json_response(figures_document(state.counting, state.pulse, time.time()))

    async def health(_: web.Request) -> web.Response:
        wrong = staleness_reason(state.counting, state.pulse, time.time())
        return _json_response({"ok": wrong is None, "trouble": wrong}, status=503 if wrong else 200)

    async def minutes(request: web.Request) -> web.Response:
        found = (
            state.counting.fold.minutes(
                request.match_info["pipeline"], request.match_info["stage"], time.time()
            )
            if state.counting is not None
            else []
        )
        return _json_response({"minutes": found})

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
            raise PortTakenError(
                f"the monitor cannot listen at {host}:{port}: {why}; choose another place by "
                "FARANDOLE_MONITOR_HOST and FARANDOLE_MONITOR_PORT (0: any free port)"
            ) from None
        bound = runner.addresses[0][1]
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{bound}"
        with _published_address(folder / ADDRESS_FILE, {"url": url, "pid": os.getpid()}):
            yield url
    finally:
        await runner.cleanup()


def _json_response(said: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(said), content_type="application/json", status=status)


@contextmanager
def _published_address(file: Path, said: dict[str, Any]) -> Iterator[None]:
    """The file says so while the block runs."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    new.write_bytes(orjson.dumps(said))
    new.replace(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)

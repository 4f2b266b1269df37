"""What does the monitor answer to HTTP requests?"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from farandole.broker.broker_errors import BrokerError
from farandole.events.network_address import host_port
from farandole.monitor.monitor_state import MonitorState, staleness_reason

ADDRESS_FILE = Path(".farandole") / "monitor.json"
"""The file in the pipeline's folder that says where its monitor listens."""


class PortTakenError(BrokerError):
    """The monitor cannot listen at its address."""


def figures_document(state: MonitorState, now: float) -> dict[str, Any]:
    """Return all figures, and why they are out of date, if they are. `now` is in seconds of the
    epoch."""
    counting, lag = state.counting, state.lag
    reason = staleness_reason(counting, lag, now)
    found = (
        counting.window_store.stage_figures(now)
        if counting is not None and counting.windows_loaded
        else {}
    )
    return {
        "at": now,
        "trouble": reason.text() if reason else None,
        "trouble_code": reason.code if reason else None,
        "heard": lag.answered_at,
        "unread": lag.unread,
        "entries": counting.entries if counting else 0,
        "foreign": counting.foreign_records if counting else 0,
        "partitions": {
            "counted": list(lag.owned_partitions),
            "of": counting.partitions if counting else None,
        },
        "stages": [
            {"pipeline": pipeline, "stage": stage, "last": figures.last / 1000, **figures.spans}
            for (pipeline, stage), figures in found.items()
        ],
        "throttled": [
            {
                "pipeline": pipeline,
                "stage": stage,
                "since": each.since / 1000,
                "waiting": each.waiting,
                "lanes": each.lanes,
            }
            for (pipeline, stage), each in sorted(state.throttled.current().items())
        ],
    }


@asynccontextmanager
async def serve_http(folder: Path, host: str, port: int, state: MonitorState) -> AsyncIterator[str]:
    """Answer requests, and yield the address, `http://host:port`. Raises PortTakenError."""

    async def figures(_: web.Request) -> web.Response:
        return _json_response(figures_document(state, time.time()))

    async def health(_: web.Request) -> web.Response:
        reason = staleness_reason(state.counting, state.lag, time.time())
        document = {
            "ok": reason is None,
            "trouble": reason.text() if reason else None,
            "trouble_code": reason.code if reason else None,
        }
        return _json_response(document, status=503 if reason else 200)

    async def minutes(request: web.Request) -> web.Response:
        found = (
            state.counting.window_store.minute_figures(
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
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
            raise PortTakenError(
                f"the monitor cannot listen at {host}:{port}: {reason}; choose another place by "
                "FARANDOLE_MONITOR_HOST and FARANDOLE_MONITOR_PORT (0: any free port)"
            ) from None
        bound = runner.addresses[0][1]
        url = f"http://{host_port(host, bound)}"
        with _published_address(folder / ADDRESS_FILE, {"url": url, "pid": os.getpid()}):
            yield url
    finally:
        await runner.cleanup()


def _json_response(document: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(document), content_type="application/json", status=status)


@contextmanager
def _published_address(file: Path, document: dict[str, Any]) -> Iterator[None]:
    """Keep the document in the file while the block runs."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    new.write_bytes(orjson.dumps(document))
    new.replace(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)

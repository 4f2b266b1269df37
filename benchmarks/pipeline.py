"""How many order lines an hour does the whole shipped pipeline load?"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson

from farandole.broker.admin import Admin
from farandole.broker.lag import ordered_pass
from farandole.broker.settings import Settings
from farandole.console.commands.trigger import publish
from farandole.console.demonstration.oracle import expected, loaded
from farandole.router import publish as router
from farandole.router.check import check
from farandole.router.derive import derive
from farandole.worker.services import services
from farandole.worker.supervisor import Supervisor

FOLDER = Path(__file__).parent.parent


async def measure(settings: Settings, weeks: int) -> dict[str, Any]:
    """From the trigger to the last commit: seven stages, a process each, into SQLite."""
    checked = check(FOLDER / "topology.yaml", settings.names)
    assert checked.form is not None, checked.findings
    derived = derive(checked.form, checked.signatures, settings.names)
    version = (await router.apply(settings, derived, "bench")).version
    with tempfile.TemporaryDirectory(prefix="farandole-bench-") as folder:
        url = f"sqlite:///{folder}/order-lines.db"
        os.environ["ORDER_LINES_DB"] = url
        supervisor = Supervisor(services(settings, FOLDER, {1: version}, log_level="error"))
        stopping = asyncio.Event()
        running = asyncio.create_task(supervisor.run(stopping))
        while not all(s["lanes"] for s in supervisor.reports().values()) or not supervisor.ready():
            await asyncio.sleep(0.05)
        started = time.perf_counter()
        chosen = list(range(1, weeks + 1))
        await publish(settings, version, "feed.requested", orjson.dumps({"weeks": chosen}))
        async with Admin.open(settings) as admin:
            while any(
                part.lag
                for parts in (await ordered_pass(admin, settings.names, version)).values()
                for part in parts
            ):
                await asyncio.sleep(0.2)
        took = time.perf_counter() - started
        stopping.set()
        await running
        lines = loaded(url, chosen).table["lines"]
        assert lines == expected(chosen).table["lines"]
    return {
        "what": f"order-lines, weeks 1-{weeks}, seven stages, a process each, SQLite",
        "lines": lines,
        "seconds": took,
        "lines an hour": lines / took * 3600,
    }

"""How many order lines an hour does the whole shipped pipeline load?"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.consumer_lag import ordered_lag_pass
from farandole.broker.settings import Settings
from farandole.demo.oracle import expected_figures, loaded_figures
from farandole.events.root_record import new_root
from farandole.operations.events.root_publisher import publish_root
from farandole.router import version_publisher as router
from farandole.router.topology_derivation import derive_topology
from farandole.router.topology_file_check import check_topology_file
from farandole.services.supervisor import Supervisor
from farandole.services.worker_services import worker_services

FOLDER = Path(__file__).parent.parent


async def measure(settings: Settings, weeks: int) -> dict[str, Any]:
    """Return lines and seconds from the trigger to the last commit: eight stages, a process each,
    into SQLite."""
    checked = check_topology_file(FOLDER / "topology.yaml", settings.names)
    assert checked.topology is not None, checked.findings
    derived = derive_topology(checked.topology, checked.signatures, settings.names)
    version = (await router.publish_version(settings, derived, "bench")).version
    with tempfile.TemporaryDirectory(prefix="farandole-bench-") as folder:
        url = f"sqlite:///{folder}/order-lines.db"
        os.environ["ORDER_LINES_DB"] = url
        supervisor = Supervisor(worker_services(settings, FOLDER, {1: version}, log_level="error"))
        stopping = asyncio.Event()
        running = asyncio.create_task(supervisor.run(stopping))
        while not all(s["lanes"] for s in supervisor.reports().values()) or not supervisor.ready():
            await asyncio.sleep(0.05)
        started = time.perf_counter()
        chosen = list(range(1, weeks + 1))
        data = orjson.dumps({"weeks": chosen})
        await publish_root(settings, version, new_root(version, "feed.requested", data))
        async with ClusterAdmin.open(settings) as admin:
            while any(
                part.lag
                for parts in (await ordered_lag_pass(admin, settings.names, version)).values()
                for part in parts
            ):
                await asyncio.sleep(0.2)
        took = time.perf_counter() - started
        stopping.set()
        await running
        lines = loaded_figures(url, chosen).table["lines"]
        assert lines == expected_figures(chosen).table["lines"]
    return {
        "what": f"order-lines, weeks 1-{weeks}, eight stages, a process each, SQLite",
        "lines": lines,
        "seconds": took,
        "lines an hour": lines / took * 3600,
    }

"""Does the log of a worker process tell what its functions print, and which of them is slow?"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.router.topology_derivation import derive_topology
from farandole.router.topology_file_check import check_topology_file
from farandole.router.version_publisher import publish_version
from farandole.services.worker_services import worker_services

FILE = """\
pipeline: told
stages:
  greet: {subscribes: asked, run: "worker:greet"}
"""
# Names that Farandole's own rooms have.
MODULES = {
    "worker": """\
import logging
import time
from router import GREETING

def greet(event: dict) -> None:
    print(GREETING)
    logging.getLogger("users").info("greeted %s", event["name"])
    time.sleep(event["seconds"])
""",
    "router": "from broker import GREETING\n",
    "broker": "from events import GREETING\n",
    "events": "GREETING = 'hello'\n",
}
SESSION = 4.0  # seconds: a call is slow after 1, and its process ended after 3.2


@pytest.mark.kafka
async def test_a_workers_log_tells_what_its_function_says_and_that_it_is_slow(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "topology.yaml").write_text(FILE)
    for name, code in MODULES.items():
        (tmp_path / f"{name}.py").write_text(code)
    checked = check_topology_file(tmp_path / "topology.yaml", settings.names)
    assert checked.topology, checked.findings
    derived = derive_topology(checked.topology, checked.signatures, settings.names)
    version = (await publish_version(settings, derived, "a test")).version
    async with open_client(make_producer(settings), settings) as client:
        value = b'{"name": "Ada", "seconds": 1.7}'
        await client.send_and_wait(version.events["asked"].topic, value, partition=0)
    (service,) = worker_services(settings, tmp_path, {1: version})
    worker = await asyncio.create_subprocess_exec(
        *service.argv, cwd=tmp_path, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **service.environment, "FARANDOLE_SESSION_TIMEOUT": str(SESSION)},
    )  # fmt: skip
    told: dict[str, Any] = {}
    try:
        assert worker.stderr
        async with asyncio.timeout(120):
            while not {"function.printed", "greeted Ada", "function.slow"} <= told.keys():
                line = json.loads(await worker.stderr.readline())
                told[line["event"]] = line
    finally:
        worker.terminate()
        await worker.communicate()
    printed, logged, slow = (
        told[event] for event in ("function.printed", "greeted Ada", "function.slow")
    )
    assert (printed["text"], printed["stage"], printed["id"]) == ("hello", "greet", "asked/0/0")
    assert (logged["logger"], logged["run"]) == ("users", printed["run"])
    assert (slow["stage"], slow["place"]) == ("greet", "worker.py:8")
    assert worker.returncode == 0

"""Does the read model say that Kafka is silent, and go on when it answers again?"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from farandole.broker import embedded_kafka
from farandole.broker.settings import Settings
from tests.conftest import FEW_INTERNAL_PARTITIONS
from tests.read_model.stand import create_topics, followed, is_current, run_row, until, write_runs
from tests.read_model.test_read_model import runs_of

pytestmark = [pytest.mark.kafka, pytest.mark.soak]


async def test_a_frozen_and_a_killed_kafka_make_the_data_stale_for_as_long(tmp_path: Path) -> None:
    running = await embedded_kafka.start_embedded(
        tmp_path, progress=lambda _: None, properties=FEW_INTERNAL_PARTITIONS
    )
    settings = Settings(bootstrap=running.address, replication_factor=1, namespace="silent")
    pid = running.nodes[1].pid
    try:
        await create_topics(settings)
        await write_runs(settings, run_row("aaa"))
        async with followed(settings) as model:
            os.kill(pid, signal.SIGSTOP)
            await until(lambda: model.status().is_stale, "stale")
            os.kill(pid, signal.SIGCONT)
            await until(lambda: is_current(model), "current again")
            os.kill(pid, signal.SIGKILL)
            await until(lambda: model.status().is_stale, "stale")
            assert runs_of(model) == {"aaa": "running"}
            port = int(running.address.rpartition(":")[2])
            await embedded_kafka.start_embedded(
                tmp_path, progress=lambda _: None, port=port, properties=FEW_INTERNAL_PARTITIONS
            )
            await write_runs(settings, run_row("aaa", "completed"))
            await until(lambda: runs_of(model) == {"aaa": "completed"}, "current again")
    finally:
        await embedded_kafka.stop_embedded(tmp_path)

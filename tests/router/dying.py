"""A router that is killed right after one step of its protocol."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

from aiokafka import AIOKafkaProducer

from farandole.broker.settings import Settings
from farandole.router import publish_transaction, version_publisher
from tests.router.made import MORE, derived

STEPS = (
    "_prepare_version",
    "_begin_version_transaction",
    "_write_boundary_markers",
    "_write_version",
    "commit_transaction",
    "_read_back",
    "_abort_boundary_transaction",
)


def kill_after(owner: Any, name: str) -> None:
    step = getattr(owner, name)

    async def killed(*arguments: Any) -> None:
        await step(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, killed)


def main() -> None:
    settings, step, hold = Settings.model_validate_json(sys.argv[1]), sys.argv[2], sys.argv[3]
    publish_transaction._BOUNDARY_TIMEOUT_MARGIN = float(hold)
    owners = (AIOKafkaProducer, version_publisher, publish_transaction)
    kill_after(next(owner for owner in owners if hasattr(owner, step)), step)
    asyncio.run(
        version_publisher.publish_version(settings, derived(settings.names, MORE), "the dead")
    )


if __name__ == "__main__":
    main()

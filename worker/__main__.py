"""What runs in a worker process that a supervisor started?"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

import structlog

from farandole.broker.errors import BadSettings, BrokerError
from farandole.broker.settings import Settings
from farandole.lanes.group import Broken
from farandole.stages.loading import NotFound, on_path
from farandole.worker.beat import Beat
from farandole.worker.hosting import Outdated
from farandole.worker.logs import configure
from farandole.worker.process import limit_memory, spare_the_collector, work
from farandole.worker.restarts import TEMPORARY
from farandole.worker.versions import NothingApplied

log = structlog.get_logger()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m farandole.worker", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--pipeline", required=True)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--memory", type=int, default=2048, help="MiB of data a process may hold")
    parser.add_argument("--log-level", default="info")
    parser.add_argument("--pretty", action="store_true")
    parser.add_argument("stages", nargs="*", help="none: all that there will be")
    arguments = parser.parse_args()
    configure(level=arguments.log_level, pretty=arguments.pretty)
    limit_memory(arguments.memory)
    spare_the_collector()
    on_path(arguments.folder)
    try:
        settings = Settings.load(arguments.folder, bootstrap=arguments.bootstrap)
        asyncio.run(_run(settings, arguments.pipeline, arguments.stages))
    except (NothingApplied, NotFound, BadSettings) as error:
        log.error("worker.ended", why=str(error))
        return 1
    except Outdated as error:
        log.warning("worker.outdated", why=str(error), remedy="another process takes its place")
        return TEMPORARY
    except (Broken, BrokerError) as error:  # what is away may come back
        log.error("worker.ended", why=str(error))
        return TEMPORARY
    return 0


async def _run(settings: Settings, pipeline: str, stages: list[str]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await work(settings, pipeline, stages, Beat.of_environment(), stopping)


if __name__ == "__main__":
    sys.exit(main())

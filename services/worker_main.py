"""What is the entry point of a worker process?"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

import structlog

from farandole.broker.broker_errors import InvalidSettingsError
from farandole.broker.settings import Settings
from farandole.catalog.published_versions import NothingAppliedError
from farandole.events.row_format import NewerFormatError
from farandole.services.restart_policy import EXIT_TEMPORARY
from farandole.services.service_runner import run_service
from farandole.stages.function_loader import add_to_import_path
from farandole.stages.memory_limit import limit_memory
from farandole.worker.function_output import capture_function_output
from farandole.worker.heartbeat import Heartbeat
from farandole.worker.log_setup import configure_logging
from farandole.worker.stage_host import NothingToHostError, OutdatedCodeError
from farandole.worker.worker_process import run_worker, tune_garbage_collector

log = structlog.get_logger()

# Another process would fail in the same way.
_FINAL = (NothingAppliedError, NewerFormatError, NothingToHostError, InvalidSettingsError)


def main() -> int:
    """Host stages until SIGTERM and return the exit code, which tells the supervisor whether to
    start another process."""
    parser = argparse.ArgumentParser(
        prog="python -m farandole.services.worker_main", description=__doc__
    )
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--pipeline", required=True)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--memory", type=int, default=2048, help="MiB of data a process may hold")
    parser.add_argument("--log-level", default="info")
    parser.add_argument("--pretty", action="store_true")
    parser.add_argument("stages", nargs="*", help="none: all that there will be")
    arguments = parser.parse_args()
    configure_logging(level=arguments.log_level, pretty=arguments.pretty)
    capture_function_output(arguments.log_level)
    limit_memory(arguments.memory)
    tune_garbage_collector()
    add_to_import_path(arguments.folder)
    try:
        settings = Settings.load(arguments.folder, bootstrap=arguments.bootstrap)
        return asyncio.run(_run(settings, arguments.pipeline, arguments.stages))
    except _FINAL as error:
        log.error("worker.ended", why=str(error))
        return 1
    except OutdatedCodeError as error:
        log.warning("worker.outdated", why=str(error), remedy="another process takes its place")
        return EXIT_TEMPORARY


async def _run(settings: Settings, pipeline: str, stages: list[str]) -> int:
    async def work(stopping: asyncio.Event) -> None:
        await run_worker(settings, pipeline, stages, Heartbeat.from_environment(), stopping)

    return await run_service(work, ended_event="worker.ended", final=_FINAL, beats=False)


if __name__ == "__main__":
    sys.exit(main())

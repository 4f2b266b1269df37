"""Which exit code does a service end with, and when?"""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from farandole.broker.broker_errors import InvalidSettingsError, UnreachableError
from farandole.lanes.lane_group import MembershipError
from farandole.services.restart_policy import EXIT_TEMPORARY
from farandole.services.service_runner import run_service


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_in_good_order(number: signal.Signals) -> None:
    async def main(stopping: asyncio.Event) -> None:
        os.kill(os.getpid(), number)
        async with asyncio.timeout(60):
            await stopping.wait()

    assert await run_service(main, ended_event="books.ended") == 0


@pytest.mark.parametrize("error", [UnreachableError("nobody"), MembershipError("expelled")])
async def test_an_unreachable_kafka_ends_with_the_exit_code_for_a_restart(error: Exception) -> None:
    async def main(_: asyncio.Event) -> None:
        raise error

    assert await run_service(main, ended_event="books.ended") == EXIT_TEMPORARY


@pytest.mark.parametrize("beats", [True, False])
async def test_an_error_that_another_process_would_get_too_is_raised(beats: bool) -> None:
    async def main(_: asyncio.Event) -> None:
        raise InvalidSettingsError("no port")

    with pytest.raises(InvalidSettingsError):
        await run_service(
            main, ended_event="books.ended", final=(InvalidSettingsError,), beats=beats
        )

"""Are streams bounded, and do they end with the console?"""

from __future__ import annotations

import asyncio

import pytest

from farandole.operations.errors import UnavailableError
from farandole.web.open_streams import OpenStreams


async def test_streams_end_when_all_are_closed() -> None:
    streams = OpenStreams("tails", 1)

    async def tell() -> None:
        with streams.until_closed():
            await asyncio.Event().wait()

    telling = asyncio.create_task(tell())
    await asyncio.sleep(0)
    streams.close()
    late = asyncio.create_task(tell())
    async with asyncio.timeout(180):
        await asyncio.wait({telling, late})
    assert telling.cancelled()
    assert late.cancelled()


def test_a_stream_too_many_is_refused_until_another_has_ended() -> None:
    streams = OpenStreams("tails", 1)
    with streams.place(), pytest.raises(UnavailableError, match="tells 1 tails already"), \
            streams.place():  # fmt: skip
        raise AssertionError
    with streams.place():
        assert streams.count == 1
    assert streams.count == 0

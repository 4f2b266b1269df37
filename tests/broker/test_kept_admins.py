"""When is a client used again, and when is it closed?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from farandole.broker.broker_errors import BrokerError
from farandole.broker.kept_admins import MAX_AGE, MAX_IDLE, KeptAdmins
from farandole.broker.settings import Settings

HERE = Settings(bootstrap="127.0.0.1:1")
THERE = Settings(bootstrap="127.0.0.1:2")


class Clients:
    """Opens clients, which are numbers, and knows which are open."""

    def __init__(self) -> None:
        self.now = 0.0
        self.opened = 0
        self.are_open: set[int] = set()
        self.kept = KeptAdmins[int](lambda: self.now)

    @asynccontextmanager
    async def open_new(self, settings: Settings) -> AsyncIterator[int]:
        self.opened += 1
        client = self.opened
        self.are_open.add(client)
        try:
            yield client
        finally:
            self.are_open.remove(client)

    async def use(self, settings: Settings = HERE, fault: BaseException | None = None) -> int:
        """Use a client, and return which it was."""
        async with self.kept.lease(settings, self.open_new) as client:
            assert client in self.are_open
            if fault is not None:
                raise fault
            return client
        raise AssertionError


async def test_a_client_is_used_again() -> None:
    clients = Clients()
    assert [await clients.use(), await clients.use()] == [1, 1]


async def test_nobody_shares_a_client_at_the_same_time() -> None:
    clients = Clients()
    async with clients.kept.lease(HERE, clients.open_new) as one:
        assert await clients.use() != one


async def test_a_client_of_another_cluster_is_not_taken() -> None:
    clients = Clients()
    assert [await clients.use(HERE), await clients.use(THERE), await clients.use(HERE)] == [1, 2, 1]


async def test_a_client_that_is_old_is_closed_before_the_next_use() -> None:
    clients = Clients()
    await clients.use()
    clients.now = MAX_AGE + 1
    assert await clients.use() == 2
    assert clients.are_open == {2}


async def test_a_client_is_closed_after_kafka_has_failed() -> None:
    clients = Clients()
    with pytest.raises(BrokerError):
        await clients.use(fault=BrokerError("no answer"))
    assert clients.are_open == set()


async def test_a_client_is_kept_where_something_else_was_wrong() -> None:
    clients = Clients()
    with pytest.raises(LookupError):
        await clients.use(fault=LookupError("no such run"))
    assert await clients.use() == 1


async def test_few_clients_are_kept() -> None:
    clients = Clients()

    async def use_at_once(count: int) -> None:
        async with clients.kept.lease(HERE, clients.open_new):
            if count > 1:
                await use_at_once(count - 1)

    await use_at_once(MAX_IDLE + 2)
    assert len(clients.are_open) == MAX_IDLE


async def test_after_the_end_nothing_is_open() -> None:
    clients = Clients()
    await clients.use()
    async with clients.kept.lease(THERE, clients.open_new):
        await clients.kept.close()
    assert clients.are_open == set()

"""Do clients leave brokers alone that are away, and find them when they are back?"""

from __future__ import annotations

import asyncio
import socket
from unittest.mock import patch

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError
from aiokafka.structs import BrokerMetadata
from hypothesis import given
from hypothesis import strategies as st

from farandole.broker.broker_errors import UnreachableError
from farandole.broker.connection_gate import ConnectionGate, ConnectionPace, process_gate
from farandole.broker.kafka_clients import connection_arguments, make_consumer, open_client
from farandole.broker.settings import Settings

BROKERS = [("kafka-1", 9092), ("kafka-2", 9092), ("kafka-3", 9092)]
STEP = 0.01  # seconds: `retry_backoff_ms` of all clients


def attempts(paces: list[ConnectionPace], seconds: float, brokers: int) -> list[float]:
    """Return when processes try to connect, all of whose clients try all dead brokers all the
    time."""
    found = []
    for step in range(int(seconds / STEP)):
        now = step * STEP
        for pace in paces:
            for address in BROKERS[:brokers]:
                if not pace.delay(address, now):
                    found.append(now)
                    pace.record_failure(address, now)
    return found


@pytest.mark.parametrize("brokers", [1, 3])
def test_fourteen_processes_try_less_than_five_times_a_second(brokers: int) -> None:
    tried = attempts([ConnectionPace() for _ in range(14)], 120, brokers)
    settled = [at for at in tried if at >= 20]
    assert len(settled) / 100 <= 5


@given(st.floats(0, 60), st.integers(1, 3))
def test_a_broker_that_is_back_is_tried_within_four_seconds(away: float, brokers: int) -> None:
    pace = ConnectionPace()
    attempts([pace], away, brokers)
    assert pace.delay(BROKERS[0], away) < 4


@given(st.floats(0, 60))
def test_a_broker_that_has_answered_is_not_waited_for(away: float) -> None:
    pace = ConnectionPace()
    attempts([pace], away, 3)
    pace.record_success(BROKERS[0])
    assert pace.delay(BROKERS[0], away) == 0
    assert pace.delay(("kafka-4", 9092), away) == 0


class Opened:
    """A connection that stays open."""

    def connected(self) -> bool:
        return True


async def opened() -> Opened:
    return Opened()


async def refused() -> Opened:
    raise ConnectionRefusedError


async def fail(gate: ConnectionGate, *addresses: tuple[str, int]) -> None:
    for address in addresses:
        for _ in range(8):
            gate.record_failure(address, ConnectionRefusedError("nobody there"))


async def test_all_clients_go_on_as_soon_as_one_has_got_through() -> None:
    gate = ConnectionGate()
    await fail(gate, BROKERS[0])
    waiting = [asyncio.create_task(gate.connect(BROKERS[0], opened)) for _ in range(20)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    gate._pace.record_success(BROKERS[0])
    async with asyncio.timeout(60):
        await asyncio.gather(*waiting)


async def test_a_dead_broker_does_not_keep_a_client_from_a_living_one() -> None:
    gate = ConnectionGate()
    await fail(gate, BROKERS[0])
    living = await gate.connect(BROKERS[1], opened)
    assert living.connected()
    with pytest.raises(KafkaConnectionError, match="kafka-1:9092 did not answer before"):
        async with asyncio.timeout(2):
            await gate.connect(BROKERS[0], opened)


async def test_requests_for_a_dead_broker_do_not_hold_up_their_client() -> None:
    """They wait for their turn; meanwhile the client connects to others, one at a time."""
    connection_arguments(Settings(bootstrap="kafka-1:9092"))  # lets clients connect through a gate
    gate = ConnectionGate()
    await fail(gate, BROKERS[0])
    client = AIOKafkaClient(bootstrap_servers="kafka-1:9092")
    dead = BrokerMetadata(1, *BROKERS[0], None)
    with (
        patch.object(client.cluster, "broker_metadata", return_value=dead),
        patch.object(process_gate(), "wait", gate.wait),
    ):
        waiting = [asyncio.create_task(client._get_conn(1)) for _ in range(5)]
        await asyncio.sleep(0)
        assert not client._get_conn_lock.locked()
        await gate.connect(BROKERS[1], opened)
        assert await asyncio.gather(*waiting) == [None] * 5


async def never() -> Opened:
    await asyncio.Event().wait()
    raise AssertionError


async def test_a_silent_broker_is_given_up_while_another_one_answers() -> None:
    gate = ConnectionGate()
    living = await gate.connect(BROKERS[1], opened)
    with pytest.raises(TimeoutError):
        await gate.connect(BROKERS[0], never)
    assert living.connected()
    assert gate._pace.delay(BROKERS[0], asyncio.get_running_loop().time()) > 0


async def test_the_only_broker_gets_all_the_time_that_the_client_has() -> None:
    gate = ConnectionGate()
    living = await gate.connect(BROKERS[0], opened)
    with patch("farandole.broker.connection_gate.CONNECT_PATIENCE", 0.0):
        assert await gate.connect(BROKERS[0], opened_late) is not living


async def opened_late() -> Opened:
    await asyncio.sleep(0.01)
    return Opened()


async def test_clients_that_wait_for_one_attempt_learn_how_it_failed() -> None:
    gate = ConnectionGate()
    await fail(gate, BROKERS[0])
    waiting = [asyncio.create_task(gate.connect(BROKERS[0], opened)) for _ in range(5)]
    await asyncio.sleep(0)
    gate.record_failure(BROKERS[0], ConnectionRefusedError("still nobody"))
    async with asyncio.timeout(60):
        found = await asyncio.gather(*waiting, return_exceptions=True)
    assert {str(e.__cause__) for e in found if isinstance(e, KafkaConnectionError)} == {
        "still nobody"
    }


async def test_an_attempt_that_fails_delays_the_next_one() -> None:
    gate = ConnectionGate()
    with pytest.raises(ConnectionRefusedError):
        await gate.connect(BROKERS[0], refused)
    assert gate._pace.delay(BROKERS[0], asyncio.get_running_loop().time()) > 0


async def test_every_client_connects_through_the_gate_of_the_process() -> None:
    """Clients that start again and again where nobody listens, as in an outage."""
    tried = 0
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        address = f"127.0.0.1:{listener.getsockname()[1]}"

        async def count() -> None:
            nonlocal tried
            while True:
                connection, _ = await asyncio.get_running_loop().sock_accept(listener)
                tried += 1
                connection.close()

        async def start_again_and_again() -> None:
            settings = Settings(bootstrap=address)
            while True:
                with pytest.raises(UnreachableError):
                    async with open_client(make_consumer(settings), settings):
                        pass

        tasks = [asyncio.create_task(count())]
        tasks += [asyncio.create_task(start_again_and_again()) for _ in range(10)]
        await asyncio.wait(tasks, timeout=3)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    # Each may try once before it knows, and ask once why; hundreds without a gate.
    assert tried <= 40

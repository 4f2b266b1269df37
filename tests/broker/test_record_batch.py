"""Are our record batches equal to aiokafka's, byte for byte, and readable by every client?"""

from __future__ import annotations

import asyncio
import shutil
import struct
from typing import Any, NamedTuple

import orjson
import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import example, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.record_batch import MAX_BATCH_BYTES, build_batches
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.broker.topic_spec import TopicSpec
from farandole.events.header_codec import encode_headers
from farandole.events.record import Header, OutgoingRecord
from tests.events.made import headers

NOW = 1_795_000_000_123
STATE = 4711, 12, 2**31 - 5


class Given(NamedTuple):
    key: bytes | None
    value: bytes | None
    headers: list[Header]

    def outgoing(self) -> OutgoingRecord:
        return OutgoingRecord(self.key, self.value, encode_headers(self.headers))


sizes = st.one_of(st.integers(0, 300), st.sampled_from([63, 64, 8190, 8191, 8192, 20_000]))
contents = st.one_of(st.none(), sizes.map(lambda size: b"x" * size), st.binary())
records = st.builds(Given, contents, contents, headers)


def ours(given: list[Given], largest: int) -> list[bytes]:
    built = []
    for batch in build_batches([g.outgoing() for g in given], NOW, largest):
        batch._set_producer_state(*STATE)
        built.append(bytes(batch._build()))
    return built


def theirs(given: list[Given]) -> bytes:
    """One batch of all of them."""
    builder: Any = DefaultRecordBatchBuilder(
        2, 0, is_transactional=1, producer_id=-1, producer_epoch=-1, base_sequence=-1,
        batch_size=2**31 - 1,
    )  # fmt: skip
    for number, record in enumerate(given):
        builder.append(number, NOW, *record)
    builder.set_producer_state(*STATE)
    return bytes(builder.build())


@given(
    st.lists(records, min_size=1, max_size=12),
    st.sampled_from([1, 100, 300, 9000, MAX_BATCH_BYTES]),
)
@example([Given(None, b"v", [])] * 9000, MAX_BATCH_BYTES)
@example([Given(b"k", b"v" * 1_000_000, []), Given(None, None, [])], MAX_BATCH_BYTES)
@hypothesis(deadline=None)
def test_a_batch_is_aiokafkas_byte_for_byte_and_as_full_as_it_may_be(
    given: list[Given], largest: int
) -> None:
    """Where it ends we decide: aiokafka's own builder is a byte off at times."""
    for batch in ours(given, largest):
        (count,) = struct.unpack_from(">i", batch, len(theirs([])) - 4)
        these, given = given[:count], given[count:]
        assert batch == theirs(these)
        assert len(batch) <= largest or count == 1
        assert not given or len(theirs([*these, given[0]])) > largest
    assert given == []


@pytest.mark.parametrize("spare", [0, 1])
def test_a_batch_is_filled_to_the_last_byte(spare: int) -> None:
    two = [Given(b"k", b"v" * 100, [])] * 2
    (whole,) = ours(two, MAX_BATCH_BYTES)
    assert len(ours(two, len(whole) - spare)) == 1 + spare


def test_no_records_are_no_batch() -> None:
    assert [*build_batches([], NOW)] == []


def test_a_batch_that_is_sent_again_is_the_same() -> None:
    (batch,) = build_batches([OutgoingRecord(None, b"v")], NOW)
    batch._set_producer_state(*STATE)
    assert batch._build() is batch._build()
    assert (batch.record_count(), batch.closed()) == (1, True)


WRITTEN = [
    Given(None, b'{"n":1}', [("ce_id", b"in/0/1/0"), ("name", "Zoë, 5 €".encode())]),
    Given(b"key", b"", []),
    Given(b"", b'{"n":2}', [("empty", b"")]),
    Given(b"gone", None, [("twice", b"1"), ("twice", b"2")]),
    Given(None, b"x" * 1_000_000, [("größe", b"1000000")]),
    *(Given(b"%d" % n, b"y" * 130, [("n", b"%d" % n)]) for n in range(9000)),
]


@pytest.fixture
async def topic(settings: Settings) -> str:
    """What was written, committed."""
    name = settings.names.event_topic("p", "batch")
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({name: TopicSpec(1)})
    client = make_producer(settings, transactional_id=settings.names.router_transactional_id)
    async with open_client(client, settings), client.transaction():
        outgoing = [record.outgoing() for record in WRITTEN]
        for batch in build_batches(outgoing, NOW):
            await (await client.send_batch(batch, name, partition=0))
    return name


@pytest.mark.kafka
async def test_aiokafka_reads_what_was_written(settings: Settings, topic: str) -> None:
    read = [record async for records in scan(settings, [topic]) for record in records]
    assert [Given(r.key, r.value, list(r.headers)) for r in read] == WRITTEN
    assert {r.timestamp for r in read} == {NOW}


@pytest.mark.kafka
@pytest.mark.skipif(not shutil.which("kcat"), reason="kcat comes from neither PyPI nor npm")
async def test_kcat_reads_what_was_written(settings: Settings, topic: str) -> None:
    command = ["kcat", "-C", "-b", settings.bootstrap or "", "-t", topic, "-e", "-q", "-J",
               "-X", "isolation.level=read_committed"]  # fmt: skip
    kcat = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    printed, _ = await kcat.communicate()
    read = [orjson.loads(line) for line in printed.splitlines()]
    assert [_as_given(r) for r in read] == WRITTEN
    assert {r["ts"] for r in read} == {NOW}


def _as_given(printed: dict[str, Any]) -> Given:
    """What kcat prints: the names and values of headers in turn."""
    names_and_values = printed.get("headers", [])
    pairs = zip(names_and_values[::2], names_and_values[1::2], strict=True)
    key, value = printed["key"], printed["payload"]
    return Given(
        None if key is None else key.encode(),
        None if value is None else value.encode(),
        [(name, text.encode()) for name, text in pairs],
    )

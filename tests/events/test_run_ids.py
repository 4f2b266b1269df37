"""Are ids positions, and run ids short, typeable and never the same?"""

from __future__ import annotations

import base64
import string
from hashlib import blake2b
from uuid import UUID
from zlib import crc32

import pytest
from aiokafka.partitioner import murmur2
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.event_position import EventPosition
from farandole.events.kafka_names import EVENT_TYPE_PATTERN
from farandole.events.ledger_entry import ledger_partition
from farandole.events.run_ids import RUN_ID_BLOCK, RUN_ID_LENGTH, RunIdGenerator

INSTALLATION = UUID("7c0d1e5e-6f5b-4a57-9a0a-0c4f4f6b2d11")
offsets = st.integers(0, 2**63 - 1)
partitions = st.integers(0, 2**31 - 1)
formats = st.integers(1, 4)
places = st.tuples(st.uuids(), st.text(string.ascii_lowercase, min_size=1), partitions, offsets)


@given(places)
def test_a_run_id_can_be_typed(place: tuple[UUID, str, int, int]) -> None:
    installation, topic, partition, offset = place
    run_id = RunIdGenerator(installation, topic).run_id(partition, offset, 3)
    assert len(run_id) == 13
    assert set(run_id) <= set(string.ascii_lowercase + "234567")


@given(places, formats)
def test_a_run_id_is_what_any_base32_makes_of_its_65_bits(
    place: tuple[UUID, str, int, int], version_format: int
) -> None:
    """The 64 stand at the right, after a bit that is 1 since format 3."""
    installation, topic, partition, offset = place
    seed = installation.bytes + topic.encode() + b"/%d" % partition
    start = int.from_bytes(blake2b(seed, digest_size=8).digest(), "big")
    bits = (start + offset * 0x9E3779B97F4A7C15) % 2**64 + (version_format >= 3) * 2**64
    padded = (bits << 15).to_bytes(10, "big")  # 80 bits: 13 letters, then three of padding
    expected = base64.b32encode(padded).decode().lower()[:13]
    ids = RunIdGenerator(installation, topic)
    assert ids.run_id(partition, offset, version_format) == expected


@given(places, formats, st.integers(1, 64))
def test_the_id_of_a_run_says_how_it_is_placed(
    place: tuple[UUID, str, int, int], version_format: int, wide: int
) -> None:
    run = RunIdGenerator(*place[:2]).run_id(*place[2:], version_format).encode()
    by_kafka, earlier = (murmur2(run) & 0x7FFFFFFF) % wide, crc32(run) % wide
    assert ledger_partition(run, wide) == (by_kafka if version_format >= 3 else earlier)


@given(places, places)
def test_two_roots_differ_in_their_run_ids(
    one: tuple[UUID, str, int, int], other: tuple[UUID, str, int, int]
) -> None:
    runs = [RunIdGenerator(*each[:2]).run_id(*each[2:], 3) for each in (one, other)]
    assert (runs[0] == runs[1]) == (one == other)


@given(places, formats, st.integers(0, RUN_ID_BLOCK - 1))
def test_a_block_names_each_root_as_it_is_named_alone(
    place: tuple[UUID, str, int, int], version_format: int, further: int
) -> None:
    installation, topic, partition, first = place
    ids = RunIdGenerator(installation, topic)
    block = ids.block_of_ids(partition, first, version_format)
    assert len(block) == RUN_ID_LENGTH * RUN_ID_BLOCK
    alone = ids.run_id(partition, first + further, version_format).encode()
    assert block[RUN_ID_LENGTH * further : RUN_ID_LENGTH * (further + 1)] == alone


def test_each_part_of_a_place_changes_the_run_id() -> None:
    ids = {
        RunIdGenerator(INSTALLATION, "feed").run_id(0, 7, 3),
        RunIdGenerator(UUID(int=1), "feed").run_id(0, 7, 3),
        RunIdGenerator(INSTALLATION, "food").run_id(0, 7, 3),
        RunIdGenerator(INSTALLATION, "feed").run_id(1, 7, 3),
        RunIdGenerator(INSTALLATION, "feed").run_id(0, 8, 3),
        RunIdGenerator(INSTALLATION, "feed").run_id(7, 0, 3),
    }
    assert len(ids) == 6


def test_one_reader_names_the_same_root_twice() -> None:
    ids = RunIdGenerator(INSTALLATION, "feed")
    assert ids.run_id(0, 7, 3) == ids.run_id(0, 7, 3)


def test_an_id_reads_as_the_documentation_shows_it() -> None:
    assert str(EventPosition("line.ingested", 3, 10482, 0)) == "line.ingested/3/10482/0"
    assert str(EventPosition("line.ingested", 3, 10482, 0, 499)) == "line.ingested/3/10482+499/0"


@given(
    st.builds(
        EventPosition,
        st.from_regex(EVENT_TYPE_PATTERN, fullmatch=True),
        partitions,
        offsets,
        offsets,
        offsets,
    )
)
def test_an_id_names_its_position(position: EventPosition) -> None:
    assert EventPosition.parse(str(position)) == position


@pytest.mark.parametrize("text", ["", "line", "a/b/c/d", "line/1/2", "line/1/2+x/3", "line/1/+/3"])
def test_an_id_of_somebody_else_names_no_position(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- ids of others are of any form
        EventPosition.parse(text)


def test_a_topic_that_was_created_again_repeats_no_id() -> None:
    lives = [RunIdGenerator(UUID(int=1), "p.asked", life) for life in (1, 2, 3)]
    ids = [
        ids_.run_id(partition, n, 3) for ids_ in lives for partition in (0, 1) for n in range(300)
    ]
    assert len(set(ids)) == len(ids)
    assert RunIdGenerator(UUID(int=1), "p.asked").run_id(0, 7, 3) == lives[0].run_id(0, 7, 3)


@pytest.mark.parametrize("text", ["a/0/7/1", "a/0/7+3/12", "a.b~2/0/7/1", "a~13/4/7+3/12"])
def test_the_id_of_an_event_says_the_life_of_the_topic(text: str) -> None:
    position = EventPosition.parse(text)
    assert str(position) == text
    assert position.event_type in ("a", "a.b")
    assert position.life == {"a.b~2": 2, "a~13": 13}.get(text.split("/")[0], 1)

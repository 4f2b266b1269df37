"""Does a key go to the same partition as with every other Kafka client?"""

from __future__ import annotations

from aiokafka.partitioner import murmur2
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.key_partitioner import partition_for_key


@given(key=st.binary(max_size=200), partitions=st.integers(1, 1000))
def test_a_key_goes_where_kafkas_own_clients_send_it(key: bytes, partitions: int) -> None:
    assert partition_for_key(key, partitions) == (murmur2(key) & 0x7FFFFFFF) % partitions

"""How far do readers of the simulated Kafka get, and which times do records have?"""

from __future__ import annotations

from farandole.events.record import OutgoingRecord, Partition
from farandole.lanes.simulated_kafka import SimulatedKafka

PLACE = Partition("t", 0)


def begin(kafka: SimulatedKafka, name: str, *values: bytes) -> int:
    """Write values in a transaction that stays open; return the epoch of its producer."""
    epoch = kafka.init(name)
    kafka.begin(name, epoch)
    for value in values:
        kafka.produce(name, epoch, PLACE, [OutgoingRecord(None, value)])
    return epoch


def values(kafka: SimulatedKafka, start: int = 0, most: int | None = None) -> list[bytes | None]:
    return [record.value for record in kafka.read_committed(PLACE, start, most)]


def test_readers_stop_at_the_first_transaction_that_is_open() -> None:
    kafka = SimulatedKafka()
    kafka.append(PLACE, OutgoingRecord(None, b"a"))
    first = begin(kafka, "one", b"b", b"c")
    second = begin(kafka, "two", b"d")
    assert (values(kafka), kafka.last_stable_offset(PLACE)) == ([b"a"], 1)
    kafka.commit("two", second)
    kafka.complete("two")
    assert values(kafka) == [b"a"]  # the first is still open
    kafka.commit("one", first)
    assert values(kafka) == [b"a"]  # acknowledged, but its marker is not written
    kafka.complete("one")
    assert values(kafka) == [b"a", b"b", b"c", b"d"]
    assert kafka.last_stable_offset(PLACE) == 6  # two markers


def test_readers_pass_what_was_aborted_without_seeing_it() -> None:
    kafka = SimulatedKafka()
    epoch = begin(kafka, "one", b"a")
    kafka.abort("one", epoch)
    kafka.append(PLACE, OutgoingRecord(None, b"b"))
    assert values(kafka) == [b"b"]


def test_a_part_of_the_log_is_read() -> None:
    kafka = SimulatedKafka()
    for value in (b"a", b"b", b"c", b"d"):
        kafka.append(PLACE, OutgoingRecord(None, value))
    assert values(kafka, 1, 2) == [b"b", b"c"]


def test_a_transaction_gives_its_records_the_time_of_the_clock() -> None:
    kafka = SimulatedKafka(clock=lambda: 1234)
    epoch = begin(kafka, "one", b"a")
    kafka.commit("one", epoch)
    kafka.complete("one")
    (record,) = kafka.read_committed(PLACE)
    assert record.timestamp == 1234

"""Does bad input cost one dead letter and nothing else, on a real Kafka with real processes?

One pipeline is at work for the whole table, so that what one row harms, the next ones show.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from farandole.broker.settings import Settings
from farandole.events.record import Header
from farandole.worker.limits import MAX_DEAD_LETTER_BYTES
from tests.hostile.stand import LONGEST, Position, Stand, standing, text_headers, until

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.timeout(600),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("hostile"),  # one pipeline, whoever distributes the rows
]

GOOD = b'{"n": 1}'
RUN = b"a" * 13


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stand(kafka: Settings) -> AsyncIterator[Stand]:
    settings = kafka.model_copy(
        update={
            "namespace": f"t{secrets.token_hex(4)}",
            "session_timeout": 3.0,  # a busy machine must not end an innocent process
            "heartbeat_interval": 0.3,
        }
    )
    async with standing(settings) as stand:
        yield stand


def cloud(**attributes: bytes | None) -> list[Header]:
    """The headers of somebody's CloudEvent, some of them different or absent."""
    whole = {"specversion": b"1.0", "id": b"1", "source": b"//somebody", "type": b"act.asked"}
    return [(f"ce_{n}", v) for n, v in {**whole, **attributes}.items() if v is not None]


@dataclass(frozen=True)
class Bytes:
    """A record that no stage of ours has written, and what its dead letter says."""

    name: str
    error: str
    said: str
    value: bytes | None = GOOD
    headers: tuple[Header, ...] = ()
    key: bytes | None = None


STRUCTURED = (("content-type", b"application/cloudevents+json"),)
BYTES = [
    Bytes("not JSON", "Unreadable", "Invalid JSON", b"weeks please"),
    Bytes("half of JSON", "Unreadable", "Invalid JSON: EOF", b'{"n": 1'),
    Bytes("empty", "Unreadable", "Invalid JSON: EOF", b""),
    Bytes("a tombstone", "Unreadable", "a tombstone is no event", None),
    Bytes("a tombstone with a key", "Unreadable", "a tombstone is no event", None, (), b"k"),
    Bytes("another schema", "Unreadable", "n: Field required", b'{"m": 1}'),
    Bytes("another type", "Unreadable", "n: Input should be a valid integer", b'{"n": "x"}'),
    Bytes("a list", "Unreadable", "Input should be an object", b"[1]"),
    Bytes("not UTF-8", "Unreadable", "Invalid JSON", b'{"n": 1, "do": "\xff\xfe"}'),
    Bytes("all bytes", "Unreadable", "Invalid JSON", bytes(range(256))),
    Bytes("1 MB of bytes", "Unreadable", "Invalid JSON", b"\xfe" * 1_000_000),
    Bytes("1 MB of key", "Unreadable", "Invalid JSON", b"", (), b"k" * 1_000_000),
    Bytes("1 MB of headers", "Unreadable", "Invalid JSON", b"", (("x", b"\0" * 1_000_000),)),
    Bytes("900 kB of JSON", "Unreadable", "valid integer", b'{"n": "%b"}' % (b"x" * 900_000)),
    Bytes("deep", "Unreadable", "recursion limit", b'{"n":' + b"[" * 100_000),
    Bytes("a huge integer", "Unreadable", "out of range", b'{"n": %b}' % (b"9" * 10_000)),
    Bytes("infinity", "Unreadable", "n: Input should be a finite number", b'{"n": Infinity}'),
    Bytes("NaN", "Unreadable", "n: Input should be a finite number", b'{"n": NaN}'),
    Bytes("UTF-16", "Unreadable", "Invalid JSON", '{"n": 1}'.encode("utf-16")),
    Bytes("ce_ not UTF-8", "Unreadable", "ce_id is not UTF-8", headers=(*cloud(id=b"\xff"),)),
    Bytes(
        "an endless source",
        "Unreadable",
        "longer than 4096 characters",
        headers=(*cloud(source=b"x" * 5000),),
    ),
    Bytes(
        "a name that is none",
        "Unreadable",
        "not lowercase letters and digits",
        headers=(*cloud(), ("ce_Run-Id", b"1")),
    ),
    Bytes(
        "CloudEvents 0.3",
        "Unreadable",
        "specversion is '0.3'; only '1.0' is read",
        headers=(*cloud(specversion=b"0.3"),),
    ),
    Bytes("no ce_id", "Unreadable", "'id' is missing", headers=(*cloud(id=None),)),
    Bytes(
        "an event of another type",
        "Unreadable",
        "CloudEvents type is 'com.acme.order', and this is the topic of 'act.asked'",
        headers=(*cloud(type=b"com.acme.order"),),
    ),
    Bytes(
        "structured, without its content type",
        "Unreadable",
        "needs the header content-type: application/cloudevents+json",
        b'{"specversion":"1.0","id":"1","source":"s","type":"act.asked","data":{"n":1}}',
    ),
    Bytes("an empty ce_type", "Unreadable", "'type' is missing", headers=(*cloud(type=b""),)),
    Bytes("structured, not JSON", "Unreadable", "is not JSON", b"{", STRUCTURED),
    Bytes("structured, a list", "Unreadable", "is not a JSON object", b"[]", STRUCTURED),
    Bytes("structured, no data", "Unreadable", "has no 'data'", b'{"id": "1"}', STRUCTURED),
    Bytes(
        "structured, base64",
        "Unreadable",
        "data_base64 is not supported",
        b'{"data_base64": "AA=="}',
        STRUCTURED,
    ),
    Bytes(
        "a batch of CloudEvents",
        "Unreadable",
        "is not supported",
        b"[]",
        (("content-type", b"application/cloudevents-batch+json"),),
    ),
    Bytes(
        "XML",
        "Unreadable",
        "content-type 'text/xml' is not JSON",
        b"<n>1</n>",
        (("content-type", b"text/xml"),),
    ),
    Bytes(
        "content-type not UTF-8",
        "Unreadable",
        "content-type is not UTF-8",
        headers=(("content-type", b"\xff"),),
    ),
]


@pytest.mark.parametrize("row", BYTES, ids=[row.name for row in BYTES])
async def test_hostile_bytes_are_one_dead_letter(stand: Stand, row: Bytes) -> None:
    bad = await stand.give("act.asked", row.value, row.headers, key=row.key)
    letter = await one_dies(stand, "act", bad)
    said = text_headers(letter)
    assert (said["dead_error"], said["dead_attempts"]) == (row.error, "1")
    assert row.said in said["dead_message"]
    assert "\n" not in said["dead_message"]
    assert (letter.value, letter.key) == (row.value, row.key)
    assert [h for h in letter.headers if not h[0].startswith("dead_")] == list(row.headers)


async def test_a_header_whose_name_is_not_utf_8_is_one_dead_letter(stand: Stand) -> None:
    """The client cannot decode such a record, nor what it was fetched with."""
    letter = await one_dies(stand, "act", await stand.give_undecodable("act.asked"))
    assert "a header's name is not UTF-8" in text_headers(letter)["dead_message"]


async def test_a_compression_bomb_is_a_dead_letter_for_each_of_its_records(stand: Stand) -> None:
    """Its process may hold 192 MiB, a third is in use; decompressed the batch has 150."""
    pids = stand.supervisor.pids()
    first = await stand.give_bomb("act.asked", 3, 50 * 2**20)
    good = await stand.ask("act", partition=first.partition)
    await until(lambda: stand.answers(good), "the lane does not go on")
    three = [first._replace(offset=first.offset + n) for n in range(3)]

    def all_died() -> bool:
        return all(any(is_of(stand, x, bad) for x in stand.letters("act")) for bad in three)

    await until(all_died, "a dead letter is missing")
    for bad in three:
        said = text_headers(stand.letter(bad))
        assert f"of the offsets {first.offset} to {first.offset + 2}" in said["dead_message"]
        assert (said["dead_partition"], said["dead_offset"]) == ("0", str(bad.offset))
    assert stand.supervisor.pids()["act"] == pids["act"], "its process did not survive"


async def test_the_largest_record_of_all_has_a_dead_letter_that_fits(stand: Stand) -> None:
    """Value, key and headers as large as the topic takes them; the account comes on top."""
    room = 1024 * 1024 - 400
    bad = await stand.give("act.asked", b"v" * (room - 400_000), [("h", b"h" * 200_000)],
                           key=b"k" * 200_000)  # fmt: skip
    letter = await one_dies(stand, "act", bad)
    assert len(letter.value or b"") + 400_000 <= MAX_DEAD_LETTER_BYTES
    assert "dead_cut" not in text_headers(letter)


async def test_an_unknown_version_of_ours_is_one_dead_letter(stand: Stand) -> None:
    headers = cloud(source=source(stand, "act"), topologyversion=b"hostile@99", runid=RUN)
    bad = await stand.give("act.asked", GOOD, headers)
    letter = await one_dies(stand, "act", bad)
    said = text_headers(letter)["dead_message"]
    assert said == "topology version 'hostile@99' was never published here"


FORGED = [
    ("a run id", {"runid": RUN}),
    ("a run id and a version", {"runid": RUN, "topologyversion": b"hostile@1"}),
    (
        "a stage that does not emit this",
        {"runid": RUN, "topologyversion": b"hostile@1", "source": b"OURS"},
    ),
]


@pytest.mark.parametrize(("_name", "forged"), FORGED, ids=[name for name, _ in FORGED])
async def test_a_forged_run_id_is_a_correlation_and_no_run(
    stand: Stand, _name: str, forged: dict[str, bytes]
) -> None:
    if "source" in forged:
        forged = {**forged, "source": source(stand, "wait")}
    given = await stand.give("act.asked", GOOD, cloud(**forged))
    await until(lambda: stand.answers(given), "it was not handled")
    (answer,) = stand.answers(given)
    said = text_headers(answer)
    assert said["ce_correlationid"] == RUN.decode()
    assert said["ce_runid"] != RUN.decode()
    assert said["ce_topologyversion"] == stand.version.name


HARMLESS: list[tuple[str, bytes, list[Header]]] = [
    ("duplicate keys", b'{"n": "x", "n": 1}', []),
    ("unknown fields", b'{"n": 1, "more": {"of": [true]}}', []),
    ("headers of any bytes", GOOD, [("x", b"\xff\xfe"), ("", b""), ("x", b"again")]),
    ("headers twice", GOOD, [*cloud(), *cloud()]),
    ("headers of a dead letter", GOOD, [("dead_error", b"\xff")]),
    ("much space", b" " * 500_000 + GOOD, []),
]


@pytest.mark.parametrize(
    ("value", "headers"), [row[1:] for row in HARMLESS], ids=[row[0] for row in HARMLESS]
)
async def test_what_is_merely_odd_is_handled(
    stand: Stand, value: bytes, headers: list[Header]
) -> None:
    before = len(stand.letters())
    given = await stand.give("act.asked", value, headers)
    await until(lambda: stand.answers(given), "it was not handled")
    assert len(stand.letters()) == before


@pytest.mark.parametrize("timestamp", [-1, 0, -99_999_999_999_999, 1_700_000_000])
async def test_an_event_with_any_time_is_handled(stand: Stand, timestamp: int) -> None:
    before = len(stand.letters())
    given = await stand.give("act.asked", GOOD, timestamp=timestamp)
    await until(lambda: stand.answers(given), "it was not handled")
    assert len(stand.letters()) == before


@pytest.mark.parametrize("codec", ["gzip", "lz4", "snappy", "zstd"])
async def test_what_others_compress_is_read(stand: Stand, codec: str) -> None:
    before = len(stand.letters())
    given = await stand.give_compressed("act.asked", codec)
    await until(lambda: stand.answers(given), "it was not handled")
    assert len(stand.letters()) == before


BEHAVIOUR = [
    ("act", "raise", 2, "ValueError", "I will not"),
    ("act", "raise what cannot be said", 2, "Unsayable", "(its message cannot be read"),
    ("act", "raise at length", 2, "ValueError", "far too long"),
    ("act", "raise a lone surrogate", 2, "ValueError", "\\ud800"),
    ("act", "reject", 1, "Reject", "never"),
    ("act", "give the wrong type", 1, "WrongResult", "it gave a int, where it says that it gives"),
    ("act", "give two megabytes", 1, "TooMuch", "larger than the 1000000 bytes"),
    ("act", "give a lone surrogate", 1, "WrongResult", "cannot be written as JSON"),
    ("act", "sys.exit", 2, "SystemExit", "3"),
    ("act", "interrupt", 2, "KeyboardInterrupt", ""),
    ("act", "cancel", 2, "CancelledError", ""),
    ("act", "recurse", 2, "RecursionError", "maximum recursion depth"),
    ("act", "allocate", 2, "MemoryError", ""),
    ("act", "close the loop", 2, "RuntimeError", "Cannot close a running event loop"),
    ("flood", "ten million", 1, "TooMuch", "more than 64 MiB were emitted at once"),
    ("flood", "raise late", 2, "ValueError", "after the first"),
    ("flood", "give the wrong type late", 1, "WrongResult", "it gave a str"),
    ("wait", "hang", 2, "TimeoutError", "no result within 0.5 s (the stage's `timeout:`)"),
    ("wait", "refuse to be cancelled", 2, "ValueError", "not I"),
    ("wait", "cancel the task", 2, "CancelledError", ""),
]


@pytest.mark.parametrize(
    ("stage", "do", "attempts", "error", "message"),
    BEHAVIOUR,
    ids=[f"{stage}: {do}" for stage, do, *_ in BEHAVIOUR],
)
async def test_a_failing_handler_costs_its_own_event(
    stand: Stand, stage: str, do: str, attempts: int, error: str, message: str
) -> None:
    pids = stand.supervisor.pids()
    bad = await stand.ask(stage, do)
    letter = await one_dies(stand, stage, bad)
    said = text_headers(letter)
    assert (said["dead_error"], said["dead_attempts"]) == (error, str(attempts))
    assert message in said["dead_message"]
    assert stand.answers(bad) == []  # all of its results, or none
    assert stand.supervisor.pids()[stage] == pids[stage], "its process did not survive"


async def test_a_callback_that_fails_harms_nobody(stand: Stand) -> None:
    given = await stand.ask("wait", "leave a task behind")
    await until(lambda: stand.answers(given), "it was not handled")


async def test_a_batch_loses_its_failing_events_and_no_others(stand: Stand) -> None:
    given = [await stand.ask("gather", "raise" if n % 10 == 3 else "answer") for n in range(40)]
    await until(lambda: sum(bool(answered(stand, p)) for p in given) == 40, "not all were settled")
    assert [n for n, p in enumerate(given) if answered(stand, p) == "dead"] == [3, 13, 23, 33]


DEADLY = {
    "exit": "os._exit",
    "kill": "kill -9",
    "crash": "crash",
    "hang": "hang",
    "hang-in-thread": "hang",
    "hang-awaited": "refuse to end",
    "stop-loop": "stop the loop",
}
LATER = ("exit", "crash", "hang-in-thread")
"""Ends that the supervisor sees as one of the others: under `make soak`."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def given_up(stand: Stand, request: pytest.FixtureRequest) -> dict[str, list[Position]]:
    """Of each deadly stage that is tested, an event that kills its process, and neighbours before
    and after it, in its own lane and in the other. They all die at the same time, or this would
    take minutes."""

    async def suffer(stage: str, do: str) -> list[Position]:
        first = await stand.ask(stage)
        await until(lambda: stand.answers(first), f"{stage} is not at work")
        bad = await stand.ask(stage, do)
        others = [await stand.ask(stage, partition=p) for p in (0, 1, 0, 1)]
        ends = asyncio.get_running_loop().time() + LONGEST
        while asyncio.get_running_loop().time() < ends:  # each row says for itself what is missing
            if all(stand.answers(p) for p in others) and stand.letters(stage):
                break
            await asyncio.sleep(0.05)
        return [bad, first, *others]

    asked_for = {item.name for item in request.session.items}
    test = test_an_event_that_kills_its_process_is_given_up.__name__
    stages = [s for s in DEADLY if f"{test}[{s}]" in asked_for]
    suffering = (suffer(stage, DEADLY[stage]) for stage in stages)
    return dict(zip(stages, await asyncio.gather(*suffering), strict=True))


@pytest.mark.parametrize(
    "stage",
    [pytest.param(s, marks=[pytest.mark.soak] if s in LATER else []) for s in DEADLY],
)
async def test_an_event_that_kills_its_process_is_given_up(
    stand: Stand, given_up: dict[str, list[Position]], stage: str
) -> None:
    bad, *others = given_up[stage]
    assert [len(stand.answers(p)) for p in others] == [1] * len(others)
    (letter,) = stand.letters(stage)
    said = text_headers(letter)
    assert (said["dead_error"], said["dead_offset"]) == ("ProcessDied", str(bad.offset))
    assert "died 5 times with this event at work" in said["dead_message"]


async def test_in_the_end_all_are_at_work_and_nobody_else_died(
    stand: Stand, given_up: dict[str, list[Position]]
) -> None:
    """The last of all: every lane of every stage still answers, and each letter was meant."""
    before = len(stand.letters())
    asked = [await stand.ask(s, partition=p) for s in stand.version.stages for p in (0, 1)]
    await until(lambda: all(stand.answers(p) for p in asked), "a lane has gone silent")
    assert len(stand.letters()) == before
    reasons = [text_headers(letter)["dead_error"] for letter in stand.letters()]
    assert len(reasons) == len({where(letter) for letter in stand.letters()})
    assert set(given_up) <= stand.supervisor.pids().keys()


async def one_dies(stand: Stand, stage: str, bad: Position) -> Any:
    """Its dead letter; meanwhile a good event behind it is answered, and nobody else dies."""
    before = {where(letter) for letter in stand.letters()}
    good = await stand.ask(stage, partition=bad.partition)
    await until(lambda: stand.answers(good), "the lane does not go on")
    await until(lambda: any(is_of(stand, x, bad) for x in stand.letters(stage)), "no dead letter")
    letter = stand.letter(bad)
    after = {where(letter) for letter in stand.letters()}
    assert after == before | {where(letter)}, "somebody else died"
    return letter


def where(letter: Any) -> tuple[str, ...]:
    said = text_headers(letter)
    return said["dead_topic"], said["dead_partition"], said["dead_offset"]


def is_of(stand: Stand, letter: Any, cause: Position) -> bool:
    topic = stand.version.events[cause.event_type].topic
    return where(letter) == (topic, str(cause.partition), str(cause.offset))


def answered(stand: Stand, position: Position) -> str:
    """What became of an event of a batch: an answer has its `n`, a dead letter its position."""
    if any(is_of(stand, letter, position) for letter in stand.letters("gather")):
        return "dead"
    return "answered" if stand.answers(position) else ""


def source(stand: Stand, stage: str) -> bytes:
    return stand.version.source(stage).encode()

"""Does a dead letter contain the event and the reason, and is it small enough?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import example, given, settings
from hypothesis import strategies as st

from farandole.events.dead_letter import DEAD_HEADER_PREFIX, FailureAccount, build_dead_letter
from farandole.events.failure_fingerprint import failure_fingerprint
from farandole.events.header_codec import decode_headers
from farandole.events.record import Header, OutgoingRecord
from farandole.stages.user_traceback import format_user_traceback
from tests.events.made import Made, header_names

LARGEST = 1024 * 1024 + 192 * 1024
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def died(error: BaseException | None = None, **more: Any) -> FailureAccount:
    try:
        raise error or ValueError("no till prints that")
    except BaseException as caught:  # noqa: BLE001 -- functions raise anything
        death = {"stage": "validate", "version": "order-lines@7", "run": "abc", "attempts": 3}
        death["first"] = NOW
        death["traceback"] = format_user_traceback(caught)
        return FailureAccount.from_error(caught, **{**death, **more})


def account(dead: OutgoingRecord) -> dict[str, str]:
    return {
        n[len(DEAD_HEADER_PREFIX) :]: v.decode()
        for n, v in decode_headers(dead.headers)
        if n.startswith(DEAD_HEADER_PREFIX)
    }


def wire_size(dead: OutgoingRecord) -> int:
    """Bytes of a record batch with this one record, as aiokafka writes it."""
    batch = DefaultRecordBatchBuilder(2, 0, True, -1, -1, 0, 2**30)
    batch.append(0, 0, dead.key, dead.value, decode_headers(dead.headers))
    return len(batch.build())


def test_value_key_and_headers_stay_as_they_were() -> None:
    headers: list[Any] = [("ce_id", b"\xff"), ("x", None), ("x", b"2"), ("", b"")]
    dead = build_dead_letter(Made(b"\x00\xff", headers, b"\x01"), died(), largest=LARGEST)
    assert (dead.key, dead.value) == (b"\x01", b"\x00\xff")
    assert decode_headers(dead.headers)[: len(headers)] == headers


def test_the_account_is_text_that_a_person_can_read() -> None:
    fields = account(build_dead_letter(Made(b"{}"), died(), largest=LARGEST))
    assert fields.pop("traceback").endswith("ValueError: no till prints that\n")
    assert datetime.fromisoformat(fields.pop("last_failed")) > NOW
    assert fields == {
        "stage": "validate", "error": "ValueError", "message": "no till prints that",
        "fingerprint": failure_fingerprint("validate", "ValueError", "no till prints that"),
        "attempts": "3", "replays": "0", "timestamp": "0",
        "topic": "order-lines.line.ingested", "partition": "3", "offset": "10482",
        "version": "order-lines@7", "run": "abc", "first_failed": NOW.isoformat(),
    }  # fmt: skip


def test_a_letter_that_dies_again_does_not_grow() -> None:
    record = Made(b"{}", [("ce_id", b"1")])
    dead = build_dead_letter(record, died(), largest=LARGEST)
    for _ in range(20):
        again = build_dead_letter(
            record._replace(headers=decode_headers(dead.headers)),
            died(),
            largest=LARGEST,
        )
        assert len(decode_headers(again.headers)) == len(decode_headers(dead.headers))
        assert account(again)["message"] == "no till prints that"
        dead = again


def test_a_value_that_is_cut_says_by_how_much() -> None:
    value = b"x" * 2_000_000
    dead = build_dead_letter(Made(value), died(), largest=LARGEST)
    assert dead.value is not None
    assert value.startswith(dead.value)
    assert len(dead.value) > 1_000_000
    assert account(dead)["cut"] == f"value: {len(dead.value)} of 2000000 bytes"


def test_a_value_as_large_as_a_topic_takes_is_not_cut() -> None:
    hostile = died(ValueError("\ud800" * 10**6))
    dead = build_dead_letter(Made(b"x" * 1024 * 1024), hostile, largest=LARGEST)
    assert len(dead.value or b"") == 1024 * 1024
    assert "cut" not in account(dead)


class _Hostile(Exception):
    def __init__(self, raised: BaseException) -> None:
        self.raised = raised

    def __str__(self) -> str:
        raise self.raised


@pytest.mark.parametrize("raised", [RuntimeError(), RecursionError(), SystemExit(1)])
def test_an_exception_that_cannot_be_read_is_buried_all_the_same(raised: BaseException) -> None:
    fields = account(build_dead_letter(Made(b"{}"), died(_Hostile(raised)), largest=LARGEST))
    assert fields["error"] == "_Hostile"
    assert fields["message"] == f"(its message cannot be read: {type(raised).__name__})"


def test_a_long_message_leaves_the_frames_in_the_traceback() -> None:
    fields = account(build_dead_letter(Made(b"{}"), died(ValueError("x" * 10**7)), largest=LARGEST))
    assert "in died" in fields["traceback"]
    assert fields["message"].endswith("… (10000000 characters)")


sizes = st.one_of(st.integers(0, 2_000), st.sampled_from([10**6, 1024 * 1024, 3 * 10**6]))
texts = st.sampled_from(["x", "\ud800", "€", "\n", "\U0001f600"])


@settings(max_examples=60, deadline=None)
@given(
    value=st.one_of(st.none(), sizes),
    key=st.one_of(st.none(), sizes),
    headers=st.lists(st.tuples(header_names, sizes), max_size=4),
    message=st.tuples(texts, st.sampled_from([0, 1, 3_000, 10**5])),
    name=st.sampled_from([1, 10**6]),
)
@example(value=1_000_000, key=None, headers=[], message=("\ud800", 10**7), name=1)
@example(value=None, key=3 * 10**6, headers=[], message=("x", 1), name=1)
@example(value=1, key=1, headers=[("é" * 700_000, 0)], message=("x", 1), name=10**6)
def test_a_letter_always_fits(
    value: int | None,
    key: int | None,
    headers: list[tuple[str, int]],
    message: tuple[str, int],
    name: int,
) -> None:
    original: list[Header] = [(n, b"h" * size) for n, size in headers]
    record = Made(
        None if value is None else b"v" * value, original, None if key is None else b"k" * key
    )
    error = type("E" * name, (Exception,), {})(message[0] * message[1])
    dead = build_dead_letter(
        record,
        FailureAccount.from_error(error, stage="s", version="v", run="r", attempts=1, first=NOW),
        largest=LARGEST,
    )
    assert wire_size(dead) <= LARGEST
    fields = account(dead)
    assert fields["offset"] == "10482"
    whole = (dead.key, dead.value) == (record.key, record.value)
    assert whole or fields["cut"]

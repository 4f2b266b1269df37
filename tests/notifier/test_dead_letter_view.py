"""Is the view of a dead letter safe to print, and without personal data?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from farandole.events.personal_data_masking import PERSONAL_MASK
from farandole.events.personal_fields import PersonalFields
from farandole.lanes.simulated_kafka import SimulatedRecord
from farandole.notifier.dead_letter_view import MAX_SAMPLE_DATA, DeadLetterView, build_sample
from tests.notifier.letters import START, Died, nothing_personal, record

NOW = START + timedelta(days=1)
PERSONAL: Mapping[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string", "personal": True}, "n": {"type": "integer"}},
}
DATA = b'{"name": "Ann Example", "n": 7}'


def ann(*_: str) -> PersonalFields:
    return PersonalFields(PERSONAL, has_key=False)


def read(died: Died, **changed: Any) -> DeadLetterView:
    return DeadLetterView.from_record(
        record(died, 3)._replace(**changed), "p", died.stage, ann, NOW
    )


def test_personal_fields_are_in_no_part_of_a_sample() -> None:
    died = Died(0, message="Ann Example has 7 of them", value=DATA)
    letter = read(died, key=b"Ann Example")
    shown = build_sample(letter)
    assert "Ann" not in shown.model_dump_json() + letter.title
    assert PERSONAL_MASK in shown.data
    assert PERSONAL_MASK in shown.message
    assert shown.key == PERSONAL_MASK
    assert '"n": 7' in shown.data


def test_a_key_that_may_be_that_of_a_person_is_in_no_sample() -> None:
    def cause(*_: str) -> PersonalFields:
        return PersonalFields(None, has_key=True)

    died = record(Died(0), 3)._replace(key=b"ann@example")
    assert build_sample(DeadLetterView.from_record(died, "p", "s", cause, NOW)).key == PERSONAL_MASK


def test_data_that_are_no_data_of_the_schema_are_in_no_sample() -> None:
    for value in (
        b'[{"name": "Ann Example"}]',
        b'{"specversion": "1.0", "id": "1", "source": "s", "type": "t",'
        b' "data": {"name": "Ann Example"}}',
    ):
        letter = read(Died(0, message="Ann Example failed", value=value))
        assert "Ann" not in build_sample(letter).data


def test_the_same_failure_of_two_people_has_one_fingerprint() -> None:
    letters = [
        read(Died(0, message=f"{name} is gone", value=DATA.replace(b"Ann Example", name.encode())))
        for name in ("Ann Example", "Bob Other")
    ]
    assert letters[0].fingerprint == letters[1].fingerprint


def test_the_fingerprint_is_that_of_the_worker_or_computed_from_the_message() -> None:
    died = record(Died(0), 0)
    others = [h for h in died.headers if h[0] != "dead_fingerprint"]
    kind = DeadLetterView.from_record(died, "p", "validate", nothing_personal, NOW).fingerprint
    for written in (b"aaaaaaaaaa", b"no such word", b"\xff", None):
        headers: list[Any] = others if written is None else [*others, ("dead_fingerprint", written)]
        read = DeadLetterView.from_record(
            died._replace(headers=headers), "p", "validate", nothing_personal, NOW
        )
        assert read.fingerprint == ("aaaaaaaaaa" if written == b"aaaaaaaaaa" else kind)


def test_data_that_do_not_fit_a_schema_with_personal_fields_are_not_shown() -> None:
    message = "name: Input should be a string, input_value=['Ann', 'Example']"
    for died in (
        Died(0, error="Unreadable", message=message, value=b'{"name": ["Ann", "Example"]}'),
        Died(0, error="Unreadable", message="no JSON: 'Ann'", value=b'{"name": "Ann'),
    ):
        assert "Ann" not in build_sample(read(died, key=b"Ann")).model_dump_json()


def test_a_structured_event_with_personal_fields_is_not_shown() -> None:
    died = record(Died(0, value=b'{"specversion": "1.0", "data": {"name": "Ann"}}'), 0)
    headers = [*died.headers, ("content-type", b"application/cloudevents+json; charset=utf-8")]
    letter = DeadLetterView.from_record(died._replace(headers=headers), "p", "s", ann, NOW)
    assert "Ann" not in build_sample(letter).data


def test_numbers_are_shown_as_they_are_written() -> None:
    value = b'{"name":"Ann","amount":1234.123456789012345678,"price":19.990}'
    shown = build_sample(read(Died(0, value=value))).data
    assert '"amount": 1234.123456789012345678' in shown
    assert '"price": 19.990' in shown


def test_a_personal_number_is_in_no_message_however_it_is_written() -> None:
    value = b'{"name":12345678901234567890.1234567890}'
    letter = read(Died(0, value=value, message="cannot book 12345678901234567890.1234567890"))
    assert "1234567890" not in build_sample(letter).model_dump_json()


def test_long_data_are_cut() -> None:
    died = record(Died(0, value=b'{"x": "%s"}' % (b"x" * 5000)), 0)
    assert (
        len(build_sample(DeadLetterView.from_record(died, "p", "s", nothing_personal, NOW)).data)
        <= MAX_SAMPLE_DATA + 1
    )


hostile = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=60).map(lambda t: t.encode("utf-8", "surrogatepass")),
    st.sampled_from([b"\x1b]0;owned\x07", "\u202egnp.exe".encode(), b"\xff\xfe", b"a\r\nBcc: x@y"]),
)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["dead_error", "dead_message", "dead_version", "dead_topic", "dead_offset",
                 "dead_run", "ce_type", "content-type", "\u202e"]
            ),
            hostile,
        ),
        max_size=8,
    ),
    st.none() | hostile | st.just(b'{"a": "\\u001b[2J\\u202e"}'),
    st.none() | hostile,
    st.integers(-(2**63), 2**63 - 1),
)  # fmt: skip
def test_any_record_in_a_dead_letter_topic_is_read_and_shown_safely(
    headers: list[tuple[str, bytes]], value: bytes | None, key: bytes | None, timestamp: int
) -> None:
    written = SimulatedRecord("p.s.dead", 0, 0, value, key, headers, timestamp)
    for schemas in (nothing_personal, ann):
        letter = DeadLetterView.from_record(written, "p", "s", schemas, NOW)
        shown = build_sample(letter)
        texts = [letter.error, letter.title, letter.version, *map(str, shown.model_dump().values())]
        for text in texts:
            assert not any(c not in "\n\t" and (ord(c) < 32 or 127 <= ord(c) < 160) for c in text)
            assert not set(text) & set("\u202a\u202b\u202d\u202e\u2066\u2067\u200f\u200e\ufeff")

"""Is a letter's value mended as a person says, and only to what its stage takes?"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import orjson
import pytest

from farandole.cli.value_editor import edit_value, read_patch_file
from farandole.events.json_text import merge_patch_text
from farandole.events.record import Header
from farandole.events.retry_record import ParkedEvent
from farandole.events.topology_version import EventSpec, StageSpec, Version
from farandole.operations.dead_letters.replay_builder import Replay
from farandole.operations.dead_letters.value_repair import (
    UnfitValueError,
    patch_amender,
    validate_value,
)
from tests.notifier.letters import START

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "quantity": {"type": "integer", "minimum": 1},
        "where": {"type": "object", "properties": {"store": {"type": "string"}}},
    },
    "required": ["quantity"],
}


def replay(value: bytes, *headers: Header, schema: Any = SCHEMA) -> Replay:
    version = Version(
        pipeline="p", version=1, installation=UUID(int=1), published=START, published_by="me",
        events={"asked": EventSpec(topic="p.asked", partitions=1, key="id")},
        stages={"load": StageSpec(run="a:b", subscribes=("asked",), accepts=schema)},
    )  # fmt: skip
    event = ParkedEvent("p.asked", 0, 3, value, b"7", headers, 0)
    return Replay(11, 0, event, b"a" * 13, version, "load", "asked")


@pytest.mark.parametrize(
    ("data", "patch", "result"),
    [  # of RFC 7396, appendix A
        ('{"a":"b"}', '{"a":"c"}', '{"a":"c"}'),
        ('{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'),
        ('{"a":"b"}', '{"a":null}', "{}"),
        ('{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'),
        ('{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'),
        ('{"a":"foo"}', '"bar"', '"bar"'),
        ('{"e":null}', '{"a":1}', '{"e":null,"a":1}'),
        ("[1,2]", '{"a":"b","c":null}', '{"a":"b"}'),
        ("{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'),
    ],
)
def test_a_patch_does_what_the_rfc_says(data: str, patch: str, result: str) -> None:
    assert orjson.loads(merge_patch_text(data, patch)) == orjson.loads(result)


def test_a_patched_letter_is_what_its_stage_takes() -> None:
    amend = patch_amender('{"quantity": 2}')
    assert amend(replay(b'{"id": 7, "quantity": 0}')) == b'{"id": 7, "quantity": 2}'
    assert amend(replay(b'{"id": 7, "quantity": 0}', schema=None)) == b'{"id": 7, "quantity": 2}'


def test_a_patch_changes_no_digit_of_what_it_does_not_name() -> None:
    value = b'{"id":7,"quantity":19.990,"amount":1234.123456789012345678}'
    amend = patch_amender('{"who":"ann","quantity":2.500}')
    patched = b'{"id":7,"quantity":2.500,"amount":1234.123456789012345678,"who":"ann"}'
    assert amend(replay(value, schema=None)) == patched


def test_an_editor_shows_and_returns_every_digit(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = edits(monkeypatch, '{"id":7, "amount": 1234.1234567890123456789, "quantity": 1}')
    edited = edit_value(replay(b'{"id":7,"amount":1234.123456789012345678}'))
    assert shown == ['{\n  "id": 7,\n  "amount": 1234.123456789012345678\n}\n']
    assert edited == b'{"id":7,"amount":1234.1234567890123456789,"quantity":1}'


@pytest.mark.parametrize(
    ("value", "patch", "message"),
    [
        (b'{"id": 7}', {"quantity": 0}, r"quantity: 0 is less than the minimum of 1"),
        (b'{"id": 7}', {"quantity": 1, "where": {"store": 3}}, r"where.store: 3 is not of type"),
        (b'{"id": 7}', {"x": 1}, r"data: 'quantity' is a required property"),
        (b'{"id": 7}', {"quantity": 1, "id": 8}, r"id: the event's key must stay"),
        (b"no json", {"quantity": 1}, r"its value is no JSON"),
        (b"\xff", {"quantity": 1}, r"its value is no JSON"),
        (b"[" * 100_000, {"quantity": 1}, r"its value is no JSON"),
    ],
)
def test_a_value_that_the_stage_would_refuse_is_refused(
    value: bytes, patch: Any, message: str
) -> None:
    with pytest.raises(UnfitValueError, match=message):
        patch_amender(orjson.dumps(patch).decode())(replay(value))


def test_a_validators_message_cannot_harm_a_terminal() -> None:
    with pytest.raises(UnfitValueError) as refused:
        patch_amender(orjson.dumps({"quantity": "\x1b[2J" + "x" * 10_000}).decode())(
            replay(b'{"id": 7}')
        )
    assert "\x1b" not in str(refused.value)
    assert len(str(refused.value)) < 400


def test_a_whole_cloudevent_is_not_edited() -> None:
    value = b'{"specversion":"1.0","id":"1","source":"s","type":"asked","data":{"quantity":1}}'
    with pytest.raises(UnfitValueError, match="structured mode"):
        patch_amender('{"quantity": 2}')(
            replay(value, ("content-type", b"application/cloudevents+json"))
        )


def edits(monkeypatch: pytest.MonkeyPatch, saved: str | None) -> list[str]:
    shown: list[str] = []

    def edit(text: str, extension: str) -> str | None:
        shown.append(text)
        return saved

    monkeypatch.setattr(click, "edit", edit)
    return shown


def test_an_editor_shows_the_value_and_the_saved_value_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = edits(monkeypatch, '{\n"id": 7, "quantity": 12345678901234567890123}')
    assert edit_value(replay(b'{"id":7}')) == b'{"id":7,"quantity":12345678901234567890123}'
    assert shown == ['{\n  "id": 7\n}\n']


@pytest.mark.parametrize("saved", [None, '{\n  "id": 7.0\n}'])
def test_a_value_that_was_not_edited_is_replayed_unchanged(
    monkeypatch: pytest.MonkeyPatch, saved: str | None
) -> None:
    edits(monkeypatch, saved)
    assert edit_value(replay(b'{ "id": 7.0 }')) == b'{ "id": 7.0 }'


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        ('{"id": 7,\n}', r"what was saved is no JSON: .* line 2 column 1"),
        ('{"id": 7, "quantity": NaN}', "what was saved is no JSON"),
        ('{"id": 7, "quantity": 0}', "quantity: 0 is less than"),
    ],
)
def test_an_invalid_edit_says_where_it_is_wrong(
    monkeypatch: pytest.MonkeyPatch, saved: str, message: str
) -> None:
    edits(monkeypatch, saved)
    with pytest.raises(UnfitValueError, match=message):
        edit_value(replay(b'{"id": 7}'))


def test_a_patch_that_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="No such file"):
        read_patch_file(tmp_path / "none")
    (tmp_path / "bad").write_text("{,}")
    with pytest.raises(click.UsageError, match=r"is no JSON: .* line 1 column 2"):
        read_patch_file(tmp_path / "bad")


NAMED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "who": {"type": "string", "personal": True, "maxLength": 3},
        "quantity": {"type": "integer"},
    },
    "required": ["quantity"],
}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b'{"quantity": 1, "who": "ann@example"}', "who: ••• does not fit its maxLength 3"),
        (b'{"quantity": 1, "who": {"mail": "ann@example"}}', "who: ••• does not fit its type"),
        (b'["ann@example"]', "data: ••• does not fit its type object"),
        (b'{"who": "ann"}', "data: 'quantity' is a required property"),
        (b'{"quantity": "many", "who": "ann"}', "quantity: 'many' is not of type 'integer'"),
    ],
)
def test_a_refusal_says_nothing_personal(value: bytes, why: str) -> None:
    letter = replay(b'{"quantity": 1}', schema=NAMED)
    keyless = letter._replace(version=without_key(letter.version))
    with pytest.raises(UnfitValueError, match=re.escape(why)):
        validate_value(keyless, value)


def without_key(version: Version) -> Version:
    asked = version.events["asked"].model_copy(update={"key": None})
    return version.model_copy(update={"events": {"asked": asked}})


def test_an_event_in_structured_mode_is_not_edited() -> None:
    cloud = ("content-type", b"application/cloudevents+json")
    value = b'{"specversion":"1.0","id":"1","source":"s","type":"asked","data":{"who":"ann"}}'
    letter = replay(value, cloud, schema=NAMED)
    keyless = letter._replace(version=without_key(letter.version))
    with pytest.raises(UnfitValueError, match="structured mode"):
        validate_value(keyless, b'{"quantity": 1}')

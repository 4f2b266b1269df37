"""Is the key of an event as in its JSON, so that every client finds it?"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.event_key import event_key


@pytest.mark.parametrize(
    ("value", "key", "old_key"),
    [
        ('"ann"', b"ann", b"ann"),
        ('"a\\"b\\u00e9"', 'a"bé'.encode(), 'a"bé'.encode()),
        ('""', b"", b""),
        ("12", b"12", b"12"),
        ("123456789012345678901", b"123456789012345678901", b"123456789012345678901"),
        ("1.50", b"1.50", b"1.5"),
        ("true", b"true", b"True"),
        ("null", None, None),
        ('"2026-11-29T12:00:00Z"', b"2026-11-29T12:00:00Z", b"2026-11-29T12:00:00Z"),
        ('{ "b": [1, "\u00e9"], "a": null }', '{"a":null,"b":[1,"é"]}'.encode(), None),
    ],
)
def test_a_key_is_as_in_the_json(value: str, key: bytes | None, old_key: bytes | None) -> None:
    raw = f' {{"n": 1, "k": {value}}}'.encode()
    assert event_key(raw, "k", 2) == key
    if not value.startswith("{"):
        assert event_key(raw, "k", 1) == old_key


@pytest.mark.parametrize("raw", [b"{}", b"[1]", b'"k"', b"7", b'{"x":{"k":1}}'])
def test_without_the_field_there_is_no_key(raw: bytes) -> None:
    assert event_key(raw, "k", 1) is None
    assert event_key(raw, "k", 2) is None


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_its_own_key(text: str) -> None:
    assert event_key(json.dumps({"k": text}).encode(), "k", 2) == text.encode()

"""What is shown of the data that a replay has changed?"""

from __future__ import annotations

import orjson

from farandole.operations.dead_letters.sent_letters import masked_patch

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "personal": True},
        "address": {"type": "object", "properties": {"street": {"personal": True}}},
        "pieces": {"type": "integer"},
    },
}
BEFORE = b'{"name": "Ada", "address": {"street": "Rue 1", "zip": 1}, "pieces": 0}'


def patch(after: bytes) -> object:
    text = masked_patch(BEFORE, after, SCHEMA)
    return None if text is None else orjson.loads(text)


def test_what_was_changed_is_shown_and_nothing_else() -> None:
    assert patch(BEFORE.replace(b'"pieces": 0', b'"pieces": 3')) == {"pieces": 3}


def test_personal_data_that_somebody_has_written_are_masked() -> None:
    after = BEFORE.replace(b"Ada", b"Grace").replace(b"Rue 1", b"Rue 2").replace(b"1}", b"2}")
    assert patch(after) == {"name": "•••", "address": {"street": "•••", "zip": 2}}


def test_a_field_that_was_removed_is_null() -> None:
    assert patch(b'{"name": "Ada", "address": {"street": "Rue 1", "zip": 1}}') == {"pieces": None}


def test_what_no_patch_can_express_is_not_shown() -> None:
    assert patch(b'["Ada"]') is None
    assert masked_patch(b"\xff", BEFORE, SCHEMA) is None

"""Is the value of a record shown as it was written?"""

from __future__ import annotations

import pytest

from farandole.operations.events.record_result import json_line


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (b'{"n": 1234.123456789012345678}', b'{"n": 1234.123456789012345678}'),
        (b'{\n  "n": 19.990,\n  "s": "a  b"\n}', b'{"n":19.990,"s":"a  b"}'),
        (b"[1E400,\n123456789012345678901234567890]", b"[1E400,123456789012345678901234567890]"),
        (None, b"null"),
        (b"NaN", b'"NaN"'),
        (b"\xff", b'"\\\\xff"'),
    ],
)
def test_a_value_is_one_line_of_json_with_every_digit(value: bytes | None, line: bytes) -> None:
    assert json_line(value) == line

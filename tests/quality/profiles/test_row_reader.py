"""Are texts read together exactly as they would be read one by one?"""

from __future__ import annotations

import orjson
from hypothesis import example, given
from hypothesis import strategies as st

from farandole.quality.profiles.row_reader import read_rows

PIECES = st.sampled_from(
    [b"1", b"{}", b'{"a":1}', b'"x"', b",", b"[", b"]", b'"', b"{", b"}", b":", b" ", b"null", b"-"]
)
RAWS = st.lists(st.lists(PIECES, max_size=4).map(b"".join), max_size=6)


@given(RAWS)
@example([b'{"a":1},{"b":2}', b'{"c":[{}', b"{}]}"])
@example([b"1,2", b"[3", b"4]"])
@example([b'"', b'"'])
@example([b"", b"1"])
@example([b"[" * 1024 + b"]" * 1024, b"1"])
def test_texts_are_read_as_one_by_one(raws: list[bytes]) -> None:
    alone = []
    for raw in raws:
        try:
            alone.append(orjson.loads(raw))
        except orjson.JSONDecodeError:
            continue
    read = read_rows(raws)
    assert orjson.dumps(read.rows[:1] and str(read.rows)) == orjson.dumps(alone[:1] and str(alone))
    assert len(read.unreadable) == len(raws) - len(alone)

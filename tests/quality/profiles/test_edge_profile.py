"""Is a profile read as it was written, and anything else refused?"""

from __future__ import annotations

import zlib
from base64 import b64encode
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farandole.quality.profiles.edge_profile import EdgeProfile
from tests.quality.profiles.samples import RAWS, VALUES, few_kept, lines, merged, profiled

LINES = profiled([*lines(0, 1_500), b"{}", b"[1, null]", b"{"])


@given(RAWS, st.integers(0, 4))
@settings(max_examples=40, deadline=None)
def test_a_profile_is_read_as_it_was_written(raws: list[bytes], values: int) -> None:
    with few_kept(values):
        profile = profiled(raws)
        written = orjson.dumps(profile.to_json())
        assert EdgeProfile.from_json(orjson.loads(written)) == profile
        assert orjson.dumps(profiled(raws[::-1]).to_json()) == written


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_a_profile_with_anything_else_in_it_is_refused_or_read(data: st.DataObject) -> None:
    """Whatever is read can be shown, merged and written again."""
    wire: Any = LINES.to_json()
    place, within = wire, None
    while isinstance(place, dict | list) and place and (within is None or data.draw(st.booleans())):
        within = place
        keys = sorted(place) if isinstance(place, dict) else range(len(place))
        key = data.draw(st.sampled_from(keys))
        place = place[key]
    assert within is not None
    within[key] = data.draw(VALUES)
    try:
        read = EdgeProfile.from_json(wire)
    except ValueError:
        return
    for column in read.columns.values():
        shown = column.distinct(), column.mean, column.top(3), column.quantile(0.5)
        assert shown
        assert column.histogram(5) or column.length_histogram(5) or True
    assert EdgeProfile.from_json(orjson.loads(merged([read, LINES]).to_delta(10**7)))


@pytest.mark.parametrize(
    "wire", [None, [], 1, "x", {}, {"rows": 1}, {"rows": -1, "columns": {}}, {"rows": True}]
)
def test_what_is_no_profile_is_refused(wire: object) -> None:
    with pytest.raises(ValueError, match=r"profile|count"):
        EdgeProfile.from_json(wire)


def test_a_text_that_unpacks_to_gigabytes_is_refused() -> None:
    bomb = b64encode(zlib.compress(bytes(10**7), 1)).decode()
    wire = {"rows": 1, "columns": {"a": {"missing": 1, "values": {"texts": bomb}}}}
    with pytest.raises(ValueError, match="too many"):
        EdgeProfile.from_json(wire)


def test_an_empty_profile_has_no_rows() -> None:
    assert EdgeProfile().to_json() == {"rows": 0, "columns": {}}
    assert EdgeProfile.from_json({"rows": 0, "columns": {}}) == EdgeProfile() == profiled([])

"""Does a profile know how many of its rows come again, in whatever order they are gathered?"""

from __future__ import annotations

import orjson
import pytest

from farandole.quality.profiles.edge_profile import EdgeProfile
from tests.quality.profiles.samples import decoded, lines, merged, profiled

LINES = lines(0, 2_000)
NEAR = 0.02


def test_rows_that_are_all_different_are_not_repeated() -> None:
    assert profiled(LINES).repeated == pytest.approx(0, abs=NEAR)


def test_a_chunk_that_is_there_twice_is_repeated_wherever_it_came() -> None:
    whole = profiled([*LINES, *LINES[500:1_000]])
    assert whole.repeated == pytest.approx(0.2, abs=NEAR)
    parts = [profiled(each) for each in (LINES[500:1_000], LINES[:700], LINES[700:])]
    assert merged(parts) == merged(parts[::-1]) == whole
    assert decoded(whole.to_delta(10**6)).repeated == whole.repeated


def test_of_rows_that_an_earlier_release_profiled_it_is_not_known() -> None:
    earlier = profiled(LINES).to_json()
    del earlier["registers"]
    read = EdgeProfile.from_json(orjson.loads(orjson.dumps(earlier)))
    assert read.repeated is None
    assert merged([profiled(LINES), read]).repeated is None
    assert merged([read, EdgeProfile(), profiled([b"{"])]) == merged([profiled([b"{"]), read])


def test_what_is_no_json_is_no_row() -> None:
    assert profiled([b"{", b"{", *LINES]).registers == profiled(LINES).registers

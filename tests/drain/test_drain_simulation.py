"""Is *drained* never said too early, and always soon after, whatever is killed and rewired?

The real lanes, retries, books and judgement run over the simulation of Kafka; what is in flight is
counted anew from the topics alone, when *drained* is said and as long as it must stay true."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from farandole.events.drain_document import ACKNOWLEDGEMENT_KEY
from farandole.events.run_row import RunEdge
from farandole.lanes.lane_protocol import _LaneSession
from farandole.operations.drain import drain_state
from farandole.worker import drained_inputs
from farandole.worker.lane_state import LaneState
from tests.drain.world import World
from tests.seeds import seeds

Patch = Callable[[pytest.MonkeyPatch], None]


def lived(seed: int, without: str = "") -> World:
    world = World(random.Random(seed), without=without)
    world.live(4)
    if not world.faults:
        world.calm()
    return world


@seeds(120, kept=12)
def test_drained_is_said_in_time_and_never_too_early(seeds: range) -> None:
    said = 0
    for seed in seeds:
        world = lived(seed)
        assert world.faults == [], (seed, world.history[-30:])
        said += world.said
    assert said >= len(seeds)


def _never_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain_state, "missing_lanes", lambda *_: [])


def _no_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    real, looks = drain_state._still_taking, [0]

    async def once(reader: object, *args: object) -> object:
        looks.append(id(reader))
        return [] if looks[-1] == looks[-2] else await real(reader, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(drain_state, "_still_taking", once)


def _parked_are_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    def unparked(edge: RunEdge) -> int:
        return edge["emitted"] - edge["consumed"]

    monkeypatch.setattr(drain_state, "in_flight", unparked)
    monkeypatch.setattr("tests.drain.world.in_flight", unparked)


def _kept_what_was_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_LaneSession, "_put_back_beyond_bounds", lambda _, records: records)


def _never_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    real = LaneState.put

    def put(state: LaneState, key: bytes, value: bytes | None) -> None:
        if key != ACKNOWLEDGEMENT_KEY or value is not None:
            real(state, key, value)

    monkeypatch.setattr(LaneState, "put", put)


def _begun_runs_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drained_inputs, "begun_before", lambda _, position, *__: position)


def _what_stands_behind_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drained_inputs, "is_mixed", lambda *_: False)


@pytest.mark.soak
@pytest.mark.parametrize(
    ("without", "broken"),
    [
        pytest.param("", _never_missing, id="acknowledgements"),
        pytest.param("", _no_second_look, id="the second look at them"),
        pytest.param("", _never_taken_back, id="taking them back"),
        pytest.param("", _kept_what_was_fetched, id="putting back what was fetched"),
        pytest.param("", _begun_runs_wait, id="going on with begun runs"),
        pytest.param("", _what_stands_behind_waits, id="going on before what stands behind"),
        pytest.param("parked events", _parked_are_settled, id="parked events"),
        pytest.param("catching up at birth", None, id="catching up at birth"),
        pytest.param("entries of open transactions", None, id="entries of open transactions"),
        pytest.param("ledger lag", None, id="ledger lag"),
        pytest.param("rows last", None, id="rows last"),
        pytest.param("unread events", None, id="unread events"),
    ],
)
def test_what_is_left_out_is_missed(
    without: str, broken: Patch | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if broken is not None:
        broken(monkeypatch)
    assert any(lived(seed, without).faults for seed in range(400))

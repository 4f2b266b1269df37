"""Do the ledger's alerts keep their texts, which users and programs may search for?"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from farandole.events.alert_record import Alert, AlertKind
from farandole.ledger.alert_text import (
    firing_text,
    late_run_resolved_text,
    late_run_text,
    resolved_text,
    unwatched_text,
)
from farandole.ledger.stage_alerts import LagSample, alert_conditions
from tests.ledger.made import AT, consumed, emitted, entry, part, read, root

RUN = "a" * 13
OPENING = entry(
    "a", part(RUN, {"asked": consumed(RUN)}, {"made": emitted("x", to=["b"])}, root("a", within=2))
)


@pytest.mark.parametrize(
    ("sample", "firing", "resolved"),
    [
        (
            LagSample("p", "s", 1, 1, True, 30),
            "`s` is behind: it has not settled what is older than 30 s; 1 offset unread",
            "`s` has caught up: nothing unread is older than 30 s",
        ),
        (
            LagSample("p", None, 1, 1234, True, 60),
            "the ledger lags: entries older than 60 s are unread (1\u202f234 offsets);"
            " what is said of runs is of before, and late runs are not told meanwhile",
            "the ledger has caught up",
        ),
    ],
)
def test_a_lagging_stage_and_a_lagging_ledger(
    sample: LagSample, firing: str, resolved: str
) -> None:
    condition = [*alert_conditions([sample])][-1]
    assert (firing_text(condition), resolved_text(condition)) == (firing, resolved)


@pytest.mark.parametrize(("members", "text"), [(1, "`s` is worked again"), (0, "`s` has read all")])
def test_an_unworked_stage_is_resolved_by_a_worker_or_without_one(members: int, text: str) -> None:
    (condition,) = alert_conditions([LagSample("p", "s", members, 0)])
    assert resolved_text(condition) == text


def test_an_alert_that_is_no_longer_watched_repeats_its_text() -> None:
    def unwatched(kind: AlertKind) -> str:
        return unwatched_text(
            Alert(
                kind=kind,
                key="k",
                pipeline="p",
                text="it is",
                since=datetime(2026, 11, 24, tzinfo=UTC),
                state="firing",
            )
        )

    assert unwatched("ledger.lags") == "watched no more: it is"
    assert unwatched("control.unfit") == "no longer so: it is"


def test_a_late_run_names_its_edges_in_flight() -> None:
    row, _ = read(OPENING)
    assert late_run_text(row) == f"run {RUN} is not complete within 2 s; in flight: made>b"
    assert late_run_resolved_text(row) == f"run {RUN} is forgotten, and was never complete"


def test_a_late_run_that_completes_has_its_status_and_duration() -> None:
    closing = entry("b", part(RUN, {"made": consumed("x")}), at=AT + 61_500)
    assert (
        late_run_resolved_text(read(OPENING, closing)[0]) == f"run {RUN} is completed, after 62 s"
    )

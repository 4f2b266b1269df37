"""Which rate is in force: that of the file, or that of a control document?"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.control_documents import parse_control, parse_control_or_none
from farandole.events.controls_in_force import TimedDocument
from farandole.events.rate import Rate, parse_rate_rule
from farandole.events.throttle_document import RateTarget, ThrottleDocument
from farandole.events.throttle_spec import ThrottleSpec
from farandole.events.throttles_in_force import (
    UNLIMITED,
    RateInForce,
    rate_in_force,
)
from farandole.events.topology_version import EventSpec, StageSpec, Version

T = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
STAGE, ROOTS, CRM = RateTarget("s"), RateTarget(), RateTarget(limit="crm")


def version(
    number: int = 1,
    throttle: ThrottleSpec | None = None,
    *,
    stage: str = "s",
    roots: str | None = None,
    limits: dict[str, str] | None = None,
) -> Version:
    return Version(
        pipeline="p",
        version=number,
        installation=UUID(int=1),
        published=T - HOUR * (10 - number),
        published_by="me",
        events={"a": EventSpec(topic="p.a", partitions=1)},
        stages={stage: StageSpec(run="m:f", subscribes=("a",), throttle=throttle)},
        throttle=roots,
        limits=limits or {},
    )


FILE = version(1, ThrottleSpec(rate="1000/s", per_key="10/s"), roots="5/s", limits={"crm": "50/s"})


def timed(*written: dict[str, object]) -> list[TimedDocument]:
    return [
        TimedDocument(
            ThrottleDocument.model_validate({"pipeline": "p", **fields}),
            T + n * timedelta(seconds=1),
            n,
        )
        for n, fields in enumerate(written)
    ]


def in_force(
    target: RateTarget, *written: dict[str, object], file: Version = FILE, at: datetime = T
) -> tuple[str | None, str | None]:
    found = rate_in_force(timed(*written), "p", target, {file.version: file}, at)
    return (
        None if found.rule is None else str(found.rule),
        None if found.per_key is None else str(found.per_key),
    )


def test_without_a_document_the_file_says_the_rates() -> None:
    assert in_force(STAGE) == ("1000/s", "10/s")
    assert in_force(ROOTS) == ("5/s", None)
    assert in_force(CRM) == ("50/s", None)
    assert in_force(RateTarget("gone")) == in_force(RateTarget(limit="gone")) == (None, None)
    assert rate_in_force([], "p", STAGE, {}, T) == UNLIMITED


@pytest.mark.parametrize(
    ("written", "rates"),
    [
        ({"rate": "7/s"}, ("7/s", "10/s")),
        ({"per_key": "2/m"}, ("1000/s", "2/m")),
        ({"rate": 0, "per_key": "off"}, ("0", None)),
        ({"rate": "off"}, (None, "10/s")),
        ({"rate": "file"}, ("1000/s", "10/s")),
        ({"rate": "off", "per_key": "file"}, (None, "10/s")),
        ({"rate": "7/s", "until": T}, ("1000/s", "10/s")),
        ({"rate": "7/s", "until": T + HOUR}, ("7/s", "10/s")),
    ],
)
def test_a_document_wins_over_the_file_where_it_says_something(
    written: dict[str, object], rates: tuple[str | None, str | None]
) -> None:
    assert in_force(STAGE, {"stage": "s", **written}) == rates
    others: list[dict[str, object]] = [
        {"rate": "1/h"},
        {"limit": "crm", "rate": "1/h"},
        {"stage": "other", "rate": "1/h"},
        {"pipeline": "q", "stage": "s", "rate": "1/h"},
    ]
    assert in_force(STAGE, {"stage": "s", **written}, *others) == rates


def test_the_newest_document_of_a_target_decides_also_when_it_has_expired() -> None:
    assert in_force(ROOTS, {"rate": "1/s"}, {"rate": "2/s"}) == ("2/s", None)
    assert in_force(ROOTS, {"rate": "1/s"}, {"rate": "2/s", "until": T}) == ("5/s", None)
    assert in_force(CRM, {"limit": "crm", "rate": "0"}, {"limit": "geo", "rate": "2/s"}) == (
        "0",
        None,
    )


def test_a_document_says_who_wrote_it_and_when() -> None:
    (document,) = timed({"stage": "s", "rate": "7/s", "until": T + HOUR, "by": "ada"})
    found = rate_in_force([document], "p", STAGE, {1: FILE}, T)
    rule = parse_rate_rule("7/s")
    assert found == RateInForce(rule, Rate(10), T.timestamp(), 0, T, T + HOUR, "ada")


def test_a_ramp_of_the_file_begins_with_the_first_version_that_has_it() -> None:
    ramp = ThrottleSpec(rate="from 1/s to 9/s over 1h")
    versions = {
        1: version(1, ramp),
        2: version(2),
        3: version(3, ramp),
        4: version(4, ramp),
        5: version(5, stage="other"),
    }
    found = rate_in_force([], "p", STAGE, versions, T)
    assert found.rule == parse_rate_rule("from 1/s to 9/s over 1h")
    assert found.begun == versions[3].published.timestamp()
    # A document that says nothing of the rate begins no ramp, one that does begins it.
    (document,) = timed({"stage": "s", "per_key": "1/s"})
    assert rate_in_force([document], "p", STAGE, versions, T).begun == found.begun
    (document,) = timed({"stage": "s", "rate": "from 0 to 9/s over 1h"})
    assert rate_in_force([document], "p", STAGE, versions, T).begun == T.timestamp()


def test_a_document_that_a_person_types_is_read() -> None:
    typed = b'{"do": "throttle", "pipeline": "p", "stage": "s", "rate": " 100 events/s ",'
    typed += b' "comment": "the CRM is slow", "format": 1}'
    found = parse_control(typed)
    assert isinstance(found, ThrottleDocument)
    assert (found.rate, found.key) == ("100/s", b"throttle/p/s")
    keys = [d.control.key for d in timed({"rate": 0}, {"limit": "crm", "rate": 0})]
    assert keys == [b"throttle/p/", b"limit/p/crm"]


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"pipeline": ""},
        {"pipeline": None},
        {"pipeline": 5},
        {"rate": None},
        {"rate": "100"},
        {"rate": 100},
        {"rate": -1},
        {"rate": True},
        {"rate": [1]},
        {"rate": {"rate": "1/s"}},
        {"rate": "OFF"},
        {"rate": "1/s between 22:00 and 06:00"},
        {"rate": "1/s between 22:00 and 06:00 Atlantis/Capital"},
        {"rate": "9" * 300 + "/s"},
        {"stage": "s", "per_key": 0},
        {"stage": "s", "per_key": "from 1/s to 2/s over 1m"},
        {"per_key": "1/s"},
        {"limit": "crm", "per_key": "1/s"},
        {"limit": "crm", "rate": "1 lines/s"},
        {"limit": "crm", "stage": "s", "rate": "1/s"},
        {"rate": "1/s", "untl": "2026-11-24T13:00:00Z"},
        {"rate": "1/s", "until": "2026-11-24T13:00:00"},
        {"rate": "1/s", "until": "soon"},
        {"rate": "1/s", "format": 99},
        {"rate": "1/s", "stage": None},
    ],
)
def test_a_hostile_document_is_none(wrong: dict[str, object]) -> None:
    written = {"do": "throttle", "pipeline": "p", "rate": "1/s"}
    if "rate" not in wrong and "pipeline" not in wrong:
        del written["rate"]
    assert parse_control_or_none(json.dumps({**written, **wrong}).encode()) is None


@given(
    st.dictionaries(
        st.sampled_from(["stage", "limit", "rate", "per_key", "until", "by", "x"]),
        st.sampled_from(["s", "crm", "1/s", "0", "off", "file", 0, -1, None, True, "", [], {}])
        | st.text(max_size=10),
    )
)
def test_whatever_is_written_the_rates_can_be_told(fields: dict[str, object]) -> None:
    written = {"do": "throttle", "pipeline": "p", **fields}
    document = parse_control_or_none(json.dumps(written).encode())
    known = [] if document is None else [TimedDocument(document, T, 0)]
    for target in (STAGE, ROOTS, CRM):
        found = rate_in_force(known, "p", target, {1: FILE}, T)
        assert found.generation in (None, 0)
        if not known:
            assert found == rate_in_force([], "p", target, {1: FILE}, T)

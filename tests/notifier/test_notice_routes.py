"""Who is told of an incident, when, and is the reason stated?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from farandole.events.incident_record import Incident
from farandole.events.incident_severity import INCIDENT_KINDS, IncidentSeverity, incident_severity
from farandole.events.topology_version import AlertPolicy, AlertRoute
from farandole.notifier.alert_routing import matching_route, route_misfit
from farandole.notifier.incident_lifecycle import with_severity
from farandole.notifier.notice_time import held_until
from farandole.operations.incidents.explain_incident import explain
from tests.notifier.letters import START, Died
from tests.notifier.made import incident
from tests.notifier.test_incident_store import Book

BERLIN_NIGHT = "22:00-06:00 Europe/Berlin"
OPS = ("ops@example.com",)

some_kinds = st.lists(st.sampled_from(INCIDENT_KINDS), max_size=3, unique=True).map(tuple)
some_severities = st.lists(
    st.sampled_from(["page", "notify", "digest"]), max_size=2, unique=True
).map(tuple)
routes = st.builds(
    lambda stages, kinds, severity, quiet: AlertRoute(
        stages=stages, kinds=kinds, severity=severity, quiet=quiet, email=OPS, channels=("email",)
    ),
    st.sampled_from([(), ("validate",), ("load",)]),
    some_kinds,
    some_severities,
    st.sampled_from([None, BERLIN_NIGHT, "00:00-23:59 UTC", "02:30-04:00 America/New_York"]),
)
policies = st.builds(
    lambda found, severity: AlertPolicy(routes=tuple(found), severity=severity),
    st.lists(routes, max_size=4),
    st.dictionaries(
        st.sampled_from(INCIDENT_KINDS), st.sampled_from(["page", "notify", "digest"]), max_size=4
    ),
)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)


def of_kind(kind: str, policy: AlertPolicy, at: datetime = START) -> Incident:
    alert = {} if kind == "dead" else {"error": kind, "firing": 1}
    opened = incident(opened=at, last=at, due=at + timedelta(seconds=5), count=1, **alert)
    return with_severity(opened, policy)


@given(policies, st.sampled_from(INCIDENT_KINDS), moments)
def test_somebody_is_told_or_the_reason_is_stated(
    policy: AlertPolicy, kind: str, at: datetime
) -> None:
    which = of_kind(kind, policy, at)
    found = explain(which, [], policy, at)
    route = matching_route(policy, which)
    assert [tried.takes for tried in found.routes].count(True) == (route is not None)
    assert all(tried.why for tried in found.routes)
    if route is None:
        assert len(found.routes) == len(policy.routes)
        assert found.next.startswith("nobody, since no route takes it")
    else:
        assert "ops@example.com" in found.next
        assert found.routes[-1].number == policy.routes.index(route) + 1


@given(policies, st.sampled_from(INCIDENT_KINDS), moments)
@example(
    AlertPolicy(routes=(AlertRoute(quiet=BERLIN_NIGHT),)), "dead",
    datetime(2026, 3, 28, 23, 0, tzinfo=UTC),
)  # fmt: skip
def test_a_page_is_never_held_and_anything_else_no_longer_than_its_hour(
    policy: AlertPolicy, kind: str, at: datetime
) -> None:
    which = of_kind(kind, policy, at)
    until = held_until(which, policy, at)
    if which.severity == "page":
        assert until is None
    for _ in range(3):  # a digest may be due within quiet hours
        if until is None:
            return
        assert at < until <= at + timedelta(hours=50)
        at, until = until, held_until(which, policy, until)
    assert until is None


def quiet() -> AlertPolicy:
    route = AlertRoute(email=OPS, channels=("email",), quiet=BERLIN_NIGHT)
    return AlertPolicy(routes=(route,))


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-03-28T22:00Z", "2026-03-29T04:00Z"),  # that night the clock goes forward
        ("2026-10-24T21:00Z", "2026-10-25T05:00Z"),  # and back
        ("2026-07-01T21:00Z", "2026-07-02T04:00Z"),
        ("2026-07-01T12:00Z", None),
    ],
)
def test_quiet_hours_end_by_the_clock_of_their_zone(at: str, until: str | None) -> None:
    now = datetime.fromisoformat(at)
    ends = None if until is None else datetime.fromisoformat(until)
    assert held_until(of_kind("dead", quiet(), now), quiet(), now) == ends


@pytest.mark.parametrize("severity", ["notify", "page"])
def test_quiet_hours_delay_what_is_no_page(severity: IncidentSeverity) -> None:
    """The letters begin at 12:00 UTC."""
    route = AlertRoute(email=OPS, channels=("email",), quiet="11:00-13:00 UTC")
    book = Book(AlertPolicy(routes=(route,), severity={"dead": severity}))
    book.died(Died(0), Died(1))
    book.passed(3599)
    assert book.notice_log() == ([("opened", "2")] if severity == "page" else [])
    book.passed(3600)
    # Meanwhile it is over, and that is told.
    assert book.notice_log()[-1] == ("resolved", "2")


gaps = st.lists(st.sampled_from([1.0, 600.0, 4000.0, 30_000.0]), min_size=1, max_size=12)


@given(gaps, st.sampled_from(["page", "notify", "digest"]), st.data())
def test_each_failure_is_told_once_whatever_delays_it(
    waits: list[float], severity: IncidentSeverity, data: st.DataObject
) -> None:
    route = AlertRoute(email=OPS, channels=("email",), quiet=BERLIN_NIGHT)
    book = Book(AlertPolicy(routes=(route,), severity={"dead": severity}, quiet=900))
    at = 0.0
    for wait in waits:
        at += wait
        book.passed(at)
        book.died(Died(at))
        if data.draw(st.booleans()):
            book.restart()
    for hours in range(1, 60):
        book.passed(at + hours * 3600.0)
    book.commit()
    told: dict[str, list[tuple[str, int]]] = {}
    for notice in {notice.id: notice for notice in book.sent}.values():
        told.setdefault(notice.incident, []).append((notice.kind, int(notice.subject)))
    for notices in told.values():
        assert notices[-1][0] == "resolved"
        assert [kind for kind, _ in notices].count("opened") <= 1
        assert len(notices) == len(set(notices))
    assert sum(notices[-1][1] for notices in told.values()) == len(waits)


@given(routes, st.sampled_from(INCIDENT_KINDS))
def test_a_route_that_does_not_take_an_incident_says_why(route: AlertRoute, kind: str) -> None:
    which = of_kind(kind, AlertPolicy())
    fits = (
        (not route.stages or "validate" in route.stages)
        and (not route.kinds or kind in route.kinds)
        and (not route.severity or incident_severity(kind) in route.severity)
    )
    assert (route_misfit(route, which) is None) == fits

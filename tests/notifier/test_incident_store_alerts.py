"""Does an alert have one notice when it fires, and one when it is resolved?"""

from __future__ import annotations

import re
from datetime import timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.alert_record import Alert, AlertKind
from farandole.events.control_documents import MuteDocument
from farandole.events.incident_record import Incident
from farandole.events.topology_version import AlertPolicy, AlertRoute
from farandole.lanes.simulated_kafka import SimulatedRecord
from farandole.notifier.alert_view import MAX_ALERT_LANES, AlertView
from farandole.notifier.incident_lifecycle import NoticeIntent
from farandole.notifier.incident_text import incident_headline
from farandole.notifier.notice_composer import compose_notice
from farandole.notifier.suggested_commands import suggested_commands
from tests.notifier.letters import START, Died, milliseconds
from tests.notifier.test_incident_store import ALERTS, LATER, Book
from tests.notifier.test_mail_message import body, read

HOURS = 3600.0
TO_ALL = AlertRoute(email=("all@example.com",), channels=("email",))
OF_LOAD = AlertRoute(stages=("load",), email=("dba@example.com",), channels=("email",))
OF_ERRORS = AlertRoute(errors=("Reject",), email=("dev@example.com",), channels=("email",))


def alert(
    state: str, *, kind: AlertKind = "run.late", run: str | None = "r1", stage: str | None = None
) -> Alert:
    return Alert.model_validate(
        {
            "kind": kind,
            "key": f"p/{run or stage}",
            "pipeline": "p",
            "run": run,
            "stage": stage,
            "text": "it is late" if state == "firing" else "it is complete",
            "since": START,
            "state": state,
        }
    )


class Ringing(Book):
    def rang(self, after: float, each: Alert) -> None:
        offset = self.offsets["alerts"] = self.offsets.get("alerts", -1) + 1
        self.heard(offset, after, each.model_dump_json().encode())

    def heard(self, offset: int, after: float, value: bytes) -> None:
        record = SimulatedRecord(
            "farandole.alerts", 0, offset, value, timestamp=milliseconds(after)
        )
        alarm = AlertView.from_record(record, LATER)
        if alarm is not None:
            self.book.add_alert(alarm)

    def sent_kinds(self, after: float | None = None) -> list[str]:
        if after is not None:
            self.passed(after)
        self.commit()
        return [notice.kind for notice in self.sent]


def test_a_firing_alert_has_one_notice_for_any_duration() -> None:
    book = Ringing()
    book.rang(0, alert("firing"))
    assert book.sent_kinds(4.9) == []
    assert book.sent_kinds(5) == ["opened"]
    assert book.sent_kinds(1000 * HOURS) == ["opened"]


def test_the_notice_of_its_resolution_is_written_at_once() -> None:
    book = Ringing()
    book.rang(0, alert("firing"))
    book.sent_kinds(5)
    book.rang(60, alert("resolved"))
    assert book.sent_kinds() == ["opened", "resolved"]
    (over,) = book.book.incidents.values()
    assert over.resolved == START + timedelta(seconds=60)
    assert book.sent_kinds(1000 * HOURS) == ["opened", "resolved"]


def test_an_alert_that_is_resolved_before_its_notice_has_none() -> None:
    book = Ringing()
    book.rang(0, alert("firing"))
    book.rang(4, alert("resolved"))
    assert book.sent_kinds(1000 * HOURS) == []


def test_an_alert_that_fires_again_opens_another_incident() -> None:
    book = Ringing()
    for after in (0, 100):
        book.rang(after, alert("firing"))
        book.sent_kinds(after + 5)
        book.rang(after + 50, alert("resolved"))
    assert book.sent_kinds() == ["opened", "resolved"] * 2
    assert len({notice.incident for notice in book.sent}) == 2


def test_alerts_that_are_read_twice_have_one_notice() -> None:
    book = Ringing()
    for _ in range(2):  # the group's offsets were lost
        book.offsets.clear()
        book.rang(0, alert("firing"))
        book.sent_kinds(5)
        book.rang(60, alert("resolved"))
        book.sent_kinds(70)
    assert book.sent_kinds() == ["opened", "resolved"]


def test_a_muted_alert_has_no_notice_and_is_resolved() -> None:
    book = Ringing()
    until = START + timedelta(hours=9)
    book.book.apply_control(MuteDocument(pipeline="p", stage="load", until=until, by="ann"), START)
    book.rang(0, alert("firing", kind="stage.unworked", run=None, stage="load"))
    book.sent_kinds(5)
    book.rang(60, alert("resolved", kind="stage.unworked", run=None, stage="load"))
    assert book.sent_kinds(1000 * HOURS) == []


def test_many_late_runs_open_few_incidents_which_are_all_resolved() -> None:
    book = Ringing(AlertPolicy(routes=ALERTS.routes, fingerprints=3))
    runs = [f"r{n}" for n in range(50)]
    for run in runs:
        book.rang(0, alert("firing", run=run))
    assert book.sent_kinds(5) == ["opened"] * 4
    for run in runs[:-1]:
        book.rang(600, alert("resolved", run=run))
    assert book.sent_kinds().count("resolved") == 3
    book.rang(601, alert("resolved", run=runs[-1]))
    assert book.sent_kinds().count("resolved") == 4
    assert all(incident.resolved for incident in book.book.incidents.values())


def test_an_alert_of_a_stage_does_not_count_against_its_failures() -> None:
    book = Ringing(AlertPolicy(routes=ALERTS.routes, fingerprints=1))
    book.rang(0, alert("firing", kind="stage.age", run=None, stage="validate"))
    book.died(Died(0))
    assert len(book.book.incidents) == 2
    assert not any(key.endswith(b"/others") for key in book.book.incidents)


@given(
    st.lists(
        st.tuples(st.sampled_from(["firing", "resolved"]), st.floats(0, 100), st.booleans()),
        max_size=12,
    )
)
def test_notices_of_an_alert_alternate_between_opened_and_resolved(
    story: list[tuple[str, float, bool]],
) -> None:
    book, now = Ringing(), 0.0
    for state, gap, pause in story:
        now += gap
        if pause:
            book.sent_kinds(now)
        book.rang(now, alert(state))
    kinds = book.sent_kinds(now + 10)
    assert kinds == (["opened", "resolved"] * len(kinds))[: len(kinds)]
    fires = bool(story) and story[-1][0] == "firing"
    assert len(kinds) % 2 == int(fires)


# -- the lanes of a stage


def held(lane: int, state: str = "firing", **more: object) -> Alert:
    values = {
        "kind": "stage.held", "key": f"p/stage/load/held/{lane}", "pipeline": "p", "stage": "load",
        "lane": lane, "text": "it holds" if state == "firing" else "it goes on", "since": START,
        "state": state,
    }  # fmt: skip
    return Alert.model_validate(values | more)


def test_alerts_of_all_lanes_of_a_stage_have_one_notice_and_one_resolution() -> None:
    book = Ringing()
    for lane in range(64):
        book.rang(lane / 100, held(lane))
    assert book.sent_kinds(6) == ["opened"]
    (found,) = book.book.incidents.values()
    assert incident_headline(found, "opened", START).startswith("it holds (lanes 0-63, since ")
    for lane in range(63):
        book.rang(60, held(lane, "resolved"))
        assert book.sent_kinds(61 + lane) == ["opened"]
    (found,) = book.book.incidents.values()
    assert incident_headline(found, "opened", START).startswith("it holds (lane 63, since ")
    book.rang(200, held(63, "resolved"))
    assert book.sent_kinds(201) == ["opened", "resolved"]
    (found,) = book.book.incidents.values()
    assert incident_headline(found, "resolved", START).startswith("Over: it goes on ")


def test_other_stages_and_other_alerts_have_separate_incidents() -> None:
    book = Ringing()
    book.rang(0, held(0))
    book.rang(0, held(0, stage="enrich", key="p/stage/enrich/held/0"))
    book.rang(0, alert("firing", kind="stage.age", run=None, stage="load"))
    assert len(book.book.incidents) == 3


@pytest.mark.parametrize("lane", [-1, MAX_ALERT_LANES, 10**30, None])
def test_an_impossible_lane_has_a_separate_incident(lane: int | None) -> None:
    book = Ringing()
    book.rang(0, held(0))
    book.rang(0, held(0, key="p/stage/load/held/x").model_copy(update={"lane": lane}))
    assert [i.lanes for i in book.book.incidents.values()] == [(0,), ()]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sampled_from(["firing", "resolved"]),
            st.sampled_from([0.0, 1.0, 4.0, 5.0, 60.0]),
            st.sampled_from(["", "passed", "restarted"]),
        ),
        max_size=40,
    )
)
def test_one_incident_is_open_as_long_as_the_alert_of_any_lane_fires(
    story: list[tuple[int, str, float, str]],
) -> None:
    """Also if a lane reports the same state twice, and after restarts at any moment."""
    book, now = Ringing(), 0.0
    holding: set[int] = set()
    for lane, state, gap, between in story:
        now += gap
        if between == "passed":
            book.passed(now)
        elif between == "restarted":
            book.restart()
        book.rang(now, held(lane, state))
        (holding.add if state == "firing" else holding.discard)(lane)
        lanes = [i.lanes for i in book.book.incidents.values() if i.resolved is None]
        assert lanes == ([tuple(sorted(holding))] if holding else [])
    book.passed(now + 10)
    book.commit()
    kinds = [notice.kind for notice in {n.id: n for n in book.sent}.values()]
    assert kinds == (["opened", "resolved"] * len(kinds))[: len(kinds)]
    assert len(kinds) % 2 == bool(holding)


def test_a_record_that_is_not_an_alert_is_skipped() -> None:
    book = Ringing()
    for value in (b"", b"?", b"{}", b'{"kind": "run.late"}'):
        book.heard(0, 0, value)
    assert book.book.incidents == {}


# -- recipients and texts


def incident(**how: object) -> Incident:
    book = Ringing()
    book.rang(0, alert("firing", **how))  # type: ignore[arg-type]
    (found,) = book.book.incidents.values()
    return found


UNWORKED = {"kind": "stage.unworked", "run": None}


@pytest.mark.parametrize(
    ("routes", "how", "recipient"),
    [
        ((OF_LOAD, TO_ALL), {"stage": "load", **UNWORKED}, "dba@example.com"),
        ((OF_LOAD, TO_ALL), {"stage": "plan", **UNWORKED}, "all@example.com"),
        ((OF_LOAD, TO_ALL), {}, "all@example.com"),
        ((OF_ERRORS, TO_ALL), {}, "all@example.com"),
        ((OF_LOAD,), {}, None),
    ],
)
def test_an_alert_takes_the_route_of_its_stage(
    routes: tuple[AlertRoute, ...], how: dict[str, object], recipient: str | None
) -> None:
    intent = NoticeIntent(incident(**how), "opened", START)
    notice = compose_notice(
        intent, AlertPolicy(routes=routes), sender="f@example.com", bootstrap=""
    )
    assert (notice.recipients if notice else None) == ((recipient,) if recipient else None)


def test_the_mail_of_an_alert_has_its_text_time_and_commands() -> None:
    found = incident()
    notice = compose_notice(
        NoticeIntent(found, "opened", START),
        ALERTS,
        sender="f@example.com",
        bootstrap="",
        options=" -C x",
    )
    assert notice is not None
    assert notice.subject == "[p] it is late"
    assert "it is late (since 12:00 UTC)." in notice.mail
    assert "farandole -C x run r1" in notice.mail
    assert "farandole -C x status" in notice.mail
    assert "died" not in notice.mail
    assert "died" not in notice.payload


FACTS = (("by how much", "40 usual deviations above"), ("samples", "line/0/17\x1b[31m"))


def test_the_mail_of_unusual_data_says_what_is_known_and_what_was_opened_meanwhile() -> None:
    book = Ringing()
    book.book.compose = lambda intent, others: compose_notice(
        intent, ALERTS, others, sender="f@example.com", bootstrap=""
    )
    long_ago = alert("firing", stage="old", run=None, kind="stage.age")
    book.rang(-7_200, long_ago.model_copy(update={"since": START - timedelta(hours=2)}))
    book.rang(-60, alert("firing", stage="load", **UNWORKED))  # type: ignore[arg-type]
    book.sent_kinds(-50)
    unusual = alert("firing", kind="data.unusual")
    usual_until = START - timedelta(hours=1)
    book.rang(0, unusual.model_copy(update={"facts": FACTS, "usual_until": usual_until}))
    book.sent_kinds(5)
    mail = read(book.sent[-1].mail)
    text = body(mail)
    assert "by how much  40 usual deviations above\nsamples      line/0/17\\x1b[31m\n" in text
    meanwhile = text.partition("OPENED SINCE IT WAS LAST AS USUAL")[2].partition("WHAT TO DO")[0]
    assert "[p] load: it is late" in meanwhile
    assert "old" not in meanwhile
    assert "farandole quality expect" in text
    facts = orjson.loads(book.sent[-1].payload)["alerts"][0]["annotations"]["facts"]
    assert facts.startswith("by how much: 40 usual deviations above\nsamples: ")


def test_the_command_for_an_unworked_stage_starts_a_worker() -> None:
    found = incident(stage="load", **UNWORKED)
    assert "farandole work load" in [text for _, text in suggested_commands(found, "")]


def test_the_mail_of_a_resolved_alert_has_the_text_of_its_resolution() -> None:
    book = Ringing()
    book.rang(0, alert("firing"))
    book.sent_kinds(5)
    book.rang(600, alert("resolved"))
    (found,) = book.book.incidents.values()
    notice = compose_notice(
        NoticeIntent(found, "resolved", LATER), ALERTS, sender="f@example.com", bootstrap=""
    )
    assert notice is not None
    assert "Over: it is complete" in notice.mail
    assert notice.subject == "Re: [p] it is late"


def test_the_mail_of_an_alert_names_its_schedule() -> None:
    book = Ringing()
    overdue = alert("firing", kind="schedule.overdue", run="nightly")
    book.rang(0, overdue.model_copy(update={"run": None, "schedule": "nightly"}))
    (found,) = book.book.incidents.values()
    notice = compose_notice(
        NoticeIntent(found, "opened", START), ALERTS, sender="f@example.com", bootstrap=""
    )
    assert notice is not None
    assert re.search(r"(?m)^schedule +nightly\r$", notice.mail)
    assert "farandole schedules show nightly --history" in notice.mail

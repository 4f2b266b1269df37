"""When are notices written, and is every dead letter counted once?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.control_documents import (
    AcknowledgeDocument,
    CancelDocument,
    ControlDocument,
    MuteDocument,
    PauseDocument,
    ResumeDocument,
)
from farandole.events.incident_record import MAX_MOMENTS, Incident, Notice
from farandole.events.topology_version import AlertPolicy, AlertRoute
from farandole.notifier.dead_letter_view import DeadLetterView
from farandole.notifier.delivery_outcome import AttemptResult
from farandole.notifier.incident_lifecycle import OTHERS_FINGERPRINT, NoticeIntent
from farandole.notifier.incident_store import MAX_RESOLVED, IncidentStore
from farandole.notifier.notice_outbox import DELIVERY_BACKOFF, HOUR, MAX_WAITING_NOTICES
from tests.notifier.letters import START, Died, nothing_personal, record

LATER = START + timedelta(days=365)
ALERTS = AlertPolicy(routes=(AlertRoute(email=("ops@example.com",), channels=("email",)),))


def compose(intent: NoticeIntent, others: Sequence[Incident] = ()) -> Notice:
    incident = intent.incident
    return Notice(
        id=f"{incident.id}.{incident.notices}@x",
        incident=incident.id,
        pipeline=incident.pipeline,
        kind=intent.kind,
        subject=f"{incident.count}",
        sender="f@x",
        recipients=("ops@example.com",),
        mail=f"{intent.kind} {incident.count}" + "".join(f" +{o.stage}" for o in others),
        channels=("email",),
        written=intent.at,
    )


class Book:
    """An incident store, its committed rows, and the notices that it has sent."""

    def __init__(self, alerts: AlertPolicy = ALERTS) -> None:
        self.alerts = alerts
        self.rows: dict[bytes, bytes] = {}
        self.outbox: dict[bytes, bytes] = {}
        self.sent: list[Notice] = []
        self.offsets: dict[str, int] = {}
        self.book = self._new()

    def _new(self) -> IncidentStore:
        return IncidentStore(lambda _: self.alerts, compose)

    def died(self, *deaths: Died) -> None:
        for each in deaths:
            topic = f"p.{each.stage}.dead"
            offset = self.offsets[topic] = self.offsets.get(topic, -1) + 1
            letter = record(each, offset)
            self.book.add_dead_letter(
                DeadLetterView.from_record(letter, "p", each.stage, nothing_personal, LATER)
            )

    def passed(self, after: float) -> None:
        now = START + timedelta(seconds=after)
        self.book.advance_time(now)
        self.book.outbox.retry_due(now)

    def commit(self) -> None:
        changes = self.book.take_changes()
        if changes is None:
            return
        for table, changed in ((self.rows, changes.incidents), (self.outbox, changes.notices)):
            for key, row in changed.items():
                if row is None:
                    table.pop(key, None)
                else:
                    table[key] = row.model_dump_json().encode()
        for notice in changes.to_send:
            self.book.outbox.start_attempt(notice)
        self.sent += changes.to_send

    def restart(self) -> None:
        self.commit()
        self.book = self._new()
        self.book.restore(
            [Incident.model_validate_json(row) for row in self.rows.values()],
            [Notice.model_validate_json(row) for row in self.outbox.values()],
            [],
        )

    def delivered(self, at: float = 0) -> None:
        self.commit()
        for notice in self.sent:
            self.book.finish_attempt(notice.key, AttemptResult(None), START + timedelta(seconds=at))

    def notice_log(self) -> list[tuple[str, str]]:
        """Return the kinds and counts of the written notices, in order."""
        self.commit()
        seen = {notice.id: notice for notice in self.sent}
        return [(notice.kind, notice.subject) for notice in seen.values()]


def test_the_first_notice_waits_for_the_gathering_time() -> None:
    book = Book()
    book.died(Died(0), Died(1), Died(2))
    book.passed(4.9)
    assert book.notice_log() == []
    book.passed(5)
    assert book.notice_log() == [("opened", "3")]


def test_notices_of_a_growing_incident_have_growing_intervals() -> None:
    book = Book(ALERTS.model_copy(update={"digests": (60, 600), "quiet": 10_000}))
    book.died(*(Died(n) for n in range(3000)))
    assert book.notice_log() == [
        ("opened", "5"),
        ("growing", "65"),
        ("growing", "665"),
        ("growing", "1265"),
        ("growing", "1865"),
        ("growing", "2465"),
    ]


def test_an_incident_that_does_not_grow_has_no_further_notice() -> None:
    book = Book()
    book.died(Died(0))
    for after in (5, 700, 1700):
        book.passed(after)
    assert book.notice_log() == [("opened", "1")]


def test_a_quiet_incident_has_one_notice_of_its_resolution() -> None:
    book = Book()
    book.died(Died(0))
    book.passed(6)
    for after in (1799, 1800, 1801, 9999):
        book.passed(after)
    assert book.notice_log() == [("opened", "1"), ("resolved", "1")]


def test_a_failure_after_the_resolution_opens_another_incident() -> None:
    book = Book()
    book.died(Died(0))
    book.passed(6)
    book.died(Died(5000))
    book.passed(5006)
    assert book.notice_log() == [("opened", "1"), ("resolved", "1"), ("opened", "1")]
    assert len({notice.incident for notice in book.sent}) == 2


def test_an_acknowledged_incident_has_only_the_notice_of_its_resolution() -> None:
    book = Book(ALERTS.model_copy(update={"digests": (60,)}))
    book.died(Died(0))
    book.passed(6)
    (incident,) = book.book.incidents.values()
    book.book.apply_control(AcknowledgeDocument(incident=incident.id, by="ann"), START)
    book.died(*(Died(n) for n in range(10, 200)))
    book.passed(5000)
    assert book.notice_log() == [("opened", "1"), ("resolved", "191")]


def test_an_incident_keeps_what_happened_to_it_and_to_the_one_before() -> None:
    book = Book()
    book.died(Died(0))
    book.passed(6)
    book.commit()
    (notice,) = book.sent
    told = AttemptResult(None, delivered=("ops@example.com",))
    book.book.finish_attempt(notice.key, told, START + timedelta(seconds=7))
    book.book.finish_attempt(notice.key, told, START + timedelta(seconds=8))
    (incident,) = book.book.incidents.values()
    until = START + timedelta(seconds=60)
    for control in (
        AcknowledgeDocument(incident=incident.id, by="ann", comment="the disk is full"),
        MuteDocument(incident=incident.id, until=until, by="bob"),
        MuteDocument(incident=incident.id, until=START, by="bob"),
    ):
        book.book.apply_control(control, START + timedelta(seconds=9))
    book.passed(5000)
    book.died(Died(5001))
    (incident,) = book.book.incidents.values()
    assert [
        (each.what, each.by, each.text) for each in incident.history if each.what != "told"
    ] == [
        ("opened", "", incident.title),
        ("acknowledged", "ann", "the disk is full"),
        ("muted", "bob", ""),
        ("unmuted", "bob", ""),
        ("resolved", "", ""),
        ("opened", "", incident.title),
    ]
    (moment,) = [each for each in incident.history if each.what == "told"]
    assert (moment.by, moment.text) == ("ops@example.com", "opened")


def test_the_history_of_an_incident_is_bounded() -> None:
    book = Book()
    book.died(Died(0))
    (incident,) = book.book.incidents.values()
    for n in range(100):
        control = AcknowledgeDocument(incident=incident.id, by=f"{n}")
        book.book.apply_control(control, START)
    (incident,) = book.book.incidents.values()
    assert len(incident.history) == MAX_MOMENTS
    assert incident.history[-1].by == "99"


@pytest.mark.parametrize(
    "control",
    [
        CancelDocument(run="r", until=LATER),
        PauseDocument(pipeline="p", stage="validate", until=LATER),
        ResumeDocument(pipeline="p", until=LATER),
    ],
)
def test_control_documents_for_workers_are_ignored(control: ControlDocument) -> None:
    book = Book()
    book.died(Died(0))
    book.book.apply_control(control, START)
    (incident,) = book.book.incidents.values()
    assert (incident.muted_until, incident.acknowledged_by) == (None, None)


@pytest.mark.parametrize("whole", [True, False], ids=["stage", "incident"])
def test_a_muted_incident_has_its_notice_after_the_mute(whole: bool) -> None:
    book = Book(ALERTS.model_copy(update={"digests": (60,)}))
    book.died(Died(0))
    book.passed(6)
    (incident,) = book.book.incidents.values()
    until = START + timedelta(seconds=1000)
    book.book.apply_control(
        MuteDocument(until=until, pipeline="p", stage="validate")
        if whole
        else MuteDocument(until=until, incident=incident.id),
        START,
    )
    book.died(*(Died(n) for n in range(10, 999)))
    book.passed(999)
    assert book.notice_log() == [("opened", "1")]
    book.passed(1000)
    assert book.notice_log() == [("opened", "1"), ("growing", "990")]


def test_a_new_failure_of_a_muted_stage_is_muted_too() -> None:
    book = Book()
    book.book.apply_control(
        MuteDocument(until=START + timedelta(seconds=100), pipeline="p", stage="validate"), START
    )
    book.died(Died(0), Died(0, stage="load"))
    book.passed(50)
    assert book.notice_log() == [("opened", "1")]
    assert book.sent[0].id.startswith(book.book.incidents[_key(book, "load")].id)


def _key(book: Book, stage: str) -> bytes:
    return next(key for key, i in book.book.incidents.items() if i.stage == stage)


def test_failures_beyond_the_limit_share_one_incident() -> None:
    book = Book(ALERTS.model_copy(update={"fingerprints": 3}))
    book.died(*(Died(n / 1000, error=f"E{chr(65 + n)}") for n in range(20)))
    book.passed(10)
    assert book.notice_log() == [("opened", "1")] * 3 + [("opened", "17")]
    assert [i.fingerprint for i in book.book.incidents.values()][-1] == OTHERS_FINGERPRINT


def test_few_incidents_are_kept_of_very_many_kinds_of_failures() -> None:
    book = Book(ALERTS.model_copy(update={"fingerprints": 5, "quiet": 1}))
    for n in range(2 * MAX_RESOLVED):
        book.died(
            Died(n * 2.0, error=f"E{n:x}".translate(str.maketrans("0123456789", "ghijklmnop")))
        )
        book.passed(n * 2.0 + 1.9)
        book.delivered(n * 2.0)
        book.commit()
    assert len(book.rows) <= MAX_RESOLVED + 10
    assert len(book.outbox) <= 2 * ALERTS.per_hour


def test_notices_are_limited_per_hour_and_the_rest_follow_later() -> None:
    book = Book(ALERTS.model_copy(update={"per_hour": 2, "quiet": 50_000}))
    book.died(*(Died(n / 10, stage=f"s{chr(97 + n)}") for n in range(5)))
    book.passed(10)
    assert len(book.notice_log()) == 2
    assert [n.mail for n in book.sent] == ["opened 1", "opened 1 +sc +sd +se"]
    book.delivered(11)
    book.passed(3611)
    assert len(book.notice_log()) == 4
    book.delivered(3612)
    book.passed(7300)
    assert [kind for kind, _ in book.notice_log()] == ["opened"] * 5


def test_a_failed_notice_is_retried_at_growing_intervals() -> None:
    book = Book()
    book.died(Died(0))
    book.passed(5)
    after, waits = 5.0, []
    for attempt in range(1, 12):
        book.commit()
        assert book.sent[-1].attempts == attempt
        now = START + timedelta(seconds=after)
        outcome = AttemptResult(book.sent[-1], failures={"ops@example.com": "451 later"})
        book.book.outbox.finish_attempt(book.sent[-1].key, outcome, now)
        wait = DELIVERY_BACKOFF.longest_delay(attempt)
        book.book.outbox.retry_due(now + timedelta(seconds=wait - 0.1))
        book.commit()
        assert book.sent[-1].attempts == attempt
        after += wait
        waits.append(wait)
        book.book.outbox.retry_due(START + timedelta(seconds=after))
    assert waits == sorted(waits)
    assert waits[-1] == waits[-2] == 900
    assert {notice.mail for notice in book.sent} == {"opened 1"}


def test_a_recipient_who_has_the_notice_does_not_get_it_again() -> None:
    book = Book()
    book.died(Died(0))
    book.passed(5)
    book.commit()
    left = book.sent[0].model_copy(update={"recipients": ("b@x",)})
    book.book.outbox.finish_attempt(left.key, AttemptResult(left, failures={"b@x": "451"}), START)
    book.passed(60)
    book.commit()
    assert book.sent[-1].recipients == ("b@x",)


def test_the_next_owner_retries_a_notice_without_a_result() -> None:
    book = Book()
    book.died(Died(0))
    book.passed(5)
    book.restart()
    book.passed(6)
    book.commit()
    assert [notice.attempts for notice in book.sent] == [1, 2]
    assert len({notice.mail for notice in book.sent}) == 1


def test_a_delivered_notice_is_deleted_after_an_hour() -> None:
    book = Book()
    book.died(Died(0))
    book.passed(5)
    book.delivered(6)
    book.passed(HOUR.total_seconds())
    book.commit()
    assert book.outbox
    book.passed(HOUR.total_seconds() + 7)
    book.commit()
    assert len(book.outbox) == 1  # the resolution, written meanwhile


def test_dead_letters_that_are_read_twice_are_counted_once() -> None:
    book = Book()
    book.died(Died(0), Died(1))
    book.restart()
    book.offsets.clear()
    book.died(Died(0), Died(1), Died(2))
    (incident,) = book.book.incidents.values()
    assert incident.count == 3


def test_dead_letters_of_a_topic_that_was_created_again_are_counted() -> None:
    book = Book()
    book.died(Died(0), Died(1))
    book.offsets.clear()
    book.died(Died(2), Died(3))
    (incident,) = book.book.incidents.values()
    assert incident.count == 4


deaths = st.lists(
    st.builds(
        Died,
        after=st.sampled_from([0.0, 1.0, 3.0, 10.0, 100.0, 2000.0]),
        error=st.sampled_from(["A", "B", "C"]),
        stage=st.sampled_from(["s", "t"]),
    ),
    max_size=30,
)


def _after_each_other(gaps: Sequence[Died]) -> Iterable[Died]:
    at = 0.0
    for each in gaps:
        at += each.after
        yield each._replace(after=at)


@given(deaths, st.data())
def test_restarts_and_batches_do_not_change_the_notices(
    gaps: Sequence[Died], data: st.DataObject
) -> None:
    """The same dead letters, with restarts at random places, and without."""
    alerts = ALERTS.model_copy(update={"digests": (5, 20), "fingerprints": 2, "quiet": 50})
    straight, restarted = Book(alerts), Book(alerts)
    for each in _after_each_other(gaps):
        straight.died(each)
        restarted.died(each)
        what = data.draw(st.sampled_from(["", "commit", "restart"]))
        if what == "commit":
            restarted.commit()
        elif what == "restart":
            restarted.restart()
    straight.commit()
    restarted.commit()
    assert straight.notice_log() == restarted.notice_log()
    assert _counts(straight) == _counts(restarted)


@given(deaths)
def test_every_dead_letter_is_counted_in_an_incident_and_in_a_notice(
    gaps: Sequence[Died],
) -> None:
    alerts = ALERTS.model_copy(update={"digests": (5, 20), "fingerprints": 2, "quiet": 50})
    book = Book(alerts)
    seen: dict[str, int] = {}
    for each in _after_each_other(gaps):
        book.died(each)
        book.commit()
        seen |= {i.id: i.count for i in book.book.incidents.values()}
    end = sum(each.after for each in gaps)
    for after in (end + 10, end + 100, end + 10_000):
        book.passed(after)
    assert sum(seen.values()) == len(gaps)
    last = {notice.incident: notice for notice in _written(book)}
    assert {i: int(n.subject) for i, n in last.items()} == seen
    assert {n.kind for n in last.values()} <= {"resolved"}


def _written(book: Book) -> list[Notice]:
    book.commit()
    return list({notice.id: notice for notice in book.sent}.values())


def _counts(book: Book) -> dict[bytes, int]:
    return {key: incident.count for key, incident in book.book.incidents.items()}


def test_weeks_without_a_mail_server_take_little_memory_and_lose_no_failure() -> None:
    """Three stages fail once an hour, and nothing can be delivered."""
    book = Book()
    hours = 24 * 21
    for hour in range(hours):
        for stage in ("a", "b", "c"):
            book.died(Died(hour * 3600.0, stage=stage))
        book.passed(hour * 3600.0 + 6)
        book.passed(hour * 3600.0 + 1900)
        book.commit()
    assert len(book.outbox) <= MAX_WAITING_NOTICES
    for _ in range(10):
        book.delivered(hours * 3600.0)
        book.passed(hours * 3600.0 + 7200)
    last = {notice.incident: int(notice.subject) for notice in _written(book)}
    assert sum(last.values()) == 3 * hours


def test_an_attempt_that_was_not_made_is_not_counted_and_made_at_once() -> None:
    book = Book()
    book.died(Died(0), Died(5))
    book.commit()
    (notice,) = book.sent
    book.book.outbox.finish_attempt(notice.key, AttemptResult(notice, was_made=False), START)
    book.commit()
    assert Notice.model_validate_json(book.outbox[notice.key]).attempts == 0
    book.book.outbox.retry_due(START)
    book.commit()
    assert [sent.attempts for sent in book.sent] == [1, 1]


DIGEST = ALERTS.model_copy(
    update={"severity": {"dead": "digest"}, "digest_at": ("12:30 UTC", "18:00 UTC")}
)
"""The letters begin at 12:00."""


def test_a_digest_tells_at_its_time_all_that_has_failed_by_then() -> None:
    book = Book(DIGEST)
    book.died(Died(0), Died(60, stage="load"), Died(70, stage="load"))
    book.passed(1799)
    assert book.notice_log() == []
    book.passed(1800)
    assert [n.mail for n in _written(book)] == ["opened 1 +load"]
    assert {i.told for i in book.book.incidents.values()} == {1, 2}


def test_what_was_over_before_its_digest_is_in_the_digest() -> None:
    book = Book(DIGEST.model_copy(update={"quiet": 60}))
    book.died(Died(0))
    book.passed(100)
    (incident,) = book.book.incidents.values()
    assert incident.resolved == START + timedelta(seconds=60)
    book.passed(1800)
    book.passed(6 * 3600)
    assert book.notice_log() == [("resolved", "1")]


def test_what_comes_back_before_its_digest_is_the_same_incident() -> None:
    book = Book(DIGEST.model_copy(update={"quiet": 60}))
    book.died(Died(0))
    book.passed(100)
    book.died(Died(200))
    book.passed(1790)
    book.passed(1800)
    assert book.notice_log() == [("resolved", "2")]


def test_what_happens_after_a_digest_that_told_nothing_waits_for_the_next_one() -> None:
    book = Book(DIGEST.model_copy(update={"quiet": 8 * 3600}))
    book.died(Died(0))
    book.passed(1800)
    book.passed(6 * 3600)
    book.died(Died(6 * 3600 + 300))
    for second in (6 * 3600 + 310, 24 * 3600, 24 * 3600 + 1800):
        book.passed(second)
        assert len(book.notice_log()) == 1 + (second > 24 * 3600)
    assert book.notice_log()[-1] == ("resolved", "2")


def test_a_restart_neither_repeats_nor_loses_a_digest() -> None:
    book = Book(DIGEST)
    book.died(Died(0), Died(60, stage="load"))
    book.restart()
    book.passed(1800)
    book.restart()
    book.passed(1801)
    assert [n.mail for n in _written(book)] == ["opened 1 +load"]


def test_an_incident_has_the_severity_of_its_kind_in_the_file() -> None:
    book = Book(ALERTS.model_copy(update={"severity": {"dead": "page"}}))
    book.died(Died(0))
    assert [i.severity for i in book.book.incidents.values()] == ["page"]

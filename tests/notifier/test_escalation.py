"""Is each step of a chain told once, in its time, whoever takes over?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from farandole.events.control_documents import AcknowledgeDocument, MuteDocument
from farandole.events.incident_record import Incident, Notice
from farandole.events.topology_version import AlertPolicy, AlertRoute, EscalationStep
from farandole.notifier.escalation import told_further
from farandole.notifier.incident_lifecycle import NoticeIntent
from farandole.notifier.notice_composer import compose_notice
from farandole.operations.incidents.explain_incident import explain
from tests.notifier.letters import START, Died
from tests.notifier.made import SENDER, incident
from tests.notifier.test_incident_store import Book

CHAIN = AlertRoute(
    email=("ann@example.com",),
    channels=("email",),
    escalate=(
        EscalationStep(after=300, webhook="https://b.example/in", channels=("webhook",)),
        EscalationStep(
            after=900, email=("ann@example.com", "cleo@example.com"), channels=("email",)
        ),
    ),
    repeat=600,
)
POLICY = AlertPolicy(routes=(CHAIN,), severity={"dead": "page"}, quiet=7200, digests=(86400,))


class Chained(Book):
    """A book whose notices are composed as they are sent."""

    def __init__(self, alerts: AlertPolicy = POLICY) -> None:
        super().__init__(alerts)
        self.book.compose = self._compose

    def _compose(self, intent: NoticeIntent, others: Sequence[Incident] = ()) -> Notice | None:
        return compose_notice(intent, self.alerts, others, sender=SENDER, bootstrap="k:9092")

    def restart(self) -> None:
        super().restart()
        self.book.compose = self._compose

    def told(self) -> list[tuple[int, str, str]]:
        """Return when which notice was written, and to whom, in order."""
        self.commit()
        notices = {notice.id: notice for notice in self.sent}.values()
        return [(self._second(n), n.kind, n.webhook or " ".join(n.recipients)) for n in notices]

    def _second(self, notice: Notice) -> int:
        return round((notice.written - START).total_seconds())

    def acknowledge(self) -> None:
        (found,) = self.book.incidents.values()
        self.book.apply_control(AcknowledgeDocument(incident=found.id, by="ann"), START)


HOOK, BOTH = "https://b.example/in", "ann@example.com cleo@example.com"
UNTIL_30_MIN = [
    (5, "opened", "ann@example.com"),
    (305, "opened", HOOK),
    (905, "opened", BOTH),
    (1505, "growing", BOTH),
]


def run_to(book: Chained, end: int) -> None:
    for second in range(0, end + 1, 5):
        book.passed(second)


def test_unless_somebody_acknowledges_the_next_ones_are_told() -> None:
    book = Chained()
    book.died(Died(0))
    run_to(book, 1800)
    assert book.told() == UNTIL_30_MIN


def test_an_acknowledgement_ends_the_chain() -> None:
    book = Chained()
    book.died(Died(0))
    run_to(book, 400)
    book.acknowledge()
    run_to(book, 1800)
    assert book.told() == UNTIL_30_MIN[:2]


def test_whom_the_chain_has_told_also_learn_once_that_it_is_over() -> None:
    book = Chained()
    book.died(Died(0))
    run_to(book, 905)
    book.passed(7200)
    over = [told for told in book.told() if told[1] == "resolved"]
    assert [to for _, _, to in over] == ["ann@example.com", HOOK, "cleo@example.com"]


def test_one_digest_of_two_ends_tells_them_to_the_chain_of_each() -> None:
    digest = {"severity": {"dead": "digest"}, "digest_at": ("12:30 UTC", "18:00 UTC")}
    book = Chained(POLICY.model_copy(update=digest | {"quiet": 8 * 3600}))
    book.died(Died(0), Died(60, stage="load"))
    for second in (1800, 6 * 3600, 24 * 3600, 24 * 3600 + 1800):
        book.passed(second)
    over = [to for _, kind, to in book.told() if kind == "resolved"]
    assert over == ["ann@example.com", HOOK, HOOK]


def test_without_a_chain_only_the_route_is_told() -> None:
    plain = CHAIN.model_copy(update={"escalate": (), "repeat": None})
    book = Chained(POLICY.model_copy(update={"routes": (plain,)}))
    book.died(Died(0))
    run_to(book, 1800)
    assert book.told() == UNTIL_30_MIN[:1]


@given(st.sets(st.integers(0, 360), max_size=8), st.booleans())
def test_a_take_over_neither_repeats_nor_loses_a_step(at: set[int], commits: bool) -> None:
    book = Chained()
    book.died(Died(0))
    for tick in range(361):
        book.passed(tick * 5)
        if tick in at:
            book.restart()
        elif commits:
            book.commit()
    assert book.told() == UNTIL_30_MIN
    assert len({notice.id for notice in book.sent}) == len(UNTIL_30_MIN)


def test_a_notifier_that_was_away_tells_each_step_that_it_missed_once() -> None:
    book = Chained()
    book.died(Died(0))
    book.passed(5)
    book.restart()
    late = 3000
    for second in range(late, late + 20):
        book.passed(second)
    assert [to for _, _, to in book.told()] == ["ann@example.com", HOOK, BOTH]


def test_each_address_is_told_of_the_end_by_one_step() -> None:
    told = incident(steps=2)
    assert [to.email for to in told_further(told, CHAIN)] == [(), ("cleo@example.com",)]


def test_who_was_not_told_yet_does_not_learn_of_the_end() -> None:
    assert [to.webhook for to in told_further(incident(steps=1), CHAIN)] == [HOOK]
    assert told_further(incident(steps=0), CHAIN) == []


def test_a_mute_stops_the_chain_for_its_time() -> None:
    book = Chained()
    book.died(Died(0))
    run_to(book, 100)
    (found,) = book.book.incidents.values()
    until = START + timedelta(seconds=600)
    book.book.apply_control(MuteDocument(incident=found.id, until=until, by="ann"), START)
    for second in range(100, 900, 5):
        book.passed(second)
    assert book.told() == [UNTIL_30_MIN[0], (600, "opened", HOOK)]


def test_quiet_hours_stop_the_chain_of_what_is_no_page() -> None:
    """The letters begin at 12:00 UTC."""
    at_night = CHAIN.model_copy(update={"quiet": "12:01-12:30 UTC"})
    book = Chained(POLICY.model_copy(update={"routes": (at_night,), "severity": {}}))
    book.died(Died(0))
    run_to(book, 1830)
    assert book.told() == [UNTIL_30_MIN[0], (1800, "opened", HOOK), (1805, "opened", BOTH)]


def chain_of(**fields: Any) -> list[str]:
    since = {"chain_since": START, "due": START, "severity": "page", **fields}
    return explain(incident(**since), [], POLICY, START).chain


def test_the_explanation_names_each_step_to_come_and_its_time() -> None:
    assert chain_of() == [
        "step 1: webhook at 2026-11-24 12:05:00 UTC",
        "step 2: ann@example.com, cleo@example.com at 2026-11-24 12:15:00 UTC",
        "step 2 again every 10m",
    ]
    assert chain_of(steps=1) == chain_of()[1:]
    assert chain_of(muted_until=START + timedelta(minutes=9))[:2] == [
        "step 1: webhook at 2026-11-24 12:09:00 UTC",
        chain_of()[1],
    ]
    assert chain_of(chain_since=None)[0] == "step 1: webhook 5m after the first notice"
    assert chain_of(acknowledged_by="ann") == ["ended: ann has acknowledged the incident"]


def test_a_step_says_why_it_is_told() -> None:
    book = Chained()
    book.died(Died(0))
    run_to(book, 905)
    book.commit()
    by_id = {notice.id: notice for notice in book.sent}
    hook = next(n for n in by_id.values() if n.webhook)
    assert "step 1 of its chain" in hook.payload
    last = list(by_id.values())[-1]
    assert "this is step 2 of its chain" in last.mail.replace("=\r\n", "")
    assert timedelta(seconds=905) == last.written - START

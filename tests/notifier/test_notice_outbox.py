"""In which order do notices go out when the mail server was away?"""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from farandole.events.incident_record import Notice
from farandole.notifier.delivery_outcome import AttemptResult
from farandole.notifier.notice_outbox import NoticeOutbox
from tests.notifier.letters import START


def notice(number: int, *, minute: float = 0, to: str = "ops@example.com") -> Notice:
    return Notice(
        id=f"n{number:03}", incident="i", pipeline="p", kind="opened", subject="", mail="",
        sender="f@example.com", recipients=(to,), channels=("email",),
        written=START + timedelta(minutes=minute),
    )  # fmt: skip


class Post:
    """Delivers what the outbox schedules, as the lane does: step by step, by a clock."""

    def __init__(self) -> None:
        self.outbox = NoticeOutbox()
        self.now = START
        self.delivered: list[str] = []
        self.is_away = False
        self.poison: set[str] = set()
        self.most_at_once = 0

    def write(self, *notices: Notice) -> None:
        for each in notices:
            self.outbox.add(each)

    def step(self) -> None:
        """One transaction: start what is scheduled; all attempts end before the next one."""
        self.outbox.retry_due(self.now)
        to_send = self.outbox.take_changes().to_send
        self.most_at_once = max(self.most_at_once, len(to_send))
        for each in to_send:
            self.outbox.start_attempt(each)
        for each in to_send:
            fails = self.is_away or each.id in self.poison
            if not fails:
                self.delivered.append(each.id)
            rest = AttemptResult(each, failures={"email": "451"}) if fails else AttemptResult(None)
            self.outbox.finish_attempt(each.key, rest, self.now)

    def run(self, minutes: float) -> None:
        ends: datetime = self.now + timedelta(minutes=minutes)
        while self.now < ends:
            self.step()
            self.now += timedelta(seconds=5)


def test_without_a_failure_nobody_waits_for_anybody() -> None:
    post = Post()
    post.write(*map(notice, range(5)))
    post.step()
    assert (len(post.delivered), post.most_at_once) == (5, 5)


@given(
    st.lists(st.floats(0, 60), min_size=2, max_size=12),
    st.floats(1, 120),
)
def test_after_an_outage_notices_go_out_in_order(minutes: list[float], outage: float) -> None:
    """They are written while the server is away, and after it. Only the first may be another one:
    the server may come back between the attempts of the oldest and of the one tried beside it."""
    post = Post()
    post.is_away = True
    notices = [notice(n, minute=at) for n, at in enumerate(sorted(minutes))]
    for each in notices:
        wait = (each.written - post.now).total_seconds() / 60
        if (each.written - START).total_seconds() / 60 > outage:
            post.is_away = False
        post.run(max(0.0, wait))
        post.write(each)
    post.run(max(0.0, outage - (post.now - START).total_seconds() / 60))
    post.is_away = False
    post.run(16)  # the longest time between two attempts
    first, *rest = post.delivered
    assert sorted([first, *rest]) == [each.id for each in notices]
    assert rest == sorted(rest)


@given(st.sets(st.integers(0, 5), max_size=3))
def test_a_notice_that_is_never_taken_holds_up_no_other_for_good(poison: set[int]) -> None:
    post = Post()
    post.poison = {notice(n).id for n in poison}
    post.is_away = True
    post.write(*(notice(n) for n in range(6)))
    post.run(30)
    post.is_away = False
    post.run(240)
    assert set(post.delivered) == {notice(n).id for n in range(6)} - post.poison
    assert len(post.delivered) == len(set(post.delivered))


def test_an_outage_of_one_recipient_does_not_concern_another() -> None:
    post = Post()
    post.poison = {"n000", "n001"}
    post.write(notice(0), notice(1))
    post.run(1)
    post.write(notice(2), notice(3, to="dev@example.com"))
    post.step()
    assert "n003" in post.delivered

"""Is there one mail for every failure, on a real Kafka with a real mail server?"""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from farandole.broker.settings import Settings
from tests.notifier.servers import DROP, HANG, Faults, Server, serving
from tests.notifier.stand import PATIENCE, Stand, copies, subjects, texts, until

ONE_BY_ONE = "{email: ops@example.com, fingerprints: 100}"


def many(letter: str) -> list[str]:
    """Return twenty messages of ten failures; each has a notice once its second one is read."""
    return [f"{letter}{'x' * n}" for n in range(10) for _ in range(2)]


pytestmark = [pytest.mark.kafka, pytest.mark.usefixtures("unset")]


@pytest.fixture
async def stand(settings: Settings, tmp_path: Path) -> AsyncIterator[Stand]:
    stand = Stand(settings, tmp_path)
    yield stand
    stand.end()


async def test_failures_of_several_stages_have_mails_with_their_counts(stand: Stand) -> None:
    await stand.publish("read", "load")
    await stand.die("read", *["nothing was paid"] * 7)
    await stand.die("load", "the table is full")
    async with serving() as server, stand.notifying(server):
        await until(lambda: len(server.got) >= 2, "not both are told")
        await stand.delivered()
    assert set(subjects(server)) == {
        "[p] load: Reject: the table is full", "[p] read: Reject: nothing was paid",
    }  # fmt: skip
    assert sorted(i.count for i in await stand.incidents()) == [1, 7]
    assert set(copies(server).values()) == {1}
    assert {to for to, _ in server.got} == {("ops@example.com",)}


async def test_dead_letters_of_a_stage_in_a_new_version_are_read(stand: Stand) -> None:
    await stand.publish("read")
    await stand.die("read", "first", "first")
    async with serving() as server, stand.notifying(server):
        await until(lambda: server.got, "the first stage is not told")
        await stand.publish("read", "load")
        await stand.die("load", "second", "second")
        await until(lambda: len(server.got) >= 2, "the new stage is not told")
        await stand.delivered()
    assert subjects(server) == ["[p] read: Reject: first", "[p] load: Reject: second"]


# -- several notifiers


class Slow(Server):
    """Waits a moment with each mail, so that some attempts are always running."""

    async def handle_DATA(self, *given: Any) -> str:  # noqa: N802 -- aiosmtpd's
        await asyncio.sleep(0.1)
        return await super().handle_DATA(*given)


async def test_killing_the_active_notifier_loses_and_repeats_no_mail(stand: Stand) -> None:
    await stand.publish("read", "load")
    async with serving() as server:
        first, second = stand.start(server), stand.start(server)
        await stand.die("read", "before", "before")
        await until(lambda: len(server.got) == 1, "nobody tells")
        await stand.delivered()
        at_work = await stand.joined(first, second)
        at_work.kill()
        await stand.die("load", "after", "after")
        await until(lambda: len(server.got) == 2, "nobody has taken over")
        await stand.delivered()
    assert subjects(server) == ["[p] read: Reject: before", "[p] load: Reject: after"]
    assert set(copies(server).values()) == {1}


async def test_an_orderly_hand_over_loses_and_repeats_no_mail(stand: Stand) -> None:
    """One notifier joins, the active one gets SIGTERM, and events die all the time."""
    await stand.publish("read", alerts=ONE_BY_ONE)
    async with serving(kind=Slow) as server:
        first = stand.start(server)
        await stand.die("read", *many("a"))
        await until(lambda: len(server.got) >= 3, "nobody tells")
        second = stand.start(server)
        await stand.die("read", *many("b"))
        at_work = await stand.joined(first, second)
        await stand.die("read", *many("c"))
        at_work.send_signal(signal.SIGTERM)
        await stand.die("read", *many("d"))
        assert await asyncio.to_thread(at_work.wait, 30) == 0
        await stand.die("read", *many("e"))
        await until(lambda: len(server.got) >= 50, "not all is told")
        await stand.delivered()
    assert len(copies(server)) == 50
    assert set(copies(server).values()) == {1}


@dataclass
class Queueing(Server):
    """Answers to no mail before it is told to."""

    waiting: int = 0
    answers: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_DATA(self, *given: Any) -> str:  # noqa: N802 -- aiosmtpd's
        self.waiting += 1
        await self.answers.wait()
        return await super().handle_DATA(*given)


async def test_a_woken_notifier_sends_nothing_that_its_successor_sends(stand: Stand) -> None:
    """Copies of the mails that were under way when it froze cannot be prevented; those that waited
    behind them are sent once."""
    await stand.publish("read", alerts=ONE_BY_ONE)
    async with serving(kind=Queueing) as server:
        assert isinstance(server, Queueing)
        first = stand.start(server)
        await stand.die("read", *many("a"))
        await until(lambda: server.waiting == 4, "nobody tells")
        frozen = await stand.joined(first)
        frozen.send_signal(signal.SIGSTOP)
        stand.start(server)
        await until(lambda: server.waiting >= 8, "nobody has taken over")
        server.answers.set()
        await stand.delivered(10)
        frozen.send_signal(signal.SIGCONT)
        await until(lambda: stand.log(frozen).count(b"group.assigned") >= 2, "it does not wake")
        frozen.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(frozen.wait, 30) == 0
    assert len(copies(server)) == 10
    assert sum(copies(server).values()) <= 14


async def test_a_stopped_notifier_waits_for_a_slow_mail_server(stand: Stand) -> None:
    await stand.publish("read")
    await stand.die("read", "x", "x")
    async with serving(kind=Queueing) as server:
        assert isinstance(server, Queueing)
        member = stand.start(server)
        await until(lambda: server.waiting == 1, "nobody tells")
        member.send_signal(signal.SIGTERM)
        await until(lambda: b"notifier.draining" in stand.log(member), "it does not drain")
        with pytest.raises(subprocess.TimeoutExpired):
            await asyncio.to_thread(member.wait, 3)
        server.answers.set()
        assert await asyncio.to_thread(member.wait, 30) == 0
        (notice,) = await stand.notices()
        assert notice.delivered is not None
    assert list(copies(server).values()) == [1]


STEPS = (
    "before the fence",
    "inside the transaction",
    "before the commit",
    "after the commit, before the mail",
    "after the 250, before the mark",
)


async def test_a_kill_repeats_a_mail_only_after_the_server_accepted_it(stand: Stand) -> None:
    await stand.publish("read")
    async with serving() as server:
        for step in STEPS:
            victim = stand.start(server, dies=step)
            await stand.die("read", "x", "x", error=step)
            assert await asyncio.to_thread(victim.wait, 60) == -signal.SIGKILL, step
            async with stand.notifying(server):
                await stand.delivered(STEPS.index(step) + 1)
    expected = Counter({f"[p] read: {step}: x": 1 for step in STEPS})
    expected[f"[p] read: {STEPS[-1]}: x"] = 2
    assert Counter(subjects(server)) == expected
    assert sorted(copies(server).values()) == sorted(expected.values()), "a copy has another id"


async def test_a_restart_during_a_backlog_does_not_change_the_incidents(stand: Stand) -> None:
    """A backlog of three failures with pauses between them gives three incidents, each opened and
    resolved, as if a notifier had run all the time. A restart in the middle changes nothing."""
    await stand.publish("read", alerts="{email: ops@example.com, quiet: 1m}")
    for ago in (1000, 600, 200):
        await stand.die("read", *["x"] * 5, ago=ago)
    async with serving() as server:
        async with stand.notifying(server):
            await until(lambda: len(server.got) >= 2, "nothing is told")
        async with stand.notifying(server):
            await until(lambda: len(server.got) >= 6, "not all is told")
            await stand.delivered()
    first_lines = [text.partition(" died in ")[0] for text in texts(server)]
    assert Counter(first_lines) == {"1 event": 3, "Over: 5 events": 3}
    assert set(copies(server).values()) == {1}


# -- a mail server that misbehaves


@pytest.mark.parametrize(
    ("faults", "given", "why", "most"),
    [
        ({"CONNECT": ["554 go away", None]}, {}, "554 go away", 1),
        ({"RCPT": ["550 unknown", None]}, {}, "550 unknown", 1),
        ({"RCPT": ["451 4.7.1 greylisted", None]}, {}, "greylisted", 1),
        ({"MAIL": [HANG, None]}, {"smtp_timeout": 0.5}, "no answer within", 1),
        ({"BODY": [DROP, None]}, {}, "may have arrived", 2),
    ],
    ids=["refuses", "refuses the address", "greylists", "hangs", "drops the connection"],
)
async def test_a_mail_server_that_fails_once_gets_the_mail_in_the_second_attempt(
    stand: Stand, faults: Faults, given: dict[str, Any], why: str, most: int
) -> None:
    await stand.publish("read")
    await stand.die("read", "x", "x")
    stand.given = given
    async with serving(faults) as server, stand.notifying(server):
        notice = await stand.tried(1)
        assert why in str(notice.failures)
        assert notice.due is not None
        assert (notice.due - stand.clock()).total_seconds() <= 15
        stand.late = notice.due - stand.clock() + stand.late
        (notice,) = await stand.delivered()
    assert 1 <= len(server.got) <= most
    assert notice.attempts == 2


async def test_without_the_required_starttls_nothing_is_sent_or_lost(
    stand: Stand,
) -> None:
    await stand.publish("read")
    await stand.die("read", "x", "x")
    stand.given = {"smtp_security": "starttls"}
    async with serving() as server:
        async with stand.notifying(server):
            assert "STARTTLS" in str((await stand.tried(1)).failures)
        assert "MAIL" not in server.verbs
        stand.given = {}
        stand.late = timedelta(minutes=1)
        async with stand.notifying(server):
            await stand.delivered()
    assert list(copies(server).values()) == [1]


async def test_a_mail_server_that_is_down_for_an_hour_gets_each_mail_once(stand: Stand) -> None:
    await stand.publish("read", alerts="{email: ops@example.com, quiet: 5h, digests: [5h]}")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        away = Server({}, port=taken.getsockname()[1])
        async with stand.notifying(away):
            await stand.die("read", "x", "x")
            for attempt in range(1, 11):
                notice = await stand.tried(attempt)
                assert notice.due is not None
                stand.late += notice.due - stand.clock()
    assert stand.late >= timedelta(hours=1)
    async with serving() as server, stand.notifying(server):
        (delivered,) = await stand.delivered()
    assert list(copies(server).values()) == [1]
    assert delivered.mail == notice.mail


async def test_after_an_outage_mails_arrive_in_the_order_in_which_they_were_written(
    stand: Stand,
) -> None:
    openings_alone = "{email: ops@example.com, quiet: 5h, digests: [5h]}"
    await stand.publish("read", alerts=openings_alone)
    kinds = ["first", "second", "third", "fourth"]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        away = Server({}, port=taken.getsockname()[1])
        async with stand.notifying(away):
            for number, kind in enumerate(kinds, 1):  # the older, the longer its backoff
                await stand.die("read", kind, kind)
                await stand.all_failed(number)
                stand.late += timedelta(minutes=1)
    async with serving() as server, stand.notifying(server):
        stand.late += timedelta(minutes=16)
        await stand.delivered(len(kinds))
    assert subjects(server) == [f"[p] read: Reject: {kind}" for kind in kinds]


# -- floods


async def test_a_flood_of_many_failures_needs_few_rows_mails_and_little_memory(
    stand: Stand,
) -> None:
    await stand.publish("read")
    kinds = [f"m {'x' * (n // 50)} {'y' * (n % 50)}" for n in range(2000)]
    await stand.flood("read", kinds, 10)
    before = resident()
    async with serving() as server, stand.notifying(server):
        ends = time.monotonic() + PATIENCE
        while sum(i.count for i in await stand.incidents()) < 20_000:
            assert time.monotonic() < ends, "not all is counted"
        stand.late = timedelta(minutes=1)
        await until(lambda: len(server.got) >= 21, "not all kinds are told")
        await stand.delivered(21)
        assert resident() - before < 64, "MiB"
    assert len(await stand.incidents()) == 21
    assert len(server.got) <= 60


def resident() -> float:
    """MiB of this process."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024

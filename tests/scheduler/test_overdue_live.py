"""Does a schedule that nobody fires cause a mail, and one at the end, on a real Kafka?"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.events import alert_tracker
from farandole.events.alert_record import Alert, parse_alert
from farandole.ledger import lag_probe, overdue_schedules
from tests.books.clean import until
from tests.books.stand import booked
from tests.notifier.servers import serving
from tests.notifier.stand import Stand, texts
from tests.scheduler.test_scheduler_live import Clock, scheduler

pytestmark = [pytest.mark.kafka, pytest.mark.usefixtures("unset"), pytest.mark.timeout(600)]

KEY = "p/schedule/often/overdue"
OFTEN = "{often: {every: 2s, triggers: asked, overlap: allow-all}}"


@pytest.fixture
def stand(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    # No process is killed here, so a slow member on a busy machine must not count as dead.
    calm = settings.model_copy(update={"session_timeout": 10.0, "heartbeat_interval": 1.0})
    monkeypatch.setattr(lag_probe, "PROBE_INTERVAL", 0.5)
    monkeypatch.setattr(overdue_schedules, "OVERDUE_AFTER", timedelta(seconds=5))
    monkeypatch.setattr(overdue_schedules, "FIRE_AFTER_MS", 1_000)
    monkeypatch.setattr(alert_tracker, "CLEAR_AFTER_MS", 500)
    return Stand(calm, tmp_path)


async def told(settings: Settings) -> list[Alert]:
    """The alerts that the schedule is overdue, and that it no longer is."""
    records = [r async for of in scan(settings, [settings.names.alerts_topic]) for r in of]
    alerts = [parse_alert(each.value or b"") for each in records]
    return [each for each in alerts if each.key == KEY]


async def test_a_schedule_that_nobody_fires_is_told_and_its_end_too(stand: Stand) -> None:
    settings = stand.settings

    async def has_mail(text: str) -> bool:
        return any(text in each for each in texts(server))

    async def is_told() -> bool:
        return (await told(settings))[-1].state == "firing"

    await stand.publish("enrich", schedules=OFTEN)
    async with serving() as server, stand.notifying(server), booked(settings):
        await until(lambda: has_mail("no scheduler has taken up `often` of p@1"), "no mail")
        (mail,) = (each for each in texts(server) if "`often`" in each)
        async with scheduler(settings, Clock()):
            await until(lambda: has_mail("Over: `often` is no longer overdue"), "no end")
        await until(is_told, "nobody tells that it stands still again")
    first, *_, last = await told(settings)
    assert first.schedule == "often"
    assert f"start one: farandole --namespace {settings.namespace} keep-time" in first.text
    assert f"farandole --namespace {settings.namespace} schedules show often --history" in mail
    assert last.text.startswith("`often` has not fired for 20")

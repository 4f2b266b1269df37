"""Are incidents listed by urgency, and acknowledged, snoozed and muted, over the API?"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table
from farandole.events.control_documents import (
    AcknowledgeDocument,
    ControlDocument,
    MuteDocument,
    parse_control,
)
from farandole.events.incident_record import Incident, IncidentMoment, IncidentSample, Notice
from tests.cli.conftest import ROOT
from tests.cli.test_incidents import HOSTILE, SECRET, incident, notice
from tests.conftest import private_namespace
from tests.rewiring.test_live import put
from tests.web.api import AS_PROXY, Api, as_user, running_console

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]

NOW = datetime.now(UTC)
LATER = NOW + timedelta(hours=3)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(
    kafka: Settings, delete_topics: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Settings, Api]]:
    """One console for all tests of this module; each keeps incidents of its own."""
    settings, folder = private_namespace(kafka), tmp_path_factory.mktemp("incidents")
    shutil.copy(ROOT / "topology.yaml", folder)
    await put(settings, folder, (folder / "topology.yaml").read_text())
    async with running_console(settings, folder) as api:
        yield settings, api
    delete_topics(settings.names.prefix)


async def keep(settings: Settings, *rows: Incident | Notice) -> None:
    """As the notifier would have."""
    names = settings.names
    async with open_client(make_producer(settings), settings) as client:
        for row in rows:
            topic = names.incidents_topic if isinstance(row, Incident) else names.outbox_topic
            await client.send_and_wait(topic, row.model_dump_json().encode(), key=row.key)


async def wishes(settings: Settings) -> list[ControlDocument]:
    table = await read_table(settings, settings.names.control_topic)
    return [parse_control(value) for value in table.values()]


def made(number: int, **more: Any) -> Incident:
    return incident(id=f"incident{number}", fingerprint=f"f{number}", **more)


async def test_what_needs_somebody_comes_first_and_the_most_urgent_before_all(
    place: tuple[Settings, Api],
) -> None:
    settings, api = place
    await keep(
        settings,
        made(1),
        made(2, error="run.late", firing=1, stage="", run="k7mq2"),
        made(3, error="stage.held", firing=1, lanes=(0, 2), said="it waits"),
        made(4, acknowledged_by="ann"),
        made(5, muted_until=LATER),
        made(6, resolved=NOW),
    )
    found = (await api.get("/incidents")).data
    assert [each["id"] for each in found["needs_somebody"]] == [
        "incident3", "incident2", "incident1",
    ]  # fmt: skip
    assert sorted((each["id"], each["state"]) for each in found["in_hand"]) == [
        ("incident4", "acknowledged"), ("incident5", "muted"),
    ]  # fmt: skip
    assert [each["id"] for each in found["resolved"]] == ["incident6"]
    held, late, dead = found["needs_somebody"]
    assert [each["kind"] for each in (held, late, dead)] == ["stage.held", "run.late", "dead"]
    assert held["lanes"] == [0, 2]
    assert (held["next"], dead["next"]["kind"]) == (None, "growing")
    other = (await api.get("/incidents", params={"pipeline": "other"})).data
    assert other["needs_somebody"] == []


async def test_one_incident_has_its_history_its_samples_and_who_was_told(
    place: tuple[Settings, Api],
) -> None:
    settings, api = place
    sample = IncidentSample(
        dead_topic="d", dead_offset=17, topic="order-lines.line.ingested", partition=3, offset=9,
        run="k7mq2", key="•••", message="nothing was paid", data="{}", failed=NOW,
    )  # fmt: skip
    history = tuple(
        IncidentMoment(at=NOW + timedelta(seconds=n), what=what, by=by, text=text)
        for n, (what, by, text) in enumerate(
            (
                ("opened", "", "nothing was paid"),
                ("resolved", "", ""),
                ("opened", "", "nothing was paid"),
                ("told", "ops@example.com", "opened"),
                ("acknowledged", "ann", "the till is repaired"),
            )
        )
    )
    await keep(
        settings,
        made(10, samples=(sample,), history=history, acknowledged_by="ann"),
        notice(incident="incident10", id="n10@x", webhook=SECRET, channels=("email", "webhook")),
    )
    shown = (await api.get("/incidents/incident10")).data
    assert [(each["what"], each["earlier"]) for each in shown["history"]] == [
        ("opened", True), ("resolved", True), ("opened", False), ("told", False),
        ("acknowledged", False),
    ]  # fmt: skip
    assert shown["before_resolved"] is not None
    assert (shown["told"], shown["note"]) == (["ops@example.com"], "the till is repaired")
    assert [each["letter"] for each in shown["samples"]] == ["validate/17"]
    (sent,) = shown["notices"]
    assert (sent["to"], sent["attempts"]) == (["ops@example.com", "webhook"], 2)
    assert sent["failures"] == {"email": "451 later"}


async def test_the_address_of_a_webhook_is_not_shown(place: tuple[Settings, Api]) -> None:
    settings, api = place
    await keep(settings, made(11), notice(incident="incident11", id="n11@x", webhook=SECRET))
    for path in ("/incidents", "/incidents/incident11"):
        assert "secret-path" not in (await api.get(path)).text


async def test_somebody_acknowledges_snoozes_and_mutes(place: tuple[Settings, Api]) -> None:
    settings, api = place
    await keep(settings, made(20), made(21, resolved=NOW))
    answer = await api.post("/incidents/incident20/acknowledge", {"comment": " at it "})
    assert answer.status == 200, answer.text
    before = datetime.now(UTC)
    await api.post("/incidents/incident20/mute", {"minutes": 15, "comment": "till lunch"})
    await api.post("/incidents/incident20/mute", {"minutes": 60, "whole_stage": True})
    found = {each.key: each for each in await wishes(settings)}
    ack = found[b"acknowledge/incident20"]
    snooze, stage = found[b"mute/incident20"], found[b"mute/order-lines/validate"]
    assert isinstance(ack, AcknowledgeDocument)
    assert isinstance(snooze, MuteDocument)
    assert isinstance(stage, MuteDocument)
    assert (ack.comment, snooze.comment) == ("at it", "till lunch")
    assert timedelta(minutes=14) < snooze.until - before < timedelta(minutes=16)
    assert stage.until - before > timedelta(minutes=59)
    await api.post("/incidents/incident20/mute", {"minutes": 0})
    unmuted = {each.key: each for each in await wishes(settings)}[b"mute/incident20"]
    assert isinstance(unmuted, MuteDocument)
    assert unmuted.until < datetime.now(UTC)
    answer = await api.post("/incidents/incident21/acknowledge", {})
    assert (answer.status, answer.data["code"]) == (409, "incident_resolved")
    answer = await api.post("/incidents/nothing/mute", {"minutes": 5})
    assert answer.status == 404
    answer = await api.post("/incidents/incident20/mute", {"minutes": -5})
    assert answer.status == 400


async def test_a_viewer_may_not_decide(place: tuple[Settings, Api], tmp_path: Path) -> None:
    settings, _ = place
    await keep(settings, made(40))
    async with running_console(settings, tmp_path, AS_PROXY) as api:
        page = {"origin": api.url.rstrip("/")}
        for deed, body in (("acknowledge", {}), ("mute", {"minutes": 5})):
            path = f"/incidents/incident40/{deed}"
            refused = await api.post(path, body, headers=as_user("vic") | page)
            assert (refused.status, "operator" in refused.data["detail"]) == (403, True)
            done = await api.post(path, body, headers=as_user("ann", "operators") | page)
            assert done.status == 200


async def test_hostile_text_in_an_incident_is_not_obeyed(place: tuple[Settings, Api]) -> None:
    settings, api = place
    sample = IncidentSample(
        dead_topic="d", dead_offset=0, topic=HOSTILE, partition=0, offset=0, run=HOSTILE,
        key=HOSTILE, message=HOSTILE, data=HOSTILE, failed=NOW,
    )  # fmt: skip
    moment = IncidentMoment(at=NOW, what="acknowledged", by=HOSTILE, text=HOSTILE)
    row = made(30, samples=(sample,), error=HOSTILE, title=HOSTILE, history=(moment,))
    await keep(
        settings, row, notice(incident="incident30", id="n30@x", failures={HOSTILE: HOSTILE})
    )
    for path in ("/incidents", "/incidents/incident30"):
        answer = await api.get(path)
        assert answer.status == 200
        for each in ("\\u001b", "\\u0007", "\u202e", "\u200b"):
            assert each not in answer.text

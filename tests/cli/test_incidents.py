"""What do `incidents`, `ack` and `mute` say and do, whatever stands in what died?"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table
from farandole.events import control_documents
from farandole.events.incident_record import Incident, IncidentSample, Notice
from tests.cli.conftest import Call, environment, one_line
from tests.cli.test_mail_commands import catcher

pytestmark = pytest.mark.kafka

NOW = datetime.now(UTC)
HOSTILE = "\x1b[2J\x1b]0;owned\x07 \u202egnp.exe\u200b\r\ttwo\nlines"
SECRET = "https://hooks.example.com/T0/secret-path"


def incident(**more: Any) -> Incident:
    fields: dict[str, Any] = {
        "id": "abcdefgh", "pipeline": "order-lines", "stage": "validate", "fingerprint": "f1",
        "error": "Reject", "title": "nothing was paid", "version": "order-lines@1", "opened": NOW,
        "last": NOW, "count": 1204, "told": 1, "notices": 1, "due": NOW, "seen": 1204,
    }  # fmt: skip
    return Incident(**{**fields, **more})


def notice(**more: Any) -> Notice:
    fields: dict[str, Any] = {
        "id": "abcdefgh.0@x", "incident": "abcdefgh", "pipeline": "order-lines", "kind": "opened",
        "subject": "s", "sender": "f@x", "recipients": ("ops@example.com",), "mail": "m",
        "channels": ("email",), "written": NOW, "attempts": 2,
        "failures": {"email": "451 later"},
    }  # fmt: skip
    return Notice(**{**fields, **more})


@pytest.fixture
def applied(call: Call, settings: Settings) -> Call:
    """`farandole -C folder …` where the shipped file is in force."""
    env = environment(settings)

    def on_kafka(*arguments: str) -> Any:
        return call(*arguments, env=env)

    assert on_kafka("apply").exit_code == 0
    return on_kafka


def keep(settings: Settings, *rows: Incident | Notice) -> None:
    """As the notifier would have."""
    names = settings.names

    async def kept() -> None:
        async with open_client(make_producer(settings), settings) as client:
            for row in rows:
                topic = names.incidents_topic if isinstance(row, Incident) else names.outbox_topic
                await client.send_and_wait(topic, row.model_dump_json().encode(), key=row.key)

    asyncio.run(kept())


def wishes(settings: Settings) -> list[control_documents.ControlDocument]:
    table = asyncio.run(read_table(settings, settings.names.control_topic))
    return [control_documents.parse_control(value) for value in table.values()]


def test_what_is_open_is_listed_and_shown(applied: Call, settings: Settings) -> None:
    assert applied("incidents").stdout == "no incident is open\n"
    assert applied("incidents", "--all").stdout == "no incident\n"
    over = incident(id="overover", fingerprint="f2", resolved=NOW)
    keep(settings, incident(), over, notice())
    head, row = applied("incidents").stdout.splitlines()
    assert head.split() == [
        "id",
        "severity",
        "stage",
        "what",
        "state",
        "count",
        "since",
        "(UTC)",
        "last",
    ]
    words = ["abcdefgh", "notify", "order-lines/validate", "Reject:", "nothing", "was", "paid"]
    assert row.replace("\u202f", "").split()[:9] == [*words, "open", "1204"]
    assert [i["id"] for i in json.loads(applied("incidents", "--json").stdout)] == ["abcdefgh"]
    assert "overover" in applied("incidents", "--all").stdout
    explained = applied("incidents", "explain", "abcdefgh").stdout
    assert explained.startswith("abcdefgh is a notify: the default of dead\n")
    assert "next: " in explained
    shown = applied("incidents", "abcdefgh").stdout
    assert "open; 1\u202f204 events died since" in shown
    assert "opened: ops@example.com: not yet delivered, 2 attempts\n  email: 451 later" in shown
    assert "dead --stage validate --fingerprint f1\n" in shown
    assert "dead replay --stage validate --fingerprint f1\n" in shown
    data = json.loads(applied("incidents", "abcdefgh", "--json").stdout)
    assert (data["count"], data["sent"][0]["attempts"]) == (1204, 2)


def test_an_alert_names_its_lanes_and_no_letters(applied: Call, settings: Settings) -> None:
    keep(settings, incident(firing=4, lanes=(0, 1, 2, 7), said="it holds", error="stage.held"))
    shown = applied("incidents", "abcdefgh").stdout
    assert "UTC; lanes 0-2, 7; the last word, at " in shown
    assert " dead " not in shown
    assert json.loads(applied("incidents", "--json").stdout)[0]["lanes"] == [0, 1, 2, 7]


def test_hostile_text_is_shown_without_harm(applied: Call, settings: Settings) -> None:
    """Also what nobody has made harmless when it was written."""
    sample = IncidentSample(
        dead_topic="d", dead_offset=0, topic=HOSTILE, partition=0, offset=0, run=HOSTILE,
        key=HOSTILE, message=HOSTILE, data=HOSTILE, failed=NOW,
    )  # fmt: skip
    fields = {"error": HOSTILE, "title": HOSTILE, "version": HOSTILE, "acknowledged_by": HOSTILE}
    keep(
        settings, incident(samples=(sample, sample), **fields),
        notice(failures={HOSTILE: HOSTILE}, recipients=(HOSTILE,)),
    )  # fmt: skip
    for words in ((), ("abcdefgh",), ("--json",), ("abcdefgh", "--json")):
        result = applied("incidents", *words)
        assert result.exit_code == 0, result.output
        assert not {"\x1b", "\x07", "\r", "\u202e", "\u200b"} & set(result.output), words


def test_the_address_of_a_webhook_is_not_printed(applied: Call, settings: Settings) -> None:
    keep(settings, incident(), notice(recipients=(), webhook=SECRET, channels=("webhook",)))
    assert "opened: webhook: not yet delivered" in applied("incidents", "abcdefgh").stdout
    for words in ((), ("--json",)):
        assert "secret-path" not in applied("incidents", "abcdefgh", *words).output


def test_ack_and_mute_write_down_who_wants_what(applied: Call, settings: Settings) -> None:
    keep(settings, incident())
    assert applied("ack", "abcdefgh").stdout.startswith("abcdefgh: no digest any more, by ")
    assert applied("mute", "abcdefgh", "--for", "2h").stdout.startswith("abcdefgh: muted until ")
    assert applied("mute", "validate", "--off").stdout == "validate: muted no more\n"
    ack, of_incident, of_stage = wishes(settings)
    assert isinstance(ack, control_documents.AcknowledgeDocument)
    assert isinstance(of_incident, control_documents.MuteDocument)
    assert isinstance(of_stage, control_documents.MuteDocument)
    assert (ack.incident, of_incident.incident) == ("abcdefgh", "abcdefgh")
    assert (of_stage.pipeline, of_stage.stage) == ("order-lines", "validate")
    assert of_stage.until < datetime.now(UTC) < of_incident.until
    assert of_incident.until < datetime.now(UTC) + timedelta(hours=2)


def test_what_is_not_there_is_one_line(applied: Call, settings: Settings) -> None:
    keep(settings, incident(), incident(id="overover", fingerprint="f2", resolved=NOW))
    for command in ("incidents", "ack"):
        message = one_line(applied(command, "abcdefg\x1b"))
        assert message == "farandole: there is no incident 'abcdefg\\x1b'; open are: abcdefgh"
    message = one_line(applied("mute", "validat", "--for", "2h"))
    assert "no stage or incident 'validat'" in message
    assert "did you mean 'validate'?" in message
    assert "was resolved" in one_line(applied("ack", "overover"))
    assert wishes(settings) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["validate", "--for", "2h", "--off"], "say either --for how long, or --off"),
        (["validate"], "say either --for how long, or --off"),
        (["validate", "--for", "soon"], "'soon' is no duration; write for example"),
        (["validate", "--for", "0s"], "the duration is 0"),
        (["validate", "--for", "99999999d"], "too long"),
    ],
)
def test_a_duration_that_is_none_is_a_usage_error(
    call: Call, words: list[str], message: str
) -> None:
    assert message in one_line(call("mute", *words), code=2)


def test_a_message_goes_through_every_route_in_force(
    call: Call, applied: Call, settings: Settings, folder: Path
) -> None:
    with catcher(folder) as (leading, printed):
        sent = call("test-mail", "--routes", env={**environment(settings), **leading})
    assert sent.exit_code == 0, sent.stderr
    assert sent.stdout.startswith("ops@example.com (route 1): delivered: 127.0.0.1:")
    assert len(printed) == 1
    failed = applied("test-mail", "--route", "1", "--json")
    assert failed.exit_code == 1
    (target,) = json.loads(failed.stdout)
    assert (target["to"], target["places"], target["delivered"]) == (
        "ops@example.com", ["route 1"], False,
    )  # fmt: skip
    assert "set FARANDOLE_SMTP_HOST" in target["answer"]
    assert "has no route 2: it has 1 route" in one_line(applied("test-mail", "--route", "2"))

"""Do operations that need no Kafka answer with the data and the errors that they promise?"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import TopicPartition

from farandole.broker.consumer_lag import InputLag
from farandole.broker.settings import Settings
from farandole.cli.rendering.status_view import status_lines
from farandole.events.control_documents import PauseDocument
from farandole.events.controls_in_force import TimedDocument
from farandole.events.kafka_names import KafkaNames
from farandole.events.next_step import plain_command_line
from farandole.events.switch_document import SwitchDocument
from farandole.operations.control.control_query import (
    UnreadableControl,
    active_pauses,
    switched_stages,
)
from farandole.operations.control.seek import InputPosition, MovedOffset
from farandole.operations.dead_letters.open_letter_counts import OpenLetterCount
from farandole.operations.errors import (
    NotFoundError,
    OperationError,
    RefusedError,
    UnavailableError,
)
from farandole.operations.incidents.incident_rows import find_incident, incident_state
from farandole.operations.incidents.incidents import ShownIncident
from farandole.operations.incidents.mail_test import TestMailRequest, send_test_mail
from farandole.operations.runs.bookkeeper_lag import BookkeeperLag
from farandole.operations.status.notification_backlog import NotificationBacklog
from farandole.operations.status.pipeline_status import (
    LostInput,
    StatusResult,
    TopicDifference,
    UncountedReader,
)
from farandole.operations.status.stage_rates import (
    RatesRequest,
    RatesResult,
    find_monitor_url,
    read_rates,
)
from farandole.operations.status.waiting_events import WaitingEvents
from farandole.operations.topology.plan_file import load_plan_file, require_replaceable
from farandole.operations.topology.version_lookup import find_version
from farandole.operations.topology_source import (
    TopologySource,
    derive_topology_from,
    find_pipeline_name,
    read_model,
)
from tests.cli.test_incidents import incident, notice

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def fails(code: str, error: type[OperationError]) -> pytest.RaisesExc[OperationError]:
    return pytest.raises(error, check=lambda raised: raised.code == code)


def test_a_moved_offset_has_the_keys_of_json() -> None:
    moved = MovedOffset(event="line.read", partition=2, before=None, to=7, lost=True)
    assert list(moved.to_data()) == ["event", "partition", "from", "to", "lost"]
    assert moved.to_data()["from"] is None


@pytest.mark.parametrize(
    ("committed", "lost"), [(None, True), (4, True), (5, False), (9, False), (10, True)]
)
def test_an_offset_is_lost_outside_of_what_is_kept(committed: int | None, lost: bool) -> None:
    lag = InputLag("line.read", TopicPartition("t", 3), committed, 9)
    position = InputPosition(lag, 5)
    assert (position.lost, position.label, position.lane) == (lost, "line.read/3", 3)


def test_a_pause_of_the_pipeline_pauses_each_stage() -> None:
    pause = TimedDocument(PauseDocument(pipeline="p", by="ann"), NOW, 1)
    paused = active_pauses({b"k": pause}, "p", ["load", "read"], NOW)
    assert list(paused) == ["load", "read"]
    assert paused["load"].to_data() == {
        "by": "ann", "since": NOW, "until": None, "pipeline": True, "comment": "",
    }  # fmt: skip
    assert orjson.dumps(paused["load"].to_data()).startswith(
        b'{"by":"ann","since":"2026-11-24T12:00:00+00:00"'
    )


def test_a_stage_whose_switch_changes_nothing_is_on() -> None:
    bypass = SwitchDocument(pipeline="p", stage="load", mode="bypass")
    documents = {b"k": TimedDocument(bypass, NOW, 7)}
    assert [*switched_stages(documents, "p", ["load"], NOW)] == ["load"]
    assert switched_stages(documents, "p", ["load"], NOW, {7}) == {}
    hold = SwitchDocument(pipeline="p", stage="load", mode="hold")
    held = {b"k": TimedDocument(hold, NOW, 7)}
    assert [*active_pauses(held, "p", ["load"], NOW)] == ["load"]
    assert active_pauses(held, "p", ["load"], NOW, {7}) == {}


def test_an_incident_is_shown_without_the_address_of_a_webhook() -> None:
    shown = ShownIncident(incident(title="\x1b[31mred"), (notice(webhook="https://secret"),))
    data = shown.to_data()
    assert "\x1b" not in data["title"]
    assert data["sent"][0]["recipients"] == ["ops@example.com"]
    assert "secret" not in orjson.dumps(data).decode()


def test_an_unknown_incident_names_the_open_ones() -> None:
    with fails("unknown_incident", NotFoundError) as raised:
        find_incident([incident(), incident(id="over", resolved=NOW)], "nothing")
    assert raised.value.fields == {"incident": "nothing", "open": ["abcdefgh"]}


def test_the_state_of_an_incident_depends_on_the_time() -> None:
    muted = incident(muted_until=NOW, acknowledged_by="ann")
    assert incident_state(muted, NOW.replace(hour=11)) == "muted until 11-24 12:00"
    assert incident_state(muted, NOW) == "acknowledged"
    assert incident_state(incident(), NOW) == "open"


def test_an_unknown_version_leads_to_the_history() -> None:
    with fails("unknown_version", NotFoundError) as raised:
        find_version([], "p", 3)
    assert raised.value.lines() == ["farandole: p has no earlier version; see: farandole history"]


def test_a_file_that_is_no_plan_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    with fails("plan_file_unusable", RefusedError):
        load_plan_file(file)
    require_replaceable(file)  # it is not there yet
    file.write_text("{}")
    for refuses in (load_plan_file, require_replaceable):
        with fails("plan_file_unusable", RefusedError) as raised:
            refuses(file)
        assert raised.value.fields == {"file": str(file)}


def test_findings_are_lines_and_data(tmp_path: Path) -> None:
    source = TopologySource(tmp_path / "topology.yaml", tmp_path, "make one")
    with fails("findings", RefusedError) as raised:
        derive_topology_from(source, KafkaNames(""))
    (finding,) = raised.value.fields["findings"]
    assert finding["remedy"] == "make one"
    assert raised.value.lines() == [str(line) for line in raised.value.details]
    source.file.write_text("pipeline: p\nstages: [")
    with fails("findings", RefusedError):
        read_model(source)


async def test_a_file_with_mistakes_says_its_pipeline_all_the_same(tmp_path: Path) -> None:
    source = TopologySource(tmp_path / "topology.yaml", tmp_path)
    source.file.write_text("pipeline: p\nstages: [")
    name, warnings = await find_pipeline_name(Settings(bootstrap="127.0.0.1:1"), source)
    assert name == "p"
    assert [each.severity for each in warnings] == ["warning"]


async def test_a_monitor_that_is_not_there_is_an_error_with_a_code(tmp_path: Path) -> None:
    with fails("monitor_unreachable", UnavailableError) as raised:
        find_monitor_url(tmp_path, None)
    assert raised.value.lines() == [
        "farandole: no monitor runs for this folder; start one: farandole monitor "
        "(or say where one answers: --monitor URL)"
    ]
    assert find_monitor_url(tmp_path, None, "http://before") == "http://before"
    with fails("monitor_unreachable", UnavailableError) as raised:
        await read_rates(tmp_path, RatesRequest("http://127.0.0.1:1/"))
    assert raised.value.fields == {"url": "http://127.0.0.1:1"}


def test_keys_of_a_newer_monitor_are_passed_through() -> None:
    document: dict[str, Any] = {
        "trouble": None,
        "trouble_code": None,
        "unread": 0,
        "stages": [],
        "throttled": [],
        "at": 1.5,
        "new": {"a": 1},
    }
    assert RatesResult.model_validate(document).to_data() == document


async def test_a_mail_needs_a_server(tmp_path: Path, unset: None) -> None:
    with fails("settings_invalid", UnavailableError) as raised:
        await send_test_mail(tmp_path, TestMailRequest("a@example.com", "me"))
    assert raised.value.lines()[0].endswith("; farandole mail-catcher is a server for trying")


def test_a_status_says_where_a_stage_has_stopped_and_which_topic_has_changed() -> None:
    status = StatusResult(
        bootstrap="kafka:1", namespace="", pipeline="p", version="p@1", published=NOW,
        published_by="ann", rollback_of=None, stages={}, draining={}, waiting={}, dead={},
        paused={}, router=None, others=[], ledger=BookkeeperLag(True, 1, 0), unreadable_controls=[],
        workers={"load": 1}, publishing=False,
        lost={"load": [LostInput(event="line", partition=n, committed=None) for n in (0, 3)]},
        changed_topics=[
            TopicDifference(
                event="line", topic="p.line", change="gone", known=4, found=0
            )
        ],
        notifier=NotificationBacklog(
            open=0, unread=0, waiting=0, waiting_since=None, failures={}
        ),
    )  # fmt: skip
    lines = [*status_lines(status, "no monitor", plain_command_line)]
    assert (
        "load has stopped: its offset is lost at line/0, line/3; decide where it goes on:"
        " farandole seek load --to earliest|latest|OFFSET"
    ) in lines
    assert (
        "the topic p.line is gone, with all that was in it; create it again with: farandole apply"
    ) in lines
    assert status.to_data()["lost"]["load"][1] == {
        "event": "line", "partition": 3, "committed": None,
    }  # fmt: skip


def test_a_status_says_how_a_readers_work_gets_into_the_books() -> None:
    status = StatusResult(
        bootstrap="kafka:1", namespace="", pipeline="p", version="p@1", published=NOW,
        published_by="ann", rollback_of=None, stages={}, draining={}, waiting={}, dead={},
        paused={}, router=None, others=[], ledger=BookkeeperLag(True, 1, 0), unreadable_controls=[],
        workers={"load": 1}, publishing=False,
        uncounted_readers=[UncountedReader(event="order.accepted", group="score", members=2)],
        notifier=NotificationBacklog(
            open=0, unread=0, waiting=0, waiting_since=None, failures={}
        ),
    )  # fmt: skip
    assert (
        "the group score reads order.accepted, to which no stage subscribes: its work is in no"
        " books, and runs are complete without it; if it belongs to the pipeline, declare it as a"
        " stage with `external: true` (docs/wire.md)"
    ) in [*status_lines(status, "no monitor", plain_command_line)]


def test_a_status_has_what_is_wrong_with_the_ledger_beside_its_figures() -> None:
    status = StatusResult(
        bootstrap="kafka:1", namespace="", pipeline="p", version=None, published=None,
        published_by=None, rollback_of=None, stages={}, draining={},
        waiting={"load": WaitingEvents(2, NOW)}, dead={"load": OpenLetterCount(3)}, paused={},
        workers={"load": 0}, publishing=True,
        router=None, others=[], ledger=BookkeeperLag(True, 0, 7),
        unreadable_controls=[
            UnreadableControl(position="farandole.control/0/3", key="a\x1b", why="do: missing")
        ],
        notifier=NotificationBacklog(
            open=0, unread=0, waiting=0, waiting_since=None, failures={}
        ),
    )  # fmt: skip
    data = status.to_data()
    assert [*data][:3] == ["bootstrap", "namespace", "pipeline"]
    assert data["ledger"] == {
        "entries": True, "members": 0, "behind": 7,
        "problem": {"code": "ledger_stopped", "fields": {"behind": 7}},
    }  # fmt: skip
    assert data["waiting"]["load"] == {
        "count": 2,
        "since": NOW,
        "more": False,
        "held": (),
        "due": None,
        "for_person": 0,
    }
    assert data["dead"]["load"] == {"count": 3, "more": False}
    lines = [*status_lines(status, "no monitor", plain_command_line)]
    assert lines[:2] == ["Kafka at kafka:1", "p, nothing published yet"]
    assert lines[-4:] == [
        "a version is being published; if no router runs, one has died in between, and the next "
        "one ends it: farandole up",
        "the ledger is not running, and 7 offsets behind: its figures are those of when it ended; "
        "farandole up runs it",
        "farandole.control/0/3 (key a\\x1b) is no control document and changes nothing: do: "
        "missing",
        "no monitor",
    ]

"""Is every operation that writes recorded, whatever becomes of it?"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from farandole import operations
from farandole.broker.broker_errors import BrokerError, UnreachableError
from farandole.broker.settings import Settings
from farandole.events.action_record import ACTION_NAMES, ActionRecord, parse_action
from farandole.events.action_record import serialize_action as serialize
from farandole.operations import recorded as recording
from farandole.operations.action_writer import MissingActionsTopicError
from farandole.operations.actions.reveal import RevealRequest, reveal
from farandole.operations.actor import Actor
from farandole.operations.dead_letters.letter_selection import LetterSelection
from farandole.operations.errors import (
    OPERATION_KIND,
    ConflictError,
    UnavailableError,
    operation,
)
from farandole.operations.installation import Installation
from farandole.operations.recorded import RECORDED, recorded
from farandole.operations.topology_source import TopologySource

UNRECORDED = {
    "plan_discard": "it only looks",
    "plan_replay": "it only looks",
    "preview_replay": "it only looks; a fence may end a transaction of a process that was killed",
    "read_rates": "it only looks",
    "send_through_routes": "it changes nothing in the installation",
    "send_test_mail": "it changes nothing in the installation, and needs none",
    "trigger": "trigger_all, which it calls, is recorded",
    "show_known_run": "it only looks",
    "tried_root": "it only looks",
    "wait_for_backfill": "it only waits",
    "wait_for_run": "it only waits",
    "wait_until_drained": "it only waits",
}
"""Operations that are neither queries nor recorded, and why."""


def functions_of_operations() -> Iterator[Any]:
    for module in pkgutil.walk_packages(operations.__path__, "farandole.operations."):
        if ".templates" in module.name:
            continue
        loaded = import_module(module.name)
        for each in vars(loaded).values():
            if hasattr(each, OPERATION_KIND) and each.__module__ == module.name:
                yield each


def test_every_operation_that_writes_is_recorded() -> None:
    writing = [e for e in functions_of_operations() if getattr(e, OPERATION_KIND) == "operation"]
    assert len(writing) > 30
    unrecorded = {each.__name__ for each in writing if not hasattr(each, RECORDED)}
    assert sorted(unrecorded) == sorted(UNRECORDED)


def test_what_only_reads_is_not_recorded() -> None:
    for each in functions_of_operations():
        if getattr(each, OPERATION_KIND) != "operation":
            assert not hasattr(each, RECORDED), each


def test_every_recorded_name_is_known_to_completion_and_to_the_docs() -> None:
    used = {getattr(e, RECORDED) for e in functions_of_operations() if hasattr(e, RECORDED)}
    assert used <= set(ACTION_NAMES)
    assert list(ACTION_NAMES) == sorted(ACTION_NAMES)


@dataclass(frozen=True)
class Request:
    stage: str
    by: str = ""
    comment: str = ""
    pipeline: str = "p"


@operation
@recorded("pause", lambda request: request.stage)
async def act(installation: Installation, request: Request, error: BaseException | None) -> str:
    installation.deed.changed({"mode": "on"}, {"mode": "hold"})
    if error is not None:
        raise error
    return "done"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[ActionRecord]:
    found: list[ActionRecord] = []

    async def write(_: Settings, action: ActionRecord) -> None:
        found.append(parse_action(serialize(action)))

    monkeypatch.setattr(recording, "write_action", write)
    return found


ACTOR = Actor("ann", "web", role="operator", origin="10.0.0.7")
HERE = Installation(Settings(), Path(), TopologySource(Path("topology.yaml"), None), actor=ACTOR)


async def test_a_record_says_who_did_what_to_what_and_why(written: list[ActionRecord]) -> None:
    request = Request("load", by="bob", comment="the disk is full")
    assert await act(HERE, request, None) == "done"
    (action,) = written
    assert action.model_dump(exclude={"id", "at"}) == {
        "who": "ann", "role": "operator", "via": "web", "origin": "10.0.0.7",
        "what": "pause", "target": "load", "pipeline": "p", "by": "bob",
        "reason": "the disk is full", "before": {"mode": "on"}, "after": {"mode": "hold"},
        "result": "ok", "code": "",
    }  # fmt: skip
    assert abs((datetime.now(UTC) - action.at).total_seconds()) < 3600


async def test_who_acts_for_himself_is_named_once(written: list[ActionRecord]) -> None:
    await act(HERE, Request("load", by="ann"), None)
    assert (written[0].who, written[0].by) == ("ann", "")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ConflictError("workers_alive", "alive"), ("refused", "workers_alive")),
        (UnavailableError("deadline_exceeded", "late"), ("failed", "deadline_exceeded")),
        (BrokerError("full"), ("failed", "broker_failed")),
        (ZeroDivisionError(), ("failed", "ZeroDivisionError")),
        (KeyboardInterrupt(), ("failed", "interrupted")),
    ],
)
async def test_what_was_refused_or_has_failed_is_recorded_too(
    written: list[ActionRecord], error: BaseException, outcome: tuple[str, str]
) -> None:
    with pytest.raises(BaseException):  # noqa: B017, PT011 -- whichever it is
        await act(HERE, Request("load"), error)
    assert (written[0].result, written[0].code) == outcome


async def test_a_kafka_that_is_away_is_not_waited_for_a_second_time(
    written: list[ActionRecord],
) -> None:
    with pytest.raises(UnavailableError):
        await act(HERE, Request("load"), UnreachableError("away"))
    assert written == []


@pytest.mark.parametrize("error", [BrokerError("full"), MissingActionsTopicError("none")])
async def test_what_was_done_has_not_failed_because_its_record_did(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def write(_: Settings, __: ActionRecord) -> None:
        raise error

    monkeypatch.setattr(recording, "write_action", write)
    with capture_logs() as logs:
        assert await act(HERE, Request("load"), None) == "done"
    assert [(each["event"], each["what"]) for each in logs] == [("action.unrecorded", "pause")]


@operation
@recorded("flag import")
async def look(installation: Installation, _: Request) -> None:
    installation.deed.only_looked = True


async def test_a_dry_run_is_no_deed(written: list[ActionRecord]) -> None:
    await look(HERE, Request(""))
    assert written == []


async def test_a_reason_of_any_length_fits_into_a_record(written: list[ActionRecord]) -> None:
    await act(HERE, Request("s" * 5000, comment="x" * 5000), None)
    assert (len(written[0].reason), len(written[0].target)) == (1000, 1000)


def test_a_selection_of_letters_is_named_in_short() -> None:
    assert LetterSelection({"take": frozenset(range(9))}).target == (
        "take/0, take/1, take/2, take/3, take/4 and 4 more"
    )
    assert LetterSelection(run="k7mq2", stage="take").target == "take run k7mq2"
    assert LetterSelection(all_letters=True).target == "every stage"


async def test_nobody_sees_personal_data_without_a_record(
    monkeypatch: pytest.MonkeyPatch, written: list[ActionRecord]
) -> None:
    await reveal(HERE, RevealRequest("load/17", "p", "a customer asks"))
    (action,) = written
    assert (action.what, action.target, action.reason) == ("reveal", "load/17", "a customer asks")

    async def write(_: Settings, __: ActionRecord) -> None:
        raise BrokerError("full")

    monkeypatch.setattr(recording, "write_action", write)
    with pytest.raises(UnavailableError, match="full"):
        await reveal(HERE, RevealRequest("load/17", "p"))

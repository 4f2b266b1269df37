"""Is it recorded who was refused because the console is at too many jobs?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from pydantic import BaseModel

from farandole.broker.settings import Settings
from farandole.events.action_record import ActionRecord
from farandole.operations import recorded
from farandole.operations.dead_letters.planned_settlement import ReplayPlan
from farandole.operations.dead_letters.replay import ReplayPreview
from farandole.operations.errors import UnavailableError
from farandole.web.access import Principal, Role
from farandole.web.console import Console
from farandole.web.jobs import MAX_RUNNING
from farandole.web.routers import dead_letters
from tests.web.guarded import console_without_kafka

ANN = Principal("ann", Role.OPERATOR)
ASKED = {
    "pipeline": "shop", "token": "t", "reason": "a test",
    "selection": {"letters": ["check/17"]},
}  # fmt: skip


@pytest_asyncio.fixture
async def busy() -> AsyncIterator[Console]:
    """A console that is at as many jobs as it may be."""

    async def forever(_: Any) -> BaseModel:
        await asyncio.Event().wait()
        raise AssertionError

    console = console_without_kafka()
    for _ in range(MAX_RUNNING):
        console.jobs.start("dead replay", "Replay", "bob", 1, forever)
    yield console
    await console.jobs.close()


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[ActionRecord]:
    """What is recorded; each preview is still what its token says."""
    found: list[ActionRecord] = []

    async def write(_: Settings, action: ActionRecord) -> None:
        found.append(action)

    async def confirm_replay(_: object, request: Any, token: str) -> Any:
        preview = ReplayPreview(stages=[], refused=[])
        plan = ReplayPlan(
            token=token, through={}, preview=preview, replayable=1, refused=0, settled_before=0
        )
        return request, plan

    async def confirm_discard(_: object, request: Any, token: str) -> Any:
        return request

    monkeypatch.setattr(recorded, "write_action", write)
    monkeypatch.setattr(dead_letters, "confirm_replay", confirm_replay)
    monkeypatch.setattr(dead_letters, "confirm_discard", confirm_discard)
    return found


async def test_a_replay_that_has_no_room_is_recorded_as_refused(
    busy: Console, written: list[ActionRecord]
) -> None:
    body = dead_letters.ConfirmedReplay.model_validate(ASKED)
    with pytest.raises(UnavailableError, match="at 8 jobs already"):
        await dead_letters.replay(busy, ANN, body)
    assert [told(each) for each in written] == [
        ("ann", "dead replay", "check/17", "shop", "", "refused", "too_many_jobs")
    ]


async def test_a_discard_that_has_no_room_is_recorded_as_refused(
    busy: Console, written: list[ActionRecord]
) -> None:
    body = dead_letters.ConfirmedDiscard.model_validate(ASKED)
    with pytest.raises(UnavailableError, match="at 8 jobs already"):
        await dead_letters.discard(busy, ANN, body)
    assert [told(each) for each in written] == [
        ("ann", "dead discard", "check/17", "shop", "a test", "refused", "too_many_jobs")
    ]


def told(record: ActionRecord) -> tuple[str, ...]:
    return (
        record.who, record.what, record.target, record.pipeline, record.reason, record.result,
        record.code,
    )  # fmt: skip

"""What is a reader told of changes, however slow it is?"""

from __future__ import annotations

import asyncio

import pytest

from farandole.operations.errors import InvalidRequestError
from tests.read_model.fed import FedModel
from tests.read_model.stand import run_row


async def test_nothing_is_kept_for_a_reader_that_does_not_read() -> None:
    fed = FedModel()
    changes = fed.model.changes(["runs"])
    await anext(changes)
    for number in range(1_000):
        fed.write(run_row(f"r{number % 10}", amended=number))
    assert len(fed.journal) == 10
    delta = await anext(changes)
    assert {row.amended for row in delta.views["runs"].rows.values()} == {*range(990, 1_000)}
    await changes.aclose()


async def test_too_many_changed_runs_give_the_newest_as_a_whole() -> None:
    fed = FedModel()
    changes = fed.model.changes(["runs"])
    await anext(changes)
    fed.write(*(run_row(f"r{number:04}", opened=number + 1) for number in range(500)))
    runs = (await anext(changes)).views["runs"]
    assert (runs.whole, len(runs.rows)) == (True, 100)
    await changes.aclose()


async def test_the_view_of_one_run_tells_of_no_other() -> None:
    fed = FedModel()
    fed.write(run_row("aaa"), run_row("bbb"))
    changes = fed.model.changes(["run/bbb"])
    assert [*(await anext(changes)).views["run/bbb"].rows] == ["bbb"]
    fed.write(run_row("aaa", "failed"))
    fed.write(run_row("bbb", "failed"))
    (row,) = (await anext(changes)).views["run/bbb"].rows.values()
    assert row.status == "failed"
    await changes.aclose()


async def test_a_reader_that_waits_is_released_at_the_end() -> None:
    fed = FedModel()
    changes = fed.model.changes(["runs"])
    await anext(changes)
    waiting = asyncio.ensure_future(anext(changes, None))
    await asyncio.sleep(0)
    fed.model.close()
    assert await waiting is None
    assert fed.watched == 0


@pytest.mark.parametrize("views", [["nonsense"], ["run/"], ["stages/"], ["run/x"] * 65])
async def test_views_that_are_none_are_refused(views: list[str]) -> None:
    with pytest.raises(InvalidRequestError):
        await anext(FedModel().model.changes(views))

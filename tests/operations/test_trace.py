"""Is an event traced to its root, and to all that came of it?"""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.ledger.event_trace import (
    CauseMatcher,
    RecordPosition,
    TraceTarget,
    parse_trace_target,
)
from tests.cli.conftest import Call, environment, one_line
from tests.cli.worked import STAGES, worked
from tests.rewiring.test_live import at_rest, at_work, put

HERE = UUID("7c0d1e5e-6f5b-4a57-9a0a-0c4f4f6b2d11")
SOURCE = f"farandole://{HERE}/p/s".encode()


def by(event_id: bytes, source: bytes = SOURCE) -> list[tuple[str, bytes]]:
    return [("ce_id", event_id), ("ce_source", source)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "line.ingested/3/10482/0",
            TraceTarget("line.ingested", 3, 10482, "line.ingested/3/10482/0", 1),
        ),
        ("line.ingested/3/10482", TraceTarget("line.ingested", 3, 10482)),
        ("a/0/7+3/12", TraceTarget("a", 0, 7, "a/0/7+3/12", 1)),
        ("a~2/0/7/0", TraceTarget("a", 0, 7, "a~2/0/7/0", 2)),
    ],
)
def test_a_trace_target_is_an_id_or_a_position(text: str, found: TraceTarget) -> None:
    assert parse_trace_target(text) == found


@pytest.mark.parametrize(
    "text", ["", "a", "a/b", "a/b/c", "/0/0", "a/-1/0", "a/0/x/0", "a/0/0/0/x"]
)
def test_any_other_trace_target_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- the command says it in its own words
        parse_trace_target(text)


@given(st.integers(0, 50), st.integers(0, 5), st.integers(0, 50), st.booleans())
def test_what_a_batch_has_caused_is_an_effect_of_each_of_its_events(
    first: int, more: int, offset: int, other: bool
) -> None:
    causes = CauseMatcher(HERE, [("a", RecordPosition("p.a", 0, offset))])
    causes_it = first <= offset <= first + more and not other
    event_id = f"{'b' if other else 'a'}/0/{first}" + (f"+{more}" if more else "") + "/0"
    assert causes.matches_effect(by(event_id.encode())) == causes_it


@given(st.binary() | st.sampled_from([b"a/0/1/0/", b"a/0/+/0", b"a//1/0", b"a/0/1+x/0"]))
def test_a_hostile_id_matches_no_cause(event_id: bytes) -> None:
    assert not CauseMatcher(HERE, [("a", RecordPosition("p.a", 0, 1))]).matches_effect(by(event_id))


def test_an_event_of_another_installation_is_no_effect() -> None:
    causes = CauseMatcher(HERE, [("a", RecordPosition("p.a", 0, 1))])
    assert causes.matches_effect(by(b"a/0/1/0"))
    assert not causes.matches_effect(by(b"a/0/1/0", b"farandole://elsewhere/p/s"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "stages").symlink_to(STAGES)
    return tmp_path


@pytest.mark.kafka
def test_causes_effects_and_dead_letters_of_real_events(
    call: Call, folder: Path, settings: Settings
) -> None:
    roots = [b'{"n": 1, "household": 7}', b'{"n": 2, "household": 8}', b'{"n": "no number"}']
    asyncio.run(worked(settings, folder, roots))
    env = environment(settings)

    def traced(event: str) -> Any:
        result = call("trace", event, "--json", env=env)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    down = traced("asked/0/0")
    assert down["causes"] == []
    assert [(e["type"], e["stage"], e["data"]["n"]) for e in down["effects"]] == [
        ("taken", "take", 1),
        ("made", "make", 1),
        ("given", "give", 1),
    ]
    taken, made, given_ = down["effects"]
    up = traced(f"given/{given_['partition']}/{given_['offset']}")
    places = [(e["topic"], e["partition"], e["offset"]) for e in up["causes"]]
    assert places == [
        (e["topic"], e["partition"], e["offset"]) for e in (down["event"], taken, made)
    ]
    by_id = traced(made["id"])
    assert (by_id["event"], by_id["effects"]) == (made, [given_])
    assert [e["type"] for e in by_id["causes"]] == ["asked", "taken"]
    died = traced("asked/0/2")
    assert died["effects"] == []
    assert [d["dead"]["stage"] for d in died["dead"]] == ["take"]
    shown = call("trace", "asked/0/2", env=env).stdout
    assert "EVENT  asked" in shown
    assert re.search(r"^dead   +\S+ +take ", shown, re.MULTILINE)
    missing = one_line(call("trace", "asked/0/99", env=env))
    assert "is not written yet: the partition ends at 3" in missing
    assert "there are asked, taken, made, given" in one_line(call("trace", "nothing/0/0", env=env))


GATHER = """
from pydantic import BaseModel

class Item(BaseModel):
    n: int

class Sum(BaseModel):
    total: int

def gather(items: list[Item]) -> Sum:
    return Sum(total=sum(item.n for item in items))

def double(found: Sum) -> Sum:
    return Sum(total=2 * found.total)
"""
GATHERED = """
pipeline: rewired
package: gathering
defaults: {partitions: 1}
events: {asked: {}}
stages:
  spread: {subscribes: asked, emits: item, run: "gathering:spread"}
  gather: {subscribes: item, emits: gathered, run: "gathering:gather"}
  double: {subscribes: gathered, emits: doubled, run: "gathering:double"}
"""
SPREAD = """
def spread(item: Item) -> list[Item]:
    return [Item(n=n) for n in range(item.n)]
"""


@pytest.mark.kafka
def test_a_trace_goes_through_a_stage_of_lists_up_and_down(
    call: Call, tmp_path: Path, settings: Settings
) -> None:
    (tmp_path / "gathering.py").write_text(GATHER + SPREAD)

    async def gathered() -> None:
        version = await put(settings, tmp_path, GATHERED)
        async with at_work(settings, tmp_path, 1):
            async with open_client(make_producer(settings), settings) as client:
                await client.send_and_wait(version.events["asked"].topic, b'{"n": 5}')
            await at_rest(settings)

    asyncio.run(gathered())
    env = environment(settings)

    def traced(event: str) -> Any:
        return json.loads(call("trace", event, "--json", env=env).stdout)

    # The last of the batch: the id of what it caused begins with the first.
    (root,) = traced("asked/0/0")["effects"][-1:]
    assert (root["type"], root["data"]) == ("doubled", {"total": 20})
    items = [e for e in traced("asked/0/0")["effects"] if e["type"] == "item"]
    assert [e["data"]["n"] for e in items] == [0, 1, 2, 3, 4]
    down = traced(f"item/0/{items[-1]['offset']}")
    assert [e["type"] for e in down["effects"]] == ["gathered", "doubled"]
    up = traced(f"doubled/0/{root['offset']}")
    assert [e["type"] for e in up["causes"]] == ["asked", *["item"] * 5, "gathered"]
    by_id = traced(up["causes"][-1]["id"])
    assert [e["type"] for e in by_id["causes"]] == ["asked", *["item"] * 5]
    limited = call("trace", root["id"], "--limit", "3", env=env).stdout
    assert "there are more causes than 3 (--limit)" in limited


@pytest.mark.kafka
def test_a_trace_tells_what_retention_has_deleted(
    call: Call, folder: Path, settings: Settings
) -> None:
    version = asyncio.run(worked(settings, folder, [b'{"n": 1, "household": 7}'] * 2))
    asyncio.run(forgotten(settings, version.events["asked"].topic, 1))
    env = environment(settings)
    gone = one_line(call("trace", "asked/0/0", env=env))
    assert "asked/0/0 is gone: retention has taken everything before 1" in gone
    data = json.loads(call("trace", "asked/0/1", "--json", env=env).stdout)
    taken = data["effects"][0]
    before = f"taken/{taken['partition']}/{taken['offset'] - 1}"
    notes = json.loads(call("trace", before, "--json", env=env).stdout)["notes"]
    assert len(notes) == 1
    assert "is gone: retention has taken everything before 1" in notes[0]


async def forgotten(settings: Settings, topic: str, before: int, partition: int = 0) -> None:
    """Take what stands in a partition before an offset, as retention does; -1: all of it."""
    from aiokafka import TopicPartition
    from aiokafka.admin import RecordsToDelete

    from farandole.broker.kafka_clients import make_admin_client, open_client

    async with open_client(make_admin_client(settings), settings) as client:
        await client.delete_records({TopicPartition(topic, partition): RecordsToDelete(before)})

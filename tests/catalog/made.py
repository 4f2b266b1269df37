"""Versions and records as hypothesis draws them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from farandole.events.record import Header
from farandole.events.topology_version import EventSpec, StageSpec, Version
from tests.events.made import Made

INSTALLATION = UUID("7c0d1e5e-6f5b-4a57-9a0a-0c4f4f6b2d11")
TOPICS = ("p.a", "p.b", "p.c")
STAGES = ("s", "t")


def version(
    number: int,
    events: dict[str, EventSpec] | None = None,
    stages: dict[str, StageSpec] | None = None,
    *,
    pipeline: str = "p",
) -> Version:
    return Version(
        pipeline=pipeline,
        version=number,
        installation=INSTALLATION,
        published=datetime(2026, 11, 23, tzinfo=UTC),
        published_by="me",
        events=events or {},
        stages=stages or {},
    )


@st.composite
def event_specs(draw: st.DrawFn, topic: str) -> EventSpec:
    """An event type whose topic may have more partitions than the version has boundaries for."""
    return EventSpec(
        topic=topic,
        partitions=draw(st.integers(1, 3)),
        key=draw(st.sampled_from([None, "n"])),
        boundaries=tuple(draw(st.lists(st.integers(0, 20), max_size=4))),
    )


@st.composite
def histories(draw: st.DrawFn) -> list[Version]:
    """A pipeline's versions, oldest first; at least one of them has the topic `p.a`."""
    versions = []
    for number in range(1, draw(st.integers(1, 3)) + 1):
        topics = draw(st.sets(st.sampled_from(TOPICS))) | ({"p.a"} if number == 1 else set())
        # A topic may be that of another event type in another version.
        names = draw(st.permutations(("a", "b", "c")))
        events = {
            name: draw(event_specs(topic))
            for name, topic in zip(names, sorted(topics), strict=False)
        }
        types = st.lists(st.sampled_from(sorted(events)), unique=True) if events else st.just([])
        stages = {
            stage: StageSpec(run="m:f", subscribes=tuple(draw(types)), emits=tuple(draw(types)))
            for stage in STAGES[draw(st.integers(0, 2)) :]
        }
        versions.append(version(number, events, stages))
    return versions


@st.composite
def records(draw: st.DrawFn) -> Made:
    """A record in `p.a`: a bare one, a root with headers, a stage's output, or a forgery."""
    sources = [f"farandole://{INSTALLATION}/p/{stage}".encode() for stage in STAGES]
    forged = [b"farandole://elsewhere/p/s", b"/them/s", b"", b"\xff", sources[0] + b"t"]
    likely = {
        "ce_source": st.sampled_from(sources),
        "ce_topologyversion": st.sampled_from([b"p@1", b"p@2", b"p@3"]),
        "ce_runid": st.just(b"a" * 13),
        "ce_specversion": st.just(b"1.0"),
        "ce_id": st.just(b"b/0/1/0"),
        "ce_type": st.just(b"a"),
    }
    unlikely = {
        "ce_source": st.sampled_from(forged),
        "ce_topologyversion": st.sampled_from([b"p@9", b"", b"\xff", None]),
        "ce_runid": st.sampled_from([b"", b"\xff\xfe", b"a" * 65, b"A" * 13, None]),
        "ce_id": st.sampled_from([b"", None]),
        "ce_correlationid": st.sampled_from([None, b"\xff", b"x" * 5_000, b"mine"]),
        "traceparent": st.sampled_from([None, b"\xff", b"x" * 5_000, b"00-x-y-01"]),
        "ce_specversion": st.just(b"2"),
        "content-type": st.sampled_from([b"application/json", b"text/csv"]),
    }
    values: dict[str, Any] = {}
    if draw(st.integers(0, 3)):
        values = {name: draw(value) for name, value in likely.items()}
        for name in draw(st.sets(st.sampled_from(sorted(unlikely)), max_size=2)):
            values[name] = draw(unlikely[name])
        for name in draw(st.sets(st.sampled_from(sorted(likely)), max_size=1)):
            values.pop(name)
    headers: list[Header] = list(values.items())
    return Made(
        draw(st.sampled_from([b"{}", b"{}", b"no JSON", None])),
        headers,
        topic="p.a",
        partition=draw(st.integers(0, 5)),
        offset=draw(st.integers(0, 25)),
        key=draw(st.none() | st.binary(max_size=2)),
    )

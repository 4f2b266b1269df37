"""Does everybody who asks for a record's owner get the answer by which the workers decide?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.catalog.ownership import (
    UnknownVersionError,
    VersionIndex,
    home_partition,
)
from farandole.events.envelope import UnreadableEventError
from farandole.events.key_partitioner import partition_for_key
from farandole.events.record import Header
from farandole.events.run_ids import RUN_ID_BLOCK, RunIdGenerator
from farandole.events.topology_version import EventSpec, StageSpec, Version
from farandole.worker.lineage import LineageResolver, MisplacedRecordError
from tests.catalog.made import INSTALLATION, histories, records, version
from tests.events.made import Made

OURS = f"farandole://{INSTALLATION}/p/".encode()


def worker_of(versions: list[Version]) -> LineageResolver:
    """The lineage resolver of a worker that has read these versions."""
    by_number = {each.version: each for each in versions}

    async def read_again() -> Mapping[int, Version]:
        return by_number

    resolver = LineageResolver(by_number, read_again, lambda *_: None)
    asyncio.run(resolver.refresh())
    return resolver


@given(histories(), st.lists(records(), min_size=1, max_size=5))
def test_a_worker_and_all_others_agree(versions: list[Version], read: list[Made]) -> None:
    index, worker = VersionIndex(versions), worker_of(versions)
    for record in read:
        owner = index.owner_of(record)
        assert owner is not None
        home = home_partition(owner.version.events[owner.event_type], record.key)
        expected_home: int | None
        try:
            lineage = worker.lineage(record)
        except MisplacedRecordError as misplaced:
            assert index.is_forwarded(record, owner)
            assert owner.stage is None
            edge, expected_home = misplaced.edge, misplaced.home
        except (UnreadableEventError, UnknownVersionError):
            assert not index.is_forwarded(record, owner)
            lineage = worker.stray(record)
            assert (owner.stage, index.run_of(record, owner)) == (None, lineage.run)
            edge, expected_home = lineage.edge, home
        else:
            assert not index.is_forwarded(record, owner)
            assert (owner.stage is None) == lineage.is_root
            assert index.run_of(record, owner) == lineage.run
            edge, expected_home = lineage.edge, home
        assert home == expected_home
        assert (owner.version, owner.event_type) == (edge.version, edge.event_type)


def usable(headers: Mapping[str, Any]) -> bool:
    run = headers.get("ce_runid") or b""
    return (
        bool(headers.get("ce_id"))
        and len(run) == 13
        and not set(run) - set(b"abcdefghijklmnopqrstuvwxyz234567")
        and all(
            value is not None and len(value) <= 4096 and b"\xff" not in value
            for name, value in headers.items()
            if name in ("ce_correlationid", "traceparent")
        )
    )


def by_the_rule(versions: list[Version], record: Made) -> tuple[int, str, str | None]:
    """Version, event type and emitting stage, as `catalog/ownership.py` describes the rule."""
    headers = dict(record.headers)
    having = [(v, t) for v in versions for t, e in v.events.items() if e.topic == record.topic]
    for carried, event_type in having:
        for stage, spec in carried.stages.items():
            if (
                headers.get("ce_topologyversion") == b"p@%d" % carried.version
                and headers.get("ce_source") == OURS + stage.encode()
                and usable(headers)
                and event_type in spec.emits
            ):
                return carried.version, event_type, stage
    reached = [
        (version, event_type)
        for version, event_type in having
        if (*version.events[event_type].boundaries, *[0] * 9)[record.partition] <= record.offset
    ]
    version, event_type = reached[-1] if reached else having[0]
    return version.version, event_type, None


@given(histories(), st.lists(records(), min_size=1, max_size=5))
def test_an_owner_is_found_by_the_rule(versions: list[Version], read: list[Made]) -> None:
    index = VersionIndex(versions)
    for record in read:
        found = index.owner_of(record)
        assert found is not None
        owner = (found.version.version, found.event_type, found.stage)
        assert owner == by_the_rule(versions, record)


ASKED = EventSpec(topic="p.asked", partitions=2, key="n", boundaries=(5, 5))
GIVEN = EventSpec(topic="p.given", partitions=1, boundaries=(0,))
STAGE = StageSpec(run="m:f", subscribes=("asked",), emits=("given",))
VERSIONS = [
    version(1, {"asked": ASKED, "given": GIVEN}, {"s": STAGE}),
    version(2, {"asked": ASKED.model_copy(update={"boundaries": (9, 9)})}, {"s": STAGE}),
]
EMITTED = [
    ("ce_source", OURS + b"s"),
    ("ce_topologyversion", b"p@1"),
    ("ce_runid", b"r" * 13),
    ("ce_id", b"asked/0/1/0"),
]


def owner(offset: int = 0, **more: Any) -> tuple[int, str, str | None] | None:
    found = VersionIndex(VERSIONS).owner_of(
        Made(b"{}", **{"topic": "p.asked", "partition": 0, "offset": offset, **more})
    )
    return None if found is None else (found.version.version, found.event_type, found.stage)


@pytest.mark.parametrize(("offset", "number"), [(0, 1), (5, 1), (8, 1), (9, 2), (99, 2)])
def test_a_root_belongs_to_the_newest_version_that_begins_before_it(
    offset: int, number: int
) -> None:
    """Before all boundaries, to the oldest."""
    assert owner(offset) == (number, "asked", None)


def test_in_a_partition_that_an_operator_added_all_is_the_newest_versions() -> None:
    assert owner(0, partition=2) == owner(0, partition=7) == (2, "asked", None)


def test_a_stages_output_belongs_to_the_version_that_it_carries() -> None:
    assert owner(99, topic="p.given", headers=EMITTED) == (1, "given", "s")


@pytest.mark.parametrize(
    "headers",
    [
        EMITTED[1:],
        [("ce_source", OURS + b"t"), *EMITTED[1:]],
        [("ce_source", OURS), *EMITTED[1:]],
        [("ce_source", b"farandole://elsewhere/p/s"), *EMITTED[1:]],
        [*EMITTED[:2], EMITTED[3]],
        [*EMITTED, ("ce_runid", b"")],
        [*EMITTED[:1], *EMITTED[2:]],
    ],
)
def test_a_version_is_believed_only_of_a_stages_output(headers: list[Header]) -> None:
    assert owner(99, topic="p.given", headers=headers) == (1, "given", None)
    assert owner(99, headers=[*headers, ("ce_topologyversion", b"p@1")])[0] == 2  # type: ignore[index]


def test_no_stage_emits_what_it_does_not_declare() -> None:
    """Stage `s` emits `given`, not `asked`."""
    assert owner(99, headers=EMITTED) == (2, "asked", None)


def test_an_unknown_version_is_a_root_in_its_place() -> None:
    headers = [*EMITTED, ("ce_topologyversion", b"p@7")]
    assert owner(8, headers=headers) == (1, "asked", None)
    with pytest.raises(UnknownVersionError) as error:
        VersionIndex(VERSIONS).claimed_owner(dict(headers), "p.asked")
    assert error.value.args == (b"p@7",)


@pytest.mark.parametrize(
    "header",
    [("ce_runid", b"\xff\xfe"), ("ce_runid", b"r" * 65), ("ce_id", None), ("traceparent", b"\xff")],
    ids=str,
)
def test_a_stages_output_with_an_unusable_header_is_a_root_in_its_place(header: Any) -> None:
    headers = [*EMITTED, header]
    assert owner(99, topic="p.given", headers=headers) == (1, "given", None)
    with pytest.raises(UnreadableEventError):
        VersionIndex(VERSIONS).claimed_owner(dict(headers), "p.given")


def test_a_topic_that_no_version_has_belongs_to_none() -> None:
    assert owner(99, topic="p.other") is None


def test_the_run_of_a_root_is_computed_by_its_own_version_wherever_it_stands() -> None:
    versions = [VERSIONS[0], VERSIONS[1].model_copy(update={"format": 3})]  # begins at 9
    index, ids = VersionIndex(versions), RunIdGenerator(INSTALLATION, "p.asked")
    far = 3 + RUN_ID_BLOCK
    for partition, offset in ((0, 3), (1, 3), (0, 9), (0, 4), (0, far), (0, 2), (0, 10), (1, 9)):
        record = Made(b"{}", topic="p.asked", partition=partition, offset=offset)
        found = index.owner_of(record)
        assert found is not None
        expected = ids.run_id(partition, offset, 1 if offset < 9 else 3)
        assert index.run_of(record, found).decode() == expected


def test_a_key_has_one_home() -> None:
    assert home_partition(ASKED, b"k") == partition_for_key(b"k", 2)
    assert home_partition(ASKED, None) is None
    assert home_partition(GIVEN, b"k") is None

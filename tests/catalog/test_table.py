"""Is the topology table decoded once, and what becomes of rows that no router wrote?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from farandole.broker.table_follower import TableFollower
from farandole.catalog import topology_table
from farandole.catalog.published_versions import PublishedVersions
from farandole.catalog.topology_table import TopologyDecoder, TopologyTable, decode_installation
from farandole.events.row_format import NewerFormatError
from farandole.events.topology_version import (
    INSTALLATION_KEY,
    Installation,
    RouterReport,
    Version,
    parse_topology_row,
)
from tests.catalog.made import INSTALLATION, version

CREATED = datetime(2026, 11, 23, tzinfo=UTC)
HERE = Installation(id=INSTALLATION, created=CREATED)
REPORT = RouterReport(pipeline="p", reported=CREATED, reported_by="ann", file="topology.yaml")
P1, P2, P10, Q1 = version(1), version(2), version(10), version(1, pipeline="q")


def row(decoded: Version | RouterReport | Installation) -> tuple[bytes, bytes]:
    key = {Installation: INSTALLATION_KEY, RouterReport: b"p@router"}.get(type(decoded))
    if isinstance(decoded, Version):
        key = decoded.name.encode()
    assert key is not None
    return key, decoded.model_dump_json().encode()


ROWS = dict([row(HERE), row(P10), row(Q1), row(P1), row(REPORT), row(P2)])


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The keys of the rows that were parsed."""
    keys: list[bytes] = []

    def counting(key: bytes, value: bytes) -> Any:
        keys.append(key)
        return parse_topology_row(key, value)

    monkeypatch.setattr(topology_table, "parse_topology_row", counting)
    return keys


def test_all_that_the_table_says() -> None:
    table = TopologyDecoder().decode(ROWS)
    assert table == TopologyTable(HERE, (P1, P2, P10, Q1), {"p": REPORT}, {})
    assert table.of("p") == (P1, P2, P10)
    assert table.newest("p") == P10
    assert table.newest_versions() == [P10, Q1]
    assert table.pipelines() == ["p", "q"]
    assert table.by_name[b"q@1"] == Q1
    assert (table.of("r"), table.newest("r")) == ((), None)


def test_a_row_is_parsed_once(parsed: list[bytes]) -> None:
    decoder = TopologyDecoder()
    decoder.decode(ROWS)
    assert sorted(parsed) == sorted(ROWS)
    retired = row(P1.model_copy(update={"retired": CREATED}))
    table = decoder.decode(ROWS | dict([retired]))
    assert parsed[len(ROWS) :] == [b"p@1"]
    assert table.of("p")[0].retired == CREATED
    assert decoder.decode({**ROWS}).of("p") == (P1, P2, P10)


def test_the_same_rows_are_the_same_table() -> None:
    decoder = TopologyDecoder()
    table = decoder.decode(ROWS)
    assert decoder.decode(ROWS) is table
    assert decoder.decode({**ROWS}) is table
    assert decoder.decode(dict(reversed(ROWS.items()))) is table
    assert decoder.decode({}) == TopologyTable()


def test_rows_of_other_pipelines_are_not_parsed(parsed: list[bytes]) -> None:
    table = TopologyDecoder("q").decode(ROWS)
    assert (table.of("q"), table.pipelines()) == ((Q1,), ["q"])
    assert sorted(parsed) == [INSTALLATION_KEY, b"q@1"]


def test_a_foreign_row_is_told_once_until_it_is_written_anew() -> None:
    told: list[bytes] = []
    decoder = TopologyDecoder("p", told.append)
    foreign = {b"theirs": b"nonsense", b"p@9": b"{}", b"q@9": b"{}"}
    table = decoder.decode(ROWS | foreign)
    assert table.of("p") == (P1, P2, P10)
    assert set(table.foreign) == set(told) == {b"theirs", b"p@9"}
    decoder.decode(ROWS | foreign | dict([row(version(11))]))
    assert len(told) == 2
    decoder.decode(ROWS | {b"theirs": b"more nonsense"})
    assert told[2:] == [b"theirs"]


def newer(written: Version) -> tuple[bytes, bytes]:
    """A version as a release might write it that knows a later format."""
    key, value = row(written)
    return key, json.dumps(json.loads(value) | {"format": 9, "events": "elsewhere"}).encode()


def test_a_version_of_a_newer_format_is_never_taken_for_none() -> None:
    table = TopologyDecoder().decode(ROWS | dict([newer(version(11))]))
    for read in (table.of, table.newest):
        with pytest.raises(
            NewerFormatError,
            match=r"version p@11 has format 9, and .* formats up to \d: .* upgrade",
        ):
            read("p")
    assert table.foreign == {}
    assert table.of("q") == (Q1,)
    assert table.newest_known("p") == P10
    assert table.pipelines() == ["p", "q"]


def test_a_pipeline_of_newer_versions_alone_is_published_all_the_same() -> None:
    table = TopologyDecoder().decode(dict([newer(version(1, pipeline="r"))]))
    assert table.pipelines() == ["r"]
    assert table.newest_known("r") is None
    with pytest.raises(NewerFormatError):
        table.of("r")


@pytest.mark.parametrize("number", [0, -1, "two", None])
def test_a_format_that_is_no_number_is_that_of_a_foreign_row(number: object) -> None:
    key, value = row(P1)
    odd = json.dumps(json.loads(value) | {"format": number}).encode()
    assert set(TopologyDecoder().decode({key: odd}).foreign) == {key}


def test_a_version_without_a_format_has_the_first_one() -> None:
    key, value = row(P1)
    old = {name: each for name, each in json.loads(value).items() if name != "format"}
    (read,) = TopologyDecoder().decode({key: json.dumps(old).encode()}).of("p")
    assert read.format == 1


def test_who_this_installation_is() -> None:
    assert decode_installation(ROWS) == HERE
    assert decode_installation({}) is None
    assert decode_installation({INSTALLATION_KEY: b"{}"}) is None


def test_a_version_under_another_key_or_with_an_unknown_event_is_foreign() -> None:
    key, value = row(P1)
    renamed = TopologyDecoder().decode({b"p@9": value})
    assert renamed.foreign == {b"p@9": f"its key is not {key.decode()}"}
    stage = {**json.loads(value)["stages"], "s": {"run": "m:f", "subscribes": ["no"]}}
    broken = TopologyDecoder().decode(
        {key: json.dumps({**json.loads(value), "stages": stage}).encode()}
    )
    assert broken.foreign == {key: "its stage s names no, which is no event of it"}


class Follower:
    """A follower whose rows the test sets."""

    def __init__(self, rows: Mapping[bytes, bytes]) -> None:
        self.rows = rows

    async def settled(self) -> Mapping[bytes, bytes]:
        return self.rows


async def test_versions_are_another_object_only_if_one_has_changed() -> None:
    """Lanes read their edges anew whenever it is another one."""
    follower = Follower(ROWS)
    published = PublishedVersions(cast(TableFollower, follower), "p")
    first = published.versions
    assert first == {1: P1, 2: P2, 10: P10}
    report = REPORT.model_copy(update={"file": "other.yaml"})
    follower.rows = ROWS | dict([row(version(2, pipeline="q")), row(report)])
    assert await published.current() is first
    follower.rows = ROWS | dict([row(version(11))])
    assert list(await published.current()) == [1, 2, 10, 11]


async def test_who_follows_the_versions_learns_of_one_that_it_cannot_read() -> None:
    """A worker must not take the events of that version for those of none."""
    follower = Follower(ROWS)
    published = PublishedVersions(cast(TableFollower, follower), "p")
    await published.changed()
    follower.rows = ROWS | dict([newer(version(11))])
    for read in (published.current, published.changed):
        with pytest.raises(NewerFormatError, match="p@11"):
            await read()
    assert list(published.versions) == [1, 2, 10]

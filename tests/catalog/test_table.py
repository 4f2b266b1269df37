"""Is the topology table decoded once, and what becomes of rows that no router wrote?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from pydantic import ValidationError

from farandole.broker.table_follower import TableFollower
from farandole.catalog import topology_table
from farandole.catalog.published_versions import PublishedVersions
from farandole.catalog.topology_table import TopologyDecoder, TopologyTable, decode_installation
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


def test_who_this_installation_is() -> None:
    assert decode_installation(ROWS) == HERE
    assert decode_installation({}) is None
    with pytest.raises(ValidationError):
        decode_installation({INSTALLATION_KEY: b"{}"})


class Follower:
    """A follower whose rows the test sets."""

    def __init__(self, rows: Mapping[bytes, bytes]) -> None:
        self.rows = rows

    async def current(self) -> Mapping[bytes, bytes]:
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

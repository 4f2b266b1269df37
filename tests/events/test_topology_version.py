"""Is a version parsed as it was published, and does it know the subscribers of an event type?"""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from pydantic import ValidationError

from farandole.events.topology_version import (
    EventSpec,
    Installation,
    RetryPolicy,
    StageSpec,
    Version,
)

VERSION = Version(
    pipeline="order-lines",
    version=7,
    installation=UUID(int=7),
    published=datetime(2026, 11, 23, tzinfo=UTC),
    published_by="me",
    events={
        "feed": EventSpec(topic="order-lines.feed", partitions=1, boundaries=(0,)),
        "line": EventSpec(topic="order-lines.line", partitions=4, key="household",
                      data_schema={"type": "object"}, boundaries=(1, 2, 3, 4)),
    },
    stages={
        "ingest": StageSpec(run="m:ingest", subscribes=("feed",), emits=("line",), threads=2),
        "load": StageSpec(run="m:load", subscribes=("line",), retry=RetryPolicy(attempts=1)),
        "watch": StageSpec(run="m:watch", subscribes=("line", "feed")),
    },
)  # fmt: skip


def test_a_version_is_read_as_it_was_written() -> None:
    assert Version.model_validate_json(VERSION.model_dump_json()) == VERSION


def test_an_installation_is_read_as_it_was_written() -> None:
    installation = Installation(id=UUID(int=1), created=datetime(2026, 11, 23, tzinfo=UTC))
    assert Installation.model_validate_json(installation.model_dump_json()) == installation


def test_an_older_worker_reads_a_version_with_a_field_that_it_does_not_know() -> None:
    document = VERSION.model_dump(mode="json") | {"invented_later": 1}
    read = Version.model_validate(document).model_dump(exclude={"invented_later"})
    assert read == VERSION.model_dump()


def test_a_version_has_the_name_that_events_carry() -> None:
    assert VERSION.name == "order-lines@7"
    assert VERSION.source("load") == f"farandole://{UUID(int=7)}/order-lines/load"


def test_a_version_knows_emitters_and_subscribers() -> None:
    assert VERSION.subscribers("line") == ("load", "watch")
    assert VERSION.emitters("line") == ("ingest",)
    assert VERSION.emitters("feed") == ()
    assert VERSION.roots() == ("feed",)


@pytest.mark.parametrize("retry", [{"attempts": 0}, {"attempts": 101}, {"backoff": -1}])
def test_a_retry_out_of_bounds_is_refused(retry: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        RetryPolicy.model_validate(retry)

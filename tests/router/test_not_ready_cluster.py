"""Is a version published on a cluster that is not ready yet?"""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from farandole.broker.backoff import Backoff
from farandole.broker.broker_errors import BrokerError, DeadlineExceededError, UnreachableError
from farandole.broker.settings import Settings
from farandole.events.topology_version import Version
from farandole.router import version_publisher
from farandole.router.topology_store import NotAppliedError
from farandole.router.version_publisher import ApplyResult, publish_version
from tests.router.made import derived

SETTINGS = Settings(bootstrap="localhost:1")
VERSION = Version(
    pipeline="p",
    version=1,
    installation=uuid4(),
    published=datetime.now(UTC),
    published_by="ann",
    events={},
    stages={},
    ledger=1,
)


class Cluster:
    """It fails a few attempts, before or after the version is written."""

    def __init__(self, *errors: BrokerError, written: bool = False) -> None:
        self.errors = list(errors)
        self.written = written

    async def attempt(self, job: version_publisher._PublishJob) -> ApplyResult:
        if self.written:
            job.attempts.append(VERSION)
        if self.errors:
            raise self.errors.pop(0)
        return ApplyResult(VERSION, changed=True)


async def published(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> ApplyResult:
    monkeypatch.setattr(version_publisher, "_try_publish", cluster.attempt)
    monkeypatch.setattr(version_publisher, "_RETRY_BACKOFF", Backoff(first=0, longest=0, jitter=0))
    return await publish_version(SETTINGS, derived(SETTINGS.names), "ann")


@pytest.mark.parametrize("error", [DeadlineExceededError, UnreachableError])
async def test_coordinators_that_do_not_answer_yet_are_asked_again(
    error: type[BrokerError], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(error("asking for first offsets"), error("asking for first offsets"))
    assert (await published(cluster, monkeypatch)).changed


async def test_a_version_that_may_have_been_written_is_not_written_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = Cluster(DeadlineExceededError("commit"), written=True)
    with pytest.raises(NotAppliedError, match="commit: whether the version was published"):
        await published(cluster, monkeypatch)


async def test_a_cluster_that_never_answers_is_named_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = Cluster(*[UnreachableError("no broker answers")] * 99)
    with pytest.raises(UnreachableError, match="no broker answers"):
        await published(cluster, monkeypatch)

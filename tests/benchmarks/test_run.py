"""Is a contestant watched to its end, and counted by what it left behind?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import pipelines
from benchmarks.peers.contestants import AT_LEAST, CONTESTANTS, Contestant, Hop
from benchmarks.peers.installed import Home
from benchmarks.peers.lines import fill
from benchmarks.peers.run import Source, run
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_spec import TopicSpec

LINES = 4000
NO_HOME = Home((), {})

pytestmark = pytest.mark.kafka


@pytest.fixture
async def source(settings: Settings) -> Source:
    topic = settings.names.event_topic("bench", "peers")
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({topic: TopicSpec(pipelines.PARTITIONS)})
    await fill(settings, topic, LINES)
    return Source(topic, LINES)


def forgetful(_: Home, hop: Hop) -> Sequence[str]:
    program = Path(__file__).parent / "forgetful.py"
    return [sys.executable, str(program), hop.bootstrap, hop.source, hop.target, hop.group]


async def test_our_own_worker_moves_each_line_once(settings: Settings, source: Source) -> None:
    ours = next(c for c in CONTESTANTS if c.ours)
    done = await run(settings, ours, NO_HOME, source, limit=60)
    assert done.marks == ()
    assert done.committed == LINES
    assert done.rate
    assert done.memory > 0


async def test_who_commits_what_it_did_not_write_has_lost_it(
    settings: Settings, source: Source
) -> None:
    done = await run(settings, Contestant("Forgetful", AT_LEAST, forgetful), NO_HOME, source, 60)
    assert done.marks == ("lost 4 lines", "doubled 1 lines")


async def test_who_ends_too_soon_has_failed_and_who_does_nothing_is_cut(
    settings: Settings, source: Source
) -> None:
    def ends(_: Home, __: Hop) -> Sequence[str]:
        return [sys.executable, "-c", "raise SystemExit('there is no such topic')"]

    def sleeps(_: Home, __: Hop) -> Sequence[str]:
        return [sys.executable, "-c", "import time; time.sleep(600)"]

    done = await run(settings, Contestant("Ends", AT_LEAST, ends), NO_HOME, source, 60)
    assert done.marks == ("failed: exit 1: there is no such topic",)
    done = await run(settings, Contestant("Sleeps", AT_LEAST, sleeps), NO_HOME, source, 0.5)
    assert done.marks == ("unfinished: 0 of 4,000 lines in 0.5 s",)

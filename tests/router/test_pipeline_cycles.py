"""Is a file refused whose runs and those of other pipelines would cause each other?"""

from __future__ import annotations

import pytest

from farandole.broker.settings import Settings
from farandole.events.kafka_names import KafkaNames
from farandole.router.cluster_snapshot import plan_changes
from farandole.router.pipeline_cycles import DependencyCycleError, require_no_cycle
from farandole.router.topology_derivation import DerivedTopology
from farandole.router.version_publisher import publish_version
from tests.router import made
from tests.router.test_schedules import version_of


def waiting(
    pipeline: str, other: str, more: str = "", names: KafkaNames | None = None
) -> DerivedTopology:
    """A pipeline with a schedule that waits for the runs of another one."""
    schedule = f"after: {{pipeline: {other}}}, triggers: asked{more}"
    file = made.FILE.replace("pipeline: p", f"pipeline: {pipeline}")
    return made.derived(names or KafkaNames(), f"{file}schedules: {{s: {{{schedule}}}}}\n")


def test_a_circle_through_another_pipeline_is_refused_by_name() -> None:
    with pytest.raises(DependencyCycleError, match=r"'s' is one of a circle .* p/asked → q/asked"):
        require_no_cycle(waiting("p", "q"), [version_of(waiting("q", "p"))])


def test_a_version_before_does_not_count() -> None:
    before, other = version_of(waiting("p", "q")), version_of(waiting("q", "p"))
    require_no_cycle(waiting("p", "elsewhere"), [before, other])


def test_the_circles_of_others_do_not_count() -> None:
    require_no_cycle(
        waiting("p", "q"), [version_of(waiting("q", "r")), version_of(waiting("r", "q"))]
    )


def test_a_circle_with_a_time_in_it_is_allowed() -> None:
    require_no_cycle(waiting("p", "q", ", cron: '@daily'"), [version_of(waiting("q", "p"))])


@pytest.mark.kafka
async def test_a_plan_knows_the_pipelines_that_are_published(settings: Settings) -> None:
    await publish_version(settings, waiting("q", "p", names=settings.names), "ann")
    with pytest.raises(DependencyCycleError):
        await plan_changes(settings, waiting("p", "q", names=settings.names))

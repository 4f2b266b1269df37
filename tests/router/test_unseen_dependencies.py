"""Is it said that a schedule waits for what was never there?"""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from farandole.broker.settings import Settings
from farandole.events.schedule_spec import DependencySpec, ScheduleSpec
from farandole.router.cluster_snapshot import plan_changes
from farandole.router.unseen_dependencies import unseen_folders, unseen_runs
from tests.router.test_pipeline_cycles import waiting

ROOTS = {"depot": frozenset({"report.requested"}), "shop": frozenset({"order.placed"})}


def unseen(**dependency: object) -> list[str]:
    spec = ScheduleSpec(triggers="a", after=(DependencySpec.model_validate(dependency),))
    return [*unseen_runs(spec, "shop", ROOTS), *unseen_folders(spec, Path())]


def test_a_misspelt_pipeline_or_root_is_named_with_the_one_that_was_meant() -> None:
    (pipeline,) = unseen(pipeline="depoot")
    assert pipeline.endswith("'depoot', of which no version was ever seen; did you mean 'depot'?")
    (root,) = unseen(pipeline="depot", event="reprot.requested")
    assert root.endswith("ever had as a root; did you mean 'report.requested'?")


def test_what_can_come_is_not_named() -> None:
    assert unseen(pipeline="depot") == unseen(pipeline="depot", event="report.requested") == []
    assert unseen(pipeline="shop", event="which lint knows") == []
    assert unseen(file="s3://bucket/in/*.csv") == []


def test_a_pipeline_of_a_newer_release_may_have_any_root() -> None:
    after = (DependencySpec(pipeline="depot", event="any"),)
    assert [
        *unseen_runs(ScheduleSpec(triggers="a", after=after), "p", {"depot": frozenset()})
    ] == []


def test_a_local_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    (text,) = unseen(file=f"{tmp_path}/nowhere/*.csv")
    assert f"this machine has no folder '{tmp_path}/nowhere'" in text
    assert unseen(file=f"{tmp_path}/*.csv") == unseen(file=f"file://{tmp_path}/*.csv") == []


@pytest.mark.kafka
async def test_a_plan_warns_of_a_pipeline_that_was_never_applied(settings: Settings) -> None:
    with capture_logs() as logs:
        await plan_changes(settings, waiting("p", "depoot", names=settings.names))
    (found,) = [each for each in logs if each["event"] == "schedule.unseen"]
    assert (found["schedule"], "'depoot'" in found["why"]) == ("s", True)

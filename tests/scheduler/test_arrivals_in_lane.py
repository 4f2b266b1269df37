"""Does a schedule fire once for each run and file that it waits for, whatever is killed?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest

from farandole.events.schedule_spec import DependencySpec, ScheduleSpec
from farandole.scheduler import dependencies
from farandole.scheduler.facts import FolderLook, RunChange, SeenFile
from tests.scheduler.driven import START, World, at, event_id

AFTER_ORDERS = DependencySpec(pipeline="orders", status=("completed", "settled"))
FILES = DependencySpec(file="in/*.csv", every=30)
EACH = ScheduleSpec(
    triggers="asked", data={"run": "${run}"}, after=(AFTER_ORDERS,), overlap="allow-all"
)
EACH_FILE = ScheduleSpec(
    triggers="asked", data={"file": "${file}"}, after=(FILES,), overlap="allow-all"
)


class Looks:
    """`farandole.scheduler.facts.FileFacts` of a folder that tests own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._looks: dict[str, FolderLook] = {}
        self._urls: Mapping[str, float] = {}
        self.files: list[str] = []
        self.problem = ""

    def watch(self, urls: Mapping[str, float]) -> None:
        self._urls = urls
        self.look()

    def look(self) -> None:
        """Look at all that somebody waits for."""
        files = [] if self.problem else [SeenFile(f"/in/{name}", "1") for name in self.files]
        look = FolderLook(self._world.now, files, self.problem)
        self._looks |= dict.fromkeys(self._urls, look)

    def take(self) -> Mapping[str, FolderLook]:
        looks, self._looks = self._looks, {}
        return looks

    @property
    def has_some(self) -> bool:
        return bool(self._looks)


def started(spec: ScheduleSpec) -> World:
    world = World(now=START + timedelta(seconds=1))
    world.publish(report=spec)
    start(world)
    return world


def start(world: World, *files: str) -> Looks:
    """Start a scheduler that sees these files, and return its looks."""
    world.stop()
    process = world.start()
    looks = Looks(world)
    looks.files = [*files]
    process.facts.files = looks
    return looks


def looking(spec: ScheduleSpec, *files: str) -> tuple[World, Looks]:
    world = World(now=START + timedelta(seconds=1))
    world.publish(report=spec)
    looks = start(world, *files)
    world.advance(at("10:00:02"))
    return world, looks


def end_of_orders(world: World, run: str, status: str = "completed") -> None:
    world.books.log.append(RunChange(run, "completed", "orders", "order.placed", status, world.now))


def test_a_run_of_another_pipeline_that_ends_fires_the_schedule_once() -> None:
    world = started(EACH)
    world.advance(at("10:01"))
    end_of_orders(world, "a")
    world.advance(at("10:02"))
    start(world)
    world.advance(at("10:03"))
    (event,) = world.events()
    assert event_id(event) == "report/2026-11-30T10:01:00Z#a"
    assert event.value == b'{"run":"a"}'


def test_a_run_that_ends_while_no_scheduler_runs_fires_the_schedule() -> None:
    world = started(EACH)
    world.advance(at("10:01"))
    world.kill()
    world.advance(at("10:02"))
    end_of_orders(world, "a")
    world.advance(at("10:10"))
    start(world)
    world.advance(at("10:11"))
    assert world.outcomes() == [("10:02", "fired")]


@pytest.mark.parametrize("steps", range(1, 12))
def test_a_scheduler_that_is_killed_anywhere_loses_and_doubles_no_arrival(steps: int) -> None:
    world = started(EACH)
    world.advance(at("10:01"))
    end_of_orders(world, "a")
    end_of_orders(world, "b")
    process = world.process
    assert process is not None
    for _ in range(steps):
        if world.step(process) == "fetch":
            break
        world.kafka.complete("farandole.scheduler:0")
    world.kill()
    start(world)
    world.advance(at("10:02"))
    assert sorted(event_id(event)[-1] for event in world.events()) == ["a", "b"]


def test_a_run_that_was_read_before_the_version_that_waits_for_it_counts() -> None:
    world = World(now=START)
    world.publish()
    start(world)
    world.advance(at("10:01"))
    versions = world.versions
    world.publish(report=EACH)
    published, world.versions = world.versions, versions
    end_of_orders(world, "a")
    world.advance(at("10:01:00.100"))
    world.versions = published
    world.advance(at("10:02"))
    assert [event_id(event)[-1] for event in world.events()] == ["a"]


def test_a_run_that_ended_before_its_schedule_was_published_does_not_count() -> None:
    world = World(now=START)
    end_of_orders(world, "a")
    world.publish()
    start(world)
    world.advance(at("10:01"))
    world.publish(report=EACH)
    world.advance(at("10:02"))
    assert not world.events()


def test_a_nightly_schedule_waits_for_the_run_of_its_day() -> None:
    world = started(EACH.model_copy(update={"cron": "5 10 * * *", "within": 600.0}))
    world.advance(at("10:06"))
    assert not world.events()
    end_of_orders(world, "a")
    world.advance(at("10:07"))
    assert world.outcomes() == [("10:05", "fired")]


def test_a_deadline_misses_what_did_not_come_and_tells_people() -> None:
    world = started(EACH.model_copy(update={"cron": "5 10 * * *", "within": 600.0}))
    world.advance(at("10:17"))
    (record,) = world.records()
    assert record.outcome == "missed"
    assert "no run of orders had ended with the status completed or settled" in record.reason
    assert "schedule.partial" in {alert.kind for alert in world.alerts()}


def test_arrivals_of_a_pause_fire_once_it_is_over() -> None:
    policy = EACH.catch_up.model_copy(update={"runs": "all"})
    world = started(EACH.model_copy(update={"catch_up": policy}))
    world.advance(at("10:01"))
    world.pause("report")
    world.advance(at("10:02"))
    for run in "ab":
        end_of_orders(world, run)
    world.advance(at("10:03"))
    assert not world.events()
    world.resume("report")
    world.advance(at("10:04"))
    assert [event_id(event)[-1] for event in world.events()] == ["a", "b"]


def test_a_file_that_appears_fires_the_schedule_once() -> None:
    world, looks = looking(EACH_FILE)
    looks.files.append("a.csv")
    looks.look()
    world.advance(at("10:01"))
    start(world, "a.csv")
    world.advance(at("10:02"))
    (event,) = world.events()
    assert event.value == b'{"file":"/in/a.csv"}'


@pytest.mark.parametrize("overlap", ["allow-all", "skip", "buffer-all"])
def test_each_file_of_a_flood_ends_in_one_record(
    overlap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dependencies, "MAX_ARRIVALS", 10)
    names = [f"{number:04}.csv" for number in range(130)]
    world, _ = looking(EACH_FILE.model_copy(update={"overlap": overlap}), *names)
    world.advance(at("10:01"))
    fired = 0
    while fired < len(world.events()):
        fired = len(world.events())
        world.end_all()
        world.advance(world.now + timedelta(seconds=1))
    assert len(world.records()) == len(names)
    assert fired == (1 if overlap == "skip" else len(names))


def test_a_flood_waits_in_its_folder_while_a_run_goes_on() -> None:
    names = [f"{number:04}.csv" for number in range(2_000)]
    world, _ = looking(EACH_FILE.model_copy(update={"overlap": "buffer-all"}), *names)
    world.advance(at("10:01"))
    row = world.row("report")
    assert row is not None
    assert len(row.arrivals["0"]) == dependencies.MAX_ARRIVALS
    assert [record.outcome for record in world.records()] == ["fired"]


def test_a_file_that_waits_in_its_folder_for_days_is_not_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dependencies, "MAX_ARRIVALS", 1)
    spec = EACH_FILE.model_copy(update={"overlap": "buffer-all", "buffer": 1})
    world, _ = looking(spec, "a.csv", "b.csv", "c.csv", "d.csv")
    for _ in range(3):
        world.advance(world.now + timedelta(hours=10))
        world.end_all()
    world.advance(world.now + timedelta(seconds=1))
    assert [record.outcome for record in world.records()] == ["fired"] * 4


def test_a_folder_that_cannot_be_seen_is_an_alert_until_it_can() -> None:
    world, looks = looking(EACH_FILE)
    looks.problem = "in/*.csv: it may not be read"
    looks.look()
    world.advance(at("10:02"))
    assert "in/*.csv: it may not be read" in world.alerts()[-1].text
    looks.problem = ""
    looks.look()
    world.advance(at("10:03"))
    assert world.alerts()[-1].state == "resolved"


def test_the_files_of_a_schedule_that_is_removed_are_forgotten() -> None:
    world, _ = looking(EACH_FILE, "a.csv")
    assert any(key.startswith(b"object/") for key in world.table())
    world.publish()
    world.advance(at("10:01"))
    assert not any(key.startswith(b"object/") for key in world.table())


def test_data_name_the_dependencies_of_the_version_that_planned_the_time() -> None:
    orders, stock = (DependencySpec(pipeline=name, status=("completed",)) for name in ("o", "s"))
    planned = ScheduleSpec(
        triggers="asked",
        cron="0 11 * * *",
        after=(orders, stock),
        data={"orders": "${after.0.run}", "stock": "${after.1.run}"},
    )
    world = started(planned)
    world.advance(at("11:00:30"))
    data = {"orders": "${after.1.run}", "stock": "${after.0.run}"}
    world.publish(report=planned.model_copy(update={"after": (stock, orders), "data": data}))
    world.advance(at("11:01"))
    for name in ("o", "s"):
        world.books.log.append(
            RunChange(f"run-{name}", "completed", name, "asked", "completed", world.now)
        )
    world.advance(at("11:02"))
    assert [event.value for event in world.events()] == [b'{"orders":"run-o","stock":"run-s"}']

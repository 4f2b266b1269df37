"""What does a schedule in a file become, and how is its change told?"""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from farandole.events.kafka_names import KafkaNames
from farandole.events.schedule_spec import CatchUpPolicy, ScheduleSpec
from farandole.events.topology_version import Version
from farandole.router.change_plan import same_content
from farandole.router.schedule_diff import schedule_changes
from farandole.router.topology_derivation import (
    DerivedTopology,
    derive_from_version,
    make_version,
)
from tests.router import made
from tests.router.conftest import GOOD

DAILY = "cron: '@daily', triggers: feed.requested"
ENDED = ("completed", "settled", "completed with dead letters", "settled with dead letters")


def derived(written: str) -> DerivedTopology:
    """A good file with one schedule, `nightly`."""
    return made.derived(KafkaNames(), f"{GOOD}schedules:\n  nightly: {{{written}}}\n")


def schedule(written: str) -> ScheduleSpec:
    return derived(written).schedules["nightly"]


def version_of(topology: DerivedTopology) -> Version:
    return make_version(topology, number=1, installation=UUID(int=0), published_by="a", ledger=1)


def test_what_a_schedule_does_not_say_has_the_published_default() -> None:
    assert schedule(DAILY) == ScheduleSpec(triggers="feed.requested", cron="@daily")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("overlap: allow-all", {"overlap": "allow-all"}),
        ("overlap: {buffer-all: 7}", {"overlap": "buffer-all", "buffer": 7}),
        ("catch_up: all", {"catch_up": CatchUpPolicy(runs="all")}),
        (
            "catch_up: {runs: none, within: 2d, per_minute: 3}",
            {"catch_up": CatchUpPolicy(runs="none", within=172800, per_minute=3)},
        ),
        ("at: 2026-12-24 18:00", {"at": ("2026-12-24T18:00",)}),
        ("at: [2026-12-24, 2026-12-25T08:00Z]", {"at": ("2026-12-24", "2026-12-25T08:00Z")}),
        ("every: 90m, jitter: 5m", {"every": 5400, "jitter": 300}),
        ("data: {a: null, b: 1}", {"data": {"a": None, "b": 1}}),
        ("paused: true, jitter: ", {"paused": True}),
    ],
)
def test_each_form_of_a_value_is_read(written: str, read: dict[str, Any]) -> None:
    spec = schedule(f"triggers: feed.requested, {written}")
    assert spec == ScheduleSpec(triggers="feed.requested", **read)


def test_days_are_read_one_or_several() -> None:
    one = schedule(f"{DAILY}, exclude: {{weekdays: sun}}").exclude
    several = schedule(f"{DAILY}, include: [{{dates: [2026-12-24]}}, {{holidays: DE-BY}}]").include
    assert [each.weekdays for each in one] == [(6,)]
    assert [(each.dates, each.holidays) for each in several] == [
        ((date(2026, 12, 24),), ""),
        ((), "DE-BY"),
    ]


@pytest.mark.parametrize(
    ("written", "statuses"),
    [
        ("", ("completed", "settled")),
        (", status: failed", ("failed",)),
        (", status: [completed, dead-letters]", ENDED),
        (", status: any", (*ENDED, "failed", "cancelled")),
    ],
)
def test_a_status_is_written_as_one_word(written: str, statuses: tuple[str, ...]) -> None:
    (after,) = schedule(f"triggers: feed.requested, after: {{pipeline: orders{written}}}").after
    assert after.status == statuses


def test_a_schedule_survives_a_version_and_a_rollback() -> None:
    topology = derived(f"{DAILY}, data: {{a: ['${{planned}}']}}, exclude: {{dates: 2026-12-24}}")
    version = Version.model_validate_json(version_of(topology).model_dump_json())
    assert same_content(version, topology)
    assert derive_from_version(version, KafkaNames()).schedules == version.schedules


def test_one_is_not_true() -> None:
    assert not same_content(
        version_of(derived(f"{DAILY}, data: 1")), derived(f"{DAILY}, data: true")
    )


def told(old: str | None, new: str | None) -> str:
    before, after = ({} if each is None else derived(each).schedules for each in (old, new))
    (change,) = schedule_changes(before, after)
    assert change.danger is None
    return str(change)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (DAILY, "@daily: triggers feed.requested"),
        (f"{DAILY}, zone: Europe/Paris, paused: true",
         "@daily in Europe/Paris: triggers feed.requested, paused"),
        ("every: 15m, triggers: a, after: {file: 'in/*.csv', existing: false}",
         "every 15m after in/*.csv (looked for each 30s, new ones only): triggers a"),
        ("at: [2026-12-24], triggers: a", "2026-12-24: triggers a"),
        ("triggers: a, after: [{pipeline: p, event: e}, {pipeline: q, status: any}]",
         "after p e completed and q any: triggers a"),
    ],
)  # fmt: skip
def test_a_new_schedule_is_told_in_a_line(written: str, text: str) -> None:
    assert told(None, written) == f"+ schedule nightly: {text}"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("jitter: 5m", "jitter 0s → 5m; planned times before this version stay"),
        ("start: 2026-01-01", "start none → 2026-01-01; planned times before this version stay"),
        ("overlap: {buffer-all: 7}", "overlap skip → buffer-all of 7"),
        ("catch_up: none", "catch_up latest within 1d, 60 in a minute → none"),
        ("exclude: [{weekdays: [sat, sun]}, {schedule: other}]",
         "exclude none → sat sun, days of other"),
        ("after: {pipeline: p, status: failed}", "after nothing → p failed"),
        ("data: {n: 1}", 'data null → {"n":1}'),
        ("paused: true", "paused false → true"),
        ("description: Why., otherwise: fire", "otherwise miss → fire; description none → Why."),
    ],
)  # fmt: skip
def test_a_change_names_each_key(change: str, text: str) -> None:
    assert told(DAILY, f"{DAILY}, {change}").startswith(f"~ schedule nightly: {text}")


def test_a_schedule_that_is_gone_says_what_becomes_of_waiting_times() -> None:
    assert told(DAILY, None).startswith("- schedule nightly: planned times that wait")


def test_a_schedule_that_stays_is_no_change() -> None:
    assert list(schedule_changes(derived(DAILY).schedules, derived(DAILY).schedules)) == []

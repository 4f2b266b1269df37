"""What does the API say of a run, and what does it do with one?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from farandole.broker.settings import Settings
from farandole.operations.actions.list_actions import ActionsRequest, list_actions
from farandole.operations.installation import Installation
from farandole.operations.topology_source import TopologySource
from tests.conftest import private_namespace
from tests.web.api import AS_PROXY, as_user, running_console
from tests.web.worked_lines import work_lines

pytestmark = pytest.mark.kafka

HOSTILE = "<img src=x onerror=alert(1)>\u202egpj.exe\x1b[31m"


@dataclass(frozen=True, slots=True)
class Worked:
    """Where the lines were worked."""

    settings: Settings
    folder: Path
    runs: list[str]


@pytest.fixture(scope="module")
def worked(
    kafka: Settings,
    delete_topics: Callable[[str], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Worked]:
    """Two runs: one of 20 lines, and one whose text is hostile."""
    settings, folder = private_namespace(kafka), tmp_path_factory.mktemp("lines")
    roots = [
        b'{"lines": 20, "household": "h1"}',
        orjson.dumps({"lines": 2, "household": "h2", "note": HOSTILE}),
        b"\xff\xfe no JSON",
    ]
    rows = asyncio.run(work_lines(settings, folder, roots))
    yield Worked(settings, folder, [row["run"] for row in rows])
    delete_topics(settings.names.prefix)


def edges_of(data: Any) -> dict[str, Any]:
    return {f"{edge['event_type']}>{edge['stage']}": edge for edge in data["edges"]}


async def test_every_event_of_a_run_is_in_one_part_of_each_edge(worked: Worked) -> None:
    async with running_console(worked.settings, worked.folder) as api:
        run = (await api.get(f"/runs/{worked.runs[0]}")).data
    edges = edges_of(run)
    assert [*edges] == ["asked>plan", "line.read>check", "line.checked>load", "line.checked>flag"]
    checked = edges["line.read>check"]["parts"]
    assert (checked["handled"], checked["dropped"], checked["dead"]) == (16, 2, 2)
    loaded, flagged = edges["line.checked>load"]["parts"], edges["line.checked>flag"]["parts"]
    assert (loaded["handled"], loaded["parked"]) == (15, 1)
    assert (flagged["handled"], flagged["filtered"]) == (1, 15)
    for edge in edges.values():
        assert edge["emitted"] == sum(edge["parts"].values()) + edge["difference"]
    assert (run["in_flight"], run["dead"], run["difference"]) == (1, 2, 0)
    assert run["leaves"] == [{"event_type": "coupon.found", "emitted": 1}]
    ratios = {stage["name"]: stage["ratio"] for stage in run["stages"]}
    assert ratios == {"plan": 20, "check": 1, "load": None, "flag": 1}
    assert run["expected_until"] == run["root"]["at"] + 600_000


async def test_an_unknown_run_is_a_problem_with_a_next_step(worked: Worked) -> None:
    async with running_console(worked.settings, worked.folder) as api:
        answer = await api.get("/runs/zzzzzzzzzzzzz")
    assert (answer.status, answer.data["code"]) == (404, "unknown_run")
    assert answer.data["next_steps"]


async def test_the_timeline_counts_what_each_stage_has_settled(worked: Worked) -> None:
    async with running_console(worked.settings, worked.folder) as api:
        timeline = (await api.get(f"/runs/{worked.runs[0]}/timeline")).data
    settled = {stage: sum(counts) for stage, counts in timeline["stages"].items()}
    assert settled == {"plan": 1, "check": 20, "load": 15, "flag": 16}
    assert timeline["complete"]


async def test_what_waits_says_why(worked: Worked) -> None:
    async with running_console(worked.settings, worked.folder) as api:
        found = await api.get(
            f"/runs/{worked.runs[0]}/waits?pipeline=lines&version=1&stage=load&stage=check"
        )
    kinds = [(wait["stage"], wait["kind"]) for wait in found.data]
    assert kinds == [("load", "unworked"), ("load", "parked"), ("check", "unworked")]


async def test_a_run_is_repeated_and_its_root_is_shown_before(worked: Worked) -> None:
    async with running_console(worked.settings, worked.folder) as api:
        before = (await api.get(f"/runs/{worked.runs[1]}/again")).data
        again = (await api.post(f"/runs/{worked.runs[1]}/again", {})).data
        shown = (await api.get(f"/runs/{again['run']}")).data
    assert before["event_type"] == "asked"
    assert before["data"]["masked"]
    assert '"household": "•••"' in before["data"]["text"]
    assert (shown["status"], shown["in_flight"]) == ("running", 1)


async def test_a_run_is_cancelled_and_what_is_in_flight_is_counted_before(worked: Worked) -> None:
    async with running_console(worked.settings, worked.folder) as api:
        before = (await api.get(f"/runs/{worked.runs[0]}/cancel")).data
        done = await api.post(f"/runs/{worked.runs[0]}/cancel", {})
    assert [(edge["edge"], edge["events"]) for edge in before["in_flight"]] == [
        ("line.checked>load", 1)
    ]
    assert (done.status, done.data["in_flight"]) == (200, before["in_flight"])


async def test_an_event_shows_its_digits_and_hides_what_is_personal(worked: Worked) -> None:
    async with running_console(worked.settings, worked.folder) as api:
        line = (await api.get("/events/one?pipeline=lines&event=asked/0/0/6")).data
        whole = (await api.get("/events/value?event=asked/0/0/6")).text
    assert (line["event_type"], line["stage"], line["readers"]) == ("line.read", "plan", ["check"])
    assert '"basket": 9007199254740993' in line["data"]["text"]
    assert (line["key"], line["key_masked"], line["data"]["masked"]) == ("•••", True, True)
    assert "h1" not in line["data"]["text"] + whole


async def test_only_who_may_see_personal_data_does_and_it_is_recorded(worked: Worked) -> None:
    path = "/events/one?pipeline=lines&event=asked/0/0/6&reveal=true"
    async with running_console(worked.settings, worked.folder, AS_PROXY) as api:
        refused = await api.get(path, headers=as_user("ann", "editors"))
        revealed = await api.get(path, headers=as_user("bob", "revealers"))
    assert (refused.status, revealed.status) == (403, 200)
    assert '"household": "h1"' in revealed.data["data"]["text"]
    file = TopologySource(worked.folder / "topology.yaml", worked.folder)
    installation = Installation(worked.settings, worked.folder, file)
    recorded = (await list_actions(installation, ActionsRequest(what="reveal"))).actions
    assert [(each.who, each.target) for each in recorded] == [("bob", "asked/0/0/6")]


async def test_bytes_are_shown_as_bytes_and_hostile_text_as_it_is(worked: Worked) -> None:
    async with running_console(worked.settings, worked.folder) as api:
        raw = (await api.get("/events/one?event=asked/0/2")).data
        hostile = (await api.get("/events/one?event=asked/0/1")).data
    assert (raw["data"]["kind"], raw["data"]["text"]) == ("masked", "•••")
    assert hostile["data"]["kind"] == "json"
    assert "onerror" in hostile["data"]["text"]


async def test_what_was_never_written_is_told_from_what_is_gone(worked: Worked) -> None:
    async with running_console(worked.settings, worked.folder) as api:
        later = await api.get("/events/one?event=asked/0/900")
        nonsense = await api.get("/events/one?event=nonsense")
    assert (later.status, later.data["code"]) == (404, "unknown_event")
    assert "is not written yet" in later.data["detail"]
    assert (nonsense.status, nonsense.data["code"]) == (400, "invalid_request")


async def test_the_rail_leads_from_the_root_to_the_dead_letter(worked: Worked) -> None:
    async with running_console(worked.settings, worked.folder) as api:
        rail = (await api.get("/events/trace?event=asked/0/0/3")).data
    steps = [
        (row["kind"], row["event_type"] or row["stage"], row["is_target"]) for row in rail["rows"]
    ]
    assert steps == [
        ("event", "asked", False),
        ("stage", "plan", False),
        ("event", "line.read", True),
        ("dead", "check", False),
    ]
    assert rail["rows"][-1]["why"] == "Reject: ••• paid for nothing"


async def test_the_effects_of_a_root_are_folded_with_their_counts(worked: Worked) -> None:
    async with running_console(worked.settings, worked.folder) as api:
        rail = (await api.get("/events/trace?event=asked/0/0")).data
        unfolded = (await api.get("/events/trace?event=asked/0/0&fold=false")).data
    folds = [(row["events"], row["dead"]) for row in rail["rows"] if row["kind"] == "fold"]
    assert folds == [(18, 0)]
    events = [row["event_type"] for row in unfolded["rows"] if row["kind"] == "event"]
    assert (events.count("line.read"), events.count("line.checked")) == (20, 16)


async def test_what_a_stage_emitted_for_an_event_is_counted(worked: Worked) -> None:
    async with running_console(worked.settings, worked.folder) as api:
        found = (await api.get("/events/effects?pipeline=lines&event=asked/0/0")).data
    assert found == {
        "counts": [{"stage": "plan", "event_type": "line.read", "events": 20}],
        "complete": True,
    }


async def test_a_viewer_may_look_and_neither_repeat_cancel_nor_trigger(worked: Worked) -> None:
    run, viewer = worked.runs[0], as_user("ann")
    async with running_console(worked.settings, worked.folder, AS_PROXY) as api:
        seen = await api.get(f"/runs/{run}", headers=viewer)
        writes = [
            await api.post(path, body, headers=viewer)
            for path, body in (
                (f"/runs/{run}/again", {}),
                (f"/runs/{run}/cancel", {}),
                ("/trigger", {"event_type": "asked", "data": "{}"}),
            )
        ]
    assert seen.status == 200
    assert [answer.status for answer in writes] == [403, 403, 403]


async def test_a_root_is_triggered_once_its_readers_take_its_data(worked: Worked) -> None:
    async with running_console(worked.settings, worked.folder) as api:
        forms = (await api.get("/trigger?pipeline=lines")).data
        refused = await api.post("/trigger", {"event_type": "asked", "data": '{"lines": "some"}'})
        problems = await api.post(
            "/trigger/check", {"event_type": "asked", "data": '{"lines": -1, "household": 7}'}
        )
        broken = await api.post("/trigger/check", {"event_type": "asked", "data": "{"})
        triggered = await api.post(
            "/trigger", {"event_type": "asked", "data": '{"lines": 1,\n "household": "h9"}'}
        )
    (form,) = forms["events"]
    assert (form["event_type"], form["readers"], form["key"]) == ("asked", ["plan"], None)
    assert form["data_schema"]["properties"]["lines"]["minimum"] == 0
    assert (refused.status, refused.data["code"]) == (422, "data_invalid")
    found = [(problem["stage"], problem["location"]) for problem in problems.data["problems"]]
    assert found == [("plan", ["lines"]), ("plan", ["household"])]
    assert not broken.data["valid"]
    assert len(triggered.data["run"]) == 13

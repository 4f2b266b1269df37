"""Does the API tell what is in force, and set and end it?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from tests.cli.worked import STAGES
from tests.rewiring.edits import PLAIN, text
from tests.rewiring.test_live import put
from tests.web.api import Answer, Api, running_console

pytestmark = pytest.mark.kafka

FILE = (
    text(PLAIN)
    + """\
flags:
  rounding: {type: text, default: half-up}
  most-items: {type: int, default: 50}
limits: {rates: 20/s}
throttle: 12/m
"""
)
SOON = (datetime.now(UTC) + timedelta(hours=2)).isoformat()


@pytest.fixture
async def api(settings: Settings, tmp_path: Path) -> AsyncIterator[Api]:
    (tmp_path / "stages").symlink_to(STAGES)
    await put(settings, tmp_path, FILE)
    async with running_console(settings, tmp_path) as found:
        yield found


async def rows(api: Api) -> dict[str, Any]:
    answer = await api.get("/control")
    assert answer.status == 200, answer.text
    return {each["id"]: each for each in answer.data["rows"]}


async def done(api: Api, what: str, body: dict[str, Any]) -> Answer:
    answer = await api.post(f"/control/rewired/{what}", body)
    assert answer.status == 200, answer.text
    return answer


async def test_what_the_file_says_is_there_too(api: Api) -> None:
    found = await rows(api)
    assert {name: (each["value"], each["by_file"]) for name, each in found.items()} == {
        "throttle/rewired/": ("12/m", "rewired@1"),
        "limit/rewired/rates": ("20/s", "rewired@1"),
    }


async def test_a_stage_is_held_and_released(api: Api) -> None:
    await done(api, "switch", {"stage": "make", "mode": "hold", "comment": "disk full"})
    held = (await rows(api))["switch/rewired/make"]
    assert (held["mode"], held["comment"], held["until"], held["done"]["unread"]) == (
        "hold", "disk full", None, 0
    )  # fmt: skip
    await done(api, "switch", {"stage": "make", "mode": "on"})
    assert "switch/rewired/make" not in await rows(api)


async def test_a_pipeline_on_hold_is_one_row(api: Api) -> None:
    await done(api, "switch", {"mode": "hold", "until": SOON})
    switches = [each for each in (await rows(api)).values() if each["kind"] == "switch"]
    assert [(each["target"], each["mode"]) for each in switches] == [("", "hold")]


async def test_a_rate_is_set_and_given_back_to_the_file(api: Api) -> None:
    await done(api, "throttle", {"stage": "make", "rate": "8500/s", "until": SOON})
    await done(api, "throttle", {"limit": "rates", "rate": "off"})
    found = await rows(api)
    make, rates = found["throttle/rewired/make"], found["limit/rewired/rates"]
    assert (make["value"], make["otherwise"], make["by_file"]) == ("8500/s", "", None)
    assert (rates["value"], rates["otherwise"]) == ("no limit", "20/s")
    reports = (await api.get("/control/rewired/stages/make")).data
    assert (reports["throttle"]["per_second"], reports["throttle"]["lanes"]) == (8500, [])
    await done(api, "throttle", {"stage": "make", "rate": "file"})
    await done(api, "throttle", {"limit": "rates", "rate": "file"})
    found = await rows(api)
    assert ("throttle/rewired/make" in found, found["limit/rewired/rates"]["value"]) == (
        False, "20/s"
    )  # fmt: skip


async def test_a_flag_is_set_for_a_share_and_cleared(api: Api) -> None:
    await done(api, "flag", {"flag": "rounding", "value": "half-even", "share": "5%"})
    flag = (await rows(api))["flag/rewired/rounding"]
    assert (flag["value"], flag["otherwise"], flag["share"]) == ('"half-even"', '"half-up"', 0.05)
    await done(api, "flag", {"flag": "rounding", "value": None})
    flag = (await rows(api))["flag/rewired/rounding"]
    assert (flag["value"], flag["otherwise"]) == ('"half-up"', "")


async def test_a_drain_is_ordered_and_ended(api: Api) -> None:
    await done(api, "drain", {"comment": "new brokers"})
    assert (await rows(api))["drain/rewired/"]["comment"] == "new brokers"
    assert (await api.get("/control/rewired/drain")).data["state"] != "open"
    assert (await api.ask("DELETE", "/control/rewired/drain", json={})).status == 200
    assert "drain/rewired/" not in await rows(api)


async def test_a_shadow_has_a_report_before_it_has_compared_anything(api: Api) -> None:
    run = "stages.rewired.step:step"
    await done(api, "switch", {"stage": "make", "mode": "shadow", "run": run, "share": "50%"})
    shadow = (await rows(api))["switch/rewired/make"]
    assert (shadow["value"], shadow["share"], shadow["done"]["calls"]) == (run, 0.5, 0)
    reports = (await api.get("/control/rewired/stages/make")).data
    assert (reports["shadow"]["chosen"], reports["canary"]) == (0, None)
    assert (await api.get("/control/rewired/stages/make/evidence")).data == []


async def test_what_cannot_be_is_refused_and_changes_nothing(api: Api) -> None:
    before = await rows(api)
    refused: list[tuple[str, dict[str, Any], int, str]] = [
        ("switch", {"stage": "maek", "mode": "hold"}, 404, "did you mean 'make'?"),
        ("switch", {"mode": "bypass"}, 400, "needs a stage"),
        ("switch", {"stage": "make", "mode": "canary", "run": "a.b:c"}, 400, "needs a share"),
        ("switch", {"stage": "make", "mode": "shadow", "run": "stages.no:no"}, 422, "there is no"),
        ("switch", {"stage": "make", "mode": "hold", "until": "2020-01-01T00:00Z"}, 400, "over"),
        ("switch", {"stage": "make", "mode": "hold", "untl": "x"}, 400, "untl"),
        ("throttle", {"stage": "make", "rate": "fast"}, 400, "fast"),
        ("throttle", {"limit": "raets", "rate": "1/s"}, 404, "did you mean 'rates'?"),
        ("flag", {"flag": "most-items", "value": "many"}, 422, "many"),
        ("flag", {"flag": "rounding", "value": "half-up", "when": "1 +"}, 422, "too early"),
    ]
    for what, body, status, said in refused:
        answer = await api.post(f"/control/rewired/{what}", body)
        assert (answer.status, said in answer.data["detail"]) == (status, True), answer.text
    assert await rows(api) == before


async def test_a_bad_document_of_others_changes_nothing_and_is_shown(
    api: Api, settings: Settings
) -> None:
    async with open_client(make_producer(settings), settings) as writer:
        for key, value in (
            (b"a", b"no json"),
            (b"b", b'{"do": "switch", "pipeline": "rewired", "stage": "gone", "mode": "hold"}'),
        ):
            await writer.send_and_wait(settings.names.control_topic, value, key=key, partition=0)
    answer = (await api.get("/control?pipeline=rewired")).data
    assert [each["kind"] for each in answer["rows"]] == ["throttle", "limit"]
    assert [each["key"] for each in answer["unreadable"]] == ["a"]
    assert [each["stage"] for each in answer["unfit"]] == ["gone"]


async def test_the_options_say_what_a_stage_cannot_be(api: Api) -> None:
    options = (await api.get("/control/rewired/options")).data
    assert [each["stage"] for each in options["stages"]] == ["take", "make", "give"]
    assert (options["limits"], options["flags"][0]["default"]) == (["rates"], "half-up")

"""Are dead letters found, repaired, replayed and discarded over the API, exactly as previewed?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio

from farandole.broker.settings import Settings
from farandole.operations.actions.list_actions import ActionsRequest, list_actions
from farandole.operations.dead_letters.letter_selection import LetterSelection
from farandole.operations.dead_letters.replay import ReplayRequest, replay_letters
from farandole.operations.installation import Installation
from farandole.operations.topology_source import TopologySource
from tests.cli.conftest import LINE
from tests.conftest import private_namespace
from tests.web.api import AS_PROXY, as_user, running_console
from tests.web.letters import FRESH, PIPELINE, Cemetery, open_cemetery

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]

HOSTILE = "<img src=x onerror=alert(1)>\x1b[2J\u202egnp.exe"
PREVIEW, REPLAY = "/dead-letters/replay/preview", "/dead-letters/replay"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(
    kafka: Settings, delete_topics: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Cemetery]:
    """One console for all tests of this module: each buries letters of a kind of its own."""
    settings = private_namespace(kafka)
    async with open_cemetery(settings, tmp_path_factory.mktemp("letters")) as cemetery:
        yield cemetery
    delete_topics(settings.names.prefix)


async def ended(here: Cemetery, job: dict[str, Any]) -> dict[str, Any]:
    """The job, once it has ended."""
    async with asyncio.timeout(180):
        while True:
            found = (await here.api.get(f"/jobs/{job['id']}")).data
            if found["state"] != "running":
                return dict(found)
            await asyncio.sleep(0.05)


def installation_of(here: Cemetery) -> Installation:
    return Installation(
        here.settings, Path(), TopologySource(Path("topology.yaml"), None), PIPELINE
    )


def of_kind(kind: dict[str, Any], **more: Any) -> dict[str, Any]:
    selection = {"stage": "validate", "fingerprint": kind["fingerprint"]} | more
    return {"pipeline": PIPELINE, "selection": selection}


async def test_kinds_lead_to_letters_and_letters_to_one(here: Cemetery) -> None:
    await here.bury("nothing was sold", "nothing was sold")
    kind = await here.kind("nothing was sold")
    assert (kind["stage"], kind["open"], sum(kind["counts"])) == ("validate", 2, 2)
    newer, older = await here.letters(kind)
    assert newer["offset"] > older["offset"]
    assert newer["event"].startswith("line.ingested/1/")
    shown = (await here.api.get(f"/dead-letters/{PIPELINE}/validate/{newer['offset']}")).data
    assert (shown["message"], shown["place"], shown["attempts"]) == (
        "nothing was sold", "validate.py:3", 3,
    )  # fmt: skip
    data = orjson.loads(shown["data"])
    assert data == LINE | {"household_id": "•••"}
    assert (shown["key"], shown["key_personal"]) == ("•••", True)
    (target,) = shown["targets"]
    assert (target["version"], target["key"], target["retired"]) == (
        "order-lines@1", "household_id", False,
    )  # fmt: skip
    assert target["accepts"]["title"] == "Line"


async def test_pages_of_letters_follow_each_other(here: Cemetery) -> None:
    await here.bury(*["too many"] * 5)
    kind = await here.kind("too many")
    asked = {"fingerprint": kind["fingerprint"], "limit": "2"}
    offsets: list[int] = []
    cursor = ""
    while cursor is not None:
        page = (await here.api.get("/dead-letters", params=asked | {"after": cursor})).data
        offsets += [each["offset"] for each in page["letters"]]
        cursor = page["next"]
    assert len(offsets) == 5
    assert offsets == sorted(offsets, reverse=True)
    answer = await here.api.get("/dead-letters", params={"after": "nonsense"})
    assert (answer.status, answer.data["code"]) == (400, "invalid_request")


async def test_a_search_finds_what_is_shown_and_not_what_is_masked(here: Cemetery) -> None:
    line = LINE | {"household_id": 987654321, "basket_id": 32186616885}
    await here.bury("searched for", data=line)
    for text, found in (("32186616885", 1), ("searched FOR", 1), ("987654321", 0)):
        page = (await here.api.get("/dead-letters", params={"text": text} | FRESH)).data
        assert page["total"] == found, text


async def test_a_repair_is_checked_by_the_schema_it_is_replayed_under(here: Cemetery) -> None:
    await here.bury("to be mended")
    (letter,) = await here.letters(await here.kind("to be mended"))
    path = f"/dead-letters/{PIPELINE}/validate/{letter['offset']}"
    shown = (await here.api.get(path)).data["data"]
    refused = await here.api.post(
        f"{path}/repair", {"edited": shown.replace('"quantity": 0', '"quantity": -1')}
    )
    assert (refused.status, refused.data["fits"]) == (200, False)
    assert "quantity: -1 is less than the minimum" in refused.data["problem"]
    mended = shown.replace('"quantity": 0', '"quantity": 1')
    checked = (await here.api.post(f"{path}/repair", {"edited": mended})).data
    assert (checked["fits"], checked["patch"]) == (True, '{"quantity": 1}')
    assert checked["after"] == mended
    other_key = shown.replace('"•••"', "8")
    assert (
        "household_id"
        in (await here.api.post(f"{path}/repair", {"edited": other_key})).data["problem"]
    )
    broken = (await here.api.post(f"{path}/repair", {"edited": "{"})).data
    assert (broken["fits"], broken["patch"]) == (False, None)


async def test_a_repair_of_hidden_data_shows_none_of_them(here: Cemetery) -> None:
    event = {"specversion": "1.0", "id": "1", "source": "till", "type": "line.ingested"}
    await here.bury("hidden", data=event | {"data": LINE | {"household_id": 987654321}})
    (letter,) = await here.letters(await here.kind("hidden"))
    path = f"/dead-letters/{PIPELINE}/validate/{letter['offset']}"
    assert (await here.api.get(path)).data["data_kind"] == "hidden"
    for edit in ({}, {"patch": "{}"}, {"patch": '{"quantity": 1}'}):
        assert "987654321" not in (await here.api.post(f"{path}/repair", edit)).text
    edited = (await here.api.post(f"{path}/repair", {"edited": '{"household_id": 8}'})).data
    assert edited["after"] == '{\n  "household_id": "•••"\n}'


async def test_what_was_previewed_is_replayed_and_the_run_is_named(here: Cemetery) -> None:
    await here.bury("paid for nothing", "paid for nothing")
    await here.bury("paid for nothing", data={k: LINE[k] for k in LINE if k != "store_id"})
    kind = await here.kind("paid for nothing")
    body = of_kind(kind) | {"patch": '{"quantity": 1}'}
    plan = (await here.api.post(PREVIEW, body)).data
    assert (plan["replayable"], plan["refused"]) == (2, 1)
    (refusal,) = plan["preview"]["refused_letters"]
    assert "store_id" in refusal["reason"]
    (target,) = plan["preview"]["targets"]
    assert (target["version"], target["letters"]) == ("order-lines@1", 2)
    assert plan["preview"]["run_count"] == 1
    body["selection"]["through"] = plan["through"]
    await here.bury("paid for nothing")  # what dies later is not meant, and changes nothing
    answer = await here.api.post(REPLAY, body | {"token": plan["token"]})
    assert answer.status == 202, answer.text
    job = await ended(here, answer.data)
    assert (job["state"], job["done"]) == ("done", 2)
    (stage,) = job["result"]["stages"]
    assert (stage["stage"], stage["replayed"]) == ("validate", 2)
    sent = job["result"]["sent"]
    settled = plan["preview"]["stages"][0]["letters"][:2]
    assert [each["letter"] for each in sent] == [f"validate/{offset}" for offset in settled]
    event = sent[0]
    assert event["event_id"] == f"chunk.planned/0/0/{event['offset']}"
    assert (event["event_type"], event["partition"]) == ("line.ingested", 1)
    assert (event["changed"], orjson.loads(event["patch"])) == (True, {"quantity": 1})
    assert event["run"] == plan["preview"]["runs"][0]["run"]
    kind = await here.kind("paid for nothing")
    assert (kind["open"], kind["replayed"]) == (2, 2)
    settled = [each for each in await here.letters(kind) if each["settled"]]
    assert [each["settled"] for each in settled] == ["replayed", "replayed"]
    shown = await here.api.get(f"/dead-letters/{PIPELINE}/validate/{settled[0]['offset']}")
    assert shown.data["outcome"]["state"] == "waiting"
    assert shown.data["settlement"]["reason"] == "with a patched value"


async def test_a_token_is_stale_after_somebody_else_has_replayed(here: Cemetery) -> None:
    await here.bury("wanted by two", "wanted by two")
    kind = await here.kind("wanted by two")
    body = of_kind(kind)
    plan = (await here.api.post(PREVIEW, body)).data
    newest = LetterSelection({"validate": frozenset({kind["newest"]})})
    await replay_letters(installation_of(here), ReplayRequest(newest, "somebody else"))
    body["selection"]["through"] = plan["through"]
    answer = await here.api.post(REPLAY, body | {"token": plan["token"]})
    assert (answer.status, answer.data["code"]) == (409, "stale_token")
    plan = (await here.api.post(PREVIEW, of_kind(kind))).data
    body["selection"]["through"] = plan["through"]
    answer = await here.api.post(REPLAY, body | {"token": plan["token"]})
    assert (await ended(here, answer.data))["done"] == 1
    again = await here.api.post(REPLAY, body | {"token": plan["token"]})
    assert again.data["code"] == "stale_token"  # a browser that sends it twice does nothing
    recorded = (await list_actions(installation_of(here), ActionsRequest(what="dead"))).actions
    assert [(each.result, each.code) for each in recorded[:4]] == [
        ("refused", "stale_token"), ("ok", ""), ("refused", "stale_token"), ("ok", ""),
    ]  # fmt: skip


async def test_a_token_is_only_for_what_was_previewed(here: Cemetery) -> None:
    await here.bury("only as shown")
    body = of_kind(await here.kind("only as shown"))
    plan = (await here.api.post(PREVIEW, body)).data
    body["selection"]["through"] = plan["through"]
    for other in ({"patch": '{"quantity": 2}'}, {"by_newest": True, "patch": "{}"}):
        answer = await here.api.post(REPLAY, body | other | {"token": plan["token"]})
        assert answer.data["code"] == "stale_token"


async def test_one_letter_is_replayed_with_edited_data(here: Cemetery) -> None:
    await here.bury("edited alone")
    (letter,) = await here.letters(await here.kind("edited alone"))
    name = f"validate/{letter['offset']}"
    shown = (await here.api.get(f"/dead-letters/{PIPELINE}/{name}")).data["data"]
    body = {
        "pipeline": PIPELINE, "selection": {"letters": [name]},
        "edited": shown.replace('"quantity": 0', '"quantity": 3'),
    }  # fmt: skip
    plan = (await here.api.post(PREVIEW, body)).data
    body["selection"]["through"] = plan["through"]
    job = await ended(here, (await here.api.post(REPLAY, body | {"token": plan["token"]})).data)
    assert (job["state"], job["done"], job["title"]) == ("done", 1, f"Replay {name}")
    (sent,) = job["result"]["sent"]
    assert (sent["letter"], orjson.loads(sent["patch"])) == (name, {"quantity": 3})
    detail = (await here.api.get(f"/dead-letters/{PIPELINE}/{name}")).data
    assert detail["settlement"]["reason"] == "with an edited value"


async def test_a_discard_needs_a_reason_and_its_token(here: Cemetery) -> None:
    await here.bury("a test feed", "a test feed")
    kind = await here.kind("a test feed")
    body = of_kind(kind)
    plan = (await here.api.post("/dead-letters/discard/preview", body)).data
    assert (plan["total"], plan["stages"]) == (2, {"validate": 2})
    body["selection"]["through"] = plan["through"]
    unreasoned = body | {"token": plan["token"], "reason": "  "}
    assert (await here.api.post("/dead-letters/discard", unreasoned)).status == 400
    wrong = body | {"token": "0" * 32, "reason": "agreed"}
    assert (await here.api.post("/dead-letters/discard", wrong)).data["code"] == "stale_token"
    right = body | {"token": plan["token"], "reason": "agreed with the shop"}
    job = await ended(here, (await here.api.post("/dead-letters/discard", right)).data)
    assert (job["state"], job["result"]["stages"][0]["discarded"]) == ("done", 2)
    for letter in await here.letters(kind):
        assert letter["settled"] == "discarded"
        shown = await here.api.get(f"/dead-letters/{PIPELINE}/validate/{letter['offset']}")
        assert shown.data["settlement"]["reason"] == "agreed with the shop"


async def test_the_causes_of_a_letter_are_named_from_its_root(here: Cemetery) -> None:
    await here.bury("of a known cause")
    (letter,) = await here.letters(await here.kind("of a known cause"))
    causes = await here.api.get(f"/dead-letters/{PIPELINE}/validate/{letter['offset']}/causes")
    assert [each["event_type"] for each in causes.data["events"]][-1] == "line.ingested"


async def test_hostile_letters_are_shown_and_not_obeyed(here: Cemetery) -> None:
    big = {"note": "x" * 1_000_000}
    many = {f"k{n}": n for n in range(10_000)}
    await here.bury(HOSTILE, data=LINE | {"note": HOSTILE, "big": 2**63 + 1})
    await here.bury("hostile: big", data=big)
    await here.bury("hostile: many", data=many)
    await here.bury("hostile: no json", data=b"\xff\xfe{\x1b[2J")
    kinds = (await here.api.get("/dead-letters/kinds", params=FRESH)).text
    letters = await here.api.get("/dead-letters", params={"limit": "500"} | FRESH)
    details = ""
    for letter in letters.data["letters"]:
        path = f"/dead-letters/{PIPELINE}/validate/{letter['offset']}"
        answer = await here.api.get(path)
        assert answer.status == 200, answer.text
        details += answer.text
        assert not {"\x1b", "\u202e"} & set(f"{answer.data['data']}{answer.data['message']}")
        assert len(answer.data["data"]) <= 4 * 64 * 1024
    for text in (kinds, letters.text, details):
        assert not {"\x1b", "\u202e"} & set(text)
    assert str(2**63 + 1) in details
    (hostile,) = [each for each in letters.data["letters"] if "img src" in each["title"]]
    shown = (await here.api.get(f"/dead-letters/{PIPELINE}/validate/{hostile['offset']}")).data
    assert orjson.loads(shown["data"])["note"] == HOSTILE


async def test_a_viewer_looks_and_does_nothing(here: Cemetery, tmp_path: Path) -> None:
    await here.bury("only to be seen")
    (letter,) = await here.letters(await here.kind("only to be seen"))
    name = f"validate/{letter['offset']}"
    path, viewer = f"/dead-letters/{PIPELINE}/{name}", as_user("vic")
    body = {"pipeline": PIPELINE, "selection": {"letters": [name]}}
    deed = body | {"token": "0" * 32, "reason": "none"}
    async with running_console(here.settings, tmp_path, AS_PROXY) as api:
        page = viewer | {"origin": api.url.rstrip("/")}
        assert (await api.get(path, headers=viewer)).data["key"] == "•••"
        for written, data in (
            (f"{path}/repair", {"edited": "{}"}), (PREVIEW, body), (REPLAY, deed),
            ("/dead-letters/discard/preview", body), ("/dead-letters/discard", deed),
        ):  # fmt: skip
            refused = await api.post(written, data, headers=page)
            assert (refused.status, "operator" in refused.data["detail"]) == (403, True), written
        asked = {"reveal": "true"}
        assert (await api.get(path, params=asked, headers=viewer)).status == 403
        revealer = as_user("rea", "revealers")
        shown = (await api.get(path, params=asked, headers=revealer)).data
        assert (shown["key"], orjson.loads(shown["data"])["household_id"]) == ("7", 7)
    recorded = (await list_actions(installation_of(here), ActionsRequest())).actions
    assert ("rea", "reveal", name) in [(each.who, each.what, each.target) for each in recorded]


async def test_an_unknown_job_and_an_unknown_letter_are_not_found(here: Cemetery) -> None:
    answer = await here.api.get("/jobs/0123")
    assert (answer.status, answer.data["code"]) == (404, "unknown_job")
    answer = await here.api.get(f"/dead-letters/{PIPELINE}/validate/999999")
    assert (answer.status, answer.data["code"]) == (404, "unknown_letter")
    answer = await here.api.post(PREVIEW, {"pipeline": PIPELINE, "selection": {}})
    assert (answer.status, answer.data["code"]) == (400, "invalid_request")
    answer = await here.api.post(PREVIEW, {"pipeline": PIPELINE, "selection": {"letters": ["x"]}})
    assert answer.status == 400

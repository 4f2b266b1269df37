"""What does `flag` write and refuse, and what is shown of flags?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.catalog.published_versions import follow_versions
from farandole.cli.__main__ import farandole
from farandole.worker.control_follower import follow_control_state
from farandole.worker.heartbeat import Heartbeat
from farandole.worker.stage_host import StageHost
from tests.cli.booked import AT, put, row
from tests.cli.conftest import environment
from tests.cli.test_cluster_commands import send
from tests.testing.projects import write_project

TOPOLOGY = """
    pipeline: shop
    events:
      order.placed: {key: customer, partitions: 1}
    flags:
      vip: {type: bool, default: false}
      most: {type: int, default: 3}
      greeting: {type: text, default: Hello}
      prices: {type: json, default: {}}
    stages:
      read: {run: "MODULE:read", subscribes: order.placed, emits: order.read}
      keep: {run: "MODULE:keep", subscribes: order.read}
"""
CODE = """
    from pydantic import BaseModel
    from farandole import Context

    class Order(BaseModel):
        customer: str

    class Seen(BaseModel):
        vip: bool
        most: int

    def read(order: Order, context: Context) -> Seen:
        context.flag("greeting", ""), context.flag("prices", {})
        return Seen(vip=context.flag("vip", False), most=context.flag("most", 0))

    def keep(seen: list[Seen]) -> None: ...
"""
Command = Callable[..., Result]


@pytest.fixture
def shop(tmp_path: Path, settings: Settings, unset: None) -> Command:
    """`farandole -C folder …` on the tests' Kafka, where the file is in force."""
    write_project(tmp_path, TOPOLOGY, CODE)
    runner = CliRunner()

    def call(*arguments: str, stdin: str = "") -> Result:
        words = ["-C", str(tmp_path), *arguments]
        return runner.invoke(farandole, words, env=environment(settings), input=stdin)

    assert call("apply").exit_code == 0
    return call


def by_kcat(settings: Settings, key: str, **fields: Any) -> None:
    document = orjson.dumps({"do": "flag", "pipeline": "shop", **fields})
    send(settings, settings.names.control_topic, document, key=key.encode())


def flags_of(shop: Command) -> dict[str, Any]:
    report = json.loads(shop("switches", "--json").stdout)["sections"].get("flags", {"flags": []})
    return {flag["flag"]: flag for flag in report["flags"]}


@pytest.mark.kafka
def test_a_flag_is_set_shown_counted_cleared_and_imported(
    shop: Command, settings: Settings, tmp_path: Path
) -> None:
    assert shop("switches").stdout == "shop: every stage is on\n"
    text = shop("flag", "vip", "true", "--share", "5%", "--stage", "read", "--for", "2h").stdout
    assert text.startswith("vip: true in read for 5 % of the keys until ")
    assert text.endswith(", otherwise false (generation 0)\n")
    written = json.loads(shop("flag", "most", "-5", "--by", "ann", "--json").stdout)
    assert written["value"] == -5
    assert (written["generation"], written["cleared"], written["until"]) == (1, False, None)
    assert shop("flag", "greeting", "10").stdout == 'greeting: "10" (generation 2)\n'
    text = shop("flag", "prices", '{"tea": 5}', "--when", "attributes.country == 'de'").stdout
    assert text.splitlines() == [
        """prices: {"tea":5} when attributes.country == 'de', otherwise {} (generation 3)""",
        "in keep, whose functions take lists, only context.events[i].flag reads it",
    ]
    found = flags_of(shop)
    assert found["vip"]["rules"] == [{"value": True, "stage": "read", "share": 0.05, "when": ""}]
    assert found["most"]["by"] == "ann"
    assert found["greeting"]["rules"][0]["value"] == "10"

    # The newest document counts, also under another key; the command takes the place of all.
    by_kcat(settings, "mine", flag="most", value=9)
    assert flags_of(shop)["most"]["rules"][0]["value"] == 9
    reads = {"read": {"most": {"9": 1200, "3": 1}}}
    put(settings, row(pipeline="shop", last=4 * AT // 3, flags=reads), row("old", flags=reads))
    shown = shop("switches").stdout
    assert "flag most: 9 since " in shown
    assert "  [read] 9 (1\u202f200 reads), 3 (1 read)\n" in shown
    shop("flag", "most", "--clear")
    assert flags_of(shop)["most"]["rules"] == []
    by_kcat(settings, "mine", flag="vip", value="yes")
    by_kcat(settings, "other", flag="gone", value=1)
    assert {*flags_of(shop)} == {"most", "greeting", "prices"}

    file = tmp_path / "flags.json"
    flag = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}
    rule = {"if": [{"==": [{"var": "tier"}, "gold"]}, "on"]}
    file.write_text(json.dumps({"flags": {"vip": {**flag, "targeting": rule}}}, indent=2))
    assert shop("flag", "import", str(file), "--dry-run").stdout == (
        "vip: 1 rule, else false\nnothing was written\n"
    )
    assert "vip" not in flags_of(shop)
    assert shop("flag", "import", str(file)).stdout == "vip: 1 rule, else false\n"
    assert [each["value"] for each in flags_of(shop)["vip"]["rules"]] == [True, False]
    file.write_text(file.read_text().replace('"=="', '"%"'))
    refused = shop("flag", "import", str(file))
    assert refused.exit_code == 1
    assert f"{file}:" in refused.stderr
    assert "flag 'vip': no rule here can say `%`" in refused.stderr


@pytest.mark.kafka
def test_a_run_shows_which_values_its_functions_read(shop: Command, settings: Settings) -> None:
    reads = {"read": {"most": {"9": 1200, "3": 1}, "vip": {"\x1b[31m": 2}}}
    put(settings, row(pipeline="shop", last=AT, flags=reads))
    shown = shop("run", "aaaa").stdout
    assert "[read] flag most = 9 (1\u202f200 reads), 3 (1 read)\n" in shown
    assert "\x1b" not in shown
    assert json.loads(shop("run", "aaaa", "--json").stdout)["flags"] == reads


@pytest.mark.kafka
def test_what_cannot_be_set_is_refused_and_nothing_is_written(
    shop: Command, settings: Settings
) -> None:
    refused = [
        (["greting", "true"], "there is no flag 'greting'; did you mean 'greeting'?"),
        (["vip", "1"], "the flag 'vip': 1 is no bool"),
        (["vip", "yes"], "the flag 'vip': 'yes' is no bool"),
        (["most", "1.5"], "the flag 'most': 1.5 is no int"),
        (["most", "9" * 30], "the flag 'most': "),
        (["prices", "{"], "the flag 'prices': '{' is no JSON value"),
        (["greeting", "x" * 70_000], "it has more than 64 KiB"),
        (["vip", "true", "--stage", "raed"], "there is no stage 'raed'; did you mean 'read'?"),
        (["vip", "true", "--share", "0%"], "share: "),
        (["vip", "true", "--share", "150%"], "share: "),
        (["vip", "true", "--share", "few"], "share: "),
        (["vip", "true", "--when", "data.x == 1"], "it names 'data', which is not attributes"),
        (["vip", "true", "--when", "attributes.x =="], "cannot be a condition: it ends too early"),
        (["vip", "true", "--for", "1h", "--until", "2099-01-01"], "not both"),
        (["vip", "true", "--until", "2001-01-01"], "2001-01-01 00:00:00 UTC is over"),
        (["vip"], "say NAME and VALUE"),
        (["vip", "true", "false"], "say NAME and VALUE"),
        (["vip", "true", "--shaer", "5%"], "no such option: --shaer"),
        (["vip", "true", "--clear"], "say NAME and VALUE"),
        (["vip", "--clear", "--share", "5%"], "--clear is for all events"),
        (["vip", "true", "--dry-run"], "--dry-run goes with `import FILE`"),
        (["import", "gone.json"], "gone.json: No such file or directory"),
        (["import", "gone.json", "--share", "5%"], "say `import FILE`"),
    ]
    results = [(words, said, shop("flag", *words)) for words, said in refused]
    assert [
        (words, found.stderr) for words, said, found in results if said not in found.stderr
    ] == []
    assert all(found.exit_code and found.stderr.count("\n") == 1 for _, _, found in results)
    assert flags_of(shop) == {}


@pytest.mark.kafka
async def test_a_running_stage_reads_a_flag_that_is_set_by_kcat(
    shop: Command, settings: Settings
) -> None:
    root = settings.names.event_topic("shop", "order.placed")

    async def give(number: int) -> None:
        await asyncio.to_thread(send, settings, root, b'{"customer": "ann"}', key=b"ann")
        read = settings.names.event_topic("shop", "order.read")
        count = 0
        async with asyncio.timeout(120):
            async for records in scan(settings, [read], follow=True):
                count += len(records)
                if count >= number:
                    return

    async with hosted(settings):
        await give(1)
        await asyncio.to_thread(by_kcat, settings, "flag/shop/vip", flag="vip", value=True)
        number = 1
        async with asyncio.timeout(180):
            while not (await results(settings))[-1]["vip"]:
                number += 1
                await give(number)
        await asyncio.to_thread(by_kcat, settings, "flag/shop/vip", flag="vip", clear=True)
        async with asyncio.timeout(180):
            while (await results(settings))[-1]["vip"]:
                number += 1
                await give(number)
    read = [result["vip"] for result in await results(settings)]
    parts = [part for entry in await entries(settings) for part in entry["runs"]]
    assert [part["flags"]["vip"] for part in parts] == [{orjson.dumps(v).decode(): 1} for v in read]


@asynccontextmanager
async def hosted(settings: Settings) -> AsyncIterator[None]:
    """All stages, in this process."""
    async with (
        follow_versions(settings, "shop") as known,
        follow_control_state(settings, "shop", lambda: known.versions) as asked,
    ):
        host = StageHost(settings, known, asked, (), Heartbeat(None))
        running = asyncio.create_task(host.run())
        try:
            yield
        finally:
            host.drain()
            await running


async def results(settings: Settings) -> list[dict[str, Any]]:
    return await values(settings, settings.names.event_topic("shop", "order.read"))


async def entries(settings: Settings) -> list[dict[str, Any]]:
    found = await values(settings, settings.names.ledger_topic)
    read = [entry for entry in found if entry["stage"] == "read"]
    return sorted(read, key=lambda entry: min(part["root"]["offset"] for part in entry["runs"]))


async def values(settings: Settings, topic: str) -> list[dict[str, Any]]:
    return [orjson.loads(r.value or b"") async for some in scan(settings, [topic]) for r in some]

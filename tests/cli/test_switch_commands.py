"""What do `switch` and `switches` write, show and refuse?"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from farandole.broker.settings import Settings
from farandole.cli.rendering.switches_view import switches_lines
from farandole.cli.shell_completion import SWITCH_MODES
from farandole.events.next_step import plain_command_line
from farandole.events.switch_document import Mode
from farandole.operations.control.canary_report import make_report
from farandole.operations.control.control_query import UnreadableControl
from farandole.operations.control.switches import StageSwitch, SwitchEnd, SwitchesResult
from tests.cli.conftest import Call, one_line
from tests.cli.test_cluster_commands import applied as applied
from tests.cli.test_cluster_commands import send

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
RUN = "stages.order_lines.validate:validate"


def by_kcat(settings: Settings, key: str, document: object) -> None:
    """Write a document as a person does who has nothing but kcat."""
    value = document if isinstance(document, str) else json.dumps(document)
    send(settings, settings.names.control_topic, value.encode(), key=key.encode())


def shown(applied: Call, *words: str) -> dict[str, Any]:
    result = applied("switches", *words, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.mark.kafka
def test_a_switch_is_in_force_until_it_is_replaced_expired_or_ended(
    applied: Call, settings: Settings
) -> None:
    assert applied("switches").stdout == "order-lines: every stage is on\n"
    written = json.loads(applied("switch", "load", "hold", "--for", "2h", "--json").stdout)
    assert (written["target"], written["mode"]) == ("load", "hold")
    (load,) = shown(applied)["stages"]
    assert (load["stage"], load["mode"], load["generation"]) == ("load", "hold", 0)
    assert datetime.fromisoformat(load["until"]) - datetime.fromisoformat(
        written["until"]
    ) < timedelta(seconds=1)
    assert "load is on hold by" in applied("status").stdout

    # `pause` and `resume` write the same, and take the place of what an older release wrote.
    by_kcat(settings, "pause/order-lines/load", {"do": "pause", "pipeline": "order-lines",
                                                 "stage": "load"})  # fmt: skip
    assert "load: goes on; it was on hold" in applied("resume", "load").stdout
    assert shown(applied, "load")["stages"][0]["mode"] == "on"
    by_kcat(settings, "switch/order-lines/load", "")  # a person deletes the document
    assert shown(applied, "load")["stages"][0]["mode"] == "on"

    applied("switch", "--all", "hold", "--by", "ann", "--comment", "disk full")
    found = applied("switches").stdout.splitlines()
    assert len(found) == 8 + 1  # every stage, and the record that is none
    assert found[0].startswith('plan: hold with the whole pipeline by ann ("disk full") since ')
    applied("switch", "--all", "on")

    text = applied("switch", "validate", "canary", "--run", RUN, "--share", "10%").stdout
    assert text.startswith(f"validate: canary of {RUN} for 10 % (generation ")
    generation = shown(applied, "validate")["stages"][0]["generation"]
    end = {"do": "end-switch", "pipeline": "order-lines", "stage": "validate"}
    by_kcat(settings, "x", {**end, "generation": generation, "why": "the candidate hung"})
    (line,) = [each for each in applied("switches").stdout.splitlines() if "is over" in each]
    assert f"its canary (generation {generation}) is over since" in line
    assert ": the candidate hung; " in line
    assert line.endswith("switch validate on clears this")


@pytest.mark.kafka
def test_what_cannot_be_switched_is_refused_and_nothing_is_written(
    applied: Call, settings: Settings
) -> None:
    def refused(*words: str) -> str:
        result = applied("switch", *words)
        return one_line(result, 2 if result.exit_code == 2 else 1)

    assert "did you mean 'load'?" in refused("laod", "hold")
    assert "is no mode" in applied("switch", "hold", "load").output
    assert applied("switch", "load").exit_code == applied("switch", "--all").exit_code == 2
    assert "needs a stage" in refused("--all", "bypass")
    assert "load cannot be bypassed: its function takes a list of events" in refused(
        "load", "bypass"
    )
    assert "canary needs a share" in refused("validate", "canary", "--run", RUN)
    assert "share: a share as text" in refused("price", "shadow", "--run", RUN, "--share", "10")
    assert "hold has no run" in refused("validate", "hold", "--run", RUN)
    assert "needs run, the candidate" in refused("validate", "shadow")
    assert "say how long" in refused("load", "hold", "--for", "1h", "--until", "2999-01-01")
    assert "is over" in refused("load", "hold", "--until", "2020-01-01")
    assert "writes to the outside" in refused("load", "shadow", "--run", RUN)
    # A module that is here is checked here.
    other = "stages.order_lines.plan:plan"
    assert "cannot read line.ingested" in refused("validate", "shadow", "--run", other)
    assert "has no" in refused("validate", "shadow", "--run", "stages.order_lines.plan:gone")
    assert shown(applied)["stages"] == []
    # One that is not, the workers check.
    text = applied("switch", "validate", "shadow", "--run", "no_such_package.price:price").stdout
    assert "no_such_package.price:price is not on this machine: the workers check it" in text


@pytest.mark.kafka
def test_documents_that_change_nothing_are_shown(applied: Call, settings: Settings) -> None:
    by_kcat(settings, "switch/order-lines/lod", {"do": "switch", "pipeline": "order-lines",
                                                 "stage": "lod", "mode": "hold"})  # fmt: skip
    by_kcat(settings, "a", {"do": "switch", "pipeline": "order-lines", "mode": "hold", "untl": "x"})
    assert shown(applied)["stages"] == []
    for command in ("switches", "status"):
        text = applied(command).stdout
        assert "no version of order-lines has a stage lod" in text
        assert "(key a) is no control document and changes nothing: untl: no such" in text
    assert json.loads(applied("status", "--json").stdout)["unfit_controls"][0]["stage"] == "lod"


def test_an_expired_canary_that_observed_nothing_is_not_said_to_decide() -> None:
    stage = StageSwitch(
        stage="price", mode="on", pipeline=False, generation=None, since=None, until=None, by="",
        run="", share=None, ended=None,
        sections={"canary": make_report(7, "shop:price2", 0.1, None)},
    )  # fmt: skip
    result = SwitchesResult(
        pipeline="p", stages=[stage], sections={}, unfit=[], unreadable_controls=[]
    )
    assert [*switches_lines(result, plain_command_line)] == ["price: on"]


def test_the_command_knows_every_mode() -> None:
    assert get_args(Mode) == SWITCH_MODES


def test_a_switch_is_shown_on_one_line_whatever_it_says() -> None:
    stage = StageSwitch(
        stage="price", mode="shadow", pipeline=False, generation=7, since=NOW, until=NOW,
        by="an\x1bn", run="shop:price2", share=0.005, sections={},
        ended=SwitchEnd(mode="canary", generation=3, why="a\nb", at=NOW, by=""),
    )  # fmt: skip
    bad = UnreadableControl(position="farandole.control/0/3", key="k\n", why="no")
    result = SwitchesResult(
        pipeline="p", stages=[stage], sections={}, unfit=[], unreadable_controls=[bad]
    )
    first, second, third = switches_lines(result, plain_command_line)
    assert first == (
        "price: shadow of shop:price2 for 0.5 % by an\\x1bn since 2026-11-24 12:00:00 UTC until"
        " 2026-11-24 12:00:00 UTC (generation 7)"
    )
    assert "\n" not in second + third
    assert ": a b; farandole switch price on clears this" in second

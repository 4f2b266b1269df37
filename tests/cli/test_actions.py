"""Do the commands that change something leave a record of who did what?"""

from __future__ import annotations

import json
from typing import Any

import pytest

from farandole.broker.settings import Settings
from tests.cli.conftest import Call, environment
from tests.cli.test_cluster_commands import applied as applied

pytestmark = pytest.mark.kafka


def done(applied: Call, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(applied("actions", "--json", *options).stdout)
    return found


def test_actions_are_listed_newest_first_with_what_was_replaced(
    applied: Call, settings: Settings
) -> None:
    applied("pause", "load", "--by", "ann", "--comment", "the disk is full")
    applied("switch", "load", "on")
    assert applied("pause", "laod").exit_code == 1
    applied("trigger", "feed.requested", "--data", '{"weeks": [3]}')
    trigger, refused, switched, paused, first = done(applied)
    assert (first["what"], first["after"]["version"]) == ("apply", "order-lines@1")
    assert (paused["what"], paused["target"], paused["by"]) == ("pause", "load", "ann")
    assert (paused["reason"], paused["before"]) == ("the disk is full", None)
    assert paused["after"]["mode"] == "hold"
    assert (switched["before"]["mode"], switched["after"]["mode"]) == ("hold", "on")
    assert (refused["result"], refused["code"]) == ("refused", "unknown_stage")
    assert (trigger["target"], trigger["after"]["events"]) == ("feed.requested", 1)
    assert "weeks" not in json.dumps(trigger)
    assert {each["via"] for each in (trigger, refused, switched, paused, first)} == {"cli"}
    assert {each["pipeline"] for each in (trigger, refused, paused)} == {"order-lines"}

    assert [each["what"] for each in done(applied, "--what", "pa")] == ["pause", "pause"]
    assert [each["what"] for each in done(applied, "--who", "ANN")] == ["pause"]
    assert [each["code"] for each in done(applied, "--result", "refused")] == ["unknown_stage"]
    assert [each["what"] for each in done(applied, "--limit", "1")] == ["trigger"]
    assert done(applied, "--until", "1h") == []
    lines = applied("actions", "--limit", "3").stdout.splitlines()
    assert lines[0].split()[:3] == ["at", "(UTC)", "who"]
    assert "refused: unknown_stage" in lines[2]
    assert lines[4] == "and older ones (--limit 30)"


def test_where_nothing_was_applied_nothing_was_recorded(call: Call, settings: Settings) -> None:
    env = environment(settings)
    assert call("pause", "load", env=env).exit_code == 1
    text = call("actions", env=env).stdout
    assert text.startswith("nothing was recorded; `farandole up`")

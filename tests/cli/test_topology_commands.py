"""What do the commands about versions say and do?"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from farandole.broker.settings import Settings
from farandole.events.topology_version import Version
from farandole.router.topology_store import published_versions_of
from tests.cli.conftest import Call, environment, one_line, process, until

pytestmark = pytest.mark.kafka

PIPELINE = "order-lines"


@pytest.fixture
def on_kafka(call: Call, settings: Settings) -> Callable[..., Result]:
    """`farandole -C folder …` on the tests' Kafka."""

    def on_kafka(*arguments: str) -> Result:
        return call(*arguments, env=environment(settings))

    return on_kafka


@pytest.fixture
def applied(on_kafka: Callable[..., Result]) -> Callable[..., Result]:
    """The same, where the shipped file is in force."""
    first = on_kafka("apply")
    assert first.exit_code == 0, first.output
    return on_kafka


def edit(folder: Path, before: str, after: str) -> None:
    file = folder / "topology.yaml"
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


def slower(folder: Path) -> None:
    edit(folder, "defaults:\n", "defaults:\n  timeout: 1m\n")


def history(settings: Settings) -> list[Version]:
    return asyncio.run(published_versions_of(settings, PIPELINE))


def json_result(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_plan_changes_nothing(on_kafka: Call, settings: Settings) -> None:
    result = on_kafka("plan")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "order-lines@1, the first version"
    assert lines[-1] == "20 to add, 0 to change, 0 to remove"
    assert history(settings) == []


def test_what_is_in_force_plans_to_nothing(unchanged: Call) -> None:
    assert unchanged("plan").stdout == "nothing would change: order-lines@1 is in force\n"
    assert json_result(unchanged("plan", "--json"))["changes"] == []


def test_a_saved_plan_is_carried_out_though_the_file_has_changed(
    applied: Call, folder: Path, settings: Settings, tmp_path: Path
) -> None:
    slower(folder)
    assert applied("plan", "--out", str(tmp_path / "a.plan")).exit_code == 0
    edit(folder, "timeout: 1m", "timeout: 2m")
    result = applied("apply", str(tmp_path / "a.plan"))
    assert result.stdout == "order-lines@2 is in force\n"
    assert {s.timeout for s in history(settings)[-1].stages.values()} == {60.0}


def test_a_plan_for_another_state_is_refused(
    applied: Call, folder: Path, settings: Settings, tmp_path: Path
) -> None:
    slower(folder)
    applied("plan", "--out", str(tmp_path / "a.plan"))
    edit(folder, "timeout: 1m", "timeout: 2m")
    assert applied("apply").exit_code == 0
    refused = one_line(applied("apply", str(tmp_path / "a.plan")))
    assert "the plan was made when @1 was in force, and now it is @2; plan again" in refused
    assert len(history(settings)) == 2


def test_a_plan_replaces_a_plan_and_nothing_else(applied: Call, folder: Path) -> None:
    source = folder / "topology.yaml"
    text = source.read_text()
    refused = one_line(applied("plan", "--out", str(source)))
    assert "is no plan, so it was not overwritten" in refused
    assert source.read_text() == text
    for _ in range(2):
        assert applied("plan", "--out", str(folder / "plan.json")).exit_code == 0


def test_what_is_no_plan_is_one_line(applied: Call, folder: Path) -> None:
    refused = one_line(applied("apply", str(folder / "topology.yaml")))
    assert "is no plan" in refused
    assert refused.endswith("plan --out plan.json")
    assert "cannot be read" in one_line(applied("apply", str(folder / "nothing")))


def test_what_is_dangerous_needs_its_option(
    applied: Call, folder: Path, settings: Settings
) -> None:
    edit(folder, "  line.priced:\n", "  line.priced:\n    partitions: 8\n")
    refused = applied("apply")
    assert refused.exit_code == 1
    first, last = refused.stderr.splitlines()
    assert first.startswith("! topic line.priced 4 → 8 partitions")
    assert last.endswith("if that is meant, add --allow keys")
    assert applied("apply", "--allow", "unread").exit_code == 1
    assert len(history(settings)) == 1
    assert applied("apply", "--allow", "keys").exit_code == 0
    topic = settings.names.widened_topic(PIPELINE, "line.priced", 8)
    assert history(settings)[-1].events["line.priced"].topic == topic


def test_the_demo_names_the_command_that_takes_a_word(applied: Call, folder: Path) -> None:
    edit(folder, "  line.priced:\n", "  line.priced:\n    partitions: 8\n")
    refused = applied("demo")
    assert refused.exit_code == 1
    assert refused.stderr.splitlines()[-1] == (
        f"farandole: nothing was applied; if that is meant: farandole -C {folder} apply "
        "--allow keys"
    )


def test_unread_events_of_a_stage_that_goes_away_are_counted(applied: Call, folder: Path) -> None:
    """In events: what transactions leave behind takes offsets, and is not counted."""
    for _ in range(3):
        applied("trigger", "line.priced", "--data", "{}", "--force")
    slower(folder)
    assert applied("apply").exit_code == 0  # its marker takes offsets in each partition
    edit(folder, "  load:\n", "  load2:\n    run: stages.order_lines.load:load\n")
    found = json_result(applied("plan", "--json"))
    assert found["dangers"] == ["unread"]
    (change,) = [c for c in found["changes"] if c["name"] == "load"]
    assert change["drains"] == "3 unread drain under @1"


def test_a_rollback_is_the_earlier_content_as_the_next_version(
    applied: Call, folder: Path, settings: Settings
) -> None:
    slower(folder)
    applied("apply")
    (folder / "topology.yaml").write_text(f"pipeline: {PIPELINE}\nstages: [broken\n")
    edit(folder, "stages: [broken\n", "broken: true\n")
    result = applied("rollback")
    assert result.stdout == "order-lines@3 is in force, again as @1\n", result.output
    assert result.stderr.endswith("its next save applies that again\n")
    first, _, third = history(settings)
    assert third.stages == first.stages
    assert third.rollback_of == 1
    assert applied("rollback", "1").stdout == "nothing changed: order-lines@3 is in force\n"


def test_a_rollback_to_what_the_file_says_warns_of_nothing(applied: Call, folder: Path) -> None:
    text = (folder / "topology.yaml").read_text()
    slower(folder)
    applied("apply")
    (folder / "topology.yaml").write_text(text)
    assert applied("rollback").stderr == ""
    slower(folder)
    warning = applied("rollback", "1").stderr
    assert (
        warning == f"{folder / 'topology.yaml'} says something else, and its next save applies "
        "that again\n"
    )


def test_a_version_that_is_not_there_is_one_line(unchanged: Call) -> None:
    assert "has the versions 1 to 1, not 7" in one_line(unchanged("rollback", "7"))
    assert "has no earlier version" in one_line(unchanged("rollback"))
    assert "has the versions 1 to 1, not 7" in one_line(unchanged("diff", "7", "1"))


def test_a_version_whose_code_is_gone_is_not_rolled_back_to(
    applied: Call, folder: Path, settings: Settings
) -> None:
    (folder / "gone.py").write_text("from stages.order_lines.load import load\n")
    edit(folder, "  load:\n", "  load:\n    run: gone:load\n")
    assert applied("apply").exit_code == 0
    (folder / "gone.py").unlink()
    edit(folder, "    run: gone:load\n", "")
    assert applied("apply").exit_code == 0
    child = process("-C", str(folder), "rollback", "2", env=environment(settings))
    _, errors = child.communicate(timeout=100)
    assert child.returncode == 1
    assert "stage load of order-lines@2 cannot be hosted: there is no gone.py; create it" in errors
    assert len(history(settings)) == 3


def test_the_history_says_when_by_whom_and_what(applied: Call, folder: Path) -> None:
    edit(folder, "  load:\n", "  load:\n    timeout: 2m\n")
    applied("apply")
    head, first, second = applied("history").stdout.splitlines()
    assert head.split() == ["version", "published", "(UTC)", "by", "changes"]
    assert first.startswith("order-lines@1  20")
    assert second.endswith("~ load")
    listed = json_result(applied("history", "--json"))
    assert [entry["version"] for entry in listed] == ["order-lines@1", "order-lines@2"]
    assert listed[1]["changes"][0]["said"] == "timeout 30s → 2m"


def test_a_diff_is_in_the_lines_of_a_plan(applied: Call, folder: Path) -> None:
    edit(folder, "  load:\n", "  load:\n    timeout: 2m\n")
    applied("apply")
    assert applied("diff", "2", "1").stdout.splitlines() == [
        "order-lines@2 → order-lines@1",
        "  ~ stage  load  timeout 2m → 30s",
        "0 to add, 1 to change, 0 to remove",
    ]
    assert applied("diff", "2").stdout == "order-lines@2 → file: no difference\n"
    assert [c["name"] for c in json_result(applied("diff", "order-lines@1", "file", "--json"))] == [
        "load"
    ]


def test_other_alerts_are_told_by_plan_diff_and_history(applied: Call, folder: Path) -> None:
    edit(folder, "ops@example.com", "ann@example.com")
    line = "  ~ alerts    +all to ann@example.com; -all to ops@example.com"
    assert applied("plan").stdout.splitlines() == [
        "order-lines@1 → order-lines@2",
        line,
        "0 to add, 1 to change, 0 to remove",
    ]
    assert applied("apply").exit_code == 0
    assert line in applied("diff", "1", "2").stdout.splitlines()
    assert applied("history").stdout.splitlines()[-1].endswith("  ~ alerts")
    assert applied("rollback").exit_code == 0
    assert applied("diff", "1", "3").stdout.endswith(": no difference\n")


HALF_A_SAVE = "pipeline: order-lines  # the year\n  package: [stages\n"


@pytest.mark.parametrize("left", [HALF_A_SAVE, "", None], ids=["half a save", "empty", "deleted"])
def test_what_is_published_can_be_looked_at_whatever_the_file_says(
    applied: Call, folder: Path, left: str | None
) -> None:
    slower(folder)
    applied("apply")
    file = folder / "topology.yaml"
    file.unlink()
    if left is not None:
        file.write_text(left)
    for words in (
        ["status"],
        ["history"],
        ["diff", "1", "2"],
        ["tail", "line.priced", "--no-follow"],
        ["trigger", "feed.requested", "--data", '{"weeks": [1]}'],
        ["rollback"],
    ):
        result = applied(*words)
        assert result.exit_code == 0, result.output
        assert result.stderr.startswith(f"{file}:"), words
        assert result.stderr.count(": warning: the ") == 1, words
    assert "order-lines@3" in applied("status").stdout
    assert "there is no stage 'lod'; did you mean 'load'?" in applied("work", "lod").stderr


def test_nobody_guesses_which_of_two_pipelines_is_meant(applied: Call, folder: Path) -> None:
    file = folder / "topology.yaml"
    file.write_text(file.read_text().replace(PIPELINE, "second", 1))
    assert applied("apply").exit_code == 0
    file.write_text("")
    assert "the file is empty" in one_line(applied("status"))


def test_another_file_is_chosen_with_its_functions_in_the_folder(
    applied: Call, folder: Path, settings: Settings, tmp_path: Path
) -> None:
    other = tmp_path / "elsewhere" / "second.yaml"
    other.parent.mkdir()
    other.write_text((folder / "topology.yaml").read_text().replace(PIPELINE, "second", 1))
    assert applied("-f", str(other), "apply").stdout.splitlines()[-1] == "second@1 is in force"
    both = json_result(applied("status", "--json"))
    assert both["version"] == "order-lines@1"
    assert [each["version"] for each in both["others"]] == ["second@1"]
    alone = json_result(applied("-f", str(other), "status", "--json"))
    assert (alone["version"], alone["others"]) == ("second@1", [])


@pytest.fixture
def routing(applied: Call, folder: Path, settings: Settings) -> Any:
    child = process("-C", str(folder), "route", env=environment(settings))
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
            child.communicate(timeout=100)


def test_a_save_is_followed_and_a_mistake_is_shown(
    routing: subprocess.Popen[str], applied: Call, folder: Path, settings: Settings
) -> None:
    slower(folder)
    until(lambda: len(history(settings)) == 2, 120, "the save is a version")
    edit(folder, "subscribes: line.enriched", "subscribe: line.enriched")
    file = folder / "topology.yaml"

    def router() -> Any:
        return json_result(applied("status", "--json"))["router"]

    until(lambda: router() and router()["findings"], 120, "the mistake is reported")
    assert router()["findings"][0].startswith(f"{file}:")
    shown = applied("status").stdout
    assert re.search(r"^the router refuses the file, since [\d: -]+ UTC:$", shown, re.MULTILINE)
    assert f"  {router()['findings'][0]}\n" in shown
    (recorded, *_) = json_result(applied("actions", "--what", "apply", "--json"))
    assert (recorded["who"], recorded["target"], recorded["result"]) == (
        "router", "topology.yaml", "ok",
    )  # fmt: skip
    assert (recorded["before"], recorded["after"]["version"]) == (
        {"version": "order-lines@1"}, "order-lines@2",
    )  # fmt: skip
    edit(folder, "subscribe: line.enriched", "subscribes: line.enriched")
    until(lambda: not router()["findings"], 120, "it is cleared")
    assert len(history(settings)) == 2
    routing.send_signal(signal.SIGTERM)
    out, _ = routing.communicate(timeout=100)
    assert routing.returncode == 0
    assert out == "the files are watched no more; what is in force stays\n"

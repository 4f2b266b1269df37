"""What do the commands say that need no broker?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from farandole.broker import embedded_kafka
from farandole.cli.command_groups import COMMANDS
from tests.cli.conftest import ROOT, Call, one_line


def broken(folder: Path) -> Path:
    file = folder / "topology.yaml"
    file.write_text(file.read_text().replace("emits: line.priced", "emit: line.priced"))
    return file


def broken_line(file: Path) -> int:
    """Return the number of the line with the mistake."""
    lines = file.read_text().splitlines()
    return next(n for n, line in enumerate(lines, 1) if "emit: line.priced" in line)


def test_the_shipped_file_is_fit_to_be_applied(call: Call) -> None:
    result = call("lint")
    assert result.exit_code == 0
    assert "8 stages" in result.stdout
    assert result.stderr == ""


def test_a_finding_is_one_line_with_its_place_and_exit_1(call: Call, folder: Path) -> None:
    file = broken(folder)
    result = call("lint")
    assert result.exit_code == 1
    assert result.stdout == ""
    first = result.stderr.splitlines()[0]
    assert first.startswith(f"{file}:{broken_line(file)}:")
    assert "did you mean 'emits'?" in first


def test_findings_are_json_with_exit_1(call: Call, folder: Path) -> None:
    file = broken(folder)
    result = call("lint", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)[0]["line"] == broken_line(file)


def test_a_file_can_be_named(call: Call, folder: Path) -> None:
    broken(folder)
    assert call("lint", "topology.yaml").exit_code == 0  # the one of this repository


def test_the_tree_begins_with_the_root(call: Call) -> None:
    lines = call("graph").stdout.splitlines()
    assert lines[:2] == [
        "order-lines", "├─ feed.requested (1 partition, triggered by nightly)",
    ]  # fmt: skip


def test_the_flowchart_is_mermaid(call: Call) -> None:
    assert call("graph", "--mermaid").stdout.startswith("flowchart LR\n")


def test_the_graph_for_graphviz_is_dot(call: Call) -> None:
    assert call("graph", "--dot").stdout.startswith('digraph "order-lines" {\n')


def test_a_graph_has_one_form(call: Call) -> None:
    assert "exclude each other" in one_line(call("graph", "--dot", "--mermaid"), code=2)


def test_the_schema_for_editors_is_the_file_at_the_top(call: Call) -> None:
    assert call("schema").stdout == (ROOT / "topology.schema.json").read_text()


def test_asyncapi_says_the_same_as_json_and_as_yaml(call: Call) -> None:
    made = json.loads(call("asyncapi").stdout)
    assert made["asyncapi"] == "3.1.0"
    assert made["info"]["title"] == "order-lines"
    assert "servers" not in made
    assert YAML(typ="safe", pure=True).load(call("asyncapi", "--yaml").stdout) == made


def test_asyncapi_names_the_kafka_in_use(call: Call) -> None:
    env = {"FARANDOLE_BOOTSTRAP": "k:9093", "FARANDOLE_TLS": "true"}
    made = json.loads(call("asyncapi", env=env).stdout)
    assert made["servers"]["kafka"] == {"host": "k:9093", "protocol": "kafka-secure"}


def test_a_broken_file_has_no_asyncapi(call: Call, folder: Path) -> None:
    broken(folder)
    result = call("asyncapi")
    assert (result.exit_code, result.stdout) == (1, "")


def test_the_graph_is_json(call: Call) -> None:
    assert json.loads(call("graph", "--json").stdout)["roots"] == [
        "feed.requested", "report.requested",
    ]  # fmt: skip


def test_a_broken_file_has_no_graph(call: Call, folder: Path) -> None:
    broken(folder)
    result = call("graph")
    assert (result.exit_code, result.stdout) == (1, "")


def test_a_missing_file_is_one_line(call: Call, folder: Path) -> None:
    (folder / "topology.yaml").unlink()
    text = one_line(call("lint"))
    assert "the file cannot be read" in text
    assert "`-C DIR`" in text


def test_a_missing_file_that_was_named_is_one_line(call: Call) -> None:
    text = one_line(call("-f", "nope.yaml", "lint"))
    assert text.startswith("nope.yaml:1:1: the file cannot be read")
    assert "`-f FILE`" in text


def test_a_kafka_that_is_being_stopped_says_so_first(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stop(_: Path) -> bool:
        return True

    monkeypatch.setattr(embedded_kafka, "embedded_status", lambda _: object())
    monkeypatch.setattr(embedded_kafka, "stop_embedded", stop)
    assert call("kafka", "stop").output == "Kafka is stopping\nstopped\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script(call: Call, shell: str) -> None:
    assert "_FARANDOLE_COMPLETE" in call("completion", shell).stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("farandole -C {folder} work va", {"validate"}),
        ("farandole -C {folder} tail line.p", {"line.priced"}),
        ("farandole -C {folder} trigger f", {"feed.requested"}),
        ("farandole -C {folder} add stage new --after line.p", {"line.priced"}),
        ("farandole -C {folder}/.. work va", set()),
    ],
)
def test_names_of_the_file_are_completed(
    call: Call, folder: Path, words: str, expected: set[str]
) -> None:
    typed = words.format(folder=folder)
    result = call(
        env={
            "_FARANDOLE_COMPLETE": "bash_complete",
            "COMP_WORDS": typed,
            "COMP_CWORD": str(len(typed.split()) - (not typed.endswith(" "))),
        }
    )
    assert {line.partition(",")[2] for line in result.stdout.split()} == expected


def test_every_command_has_help(call: Call) -> None:
    listed = call("--help").stdout
    for command in COMMANDS:
        assert f"\n  {command} " in listed
        assert call(command, "--help").exit_code == 0

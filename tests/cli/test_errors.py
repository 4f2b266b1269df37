"""Is every failure one line and an exit code?"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from farandole.catalog.published_versions import NothingAppliedError
from farandole.cli.commands import lint
from farandole.cli.context import CliContext
from farandole.cli.rendering.errors import report_errors
from farandole.events.next_step import NextStep
from farandole.services.folder_lock import only_one_up
from tests.cli.conftest import Call, one_line, process, until


@pytest.fixture
def nobody() -> str:
    """An address at which nobody answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["plan"],
        ["apply"],
        ["rollback"],
        ["history"],
        ["diff", "1", "2"],
        ["work"],
        ["up"],
        ["tail", "line.priced"],
        ["seek", "validate", "--to", "latest"],
        ["trigger", "feed.requested", "--data", "{}"],
    ],
)
def test_no_broker_is_one_line(call: Call, nobody: str, words: list[str]) -> None:
    text = one_line(call("--bootstrap", nobody, *words))
    assert nobody in text
    assert "kafka start" in text


def test_no_embedded_broker_is_one_line(call: Call, folder: Path) -> None:
    assert one_line(call("status")).endswith(f"farandole -C {folder} kafka start")
    assert one_line(call("kafka", "status")).endswith(f"farandole -C {folder} kafka start")


def test_the_command_that_starts_an_embedded_broker_names_its_folder_alone(
    call: Call, folder: Path, nobody: str
) -> None:
    text = one_line(call("--bootstrap", nobody, "-f", "a.yaml", "status"))
    assert f"farandole -C {folder} kafka start" in text


@pytest.mark.parametrize(
    ("context", "step", "expected"),
    [
        (CliContext(Path()), NextStep("run", ("apply",)), "run: farandole apply"),
        (CliContext(Path("x y")), NextStep("", ("history",)), "farandole -C 'x y' history"),
        (
            CliContext(Path(), topology_override=Path("a.yaml")),
            NextStep("", ("apply",)),
            "farandole -f a.yaml apply",
        ),
        (CliContext(Path("x")), NextStep("run", ("up",), " first"), "run: farandole -C x up first"),
        (
            CliContext(Path("x")),
            NextStep("see", ("runs", "--pipeline", "up"), " for farandole up"),
            "see: farandole -C x runs --pipeline up for farandole up",
        ),
        (
            CliContext(Path("x"), namespace="test"),
            NextStep("start it", ("kafka", "start")),
            "start it: farandole -C x kafka start",
        ),
    ],
)
def test_a_suggested_command_leads_to_the_same_pipeline(
    context: CliContext, step: NextStep, expected: str
) -> None:
    assert context.invocation.render(step) == expected


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--bootstrap", "here", "status"], "is not host:port"),
        (["--namespace", "A_b", "status"], "namespace 'A_b'"),
    ],
)
def test_a_bad_setting_is_one_line(call: Call, words: list[str], text: str) -> None:
    assert text in one_line(call(*words))


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["lint", "--jsno"], "Did you mean --json?"),
        (["trigger", "feed.requested", "--data", "{weeks"], "--data is not JSON"),
        (["trigger", "feed.requested", "--data", "@/nowhere"], "No such file"),
        (["trigger", "feed.requested"], "say TYPE and --data, or --file"),
        (["trigger", "--file", "/nowhere"], "No such file"),
        (["tail", "line.priced", "--save", "-", "--json"], "either --save or --json"),
        (["tail"], "name either an event TYPE or a stage"),
        (["seek", "load", "--to", "sideways"], "neither earliest, latest nor an offset"),
        (["demo", "--weeks", "0-3"], "the year has the weeks 1 to 53"),
        (["demo", "--weeks", "many"], "are no weeks"),
        (["-C", "/nowhere", "lint"], "does not exist"),
        (["dmeo"], "did you mean 'demo'?"),
        (["schedules", "pauze", "x"], "there is no command 'pauze'; did you mean 'pause'?"),
        (["schedules", "nightly"], "to see one schedule: farandole schedules show nightly"),
        (["dead", "anything"], "there are "),
    ],
)
def test_a_wrong_word_is_one_line_and_exit_2(call: Call, words: list[str], text: str) -> None:
    assert text in one_line(call(*words), code=2)


def test_our_own_mistake_is_one_line_and_says_how_to_see_more(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken(**_: object) -> None:
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr(lint.lint, "callback", mistaken)
    assert "FARANDOLE_DEBUG=1" in one_line(call("lint"))
    shown = call("lint", env={"FARANDOLE_DEBUG": "1"})
    assert isinstance(shown.exception, ZeroDivisionError)


def test_a_reader_that_leaves_is_no_error(folder: Path) -> None:
    """`farandole graph | true`: nothing is printed, not even by Python at its end."""
    with subprocess.Popen(["true"], stdin=subprocess.PIPE) as reader:
        assert reader.stdin is not None
        reader.wait()
        child = process("-C", str(folder), "graph", env={}, stdout=reader.stdin.fileno())
    _, text = child.communicate(timeout=100)
    assert (child.returncode, text) == (1, "")


def test_ctrl_c_exits_with_130_and_prints_nothing(folder: Path) -> None:
    """A command that waits for a Kafka that accepts and never answers."""
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        child = process("-C", str(folder), "--bootstrap", address, "status", env={})
        connected, _ = mute.accept()
        with connected:
            # On Python 3.11, wait_for swallows a cancellation that comes as the connection is made.
            connected.recv(1)
            child.send_signal(signal.SIGINT)
            _, text = child.communicate(timeout=100)
    assert (child.returncode, text.strip()) == (130, "")


def test_until_has_a_deadline() -> None:
    with pytest.raises(AssertionError, match="never"):
        until(lambda: False, 0.1, "never")


def test_while_up_is_starting_nobody_is_told_to_do_its_work(call: Call, folder: Path) -> None:
    with only_one_up(folder, folder / "topology.yaml", ""):
        said = one_line(call("trigger", "feed.requested", "--data", "{}"))
    wait = f"`up` is starting (process {os.getpid()}): try again in a few seconds"
    assert said == f"farandole: Kafka is not running; {wait}"


def test_nothing_applied_is_told_by_whether_up_is_starting(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for up, remedy in (
        (None, "run: farandole apply"),
        ("7", "`up` is starting (process 7): try again in a few seconds"),
    ):
        with pytest.raises(SystemExit), report_errors(running_up=lambda up=up: up):  # type: ignore[misc]
            raise NothingAppliedError("nothing was applied", NextStep("run", ("apply",)))
        assert capsys.readouterr().err == f"farandole: nothing was applied; {remedy}\n"


def test_a_second_up_in_one_folder_names_the_process_of_the_first(call: Call, folder: Path) -> None:
    with only_one_up(folder, folder / "topology.yaml", ""):
        assert f"`up` is process {os.getpid()}; end that first" in one_line(call("up"))

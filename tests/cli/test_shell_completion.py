"""Are names that only Kafka knows completed, in silence where it is away?"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from farandole.broker.settings import Settings
from tests.cli.booked import put, row
from tests.cli.conftest import Call, environment, process

RUN = "a" * 13


def completed(folder: Path, words: str, env: Mapping[str, str]) -> set[str]:
    """Return what bash offers after these words, of a process that printed nothing else."""
    typed = f"farandole -C {folder} {words}"
    position = {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - (typed[-1] != " "))}
    shell = {"_FARANDOLE_COMPLETE": "bash_complete", **position}
    completing = process(env={**env, **shell})
    out, err = completing.communicate(timeout=60)
    assert (completing.returncode, err) == (0, "")
    lines = [line for line in out.splitlines() if line]
    assert all(line.startswith("plain,") for line in lines), out
    return {line.removeprefix("plain,") for line in lines}


@pytest.mark.parametrize(
    "words",
    [
        "run ",
        "delete ",
        "runs --pipeline ",
        "pause ",
        "schedules show ",
        "backfill nightly --cancel ",
    ],
)
def test_a_kafka_that_says_nothing_is_no_reason_to_wait(tmp_path: Path, words: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        assert completed(tmp_path, words, {"FARANDOLE_BOOTSTRAP": address}) == set()


def test_a_mistake_in_the_settings_is_not_told_here(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FARANDOLE_DEADLINE='\n")
    assert completed(tmp_path, "run ", {"FARANDOLE_BOOTSTRAP": "nowhere"}) == set()


@pytest.mark.kafka
def test_runs_pipelines_and_stages_are_those_of_kafka(
    applied: Call, settings: Settings, tmp_path: Path
) -> None:
    put(settings, row(RUN))
    env, elsewhere = environment(settings), tmp_path / "elsewhere"
    elsewhere.mkdir()
    for words, expected in [
        ("run ", RUN),
        (f"dead --run {RUN[:3]}", RUN),
        ("delete o", "order-lines"),
        ("pause va", "validate"),
    ]:
        ends = time.monotonic() + 60
        # It offers nothing where Kafka takes two seconds, as on a busy machine.
        while not (found := completed(elsewhere, words, env)):
            assert time.monotonic() < ends, words
        assert found == {expected}

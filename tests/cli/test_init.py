"""Does `init` make a folder that `up` runs, and ask only on a terminal?"""

from __future__ import annotations

import json
import os
import pty
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from farandole.broker.settings import Settings
from tests.cli.conftest import Call, environment, process, until


def test_files_and_next_commands_are_printed(call: Call, tmp_path: Path) -> None:
    result = call("init", str(tmp_path / "shop"), "--template", "enrich")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == f"the pipeline shop begins in {tmp_path / 'shop'}:"
    assert "  sales/enrich.py" in lines
    assert lines[-4:] == [  # as the README of the folder says
        "  farandole try sale.made --data @trigger.json",
        "  pytest",
        "  farandole up",
        "  farandole trigger sale.made --data @trigger.json",
    ]


def test_json_is_the_result_itself(call: Call, tmp_path: Path) -> None:
    found = json.loads(call("init", str(tmp_path / "shop"), "--name", "store", "--json").stdout)
    assert (found["pipeline"], found["template"]) == ("store", "minimal")
    assert all((tmp_path / "shop" / file).is_file() for file in found["files"])


def test_a_file_in_the_way_is_named_with_exit_1(call: Call, folder: Path) -> None:
    result = call("init")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[0] == f"{folder / 'topology.yaml'} is in the way"
    assert [each.name for each in folder.iterdir()] == ["topology.yaml"]


def test_a_terminal_is_asked_what_was_not_given(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    try:
        running = subprocess.Popen(
            [sys.executable, "-m", "farandole", "init"], cwd=tmp_path, stdin=theirs,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        os.write(ours, b"shop\nfeed\n\n")
        out, _ = running.communicate(timeout=60)
    finally:
        os.close(ours)
        os.close(theirs)
    assert running.returncode == 0, out
    assert "name of the pipeline [shop]" in out
    assert (tmp_path / "shop" / "readings" / "store.py").is_file()


@pytest.mark.kafka
def test_up_runs_what_init_has_made(call: Call, tmp_path: Path, settings: Settings) -> None:
    folder = tmp_path / "feed"
    assert call("init", str(folder), "--template", "feed").exit_code == 0
    table = tmp_path / "readings.db"
    env = environment(settings) | {"READINGS_DB": str(table)}
    log = tmp_path / "up.log"
    with log.open("w") as out:
        running = process(
            "-C", str(folder), "up", env=env, stdout=out.fileno(), stderr=out.fileno()
        )

    def trigger() -> str:
        data = f"@{folder / 'trigger.json'}"
        triggering = process("-C", str(folder), "trigger", "file.arrived", "--data", data, env=env)
        run, error = triggering.communicate(timeout=60)
        assert triggering.returncode == 0, error
        return run.strip()

    def dead(run: str) -> str:
        listing = process("-C", str(folder), "dead", "--run", run, "--json", env=env)
        letters, _ = listing.communicate(timeout=60)
        return letters

    def stored() -> list[tuple[str, float]]:
        if not table.exists():
            return []
        with sqlite3.connect(f"file:{table}?mode=ro", uri=True) as connection:
            try:
                return connection.execute("select sensor, celsius from readings").fetchall()
            except sqlite3.OperationalError:  # the table is not made yet, or is being written
                return []

    try:
        until(lambda: "is in force" in log.read_text() or running.poll(), 60, "a version in force")
        run = trigger()
        until(lambda: len(stored()) == 3 or running.poll(), 60, "three readings are stored")
        assert sorted(stored()) == [("attic", 3.25), ("cellar", 11.5), ("cellar", 11.75)]
        until(lambda: "celsius: Input should be greater" in dead(run), 60, "a line has died")
    finally:
        running.terminate()
        running.communicate(timeout=60)

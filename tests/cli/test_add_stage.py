"""What does `add stage` print?"""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import process


def farandole(folder: Path, *arguments: str) -> tuple[int, str, str]:
    running = process("-C", str(folder), *arguments, env={})
    out, err = running.communicate(timeout=60)
    return running.returncode, out, err


def test_it_names_both_files_and_an_error_writes_nothing(tmp_path: Path) -> None:
    farandole(tmp_path, "init", str(tmp_path))
    adding = ("add", "stage", "ship", "--after", "order.priced", "--emits", "order.shipped")
    code, out, err = farandole(tmp_path, *adding, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["run"], found["module"]) == ("orders.ship:ship", str(tmp_path / "orders/ship.py"))
    assert found["topology"] == str(tmp_path / "topology.yaml")
    written = (tmp_path / "topology.yaml").read_text()
    code, out, err = farandole(tmp_path, *adding)
    assert (code, out) == (2, "")
    assert "there is a stage 'ship' already" in err
    assert (tmp_path / "topology.yaml").read_text() == written

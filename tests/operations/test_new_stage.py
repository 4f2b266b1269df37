"""Does a new stage run as it is, and is nothing written where something is wrong?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from farandole.events.kafka_names import KafkaNames
from farandole.operations.errors import InvalidRequestError, NotFoundError, OperationError
from farandole.operations.setup.new_pipeline import NewPipelineRequest, create_pipeline
from farandole.operations.setup.new_stage import NewStageRequest, NewStageResult, add_stage
from farandole.operations.topology_source import TopologySource

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a pipeline, whose modules are forgotten after the test."""
    create_pipeline(NewPipelineRequest(tmp_path / "shop", "minimal"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in [name for name in sys.modules if name.split(".")[0] in ("orders", "extra")]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path / "shop"


def add(folder: Path, stage: str, after: str, emits: str | None = None) -> NewStageResult:
    source = TopologySource(folder / "topology.yaml", folder)
    return add_stage(NewStageRequest(source, stage, after, emits), KafkaNames())


def content(folder: Path) -> dict[Path, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file: file.read_bytes() for file in files if file.suffix != ".pyc"}


def run(folder: Path, *command: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}, timeout=240,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_each_kind_of_stage_is_right_as_it_is(folder: Path) -> None:
    add(folder, "ship", "order.priced", "order.shipped")  # a new event
    add(folder, "archive", "order.shipped")  # the end of a path
    add(folder, "recheck", "order.placed", "order.checked")  # the same model goes in and out
    add(folder, "re-price", "order.placed", "order.priced")  # another model that there is
    run(folder, "farandole", "lint")
    run(folder, "mypy", "--strict", "--cache-dir", str(ROOT / ".mypy_cache"), ".")
    run(folder, "ruff", "check", "--isolated", "--select", "E,F,I,B,UP", ".")
    run(folder, "ruff", "format", "--isolated", "--check", ".")
    code = (folder / "orders" / "ship.py").read_text()
    assert "class OrderShipped(PricedOrder):" in code
    assert "def ship(priced_order: PricedOrder) -> OrderShipped:" in code


def test_an_event_without_a_model_is_a_dict(folder: Path) -> None:
    (folder / "orders" / "price.py").write_text(
        "from typing import Any\n\n\ndef price(order: dict[str, Any]) -> dict[str, Any]:\n"
        "    return order\n"
    )
    add(folder, "ship", "order.priced", "order.shipped")
    code = (folder / "orders" / "ship.py").read_text()
    assert "def ship(data: dict[str, Any]) -> OrderShipped:" in code
    run(folder, "farandole", "lint")


def test_without_a_package_it_goes_beside_another_function(folder: Path) -> None:
    file = folder / "topology.yaml"
    named = file.read_text().replace("package: orders", "# none:")
    for stage in ("check", "price"):
        named = named.replace(f"  {stage}: {{", f'  {stage}: {{run: "orders.{stage}:{stage}", ')
    file.write_text(named)
    result = add(folder, "ship", "order.priced", "order.shipped")
    assert (result.run, result.module) == ("orders.ship:ship", str(folder / "orders" / "ship.py"))
    run(folder, "farandole", "lint")


@pytest.mark.parametrize(
    ("stage", "after", "emits", "named"),
    [
        ("ship", "order.pricd", None, "did you mean 'order.priced'"),
        ("check", "order.priced", None, "there is a stage 'check' already"),
        ("models", "order.priced", None, "models.py is in the way"),
        ("Ship", "order.priced", None, "no stage name"),
        ("class", "order.priced", None, "no stage name"),
        ("ship", "order.priced", "Order Shipped", "no event type"),
        ("ship", "order.priced", "order.retry", "reserved"),
        ("ship", "order.priced", "order.placed", "cycle"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_written(
    folder: Path, stage: str, after: str, emits: str | None, named: str
) -> None:
    before = content(folder)
    with pytest.raises((InvalidRequestError, NotFoundError, OperationError), match=named):
        add(folder, stage, after, emits)
    assert content(folder) == before


def test_a_file_with_a_mistake_is_left_alone(folder: Path) -> None:
    file = folder / "topology.yaml"
    file.write_text(file.read_text().replace("emits: order.priced", "emit: order.priced"))
    before = content(folder)
    with pytest.raises(OperationError, match="did you mean 'emits'"):
        add(folder, "ship", "order.checked")
    assert content(folder) == before


def test_a_top_level_module_does_not_hide_one_of_python(folder: Path) -> None:
    """With no package and functions at the top level, `json` would be json.py."""
    (folder / "extra.py").write_text("def check(order: dict) -> None: ...\n")
    (folder / "topology.yaml").write_text(
        "pipeline: shop\nevents: {order.placed: {}}\n"
        'stages:\n  check: {run: "extra:check", subscribes: order.placed}\n'
    )
    before = content(folder)
    with pytest.raises(OperationError, match=r"json\.py hides"):
        add(folder, "json", "order.placed")
    assert content(folder) == before


def test_a_link_to_the_file_stays_a_link(folder: Path) -> None:
    real = folder.parent / "real.yaml"
    (folder / "topology.yaml").rename(real)
    real.chmod(0o600)
    (folder / "topology.yaml").symlink_to(real)
    add(folder, "ship", "order.priced")
    assert (folder / "topology.yaml").is_symlink()
    assert "ship:" in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o600

"""What does `switch` say of a candidate, and of a share, before it writes?"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from farandole.events.switch_document import SwitchDocument
from farandole.events.topology_version import EventSpec, StageSpec
from farandole.operations.control.candidate_check import check_apart, check_here
from farandole.operations.control.switch import share_warning
from farandole.operations.errors import RefusedError
from tests.catalog.made import version

OWN = """from pydantic import BaseModel

class Order(BaseModel):
    number: int

def price(order: Order) -> Order:
    return order
"""
VERSION = version(
    1,
    {"a": EventSpec(topic="p.a", partitions=1)},
    {"s": StageSpec(run="orders_of_switch.price:price", subscribes=("a",), emits=("a",))},
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pipeline's folder, with a package that has one module."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "orders_of_switch").mkdir()
    (tmp_path / "orders_of_switch/price.py").write_text(OWN)
    return tmp_path


async def test_a_module_that_its_package_does_not_have_is_refused(folder: Path) -> None:
    for gone in ("price9", "sub.price"):
        with pytest.raises(RefusedError, match="there is no orders_of_switch/") as raised:
            await check_here(folder, VERSION, "s", f"orders_of_switch.{gone}:price")
        assert raised.value.code == "unfit_switch"
        if gone == "price9":
            assert "did you mean 'price'?" in str(raised.value)


@pytest.mark.parametrize("run", ["no_such_package.price:price", "no_such_package:price"])
async def test_a_package_that_is_not_here_is_left_to_the_workers(folder: Path, run: str) -> None:
    assert await check_here(folder, VERSION, "s", run) is False


async def test_a_process_of_its_own_sees_a_candidate_as_it_is_now(folder: Path) -> None:
    candidate, run = folder / "orders_of_switch/cheap.py", "orders_of_switch.cheap:price"
    candidate.write_text(OWN.replace("def price", "def cost"))
    with pytest.raises(RefusedError, match="has no"):
        await check_apart(folder, VERSION, "s", run)
    candidate.write_text("print('imported')\n" + OWN)
    assert await check_apart(folder, VERSION, "s", run) is True
    assert "orders_of_switch.cheap" not in sys.modules


async def test_a_candidate_that_ends_its_process_is_refused(folder: Path) -> None:
    (folder / "orders_of_switch/cheap.py").write_text("import os; os._exit(3)")
    with pytest.raises(RefusedError, match="ended with 3"):
        await check_apart(folder, VERSION, "s", "orders_of_switch.cheap:price")


@pytest.mark.parametrize(
    ("mode", "share", "warning"),
    [
        ("canary", "50%", None),
        ("canary", "51%", "51 % leaves little to compare the candidate with"),
        ("canary", "100%", "nothing is left to compare the candidate with"),
        ("shadow", "100%", None),
        ("shadow", None, None),
    ],
)
def test_a_canary_that_leaves_little_to_compare_with_is_warned_of(
    mode: str, share: str | None, warning: str | None
) -> None:
    switch = SwitchDocument.model_validate(
        {"pipeline": "p", "stage": "s", "mode": mode, "run": "shop:price2", "share": share}
    )
    assert (share_warning(switch) or "None").startswith(str(warning))

"""Which files must be watched so that an edited function is noticed?"""

from __future__ import annotations

from pathlib import Path

import pytest

from farandole.services.local_sources import local_sources, syntax_problem

FILES = {
    "stages/__init__.py": "",
    "stages/orders/__init__.py": "",
    "stages/orders/check.py": "from . import models\nfrom .prices import price\nimport json, rates",
    "stages/orders/models.py": "from stages.shared import Money",
    "stages/orders/prices.py": "def price():\n    from rates.table import RATES\n",
    "stages/orders/other.py": "import stages.orders.models",
    "stages/shared.py": "from ..outside import x",
    "rates/table.py": "",  # a package without __init__.py
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_imports_are_followed_below_the_folder_and_nowhere_else(folder: Path) -> None:
    found = local_sources(folder, ["stages.orders.check", "numpy"])
    assert {str(file.relative_to(folder)) for file in found} == FILES.keys() - {
        "stages/orders/other.py"
    }


def test_a_file_that_cannot_be_parsed_belongs_to_its_stage(folder: Path) -> None:
    models = folder / "stages/orders/models.py"
    models.write_text("def broken(:")
    found = local_sources(folder, ["stages.orders.check"])
    assert models in found
    assert folder / "stages/shared.py" not in found
    assert syntax_problem(models) == f"{models}:1: invalid syntax"
    assert syntax_problem(folder / "stages/orders/check.py") is None

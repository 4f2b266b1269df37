"""Which fixtures do the tests of operations share with those of the command line?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from farandole.broker.settings import Settings
from farandole.cli.context import CliContext
from farandole.operations.installation import Installation
from tests.cli.conftest import Call, applied, call, die, folder

__all__ = ["applied", "ask", "call", "die", "folder"]

Ask = Callable[..., Any]


@pytest.fixture
def ask(applied: Call, folder: Path, settings: Settings) -> Ask:
    """Calls an operation on the shipped pipeline, which is in force."""
    installation: Installation = CliContext(folder).installation_of(settings)

    def ask(operation: Callable[..., Any], *arguments: Any) -> Any:
        return asyncio.run(operation(installation, *arguments))

    return ask

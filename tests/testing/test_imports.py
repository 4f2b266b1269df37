"""Does trying and testing start without what only Kafka needs?"""

from __future__ import annotations

import subprocess
import sys

import pytest


def loaded_by(module: str) -> set[str]:
    """The packages that are loaded once a module is imported in a new process."""
    code = f"import sys, {module}; print(*(name.partition('.')[0] for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module", ["farandole.testing.pipeline", "farandole.operations.events.try_events"]
)
def test_no_client_of_kafka_is_loaded(module: str) -> None:
    assert loaded_by(module).isdisjoint({"aiokafka", "aiohttp", "faust", "pydantic_settings"})


def test_the_pytest_plugin_costs_nothing_until_its_fixture_is_used() -> None:
    assert "pydantic" not in loaded_by("farandole.testing.pytest_plugin")

"""Is the installed aiokafka supported, and does only one module use its private parts?"""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from farandole.broker import aiokafka_internals
from farandole.broker.aiokafka_internals import (
    USES,
    UnsupportedAiokafkaError,
    Use,
    verify_aiokafka,
)
from farandole.broker.broker_errors import BrokerError
from farandole.broker.kafka_clients import connection_arguments
from farandole.broker.settings import Settings

ROOT = Path(__file__).parents[2]
ROOMS = sorted(link.name for link in (ROOT / "farandole").iterdir() if link.is_symlink())
PUBLIC = ("admin", "errors", "structs")


@pytest.fixture(autouse=True)
def verified_anew() -> None:
    verify_aiokafka.cache_clear()


def product_files() -> list[Path]:
    files = [file for room in ROOMS for file in (ROOT / room).rglob("*.py")]
    return [file for file in files if file.name != "aiokafka_internals.py"]


def test_the_installed_aiokafka_has_all_that_we_use() -> None:
    verify_aiokafka()


@pytest.mark.parametrize("use", USES, ids=lambda use: f"{use.owner.__name__}.{use.attribute}")
def test_a_missing_attribute_is_named_with_its_reason(
    use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    def has_attribute(owner: type, attribute: str) -> bool:
        return (owner, attribute) != (use.owner, use.attribute)

    monkeypatch.setattr(aiokafka_internals, "_has_attribute", has_attribute)
    with pytest.raises(UnsupportedAiokafkaError) as raised:
        verify_aiokafka()
    assert f"has no {use.owner.__name__}.{use.attribute}, which" in str(raised.value)
    assert use.reason in str(raised.value)
    assert "install aiokafka>=" in str(raised.value)


def test_no_client_is_made_with_an_aiokafka_that_lacks_something(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from aiokafka.consumer.group_coordinator import GroupCoordinator

    monkeypatch.delattr(GroupCoordinator, "_do_heartbeat")
    with pytest.raises(UnsupportedAiokafkaError, match=r"GroupCoordinator\._do_heartbeat"):
        connection_arguments(Settings(bootstrap="localhost:1"))


def test_a_name_that_aiokafka_no_longer_has_gives_a_clear_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr("aiokafka.conn.collect_hosts")
    with pytest.raises(BrokerError, match=r"lacks a part .*'collect_hosts'.*; install aiokafka>="):
        runpy.run_path(aiokafka_internals.__file__)


def test_no_other_module_touches_the_inside_of_aiokafka() -> None:
    private = sorted({use.attribute for use in USES if use.attribute.startswith("_")})
    touched = re.compile(rf"(?<!\bself)\.({'|'.join(private)})\b")
    imported = re.compile(rf"(?:from|import) aiokafka\.(?!(?:{'|'.join(PUBLIC)}) import)\w+")
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in product_files()
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if touched.search(line) or imported.search(line)
    ]
    assert len(product_files()) > 100
    assert found == []

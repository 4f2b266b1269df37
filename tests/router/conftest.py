"""A folder with a pipeline of its own, as a user would have it."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

GOOD = """\
pipeline: order-lines
package: work
events:
  feed.requested: {partitions: 1}
  line.ingested: {key: household}
stages:
  ingest: {subscribes: feed.requested, emits: line.ingested}
  load: {subscribes: line.ingested}
"""

SCHEMAS = """\
from collections.abc import AsyncIterator, Iterator
from typing import Any
from pydantic import BaseModel, ConfigDict
from farandole.stages.contract import Context, Reject, To

class Feed(BaseModel):
    weeks: list[int]

class Line(BaseModel):
    household: int
    quantity: int

class Priced(BaseModel):
    household: int
    quantity: int
    cents: int

class Noted(BaseModel):
    household: int
    quantity: str | None = None
"""

FUNCTIONS = {
    "ingest": "def ingest(feed: Feed) -> Iterator[Line]: ...",
    "validate": "def validate(line: Line) -> Line: ...",
    "price": "def price(line: Line) -> Priced: ...",
    "load": "def load(lines: list[Line]) -> None: ...",
}

Folder = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    """Writes topology.yaml and the package `work`; gives the path of the file."""
    with writing_in(tmp_path) as write:
        yield write


@contextmanager
def writing_in(place: Path) -> Iterator[Folder]:
    """Yield what writes topology.yaml and the package `work` into a folder; forget its modules
    afterwards."""
    modules, path = set(sys.modules), list(sys.path)

    def write(topology: str | bytes = GOOD, functions: Mapping[str, str] | None = None) -> Path:
        for name in [n for n in sys.modules if n.partition(".")[0] == "work"]:
            del sys.modules[name]
        package = place / "work"
        package.mkdir(exist_ok=True)
        (package / "schemas.py").write_text(SCHEMAS)
        for name, source in {**FUNCTIONS, **(functions or {})}.items():
            code = f"from work.schemas import *\n{textwrap.dedent(source)}\n"
            (package / f"{name}.py").write_text(code)
        raw = topology.encode() if isinstance(topology, str) else topology
        file = place / "topology.yaml"
        file.write_bytes(raw)
        return file

    yield write
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.partition(".")[0] == "work":
            del sys.modules[name]

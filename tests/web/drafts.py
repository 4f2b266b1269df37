"""The folder of a small pipeline, whose file is edited in the console."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from tests.web.api import Answer, Api

TOPOLOGY = """\
# who listens to what
pipeline: order-lines
package: work
events:
  feed.requested: {partitions: 1} # the trigger
  line.ingested: {partitions: 1, key: household}
stages:
  ingest: {subscribes: feed.requested, emits: line.ingested}
  # each line
  load: {subscribes: line.ingested} # into a table
"""
WITHOUT_INGEST = TOPOLOGY.replace("  feed.requested: {partitions: 1} # the trigger\n", "").replace(
    "  ingest: {subscribes: feed.requested, emits: line.ingested}\n", ""
)
SLOWER = TOPOLOGY.replace("load: {", "load: {timeout: 1m, ")

_CODE = """\
from collections.abc import Iterator
from pydantic import BaseModel

class Feed(BaseModel):
    weeks: list[int]

class Line(BaseModel):
    household: int
"""
_FUNCTIONS = {
    "ingest": 'def ingest(feed: Feed) -> Iterator[Line]:\n    """Read the lines."""\n',
    "load": "def load(lines: list[Line]) -> None: ...\n",
}


def write_folder(folder: Path, functions: Mapping[str, str] | None = None) -> Path:
    """Write the file and its functions; `functions` is code that comes instead. Return the file."""
    package = folder / "work"
    package.mkdir(parents=True)
    (package / "schemas.py").write_text(_CODE)
    for name, code in {**_FUNCTIONS, **(functions or {})}.items():
        (package / f"{name}.py").write_text(f"from work.schemas import *\n{code}\n")
    file = folder / "topology.yaml"
    file.write_text(TOPOLOGY)
    return file


async def request_feed(settings: Settings) -> None:
    """Write a root that nobody reads."""
    topic = settings.names.event_topic("order-lines", "feed.requested")
    async with open_client(make_producer(settings), settings) as writer:
        await writer.send_and_wait(topic, b'{"weeks": [1]}', partition=0)


async def revision_of(api: Api) -> str:
    revision: str = (await api.get("/topology/file")).data["revision"]
    return revision


async def planned(api: Api, text: str) -> dict[str, Any]:
    """Plan a text for the file as it is saved, and return the plan with the text and revision."""
    draft = {"text": text, "revision": await revision_of(api)}
    answer = await api.post("/topology/plan", draft)
    assert answer.status == 200, answer.text
    plan: dict[str, Any] = answer.data
    return {"draft": {**draft, "token": plan["token"]}, **plan}


async def applied(api: Api, text: str, **permission: Any) -> Answer:
    """Plan a text and apply it."""
    plan = await planned(api, text)
    return await api.post("/topology/apply", {**plan["draft"], **permission})

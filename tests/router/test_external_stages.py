"""What must a file say of a stage whose code is elsewhere, and what must it not say?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from farandole.catalog.active_stages import active_stages, hosted_stages
from farandole.events.kafka_names import KafkaNames
from farandole.router.topology_file_check import check_topology_file
from tests.router.conftest import FUNCTIONS, Folder
from tests.worker.made import version

NAMES = KafkaNames("ns")
SCORED = {
    "type": "object",
    "properties": {"household": {"type": "integer"}, "quantity": {"type": "integer"}},
    "required": ["household", "quantity"],
}
FILE = """\
pipeline: order-lines
package: work
events:
  feed.requested: {{partitions: 1}}
  line.scored: {{key: household, schema: {schema}}}
stages:
  ingest: {{subscribes: feed.requested, emits: line.ingested}}
  score: {{subscribes: line.ingested, emits: line.scored, external: true{more}}}
  load: {{subscribes: line.scored}}
"""


def findings(folder: Folder, schema: object = SCORED, more: str = "") -> list[str]:
    text = schema if isinstance(schema, str) else json.dumps(schema)
    file = folder(FILE.format(schema=text, more=more), FUNCTIONS)
    return [f"{each.line}: {each.message}" for each in check_topology_file(file, NAMES).findings]


def test_a_declared_schema_stands_for_the_code(folder: Folder) -> None:
    assert findings(folder) == []


def test_a_schema_may_be_in_a_file(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "scored.json").write_text(json.dumps(SCORED))
    assert findings(folder, "scored.json") == []


def test_what_the_external_stage_writes_must_fit_who_reads_it(folder: Folder) -> None:
    text = {**SCORED["properties"], "quantity": {"type": "string"}}  # type: ignore[dict-item]
    (found,) = findings(folder, {**SCORED, "properties": text})
    assert "'line.scored' does not fit: 'score' writes" in found
    assert "quantity" in found


def test_what_it_reads_must_be_written(folder: Folder) -> None:
    accepts = {**SCORED, "required": ["household", "quantity", "price"]}
    (found,) = findings(folder, more=f", accepts: {json.dumps(accepts)}")
    assert "'line.ingested' does not fit: 'ingest' writes Line" in found
    assert "price" in found


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("missing.json", "missing.json cannot be read (No such file or directory)"),
        ({"type": "objekt"}, "this is no JSON Schema: type: 'objekt' is not valid"),
        ({"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}}, "refers to another one"),
        ("[a]", "neither a JSON Schema nor the name of a .json file"),
        ("scored.yaml", "neither a JSON Schema nor the name of a .json file"),
    ],
)
def test_a_schema_that_cannot_be_used_is_named(
    folder: Folder, schema: object, message: str
) -> None:
    found = findings(folder, schema)
    assert any(message in each and each.startswith("5: ") for each in found), found


@pytest.mark.parametrize(
    "key", ["run: 'work.load:load'", "threads: 2", "timeout: 3s", "processes: 2",
            "retry: {attempts: 2}", "breaker: {failures: 3}", "with: {a: 1}"]
)  # fmt: skip
def test_what_only_a_worker_reads_is_refused(folder: Folder, key: str) -> None:
    found = findings(folder, more=f", {key}")
    assert any(f"{key.partition(':')[0]!r} does nothing here" in each for each in found), found


def test_a_schema_is_declared_where_nothing_else_says_it_and_nowhere_else(folder: Folder) -> None:
    without = FILE.format(schema="{}", more="").replace(", schema: {}", "")
    (found,) = check_topology_file(folder(without, FUNCTIONS), NAMES).findings
    assert "nothing says which data 'line.scored' has" in found.message
    twice = FILE.format(schema=json.dumps(SCORED), more="").replace(", external: true", "")
    twice = twice.replace("  score: {", "  score: {run: 'work.validate:validate', ")
    (found,) = check_topology_file(folder(twice, FUNCTIONS), NAMES).findings
    assert "the function of stage 'score' says which data 'line.scored' has" in found.message


def test_workers_host_no_external_stage() -> None:
    one = version()
    before = one.stages["before"].model_copy(update={"external": True})
    versions = {1: one.model_copy(update={"stages": {"before": before}})}
    assert [*active_stages(versions)] == ["before"]
    assert hosted_stages(versions) == {}

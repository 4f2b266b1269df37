"""Does an editor accept and refuse what the linter does?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from farandole.events.kafka_names import KafkaNames
from farandole.router import editor_schema, file_model, yaml_source
from farandole.router.lint import lint_topology
from farandole.router.lint_finding import error_findings

TOP = Path(__file__).parents[2]
CORPUS = Path(__file__).parent / "corpus"
FILES = sorted(CORPUS.glob("*/*.yaml"))


def refusals(file: Path) -> list[str]:
    """What the reader and the linter say, without looking for functions."""
    read, findings = yaml_source.read_yaml(file.read_bytes(), file.name)
    if read is None:
        return [str(finding) for finding in findings]
    written, wrong = file_model.read_topology_file(read)
    findings = [*findings, *wrong]
    if written is not None:
        findings += lint_topology(read, written, {}, KafkaNames())
        lost = [stage for stage in written.stages if written.function(stage) is None]
        findings += [read.finding(("stages", stage), "has no function", "name") for stage in lost]
    return [str(finding) for finding in error_findings(findings)]


def seen(file: Path) -> Any:
    """The file's data as our reader has them; as any YAML 1.2 reader has them where ours gives
    up: it is the editor that has to read the file then."""
    read, _ = yaml_source.read_yaml(file.read_bytes(), file.name)
    if read is not None:
        return read.data
    return next(iter(YAML(typ="safe", pure=True).load_all(file.read_text(encoding="utf-8-sig"))))


def underlined(file: Path) -> list[str]:
    return [
        e.message
        for e in Draft202012Validator(editor_schema.topology_json_schema()).iter_errors(seen(file))
    ]


def named(file: Path) -> str:
    return f"{file.parent.name}/{file.stem}"


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(editor_schema.topology_json_schema())


def test_the_file_at_the_top_is_what_the_command_prints() -> None:
    printed = orjson.dumps(editor_schema.topology_json_schema(), option=orjson.OPT_INDENT_2) + b"\n"
    assert (TOP / "topology.schema.json").read_bytes() == printed, (
        "write it anew: farandole schema > topology.schema.json"
    )


def test_the_corpus_is_large_enough_to_mean_something() -> None:
    assert len(FILES) >= 60


@pytest.mark.parametrize("file", sorted(CORPUS.glob("good/*.yaml")), ids=named)
def test_both_accept(file: Path) -> None:
    assert (refusals(file), underlined(file)) == ([], [])


@pytest.mark.parametrize("file", sorted(CORPUS.glob("bad/*.yaml")), ids=named)
def test_both_refuse(file: Path) -> None:
    assert refusals(file)
    assert underlined(file)


@pytest.mark.parametrize("file", sorted(CORPUS.glob("beyond/*.yaml")), ids=named)
def test_what_only_the_linter_can_know_is_listed_here(file: Path) -> None:
    assert refusals(file)
    assert not underlined(file)


def test_every_key_has_one_sentence_that_explains_it() -> None:
    described = {model: editor_schema.key_descriptions(model) for model in editor_schema.SECTIONS}
    assert {model: set(keys) for model, keys in described.items()} == {
        model: {field.alias or name for name, field in model.model_fields.items()}
        for model in editor_schema.SECTIONS
    }
    for keys in described.values():
        assert all(said.endswith(".") and "\n" not in said for said in keys.values())


def test_no_part_of_the_form_is_left_undescribed() -> None:
    schema = editor_schema.topology_json_schema()
    sections = {model.__name__.removesuffix("Section").lower() for model in editor_schema.SECTIONS}
    assert set(schema["$defs"]) <= sections


@pytest.mark.parametrize("file", ["topology.yaml", "examples/shop/topology.yaml"])
def test_the_files_that_ship_name_their_schema(file: str) -> None:
    first, *_ = (TOP / file).read_text().splitlines()
    _, _, place = first.partition("# yaml-language-server: $schema=")
    assert ((TOP / file).parent / place).resolve() == TOP / "topology.schema.json"
    assert underlined(TOP / file) == []


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
    for inner in schema.values() if isinstance(schema, dict) else schema:
        if isinstance(inner, dict | list):
            yield from parts(inner)


def test_what_editors_show_is_for_people() -> None:
    schema = editor_schema.topology_json_schema()
    for part in parts(schema):
        # Without a message, the YAML language server shows the pattern.
        if isinstance(part.get("pattern"), str):
            assert part["errorMessage"].endswith("."), part
        # It offers the last word of a reference as a completion, and repeats a title in hovers.
        if isinstance(part.get("$ref"), str):
            assert part["$ref"].rpartition("/")[2].islower()
        assert not isinstance(part.get("title"), str), part

"""How is the folder of a new pipeline made?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

import orjson

from farandole.events.kafka_names import PIPELINE_PATTERN, RESERVED_PIPELINE
from farandole.events.next_step import NextStep
from farandole.operations.errors import InvalidRequestError
from farandole.operations.results import Result
from farandole.operations.setup.new_files import write_new_files
from farandole.router import editor_schema

TEMPLATES: Final = {
    "minimal": "two functions: an order is checked and priced",
    "feed": "a file of readings becomes rows of an SQLite table, each once",
    "enrich": "sales are joined with reference data, and two kinds of events come out",
}
"""What each template shows."""
DEFAULT_TEMPLATE = "minimal"
SCHEMA_FILE = Path("topology.schema.json")
TRIGGER_FILE = "trigger.json"
_TEMPLATE_NAME = "my-pipeline"
_MAX_NAME_LENGTH = 40  # characters, of a name that a folder's name suggests
_ROOTS = {"minimal": "order.placed", "feed": "file.arrived", "enrich": "sale.made"}


@dataclass(frozen=True, slots=True)
class NewPipelineRequest:
    """A folder, which need not exist yet, and what it begins with."""

    folder: Path
    template: str = DEFAULT_TEMPLATE
    name: str | None = None
    """The name of the pipeline; None for one that the folder's name suggests."""


class NewPipelineResult(Result):
    """What was written."""

    folder: str
    pipeline: str
    template: str
    files: tuple[str, ...]
    """Each file, as a path in the folder."""
    next_steps: tuple[str, ...]
    """Commands to be typed in the folder, in their order."""


def create_pipeline(request: NewPipelineRequest) -> NewPipelineResult:
    """Write the files of a template into a folder. No broker is needed. Raises InvalidRequestError
    and what `write_new_files` raises."""
    name = suggest_name(request.folder) if request.name is None else _checked_name(request.name)
    contents = {
        path: content.replace(_TEMPLATE_NAME.encode(), name.encode())
        for path, content in _template_files(request.template)
    }
    schema = orjson.dumps(editor_schema.topology_json_schema(), option=orjson.OPT_INDENT_2)
    contents[SCHEMA_FILE] = schema + b"\n"
    write_new_files(request.folder, contents)
    data = (_ROOTS[request.template], "--data", f"@{TRIGGER_FILE}")
    first, *others = (
        NextStep("", words) for words in (("try", *data), ("up",), ("trigger", *data))
    )
    return NewPipelineResult(
        folder=str(request.folder),
        pipeline=name,
        template=request.template,
        files=tuple(sorted(map(str, contents))),
        next_steps=(first.text(), "pytest", *(step.text() for step in others)),
    )


def suggest_name(folder: Path) -> str:
    """Return a pipeline's name that is like the folder's."""
    words = re.findall(r"[a-z0-9]+", folder.resolve().name.lower())
    name = "-".join(words)[:_MAX_NAME_LENGTH].strip("-")
    return name if name and name != RESERVED_PIPELINE else _TEMPLATE_NAME


def _checked_name(name: str) -> str:
    if not PIPELINE_PATTERN.fullmatch(name) or name == RESERVED_PIPELINE:
        raise InvalidRequestError(
            "invalid_request",
            f"{name!r} is no pipeline name: lowercase letters, digits and single dashes, and not "
            f"{RESERVED_PIPELINE!r}",
        )
    return name


def _template_files(template: str) -> Iterator[tuple[Path, bytes]]:
    """Yield the path and content of each file. `gitignore` has no dot in the package: git and the
    build would obey it there."""
    if template not in TEMPLATES:
        raise InvalidRequestError(
            "invalid_request",
            f"there is no template {template!r}; there are {', '.join(TEMPLATES)}",
        )
    for path, content in _walk(files(__package__) / "templates" / template, Path()):
        yield (Path(".gitignore") if path == Path("gitignore") else path), content


def _walk(folder: Traversable, below: Path) -> Iterator[tuple[Path, bytes]]:
    for entry in folder.iterdir():
        if entry.name.startswith((".", "__pycache__")):  # caches of tools
            continue
        if entry.is_dir():
            yield from _walk(entry, below / entry.name)
        else:
            yield below / entry.name, entry.read_bytes()

"""What is the finding about a value that the model of the file refuses, and how is the value
repaired for later checks?

The problems are pydantic's error dictionaries, whose `loc` is a path in the YAML document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from farandole.events.file_keys import ValueKind, file_keys
from farandole.router.file_values import FILE_VALUE_ERROR
from farandole.router.lint_finding import Finding
from farandole.router.yaml_source import KeyPath, YamlDocument
from farandole.stages.nearest_name import did_you_mean, nearest_name


def without_consequences(model: type[BaseModel], problems: Sequence[Any]) -> list[Any]:
    """Return the problems, without missing keys that are only misspelled."""
    meant = {
        (*p["loc"][:-1], nearest_name(str(p["loc"][-1]), known_keys(model, p["loc"][:-1])))
        for p in problems
        if p["type"] == "extra_forbidden"
    }
    return [p for p in problems if p["type"] != "missing" or p["loc"] not in meant]


def known_keys(model: type[BaseModel], path: KeyPath) -> list[str]:
    """Return the keys that a file may have at `path`, if `model` describes the whole file. The
    list is empty where the file itself chooses the names, as below `stages:`."""
    section = section_at(model, path)
    fields = section.model_fields if section is not None else {}
    return [field.alias or name for name, field in fields.items()]


def section_at(model: type[BaseModel], path: KeyPath) -> type[BaseModel] | None:
    """Return the model of the section at `path`; None if there is no section."""
    at: Any = model
    for step in path:
        if not _is_section(at):
            at = _section_within(at) or at
            continue
        fields = {field.alias or name: field for name, field in at.model_fields.items()}
        if step in fields:
            annotation = fields[str(step)].annotation
            at = _optional_section(annotation) or annotation
    return at if _is_section(at) else _item_section(at)


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _optional_section(annotation: Any) -> Any:
    """Return the section if the annotation is that section or None, else None."""
    members = [m for m in get_args(annotation) or (annotation,) if m is not type(None)]
    return members[0] if len(members) == 1 and _is_section(members[0]) else None


def _item_section(annotation: Any) -> type[BaseModel] | None:
    """Return the section of which the annotation takes several, because one may be written without
    a list; None if it is no list of sections."""
    if get_origin(annotation) in (Union, Annotated):
        return _item_section(get_args(annotation)[0])
    item: Any = get_args(annotation)[0] if get_origin(annotation) is tuple else None
    section: type[BaseModel] | None = item if _is_section(item) else None
    return section


def _section_within(annotation: Any) -> Any:
    """Return the section that a list or mapping contains, None if it contains none."""
    if _is_section(annotation):
        return annotation
    inner = (_section_within(each) for each in get_args(annotation))
    return next((section for section in inner if section is not None), None)


def problem_finding(document: YamlDocument, model: type[BaseModel], problem: Any) -> Finding:
    """Return the finding about one problem, at its line and column."""
    path: KeyPath = problem["loc"]
    key = next((step for step in reversed(path) if isinstance(step, str)), "")
    kind = problem["type"]
    if kind == "extra_forbidden":
        known = known_keys(model, path[:-1])
        remedy = did_you_mean(str(key), known, f"known here are {', '.join(known)}")
        if key == "when" and len(path) == 3:
            remedy = "write it beside an event type: `subscribes: {line.read: {when: ...}}`"
        return document.finding(path, f"unknown key {key!r}", remedy, on_key=True)
    if kind == "missing":
        return document.finding(
            path[:-1],
            f"{_section_label(path[:-1])} has no {key!r}",
            f"add `{key}:`",
            on_key=len(path) > 1 and isinstance(path[-2], str),
        )
    if kind == FILE_VALUE_ERROR:
        return document.finding(path, problem["ctx"]["message"], problem["ctx"]["remedy"])
    if kind == "too_short":
        return document.finding(path, f"{key!r} is empty", "name at least one")
    example = _list_example(model, path)
    return document.finding(
        path, f"{key!r}: {_problem_text(problem, example)}", _problem_remedy(kind, example)
    )


def _problem_text(problem: Any, example: tuple[str, str]) -> str:
    given = problem["input"]
    wanted = str(problem["msg"]).removeprefix("Input should be ")
    if problem["type"] in _MAPPING_ERRORS:
        wanted = "a mapping"
    elif problem["type"] == "tuple_type":
        wanted = f"{example[0]} or a list of them"
    if given is None:
        return f"should be {wanted}, not empty"
    if isinstance(given, str | int | float):
        return f"should be {wanted}, not {given!r:.60}"
    return f"should be {wanted}, not a {'list' if isinstance(given, list | tuple) else 'mapping'}"


_MAPPING_ERRORS = ("model_type", "mapping_type", "dict_type")
_EVENT_TYPE_EXAMPLE = ("an event type", "[line.read, line.validated]")
_STRUCTURE_EXAMPLES = {
    "email": ("an address", "[ops@example.com]"),
    "stages": ("a stage", "[validate, load]"),
    "kinds": ("a kind of incident", "[dead, stage.held]"),
    "severity": ("a severity", "[notify, digest]"),
    "errors": ("the name of an exception", "[ConnectionError, TimeoutError]"),
}
_KIND_EXAMPLES: Mapping[ValueKind, tuple[str, str]] = {
    "error_names": ("the name of an exception", "[ConnectionError, TimeoutError]"),
    "positive_durations": ("a duration", "[10m, 1h, 6h, 24h]"),
    "daily_times": ("a time of day", "[09:00 Europe/Berlin, 18:00 Europe/Berlin]"),
}


def _list_example(model: type[BaseModel], path: KeyPath) -> tuple[str, str]:
    """Return what an item of the list at `path` is called, and an example of such a list."""
    name = path[-1] if path else ""
    section = section_at(model, path[:-1])
    key = file_keys(section).get(str(name)) if section is not None else None
    if key is not None and key.kind in _KIND_EXAMPLES:
        return _KIND_EXAMPLES[key.kind]
    return _STRUCTURE_EXAMPLES.get(str(name), _EVENT_TYPE_EXAMPLE)


def _problem_remedy(kind: str, example: tuple[str, str]) -> str:
    if kind in _MAPPING_ERRORS:
        return "write `name: value` pairs, in braces or indented below it"
    return {
        "int_type": "write a whole number without quotes",
        "string_type": "write a word, in quotes if it looks like a number",
        "tuple_type": f"write for example {example[1]}",
    }.get(kind, "write a value in that range")


def _section_label(path: KeyPath) -> str:
    if path[-2:-1] == ("escalate",):
        return "the step"
    return f"{path[0][:-1]} {path[1]!r}" if len(path) == 2 else "the file"  # type: ignore[index]


def repair_value(data: Any, model: type[BaseModel], problem: Any) -> bool:
    """Correct by guess, or remove, the value in the parsed file that a problem is about. Return
    False if nothing sensible can be done: the file cannot be read further."""
    *above, key = problem["loc"] or (None,)
    kind = problem["type"]
    if problem["loc"][:1] == ("alerts",):
        data.pop("alerts", None)  # no other check depends on it
        return True
    in_schedules = bool(problem["loc"][:1] == ("schedules",))
    if in_schedules and kind != "extra_forbidden":
        return _drop_from_schedules(data, problem["loc"], kind)
    if isinstance(key, int) or kind == "missing" or key in ("subscribes", "emits", "stages"):
        return False
    owner = data
    for step in above:
        is_there = isinstance(owner, list) or (isinstance(owner, dict) and step in owner)
        owner = owner[step] if is_there else None
    if not isinstance(owner, dict) or key not in owner:
        return in_schedules  # it was left out with its schedule
    if "subscribes" in above[-2:] and kind in _MAPPING_ERRORS:
        owner[key] = {}  # the event type is subscribed to, whatever was meant as its settings
        return True
    if kind in _MAPPING_ERRORS and above == ["stages"]:
        return False
    if above == ["events"]:
        owner[key] = {}  # the event type is still declared
        return True
    value = owner.pop(key)
    meant = None
    if kind == "extra_forbidden":
        meant = nearest_name(str(key), known_keys(model, tuple(above)))
    # Other findings about schedules would have no place in the file.
    if meant is not None and meant not in owner and (above or meant != "schedules"):
        owner[meant] = value
    return True


def _drop_from_schedules(data: Any, path: KeyPath, kind: str) -> bool:
    """Leave out the key of a schedule, or a schedule that is nothing without it."""
    if len(path) == 1:
        data.pop("schedules", None)
    elif len(path) == 2 or kind == "missing" or path[2] == "triggers":
        data["schedules"].pop(path[1], None)
    elif path[1] in data["schedules"]:
        data["schedules"][path[1]].pop(path[2], None)
    return True

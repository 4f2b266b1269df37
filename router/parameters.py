"""Is what stands under `with:` what a stage's function wants to know?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from farandole.router import conditions, schemas
from farandole.router.case import Case
from farandole.router.document import Path
from farandole.router.finding import Finding, did_you_mean, nearest
from farandole.router.schemas import NoSchema
from farandole.stages.expression import FORMAT
from farandole.stages.parameters import build
from farandole.stages.signature import Signature

_EXTRA = ("extra_forbidden", "unexpected_keyword_argument")


def check(case: Case) -> Iterator[Finding]:
    """A function that takes `params` gets them, as its model wants them; another gets none."""
    for name, signature in case.signatures.items():
        if signature.params is not None:
            yield from _wrong(case, name, signature)
        elif case.form.stages[name].parameters is not None:
            yield case.finding(
                ("stages", name, "with"),
                f"stage {name!r} has `with:`, but its function takes no `params`",
                "delete `with:`, or give the function a parameter `params: AModel`",
                on_key=True,
            )


def _wrong(case: Case, name: str, signature: Signature) -> Iterator[Finding]:
    written = case.form.stages[name].parameters
    model = signature.params
    path: Path = ("stages", name, "with")
    properties, closed = _properties(model)
    fields = list(properties)
    unknown = [key for key in written or {} if key not in fields] if closed else []
    for key in unknown:
        yield case.finding(
            (*path, key),
            f"{key!r} is no field of {schemas.title(model)} (stage {name!r})",
            did_you_mean(key, fields, f"its fields are {', '.join(fields)}"),
            on_key=True,
        )
    try:
        build(model, written or {})
        yield from _conditions(case, name, model)
        return
    except ValidationError as error:
        problems: list[Any] = list(error.errors(include_url=False))
    except Exception as error:  # noqa: BLE001 -- a validator is anyone's code
        yield case.finding(
            path,
            f"stage {name!r}: {schemas.title(model)} cannot be made of this: {error}",
            "correct the value, or the model",
            on_key=True,
        )
        return
    for problem in problems:
        missing = problem["type"] == "missing"
        inner = _there(written or {}, problem["loc"], missing)
        said = ".".join(str(step) for step in inner)
        if missing:
            if nearest(said, unknown):
                continue  # misspelled, and said already
            yield _missing(case, name, inner, written is None, model)
        elif said not in unknown:
            yield case.finding(
                (*path, *inner),
                f"{said or 'with'!r}: {_reason(problem)}",
                f"write what {schemas.title(model)} takes",
                on_key=problem["type"] in _EXTRA,
            )


def _conditions(case: Case, name: str, model: Any) -> Iterator[Finding]:
    """Parameters that are expressions ask for fields that the stage's events can have."""
    stage = case.form.stages[name]
    properties, _ = _properties(model)
    for key, value in (stage.parameters or {}).items():
        if properties.get(key, {}).get("format") == FORMAT and isinstance(value, str):
            path = ("stages", name, "with", key)
            yield from conditions.unknown_fields(case, path, stage.subscribes, value)


def _there(written: Any, path: Path, missing: bool) -> Path:
    """The part of a path that stands in the file, and what is missing there; pydantic's also names
    the members of a union."""
    found: Path = ()
    for step in path:
        try:
            written = written[step]
        except (KeyError, IndexError, TypeError):
            continue
        found = (*found, step)
    return (*found, path[-1]) if missing else found


def _missing(case: Case, name: str, inner: Path, nothing: bool, model: Any) -> Finding:
    said = ".".join(str(step) for step in inner)
    return case.finding(
        ("stages", name) if nothing else ("stages", name, "with", *inner[:-1]),
        f"stage {name!r} needs the parameter {said!r} ({schemas.title(model)})",
        f"add `with: {{{inner[-1]}: ...}}`" if nothing else f"add `{inner[-1]}:`",
        on_key=True,
    )


def _reason(problem: Any) -> str:
    reason = str(problem["msg"]).removeprefix("Value error, ")
    return reason[:1].lower() + reason[1:]


def _properties(model: Any) -> tuple[dict[str, Any], bool]:
    """The schemas of what may stand under `with:`, by name, and whether these are all."""
    try:
        schema = schemas.accepted(model)
    except NoSchema:
        return {}, False
    reference = schema.get("$ref")
    if reference:
        schema = schema["$defs"][reference.rpartition("/")[2]]
    return schema.get("properties", {}), not schema.get("additionalProperties")

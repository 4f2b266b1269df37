"""What is wrong with a control document, in words for who wrote it?"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from farandole.events.control_documents import ControlDocument, parse_control
from farandole.events.flag_document import FlagRule
from farandole.events.row_format import NewerFormatError
from farandole.events.safe_text import short_line

_MODELS: Mapping[str, type[BaseModel]] = {
    get_args(kind.model_fields["do"].annotation)[0]: kind for kind in get_args(ControlDocument)
}
_EXAMPLE_TIME = "2026-11-24T14:00:00Z"
_NEEDED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "bool_type": "true or false",
    "float_type": "a number",
    "tuple_type": "a list",
    "model_type": "an object",
}
"""What a field must be, by pydantic's name of what is wrong."""


def control_problem(value: bytes) -> str | None:
    """Return why the value of a record is no control document; None if it is one."""
    try:
        parse_control(value)
    except (ValidationError, NewerFormatError) as error:
        return problem_text(error)
    return None


def problem_text(error: ValidationError | NewerFormatError) -> str:
    """Return what is wrong with a record of which `parse_control` raised this error, or with the
    fields of one document."""
    if isinstance(error, NewerFormatError):
        return str(error)
    errors = error.errors(include_url=False)
    # A mistyped field explains why the right one is missing.
    first = next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])
    place = list(first["loc"])
    of_kind = next((kind for kind in _MODELS.values() if kind.__name__ == error.title), None)
    if of_kind is None and place:  # the places of a document of any kind begin with its kind
        of_kind = _MODELS.get(str(place.pop(0)))
    model = FlagRule if len(place) > 1 else of_kind
    field = ".".join(map(str, place))
    text = _text(first["type"], first, place, model)
    return short_line(f"{field}: {text}" if field else text, 300)


def _text(kind: str, error: Mapping[str, Any], place: list[Any], model: Any) -> str:
    """Return what is wrong with a field, or with the document if `place` is empty."""
    written, context = error["input"], error.get("ctx", {})
    name = place[-1] if place else ""
    match kind:
        case "extra_forbidden":
            return f"no such field; {_meant(name, model.model_fields if model else ())}"
        case "missing":
            return "it is missing" + _needed(name, model)
        case "timezone_aware":
            return f"{_shown(written)} has no time zone; write for example {_EXAMPLE_TIME}"
        case _ if kind.startswith("datetime"):
            return f"{_shown(written)} is no time; write for example {_EXAMPLE_TIME}"
        case "literal_error":
            known = get_args(model.model_fields[name].annotation) if model else ()
            return f"{_shown(written)} is not one of them; {_meant(written, known)}"
        case "union_tag_invalid":
            return f"do: there is no {_shown(context['tag'])}; {_meant(context['tag'], _MODELS)}"
        case "union_tag_not_found":
            return f"do: it is missing; there are {', '.join(_MODELS)}"
        case "dict_type":
            return f"a document is a JSON object, not {_shown(written)}"
        case "json_invalid":
            # The words before the place are those of a programmer.
            return f"it is no JSON at {str(context['error']).rpartition(' at ')[2]}"
        case "string_too_short":
            return "it must not be empty"
        case "string_too_long" | "too_long":
            return f"it is too long: {context['max_length']} is the most"
        case "string_pattern_mismatch" if name == "id":
            return f"{_shown(written)} is no id: letters, digits, `.`, `_` and `-`, at most 64"
        case "string_pattern_mismatch" if name == "anomaly":
            return f"{_shown(written)} is no id of an anomaly: 16 digits from 0 to f"
        case "string_pattern_mismatch":
            return f"{_shown(written)} is not of the form package.module:function"
        case "less_than_equal" if name == "max_parallel":
            return f"{_shown(written)} is more than {context['le']}"
        case "greater_than" | "less_than_equal" | "finite_number":  # all of a share
            share = written if isinstance(written, str) else f"{written * 100:g} %"
            return f"{share} is not above 0 % and at most 100 %; write for example 10%"
        case "greater_than_equal":
            return f"{_shown(written)} is less than {context['ge']}"
        case _ if kind in _NEEDED:
            return f"{_NEEDED[kind]} is needed, not {_shown(written)}"
        case _:
            return str(error["msg"]).removeprefix("Value error, ")


def _needed(name: object, model: Any) -> str:
    if name in ("until", "planned", "from", "to"):
        return f"; write for example {_EXAMPLE_TIME}"
    known = get_args(model.model_fields[name].annotation) if name == "mode" else ()
    return f"; there are {', '.join(known)}" if known else ""


def _meant(written: object, known: Iterable[str]) -> str:
    """Return `did you mean until?`, and all that there is."""
    known = list(known)
    near = difflib.get_close_matches(str(written)[:100].lower(), known, n=1, cutoff=0.6)
    every = ", ".join(known)
    return f"did you mean {near[0]}? There are {every}" if near else f"there are {every}"


def _shown(written: object) -> str:
    return short_line(json.dumps(written, ensure_ascii=False, default=repr), 60)

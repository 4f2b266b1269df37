"""Why do data not fit the published schema of an event?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from farandole.events.safe_text import short_line


def misfit_finder(schema: Mapping[str, Any] | None) -> Callable[[Any], str]:
    """Return what says why data do not fit a JSON Schema; it returns an empty text if they do."""
    if schema is None:
        return lambda data: ""
    # Imported late: they take a tenth of a second.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match
    from referencing import Registry

    # An empty registry: references in a schema are never fetched.
    validator = Draft202012Validator(schema, registry=Registry())

    def misfit(data: Any) -> str:
        problem = best_match(validator.iter_errors(data))
        if problem is None:
            return ""
        where = ".".join(map(str, problem.absolute_path))
        message = problem.message
        if problem.validator == "type":  # jsonschema writes data as Python does: None, True
            given = orjson.dumps(problem.instance, default=str).decode()
            message = f"{short_line(given, 60)} is not of type {_types(problem.validator_value)}"
        return f"{where}: {message}" if where else message

    return misfit


def _types(expected: str | list[str]) -> str:
    return " or ".join([expected] if isinstance(expected, str) else expected)

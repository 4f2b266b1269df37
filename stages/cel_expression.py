"""Is what a person wrote into `when:` true of an event?

The Common Expression Language, by Google's own C++: no loop but over what is there, a budget of
iterations, regular expressions in linear time. https://github.com/google/cel-spec
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cel_expr_python import cel

from farandole.stages.contract import Reject

if not __name__.startswith("farandole."):
    raise ImportError("stages.cel_expression is a part of farandole: import farandole.stages")

EXPRESSION_VARIABLES = ("data", "attributes")
EXPRESSION_FORMAT = "cel"
"""A stage's parameter of this JSON Schema `format` is such an expression over its events."""

CompiledCondition = Callable[[Any, Mapping[str, str]], bool]
"""Of the JSON value and the CloudEvents attributes, without `ce_`. Raises Undecided."""

_POSITION_PATTERN = re.compile(r"ERROR: [^\n]*?:(\d+):(\d+): ([^\n]*)")
_UNDECLARED_PATTERN = re.compile(r"undeclared reference to '([^']*)'")
_TOKEN_PATTERN = re.compile(
    r"//[^\n]*"  # a comment
    r"|[rRbB]{0,2}(?:'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\")"
    r"|(?<![\w.])data\s*\.\s*(?P<field>[A-Za-z_]\w*)\b(?!\s*\()",
    re.DOTALL,
)
_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**64 - 1  # what the language calls an integer


class ExpressionError(ValueError):
    """It is no expression that is true or false; `unknown` is the name that it should not use, and
    `line` and `column` within it count from 1, 0 where nobody knows."""

    def __init__(self, message: str, unknown: str = "", line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.unknown = unknown
        self.line = line
        self.column = column


class Undecided(Reject):
    """Of this event nobody can say whether it is true; the message has the expression, and why."""


def compile_expression(source: str) -> CompiledCondition:
    """The expression in `source`. Raises ExpressionError."""
    environment = cel.NewEnv(
        variables={
            "data": cel.Type.DYN,
            "attributes": cel.Type.Map(cel.Type.STRING, cel.Type.STRING),
        }
    )
    try:
        program = environment.compile(source)
    except Exception as error:  # noqa: BLE001 -- RuntimeError today; no other word of it matters
        raise _expression_error(source, str(error)) from None
    gives = program.return_type()
    if gives not in (cel.Type.BOOL, cel.Type.DYN):
        raise ExpressionError(f"it gives {gives.name().lower()}, neither true nor false")
    return _CelCondition(source, program)


def expression_fields(source: str) -> Iterator[str]:
    """The fields of `data` that an expression names."""
    for token in _TOKEN_PATTERN.finditer(source):
        if token["field"]:
            yield token["field"]


class _CelCondition:
    def __init__(self, source: str, program: cel.Expression) -> None:
        self._source = source
        self._evaluate = program.eval
        self._failed = cel.Type.ERROR

    def __call__(self, data: Any, attributes: Mapping[str, str]) -> bool:
        answer, why = self._answer(data, attributes)
        if answer is None and "out of range for" in why:
            # Every field is converted before one is asked for: the one too large is not to blame.
            answer, why = self._answer(_with_narrow_integers(data), attributes)
        if answer is None:
            raise Undecided(f"cannot say whether `{self._source}` is true of it: {why}")
        return answer

    def _answer(self, data: Any, attributes: Mapping[str, str]) -> tuple[bool | None, str]:
        try:
            given = self._evaluate(data={"data": data, "attributes": attributes})
        except Exception as error:  # noqa: BLE001 -- a budget, or text that is not Unicode
            return None, _plain_message(str(error))
        value = given.value()
        if value is True or value is False:
            return value, ""
        if given.type() == self._failed:
            return None, _plain_message(str(value))
        return None, f"it gives {given.type().name().lower()}, neither true nor false"


def _plain_message(said: str) -> str:
    """Without the status codes around it."""
    said = re.sub(r"^[A-Z_]+: |\s*\[[A-Z_]+\]$", "", said.strip())
    missing = re.fullmatch(r'Key not found in map : "(.*)"', said)
    if missing:
        return f"there is no {missing[1]!r} (ask first, for example `has(data.x) && data.x > 1`)"
    said = said.replace("Applying SELECT to non-message type", "a field is asked of no object")
    return said[:1].lower() + said[1:]


def _expression_error(source: str, said: str) -> ExpressionError:
    placed = _POSITION_PATTERN.search(said)
    if placed is None:
        return ExpressionError(_plain_message(said.partition("\n")[0]))
    message = placed[3].partition(" (in container")[0].partition(" expecting ")[0]
    message = _plain_message(message.removeprefix("Syntax error: "))
    message = message.replace("mismatched input '<EOF>'", "it ends too early")
    undeclared = _UNDECLARED_PATTERN.match(message)
    line, column = int(placed[1]), int(placed[2])
    if undeclared is None:
        return ExpressionError(message, "", line, column)
    unknown = undeclared[1].partition(".")[0]
    if re.search(rf"\b{re.escape(unknown)}\s*\(", source):
        return ExpressionError(f"there is no function {unknown!r}", "", line, column)
    # Of `dta.n` the place of the dot is told.
    return ExpressionError(
        f"it names {unknown!r}, which is neither data nor attributes", unknown, line, 0
    )


def _with_narrow_integers(value: Any) -> Any:
    """With integers beyond 64 bits as numbers that are about as large."""
    if isinstance(value, dict):
        return {name: _with_narrow_integers(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_with_narrow_integers(each) for each in value]
    if isinstance(value, int) and not _MIN_INTEGER <= value <= _MAX_INTEGER:
        try:
            return float(value)
        except OverflowError:
            return float("inf") if value > 0 else float("-inf")
    return value

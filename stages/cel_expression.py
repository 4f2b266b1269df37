"""Is a `when:` expression true for an event?

The language is the Common Expression Language, in Google's C++ implementation. Loops run only over
existing values, iterations have a limit, and regular expressions take linear time. https://github.com/google/cel-spec
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

from farandole.stages.contract import Reject

if not __name__.startswith("farandole."):
    raise ImportError("stages.cel_expression is a part of farandole: import farandole.stages")

EXPRESSION_VARIABLES = ("data", "attributes")

CompiledCondition = Callable[[Any, Mapping[str, str]], bool]
"""Takes the JSON value and the CloudEvents attributes, named without `ce_`. Raises Undecided."""

_POSITION_PATTERN = re.compile(r"ERROR: [^\n]*?:(\d+):(\d+): ([^\n]*)")
_UNDECLARED_PATTERN = re.compile(r"undeclared reference to '([^']*)'")
_TOKEN_PATTERN = re.compile(
    r"//[^\n]*"  # a comment
    r"|[rRbB]{0,2}(?:'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\")"
    r"|(?<![\w.])(?P<test>has\(\s*)?data(?P<path>(?:\s*\.\s*[A-Za-z_]\w*\b(?!\s*\())+)"
    r"(?P<end>(?(test)\s*\)))",
    re.DOTALL,
)
_ATTRIBUTES_TYPE = cel.Type.Map(cel.Type.STRING, cel.Type.STRING)
_NUMBERS = frozenset(("int", "uint", "double"))
_OVERLOAD_PATTERN = re.compile(
    r"ERROR: [^\n]*?:(\d+):(\d+): found no matching overload for '([^']*)' applied to '\((.*)\)'"
)
_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**64 - 1  # the integers of the language


class ExpressionError(ValueError):
    """The text is not an expression that is true or false. `unknown` is the name that it must not
    use, empty if that is not the reason. `line` and `column` count from 1; 0 if the place is not
    known."""

    def __init__(self, message: str, unknown: str = "", line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.unknown = unknown
        self.line = line
        self.column = column


class OperandTypeError(ExpressionError):
    """The expression compares or combines what cannot be."""


class Undecided(Reject):
    """The expression is neither true nor false for this event; the message has it, and the
    reason."""


# Cached, because each control document that changes lets the flags be worked out anew.
@lru_cache(maxsize=512)
def compile_attribute_condition(source: str) -> Callable[[Mapping[str, str]], bool]:
    """Return the condition over `attributes` alone that `source` expresses: True if it is true, and
    False also if it cannot be decided, for example because an attribute is missing. Raises
    ExpressionError."""
    condition = _compile(source, {"attributes": _ATTRIBUTES_TYPE})

    def is_true(attributes: Mapping[str, str]) -> bool:
        try:
            return condition(None, attributes)
        except Undecided:
            return False

    return is_true


def compile_expression(source: str) -> CompiledCondition:
    """Return the condition that `source` expresses. Raises ExpressionError."""
    return _compile(source, {"data": cel.Type.DYN, "attributes": _ATTRIBUTES_TYPE})


def compile_row_condition(source: str) -> Callable[[Any], str]:
    """Return what says why a row, as JSON is read, is not one for which `source` is true: an empty
    text if it is one. `source` names `data` alone. Raises ExpressionError."""
    condition = _compile(source, {"data": cel.Type.DYN})

    def why_not(row: Any) -> str:
        try:
            return "" if condition(row, {}) else f"`{source}` is not true of it"
        except Undecided as undecided:
            return str(undecided)

    return why_not


def _compile(source: str, variables: Mapping[str, Any]) -> CompiledCondition:
    environment = cel.NewEnv(variables=variables)
    try:
        program = environment.compile(source)
    except Exception as error:  # noqa: BLE001 -- RuntimeError today; only its text matters
        raise _expression_error(source, str(error), tuple(variables)) from None
    result_type = program.return_type()
    if result_type not in (cel.Type.BOOL, cel.Type.DYN):
        raise ExpressionError(f"it gives {result_type.name().lower()}, neither true nor false")
    return _CelCondition(source, program)


def expression_paths(source: str) -> Iterator[tuple[str, ...]]:
    """Yield the fields of `data` that an expression names, each as a path."""
    for token in _TOKEN_PATTERN.finditer(source):
        if token["path"]:
            yield tuple(name.strip() for name in token["path"].split(".")[1:])


def check_types(source: str, types: Mapping[tuple[str, ...], str]) -> None:
    """Check an expression that compiles against the JSON Schema types of the fields in `types`.
    Raises ExpressionError, an OperandTypeError if it compares or combines what cannot
    be. Numbers of all kinds may be mixed, as they may be when it runs."""
    # To the compiler `has(data.name)` would be the text itself, not whether it is there.
    source = _TOKEN_PATTERN.sub(
        lambda token: "true".ljust(len(token[0])) if token["test"] else token[0], source
    )
    variables = {
        "data": cel.Type.DYN,
        "attributes": _ATTRIBUTES_TYPE,
        **{".".join(("data", *path)): _cel_type(type_) for path, type_ in types.items()},
    }
    try:
        result_type = cel.NewEnv(variables=variables).compile(source).return_type()
    except Exception as error:  # noqa: BLE001 -- as in compile_expression
        for line, column, operator, operands in _OVERLOAD_PATTERN.findall(str(error)):
            if _cannot_be(operator, operands.split(", ")):
                words = " and ".join(_type_word(each) for each in operands.split(", "))
                raise OperandTypeError(
                    f"`{operator.strip('_@')}` does not work with {words}",
                    line=int(line),
                    column=int(column),
                ) from None
        return
    if result_type not in (cel.Type.BOOL, cel.Type.DYN):
        word = _type_word(result_type.name().lower())
        raise ExpressionError(f"it gives {word}, neither true nor false")


def _type_word(name: str) -> str:
    """Return the word for a type of the language."""
    words = {"string": "text", "bool": "a boolean", "int": "an integer", "double": "a number"}
    return "a list" if name.startswith("list") else words.get(name, name)


def _cel_type(json_type: str) -> Any:
    return {
        "string": cel.Type.STRING,
        "boolean": cel.Type.BOOL,
        "integer": cel.Type.INT,
        "number": cel.Type.DOUBLE,
        "array": cel.Type.List(cel.Type.DYN),
    }.get(json_type, cel.Type.DYN)


def _cannot_be(operator: str, operands: Sequence[str]) -> bool:
    """Return False if the compiler alone refuses these operands, and not what runs: numbers of two
    kinds, a comparison with null, the two results of `? :`, or what is wrong inside already."""
    if operator == "_?_:_" or "*error*" in operands or "null_type" in operands:
        return False
    return not _NUMBERS.issuperset(operands)


class _CelCondition:
    def __init__(self, source: str, program: cel.Expression) -> None:
        self._source = source
        self._evaluate = program.eval
        self._failed = cel.Type.ERROR

    def __call__(self, data: Any, attributes: Mapping[str, str]) -> bool:
        result, reason = self._result(data, attributes)
        if result is None and "out of range for" in reason:
            # CEL converts all fields first, also large integers that the expression does not use.
            result, reason = self._result(_with_narrow_integers(data), attributes)
        if result is None:
            raise Undecided(f"cannot say whether `{self._source}` is true of it: {reason}")
        return result

    def _result(self, data: Any, attributes: Mapping[str, str]) -> tuple[bool | None, str]:
        """Return the result and an empty text, or None and the reason."""
        try:
            evaluated = self._evaluate(data={"data": data, "attributes": attributes})
        except Exception as error:  # noqa: BLE001 -- the limit of iterations, or text that is not Unicode
            return None, _plain_message(str(error))
        value = evaluated.value()
        if value is True or value is False:
            return value, ""
        if evaluated.type() == self._failed:
            return None, _plain_message(str(value))
        return None, f"it gives {evaluated.type().name().lower()}, neither true nor false"


def _plain_message(message: str) -> str:
    """Return a message of CEL without status codes, in the words of the field."""
    message = re.sub(r"^[A-Z_]+: |\s*\[[A-Z_]+\]$", "", message.strip())
    missing = re.fullmatch(r'Key not found in map : "(.*)"', message)
    if missing:
        return f"there is no {missing[1]!r} (ask first, for example `has(data.x) && data.x > 1`)"
    message = message.replace(
        "Applying SELECT to non-message type", "a field is asked of no object"
    )
    return message[:1].lower() + message[1:]


def _expression_error(source: str, text: str, variables: Sequence[str]) -> ExpressionError:
    """Return the error for what CEL's compiler says about a source."""
    position = _POSITION_PATTERN.search(text)
    if position is None:
        return ExpressionError(_plain_message(text.partition("\n")[0]))
    message = position[3].partition(" (in container")[0].partition(" expecting ")[0]
    message = _plain_message(message.removeprefix("Syntax error: "))
    message = message.replace("mismatched input '<EOF>'", "it ends too early")
    undeclared = _UNDECLARED_PATTERN.match(message)
    line, column = int(position[1]), int(position[2])
    if undeclared is None:
        return ExpressionError(message, "", line, column)
    unknown = undeclared[1].partition(".")[0]
    if re.search(rf"\b{re.escape(unknown)}\s*\(", source):
        return ExpressionError(f"there is no function {unknown!r}", "", line, column)
    # For `dta.n` CEL reports the position of the dot.
    known = f"not {variables[0]}" if len(variables) == 1 else f"neither {' nor '.join(variables)}"
    return ExpressionError(f"it names {unknown!r}, which is {known}", unknown, line, 0)


def _with_narrow_integers(value: Any) -> Any:
    """Return the value with integers beyond 64 bits as floats of about the same size."""
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

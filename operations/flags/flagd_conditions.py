"""Which CEL condition over attributes says what a JsonLogic expression of flagd says?

Attributes are text, so a number in the expression is compared with the number that the text is.
What cannot be said raises UntranslatableError, with the path in the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from farandole.router.yaml_source import KeyPath

MAX_DEPTH = 20  # levels of an expression, what its references name included
MAX_NODES = 10_000  # nodes of all expressions of a file, each as often as it is referred to
TARGETING_KEY = "targetingKey"
"""flagd's name of what shares go by: the key of the event here."""
_IS_NUMBER = 'matches("^-?[0-9]+([.][0-9]+)?$")'


class UntranslatableError(Exception):
    """A part of a file that no rule here can say."""

    def __init__(self, path: KeyPath, message: str, remedy: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message
        self.remedy = remedy


class ConditionTranslator:
    """Translates the expressions of one file. `evaluators`: those that `$ref` names."""

    def __init__(self, evaluators: Mapping[str, Any]) -> None:
        self._evaluators = evaluators
        self._left = MAX_NODES

    def resolve(self, node: Any, path: KeyPath, depth: int) -> tuple[Any, KeyPath, int]:
        """Return what a node means, and where it stands: that of the evaluator that it names, or
        the node itself. Raises UntranslatableError."""
        while isinstance(node, dict) and set(node) == {"$ref"}:
            name, depth = node["$ref"], depth + 1
            if not isinstance(name, str) or name not in self._evaluators:
                raise UntranslatableError(
                    path, f"`$ref` {name!r} leads to no evaluator", "see `$evaluators` in the file"
                )
            node, path = self._evaluators[name], ("$evaluators", name)
            if depth > MAX_DEPTH:
                break
        self._left -= 1
        if self._left < 0:
            raise UntranslatableError(
                path, f"the file has more than {MAX_NODES} conditions, with references", "split it"
            )
        if depth > MAX_DEPTH:
            message = f"it is more than {MAX_DEPTH} levels deep, with references"
            raise UntranslatableError(path, message, "flatten it")
        return node, path, depth

    def condition(self, node: Any, path: KeyPath, depth: int = 0) -> str:
        """Return a condition, which may stand on either side of `&&`. Raises
        UntranslatableError."""
        node, path, depth = self.resolve(node, path, depth)
        if isinstance(node, bool):
            return "true" if node else "false"
        if not isinstance(node, dict) or len(node) != 1:
            raise UntranslatableError(path, "this is no condition", "write one with `==` or `in`")
        ((operator, written),) = node.items()
        given = written if isinstance(written, list) else [written]
        path = (*path, operator)
        if operator == "and":
            return " && ".join(self._each(given, path, depth))
        if operator == "or":
            return f"({' || '.join(self._each(given, path, depth))})"
        if operator in ("!", "!!") and len(given) == 1:
            inner = self.condition(given[0], (*path, 0), depth + 1)
            return f"!({inner})" if operator == "!" else inner
        if operator == "var":
            name = attribute_name(node, path)
            return f'{_has(name)} && {_value(name)} != ""'
        if operator in _COMPARISONS:
            return _COMPARISONS[operator](operator, given, path)
        raise UntranslatableError(
            path,
            f"no rule here can say `{operator}`",
            "set the flag by `farandole flag`, or by code",
        )

    def _each(self, nodes: Sequence[Any], path: KeyPath, depth: int) -> list[str]:
        if not nodes:
            raise UntranslatableError(path, "this has no conditions", "add one")
        return [self.condition(node, (*path, i), depth + 1) for i, node in enumerate(nodes)]


def attribute_name(node: Any, path: KeyPath) -> str:
    """Return the attribute that `{"var": name}` names. Raises UntranslatableError for anything
    else."""
    name = node.get("var") if isinstance(node, dict) and len(node) == 1 else None
    if isinstance(name, list) and len(name) == 1:
        name = name[0]
    if not isinstance(name, str) or not name:
        raise UntranslatableError(
            path, "an attribute is compared with a literal here, and nothing else", "simplify it"
        )
    if name == TARGETING_KEY or name.startswith("$flagd."):
        raise UntranslatableError(
            path,
            f"{name!r} is no attribute of an event",
            "use `fractional` for a share of the keys",
        )
    return name


def _is_var(node: Any) -> bool:
    return isinstance(node, dict) and set(node) == {"var"}


def _has(name: str) -> str:
    return f"{_text(name)} in attributes"


def _value(name: str) -> str:
    return f"attributes[{_text(name)}]"


def _text(value: str) -> str:
    """Return a text as CEL writes it."""
    return orjson.dumps(value).decode()


def _pair(operator: str, given: Sequence[Any], path: KeyPath) -> tuple[Any, Any]:
    if len(given) != 2:
        raise UntranslatableError(path, f"`{operator}` takes two values", "write two")
    return given[0], given[1]


def _equality(operator: str, given: Sequence[Any], path: KeyPath) -> str:
    left, right = _pair(operator, given, path)
    if not _is_var(left):
        left, right = right, left
    name = attribute_name(left, path)
    if right is None:
        equal = f"!({_has(name)})"
    elif isinstance(right, str):
        equal = f"{_has(name)} && {_value(name)} == {_text(right)}"
    elif _is_number(right) and operator in ("==", "!="):
        equal = _compared_number(name, "==", right)
    else:
        raise UntranslatableError(
            path, f"attributes are text, and {right!r:.40} is none", "compare with a text"
        )
    return f"!({equal})" if operator.startswith("!") else equal


def _order(operator: str, given: Sequence[Any], path: KeyPath) -> str:
    if len(given) == 3 and operator in ("<", "<="):
        low, middle, high = given
        below = _order(operator, [low, middle], path)
        return f"{below} && {_order(operator, [middle, high], path)}"
    left, right = _pair(operator, given, path)
    if not _is_var(left):
        left, right = right, left
        operator = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}[operator]
    name = attribute_name(left, path)
    if not _is_number(right):
        raise UntranslatableError(
            path, f"`{operator}` compares with a number here, not {right!r:.40}", "write a number"
        )
    return _compared_number(name, operator, right)


def _compared_number(name: str, operator: str, number: int | float) -> str:
    value = _value(name)
    return f"{_has(name)} && {value}.{_IS_NUMBER} && double({value}) {operator} {float(number)!r}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _membership(operator: str, given: Sequence[Any], path: KeyPath) -> str:
    left, right = _pair(operator, given, path)
    if isinstance(left, str):
        name = attribute_name(right, path)
        return f"{_has(name)} && {_value(name)}.contains({_text(left)})"
    name = attribute_name(left, path)
    if not isinstance(right, list) or not all(isinstance(each, str) for each in right):
        raise UntranslatableError(path, "`in` takes a list of texts here", "write texts")
    return f"{_has(name)} && {_value(name)} in [{', '.join(map(_text, right))}]"


def _affix(operator: str, given: Sequence[Any], path: KeyPath) -> str:
    left, right = _pair(operator, given, path)
    name = attribute_name(left, path)
    if not isinstance(right, str):
        raise UntranslatableError(path, f"`{operator}` takes a text", "write a text")
    method = "startsWith" if operator == "starts_with" else "endsWith"
    return f"{_has(name)} && {_value(name)}.{method}({_text(right)})"


_COMPARISONS = {
    **dict.fromkeys(("==", "===", "!=", "!=="), _equality),
    **dict.fromkeys(("<", "<=", ">", ">="), _order),
    "in": _membership,
    "starts_with": _affix,
    "ends_with": _affix,
}

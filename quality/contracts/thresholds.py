"""How many bad rows, or how many rows, does a rule of a contract allow?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from farandole.quality.contracts.found_checks import NotExpressibleError

OPERATORS = (
    "mustBe", "mustNotBe", "mustBeGreaterThan", "mustBeGreaterOrEqualTo", "mustBeLessThan",
    "mustBeLessOrEqualTo", "mustBeBetween", "mustNotBeBetween",
)  # fmt: skip


class Comparison(NamedTuple):
    """What a number must be."""

    operator: str
    least: float
    """The number; of two the smaller one."""
    most: float


def comparison_of(rule: Mapping[str, Any]) -> Comparison:
    """Return the comparison of a rule. Raises NotExpressibleError."""
    given = [name for name in OPERATORS if name in rule]
    if len(given) != 1:
        raise NotExpressibleError(
            f"it has {'no operator' if not given else ' and '.join(given)}; one of"
            f" {', '.join(OPERATORS)} is expected"
        )
    (operator,) = given
    value = rule[operator]
    numbers = value if operator.endswith("Between") and isinstance(value, list) else [value]
    expected = 2 if operator.endswith("Between") else 1
    if len(numbers) != expected or not all(type(n) in (int, float) for n in numbers):
        raise NotExpressibleError(f"{operator} is {'two numbers' if expected == 2 else 'a number'}")
    return Comparison(operator, min(numbers), max(numbers))


class Tolerance(NamedTuple):
    """Which share of the rows must be good."""

    share: str | None
    """As `topology.yaml` has it; None if each row must be."""
    remark: str = ""

    def settings(self) -> dict[str, Any]:
        """Return the keys of a check."""
        return {} if self.share is None else {"share": self.share}


def tolerance_of(rule: Mapping[str, Any]) -> Tolerance:
    """Return how many rows may be bad, by a rule that counts them. Raises NotExpressibleError."""
    operator, least, most = comparison_of(rule)
    is_percent = str(rule.get("unit") or "rows").lower() in ("percent", "%")
    if operator == "mustBeBetween" and least == 0:
        operator, least = "mustBeLessOrEqualTo", most
    if operator in ("mustBe", "mustBeLessOrEqualTo") and least == 0:
        return Tolerance(None)
    if operator == "mustBeLessThan" and not is_percent and least == 1:
        return Tolerance(None)
    if operator not in ("mustBeLessThan", "mustBeLessOrEqualTo"):
        raise NotExpressibleError(f"{operator}: a check asks only that few rows are bad")
    if not is_percent:
        raise NotExpressibleError(
            "a check allows no number of bad rows, only a share of them (`unit: percent`)"
        )
    if not 0 < least < 100:
        raise NotExpressibleError(f"{least:g} % of the rows is no tolerance")
    remark = f"exactly {least:g} % is allowed too" if operator == "mustBeLessThan" else ""
    return Tolerance(f"{round(100 - least, 9):g}%", remark)


def row_bounds(rule: Mapping[str, Any]) -> dict[str, int]:
    """Return the keys of a check that says how many rows there must be. Raises
    NotExpressibleError."""
    operator, least, most = comparison_of(rule)
    if least != int(least) or most != int(most) or least < 0:
        raise NotExpressibleError("a number of rows is a whole number")
    match operator:
        case "mustBe" | "mustBeBetween":
            return {"min": int(least), "max": int(most)}
        case "mustBeGreaterThan":
            return {"min": int(least) + 1}
        case "mustBeGreaterOrEqualTo":
            return {"min": int(least)}
        case "mustBeLessThan" if least > 0:
            return {"max": int(least) - 1}
        case "mustBeLessOrEqualTo":
            return {"max": int(least)}
    raise NotExpressibleError(f"{operator}: a check has a least and a greatest number of rows")

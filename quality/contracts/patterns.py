"""Which regular expression matches a whole text just if another one is found in it?"""

from __future__ import annotations

from farandole.quality.checks.row_rules import RuleError, compile_pattern
from farandole.quality.contracts.found_checks import NotExpressibleError


def whole_pattern(pattern: str) -> str:
    """Return an expression for `rule: pattern`, which matches the whole text, of one that is
    searched for in it, as JSON Schema and contracts do. Raises NotExpressibleError if it needs what
    ours cannot do, such as back-references."""
    if pattern.startswith("^") and pattern.endswith("$") and not pattern.endswith("\\$"):
        whole = f"(?:{pattern})" if "|" in pattern else pattern[1:-1]
    else:
        whole = f"(?s:.*)(?:{pattern})(?s:.*)"
    try:
        compile_pattern(pattern)
        compile_pattern(whole)
    except RuleError as error:
        raise NotExpressibleError(f"its regular expression cannot be used: {error}") from None
    return whole


def searched_pattern(matches: str) -> str:
    """Return the expression that is found in a text just if ours matches all of it."""
    return f"^(?:{matches})$"

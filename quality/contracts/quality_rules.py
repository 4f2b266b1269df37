"""Which check says what a rule under `quality:` of a contract asks for?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from farandole.quality.contracts.custom_rules import custom_rule
from farandole.quality.contracts.found_checks import NotExpressibleError
from farandole.quality.contracts.library_rules import RuleSettings, library_rule
from farandole.quality.contracts.sql_rules import sql_rule

_MAX_TEXT = 200  # characters of a description that are kept


def quality_rule(rule: Mapping[str, Any], column: str | None) -> RuleSettings:
    """Return the check of a rule. `column`: the property at which it stands; None for a rule of
    the whole object. Raises NotExpressibleError."""
    kind = str(rule.get("type") or "library")
    match kind:
        case "library":
            found = library_rule(rule, column)
        case "sql":
            found = sql_rule(rule, column)
        case "custom":
            found = custom_rule(rule, column)
        case "text":
            raise NotExpressibleError("it is a text for people")
        case _:
            raise NotExpressibleError(f"there is no type {kind!r}")
    description = rule.get("description")
    if isinstance(description, str) and description and "description" not in found.settings:
        text = " ".join(description.split())[:_MAX_TEXT]
        return found._replace(settings={**found.settings, "description": text})
    return found


def rule_label(rule: Mapping[str, Any]) -> str:
    """Return how a rule is called; empty if it has no name."""
    return str(rule.get("name") or rule.get("id") or "")[:_MAX_TEXT]

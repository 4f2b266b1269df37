"""Which checks are found in a contract, and which of its rules cannot be one?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from farandole.events.check_spec import MAX_CHECK_NAME_LENGTH, PROFILE_SEVERITIES, ROW_RULES

SEVERITY_PROPERTY = "farandoleSeverity"
"""The custom property of a rule that says what follows if it is broken."""
_SERIOUS = ("error", "critical", "high", "fatal", "blocker")
"""What contracts write for rules that must not be broken."""


class NotExpressibleError(ValueError):
    """No check says what a rule of a contract asks for; the message says why."""


class FoundCheck(NamedTuple):
    """A check that says what a rule of a contract asks for."""

    name: str
    settings: dict[str, Any]
    """As `topology.yaml` has them."""
    source: str
    """Where the rule stands in the contract."""
    remark: str = ""
    """How the check differs from the rule; empty if it does not."""


class LeftOutRule(NamedTuple):
    """A rule that no check expresses."""

    source: str
    why: str


class FoundChecks:
    """The checks of one object of a contract, each under a name of its own."""

    def __init__(self) -> None:
        self.checks: list[FoundCheck] = []
        self.left_out: list[LeftOutRule] = []
        self._names: set[str] = set()

    def add(self, name: str, settings: dict[str, Any], source: str, remark: str = "") -> None:
        """Add a check under a name like this one."""
        slug = check_name(name)
        number, taken = 2, slug
        while taken in self._names:
            taken, number = f"{slug[: MAX_CHECK_NAME_LENGTH - 5]}-{number}", number + 1
        self._names.add(taken)
        ordered: dict[str, Any] = {
            key: settings[key] for key in ("rule", "column") if key in settings
        }
        self.checks.append(FoundCheck(taken, {**ordered, **settings}, source, remark))

    def leave_out(self, source: str, why: str) -> None:
        """Note a rule that no check expresses."""
        self.left_out.append(LeftOutRule(source, why))


def check_name(text: str) -> str:
    """Return the name of a check that is like a text: words of small letters and digits."""
    words = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "check"
    if not words[0].isalpha():
        words = f"check-{words}"
    return words[:MAX_CHECK_NAME_LENGTH].rstrip("-")


def with_severity(settings: dict[str, Any], rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a check with what follows if it is broken: what the rule says in our
    own property or, where it is serious, `fail`. A row cannot fail a run, so a serious rule about
    rows asks that all of them keep it."""
    named = own_severity(rule)
    if named == "warn" or "severity" in settings:
        return settings
    severity = named or "fail"
    if not named and str(rule.get("severity") or "").lower() not in _SERIOUS:
        return settings
    is_of_rows = settings["rule"] in ROW_RULES and "share" not in settings
    if is_of_rows and severity in PROFILE_SEVERITIES:
        settings = {**settings, "share": "100%"}
    return {**settings, "severity": severity}


def own_severity(rule: Mapping[str, Any]) -> str:
    """Return the severity in our own property of a rule; empty if there is none."""
    properties = rule.get("customProperties")
    for each in properties if isinstance(properties, list) else ():
        if isinstance(each, Mapping) and each.get("property") == SEVERITY_PROPERTY:
            return str(each.get("value") or "")
    return ""

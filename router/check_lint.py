"""Has each check of a file the keys that its rule takes, a severity that it can have, and a rule
that can be compiled?

What it says about columns is judged in `router/check_column_lint.py`, and whether a stage waits for
it in `router/gate_lint.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from farandole.events.check_spec import (
    CHECK_NAME_PATTERN,
    COMPARING_RULES,
    HISTORY,
    MAX_CHECK_NAME_LENGTH,
    MAX_CHECKS,
    MAX_WITHIN,
    PROFILE_SEVERITIES,
    ROW_RULES,
    ROW_SEVERITIES,
    Rule,
)
from farandole.events.time_format import format_duration
from farandole.quality.checks.row_rules import RuleError, compile_pattern
from farandole.router.condition_lint import condition_problem, lint_expression
from farandole.router.file_model import CheckSection, EventSection
from farandole.router.lint_context import LintContext, LintRule
from farandole.router.lint_finding import Finding
from farandole.router.yaml_source import KeyPath
from farandole.stages.cel_expression import ExpressionError, compile_row_condition
from farandole.stages.nearest_name import did_you_mean


class RuleKeys(NamedTuple):
    """The keys that a rule takes, beside `rule`, `severity` and `description`."""

    needs: tuple[str, ...] = ()
    needs_one: tuple[str, ...] = ()
    """At least one of these."""
    may_have: tuple[str, ...] = ()

    @property
    def known(self) -> tuple[str, ...]:
        return (*self.needs, *self.needs_one, *self.may_have)


KEYS_OF_RULES: Mapping[Rule, RuleKeys] = {
    "not-null": RuleKeys(("column",), may_have=("share",)),
    "range": RuleKeys(("column",), ("min", "max"), ("share",)),
    "one-of": RuleKeys(("column", "values"), may_have=("share",)),
    "pattern": RuleKeys(("column", "matches"), may_have=("share",)),
    "length": RuleKeys(("column",), ("min", "max"), ("share",)),
    "expression": RuleKeys(("holds",), may_have=("share",)),
    "unique": RuleKeys(may_have=("column",)),
    "fresh": RuleKeys(("within",), may_have=("column",)),
    "rows": RuleKeys((), may_have=("min", "max", "against")),
    "schema": RuleKeys(),
    "drift": RuleKeys(("column",), may_have=("max", "measure", "against")),
    "known": RuleKeys(("column", "against"), may_have=("field", "within")),
    "sum": RuleKeys(("column", "against"), may_have=("field", "max")),
    "function": RuleKeys(("run",), may_have=("min", "max")),
}
_KEYS = tuple(
    name for name in CheckSection.model_fields if name not in ("rule", "severity", "description")
)


class FileCheck(NamedTuple):
    """A check as a file has it, and its path there."""

    event_type: str
    name: str
    section: CheckSection
    path: KeyPath
    written: frozenset[str]
    """The keys in the file, also one whose value cannot be read: that has a finding already."""

    @property
    def judges_rows(self) -> bool:
        """True if each row is judged for itself."""
        return self.section.rule in ROW_RULES and self.section.share is None

    @property
    def severity(self) -> str:
        return self.section.severity or "warn"

    def has(self, key: str) -> bool:
        """Return True if the file gives a key."""
        return key in self.written or getattr(self.section, key) is not None


def file_checks(context: LintContext) -> Iterator[FileCheck]:
    """Yield the checks of a file."""
    for event_type, event in context.topology.events.items():
        for name, section in event.checks.items():
            written = context.document.data["events"][event_type]["checks"][name]
            keys = frozenset(key for key, value in written.items() if value is not None)
            path = ("events", event_type, "checks", name)
            yield FileCheck(event_type, name, section, path, keys)


def _lint_sensitivity(context: LintContext) -> Iterator[Finding]:
    topology = context.topology
    if topology.quality.value("sensitivity") is None:
        return
    if not any(
        topology.profile(name) or topology.events.get(name, EventSection()).checks
        for name in topology.event_types()
    ):
        yield context.finding(
            ("quality",),
            "nothing is compared: no event type is profiled or checked",
            "write `profile: true` under `defaults:` or an event type, or delete `quality:`",
            on_key=True,
            severity="warning",
        )


def _lint_check_names(context: LintContext) -> Iterator[Finding]:
    for event_type, event in context.topology.events.items():
        if len(event.checks) > MAX_CHECKS:
            yield context.finding(
                ("events", event_type, "checks"),
                f"{event_type!r} has {len(event.checks)} checks, and there may be {MAX_CHECKS}",
                "join some of them: `rule: expression` judges a whole row",
                on_key=True,
            )
    for check in file_checks(context):
        if not CHECK_NAME_PATTERN.fullmatch(check.name):
            yield context.finding(
                check.path,
                f"{check.name!r} is no name of a check: words of lowercase letters and digits,"
                " with - _ . between them; it begins with a letter",
                "write for example price-range",
                on_key=True,
            )
        elif len(check.name) > MAX_CHECK_NAME_LENGTH:
            yield context.finding(
                check.path,
                f"the name of this check has more than {MAX_CHECK_NAME_LENGTH} characters",
                "shorten it",
                on_key=True,
            )


def _lint_check_keys(context: LintContext) -> Iterator[Finding]:
    for check in file_checks(context):
        rule, keys = check.section.rule, KEYS_OF_RULES[check.section.rule]
        for key in _KEYS:
            if check.has(key) and key not in keys.known:
                known = ", ".join(f"`{each}`" for each in keys.known)
                yield context.finding(
                    (*check.path, key),
                    f"the check {check.name!r} has the rule {rule}, which takes no {key!r}",
                    f"delete it; {rule} takes {known}"
                    if known
                    else f"delete it; {rule} takes none",
                    on_key=True,
                )
        missing = [key for key in keys.needs if not check.has(key)]
        for key in missing:
            yield context.finding(
                check.path,
                f"the check {check.name!r} has the rule {rule}, which needs {key!r}",
                f"add `{key}:`",
                on_key=True,
            )
        if keys.needs_one and not any(map(check.has, keys.needs_one)):
            either = " or ".join(map(repr, keys.needs_one))
            yield context.finding(
                check.path,
                f"the check {check.name!r} has the rule {rule}, which needs {either}",
                f"add `{keys.needs_one[0]}:`",
                on_key=True,
            )
        if rule == "unique" and not check.has("column") and not _key(context, check.event_type):
            yield context.finding(
                check.path,
                f"the check {check.name!r} names no column, and {check.event_type!r} has no key"
                " that could be unique",
                "add `column:`",
                on_key=True,
            )


def _key(context: LintContext, event_type: str) -> str | None:
    return context.topology.events[event_type].key


def _lint_check_bounds(context: LintContext) -> Iterator[Finding]:
    for check in file_checks(context):
        low, high, rule = check.section.min, check.section.max, check.section.rule
        if low is not None and high is not None and low > high:
            yield context.finding(
                (*check.path, "min"),
                f"the check {check.name!r} has a `min` ({low}) that is larger than its `max`"
                f" ({high}): nothing is in between",
                "make `max` the larger one",
            )
        for key, bound in (("min", low), ("max", high)):
            if bound is None:
                continue
            if rule in ("length", "rows") and (bound < 0 or bound != int(bound)):
                yield context.finding(
                    (*check.path, key),
                    f"{bound} is no number of {'characters' if rule == 'length' else 'rows'}",
                    "write a whole number from 0 on",
                )
            elif rule in ("drift", "sum") and bound < 0:
                yield context.finding(
                    (*check.path, key),
                    f"{bound} is less than any {'distance' if rule == 'drift' else 'difference'}",
                    "write a number from 0 on",
                )


def _lint_check_severities(context: LintContext) -> Iterator[Finding]:
    for check in file_checks(context):
        can_have = ROW_SEVERITIES if check.judges_rows else PROFILE_SEVERITIES
        if check.severity in can_have:
            continue
        path = (*check.path, "severity")
        if check.judges_rows:
            yield context.finding(
                path,
                f"{check.section.rule} judges each row, and no row can {check.severity} a run",
                "write warn, reject or park; with `share:` it judges all rows of the run",
            )
        else:
            why = "with `share:`, " if check.has("share") else ""
            yield context.finding(
                path,
                f"{why}{check.section.rule} judges all rows of a run, so there is no row to"
                f" {check.severity}",
                "write warn, fail or gate",
            )


def _lint_check_rules(context: LintContext) -> Iterator[Finding]:
    for check in file_checks(context):
        section = check.section
        if section.rule == "pattern" and section.matches is not None:
            yield from _lint_pattern(context, check, section.matches)
        elif section.rule == "expression" and section.holds is not None:
            yield from _lint_condition(context, check, section.holds)


def _lint_pattern(context: LintContext, check: FileCheck, pattern: str) -> Iterator[Finding]:
    try:
        compile_pattern(pattern)
    except RuleError as error:
        path = (*check.path, "matches")
        message = f"the regular expression of the check {check.name!r} cannot be used: {error}"
        remedy = "see https://docs.rs/regex/latest/regex/#syntax"
        if error.position:
            yield context.text_finding(path, error.position, message, remedy)
        else:
            yield context.finding(path, message, remedy)


def _lint_condition(context: LintContext, check: FileCheck, source: str) -> Iterator[Finding]:
    path = (*check.path, "holds")
    try:
        compile_row_condition(source)
    except ExpressionError as error:
        example = "write for example `data.total == data.price * data.pieces`"
        yield context.finding(path, *condition_problem(source, error, example))
    else:
        yield from lint_expression(context, path, [check.event_type], source)


def _lint_check_comparisons(context: LintContext) -> Iterator[Finding]:
    """Find what checks are compared with, and is not there."""
    known = context.topology.event_types()
    for check in file_checks(context):
        against, rule = check.section.against, check.section.rule
        if against is None or "against" not in KEYS_OF_RULES[rule].known:
            continue
        path = (*check.path, "against")
        if rule in ("drift", "rows"):
            if against != HISTORY:
                yield context.finding(
                    path,
                    f"{rule} compares a run with the runs before it, and with no {against!r}",
                    f"write {HISTORY}, or delete it",
                )
        elif against not in known:
            yield context.finding(
                path,
                f"there is no event type {against!r} with which the check {check.name!r} could"
                " compare",
                did_you_mean(against, known, f"the file has {', '.join(known)}"),
            )
        elif against == check.event_type:
            yield context.finding(
                path,
                f"the check {check.name!r} compares {against!r} with itself",
                "name another event type",
            )


def _lint_compared_runs(context: LintContext) -> Iterator[Finding]:
    """Find what of other event types is not known when a run is judged."""
    for check in file_checks(context):
        section = check.section
        if section.rule not in COMPARING_RULES or section.against is None:
            continue
        if section.within is None:
            for event_type in (check.event_type, section.against):
                profile = context.topology.profile(event_type)
                if profile is not None and profile.per is not None:
                    yield context.finding(
                        (*check.path, "against"),
                        f"{event_type!r} is profiled in windows of {profile.per:g} s, and the check"
                        f" {check.name!r} compares what is in one run",
                        "write `profile: true` for it"
                        + (", or add `within:`" if section.rule == "known" else ""),
                    )
                    break
        elif section.rule == "known" and section.within > MAX_WITHIN:
            yield context.finding(
                (*check.path, "within"),
                f"what runs had is known for {format_duration(MAX_WITHIN)}, and the check"
                f" {check.name!r} asks for {format_duration(section.within)}",
                f"write at most {format_duration(MAX_WITHIN)}",
            )


def _lint_check_readers(context: LintContext) -> Iterator[Finding]:
    """Find rows that nobody could reject or park: the lanes of a reader do it, and those of an
    external stage are not ours."""
    topology = context.topology
    for check in file_checks(context):
        if check.severity not in ("reject", "park") or not check.judges_rows:
            continue
        readers = topology.subscribers(check.event_type)
        outside = [name for name in readers if topology.stages[name].external]
        path: KeyPath = (*check.path, "severity")
        if not readers:
            yield context.finding(
                path,
                f"nobody could {check.severity} a row: no stage subscribes to {check.event_type!r}",
                "write warn, or let a stage subscribe to it",
            )
        elif outside:
            all_are = len(outside) == len(readers)
            yield context.finding(
                path,
                f"a program of yours works {' and '.join(map(repr, outside))}, and gets each row"
                f" before anybody could {check.severity} it",
                "write warn" if all_are else "the other readers do it; put a stage before this one",
                severity="error" if all_are else "warning",
            )


CHECK_RULES: Mapping[str, LintRule] = {
    "check_names": _lint_check_names,
    "check_keys": _lint_check_keys,
    "check_bounds": _lint_check_bounds,
    "check_severities": _lint_check_severities,
    "check_rules": _lint_check_rules,
    "check_comparisons": _lint_check_comparisons,
    "compared_runs": _lint_compared_runs,
    "check_readers": _lint_check_readers,
    "sensitivity": _lint_sensitivity,
}

"""Which flag documents say what a file in flagd's format says?

flagd (https://flagd.dev) names the values of a flag *variants*, and chooses one by JsonLogic. What
a list of rules over attributes and shares of keys can say is translated; everything else is a
finding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import ValidationError

from farandole.events.feature_flags import FlagSpec
from farandole.events.flag_document import FlagDocument, flag_misfit
from farandole.operations.flags.flagd_conditions import (
    TARGETING_KEY,
    ConditionTranslator,
    UntranslatableError,
)
from farandole.router.lint_finding import Finding, sorted_findings
from farandole.router.yaml_source import KeyPath, YamlDocument, read_yaml
from farandole.stages.cel_expression import compile_attribute_condition
from farandole.stages.nearest_name import did_you_mean

_BUCKETS = (
    {"var": TARGETING_KEY},
    {"var": [TARGETING_KEY]},
    {"cat": [{"var": "$flagd.flagKey"}, {"var": TARGETING_KEY}]},
)
"""What the shares of `fractional` may go by: that is what a share here goes by, too."""
_SEE = "see https://flagd.dev"


@dataclass(frozen=True, slots=True)
class FlagdImport:
    """What a file says, and what of it cannot be said here."""

    documents: list[FlagDocument]
    findings: list[Finding]


class _Choice(NamedTuple):
    """A rule before its variant has its value."""

    condition: str
    """Empty for every event."""
    share: float | None
    variant: str | None
    """None for the default variant."""
    path: KeyPath


def read_flagd_file(
    raw: bytes, file: str, pipeline: str, specs: Mapping[str, FlagSpec], by: str
) -> FlagdImport:
    """Return the documents for the flags in a file, JSON or YAML. `specs`: the flags that the
    pipeline has."""
    # JSON may be indented with tabs, YAML may not. A text in JSON has no tab.
    spaced = raw.replace(b"\t", b" ") if raw.lstrip().startswith(b"{") else raw
    source, findings = read_yaml(spaced, file)
    if source is None:
        return FlagdImport([], findings)
    reader = _FlagdReader(source, pipeline, specs, by)
    documents: list[FlagDocument] = []
    try:
        for name, flag, path in reader.flags():
            try:
                documents.append(reader.document(name, flag, path))
            except UntranslatableError as problem:
                message = f"flag {name!r}: {problem.message}"
                findings.append(source.finding(problem.path, message, problem.remedy))
    except UntranslatableError as problem:
        findings.append(source.finding(problem.path, problem.message, problem.remedy))
    return FlagdImport(documents, sorted_findings(findings))


class _FlagdReader:
    """Translates the flags of one file. Its methods raise UntranslatableError."""

    def __init__(
        self, source: YamlDocument, pipeline: str, specs: Mapping[str, FlagSpec], by: str
    ) -> None:
        self._data = source.data
        self._pipeline = pipeline
        self._specs = specs
        self._by = by
        evaluators = source.data.get("$evaluators")
        self._translator = ConditionTranslator(evaluators if isinstance(evaluators, dict) else {})

    def flags(self) -> Iterator[tuple[str, Any, KeyPath]]:
        """Yield each flag's name, content and path: `flags` is an object, or a list with keys."""
        flags = self._data.get("flags")
        if isinstance(flags, dict):
            yield from ((str(name), flag, ("flags", name)) for name, flag in flags.items())
        elif isinstance(flags, list):
            for index, flag in enumerate(flags):
                name = flag.get("key") if isinstance(flag, dict) else None
                if not isinstance(name, str):
                    raise UntranslatableError(("flags", index), "a flag has no `key`", _SEE)
                yield name, flag, ("flags", index)
        else:
            raise UntranslatableError((), "this is no file of flagd: it has no `flags`", _SEE)

    def document(self, name: str, flag: Any, path: KeyPath) -> FlagDocument:
        """Return the document that says what a flag of the file says."""
        variants = flag.get("variants") if isinstance(flag, dict) else None
        if not isinstance(variants, dict) or not variants:
            raise UntranslatableError(path, "it has no `variants`", _SEE)
        if name not in self._specs:
            remedy = f"add it to the file of {self._pipeline}: `flags: {{{name}: …}}`"
            raise UntranslatableError(
                path,
                f"the pipeline {self._pipeline} has no such flag",
                did_you_mean(name, self._specs, remedy),
            )
        state = flag.get("state")
        if state == "DISABLED":
            fields: dict[str, Any] = {"clear": True}
        elif state == "ENABLED":
            fields = self._fields(flag, variants, path)
        else:
            raise UntranslatableError(
                (*path, "state"), f"its `state` is {state!r:.40}, not ENABLED or DISABLED", _SEE
            )
        try:
            document = FlagDocument.model_validate(
                {"pipeline": self._pipeline, "flag": name, "by": self._by, **fields}
            )
        except ValidationError as error:  # too many rules, or too long a condition
            raise UntranslatableError(
                (*path, "targeting"), error.errors()[0]["msg"], "simplify it"
            ) from None
        problem = flag_misfit(document, self._specs[name], None, compile_attribute_condition)
        if problem is not None:
            remedy = "the flag has another type in the file of the pipeline: change one of the two"
            problem = problem.removeprefix(f"the flag {name!r}: ")
            raise UntranslatableError((*path, "variants"), problem, remedy)
        return document

    def _fields(
        self, flag: Mapping[str, Any], variants: Mapping[str, Any], path: KeyPath
    ) -> dict[str, Any]:
        """Return the fields of the document of an enabled flag."""
        default = flag.get("defaultVariant")
        if default is not None and not isinstance(default, str):
            raise UntranslatableError(
                (*path, "defaultVariant"), f"{default!r:.40} is no name of a variant", "name one"
            )
        choices = []
        if flag.get("targeting"):
            choices = [*self._choices(flag["targeting"], (*path, "targeting"), "", 0)]
        choices.append(_Choice("", None, None, (*path, "defaultVariant")))
        # What stands behind a choice for every event is never asked.
        end = next(i for i, each in enumerate(choices) if not each.condition and not each.share)
        rules, rest = choices[:end], choices[end]
        fields: dict[str, Any] = {}
        if rules:
            fields["rules"] = [
                {
                    "value": _value_of(choice, variants, default),
                    **({"share": choice.share} if choice.share else {}),
                    **({"when": choice.condition} if choice.condition else {}),
                }
                for choice in rules
            ]
        if rest.variant is not None or default is not None:
            fields["value"] = _value_of(rest, variants, default)
        return fields or {"clear": True}

    def _choices(self, node: Any, path: KeyPath, condition: str, depth: int) -> Iterator[_Choice]:
        """Yield the choices of a node that is reached where `condition` is true; one of them always
        fits."""
        node, path, depth = self._translator.resolve(node, path, depth)
        if node is None or isinstance(node, str | bool):
            variant = str(node).lower() if isinstance(node, bool) else node
            yield _Choice(condition, None, variant, path)
        elif isinstance(node, dict) and set(node) == {"if"} and isinstance(node["if"], list):
            yield from self._branches(node["if"], (*path, "if"), condition, depth)
        elif isinstance(node, dict) and set(node) == {"fractional"}:
            yield from _shares(node["fractional"], (*path, "fractional"), condition)
        else:
            operator = next(iter(node)) if isinstance(node, dict) and node else None
            what = f"`{operator}`" if operator else f"{node!r:.40}"
            raise UntranslatableError(
                path,
                f"no rule here can choose a variant by {what}",
                "choose one by `if` or `fractional`",
            )

    def _branches(
        self, given: Sequence[Any], path: KeyPath, condition: str, depth: int
    ) -> Iterator[_Choice]:
        for index in range(0, len(given) - 1, 2):
            asked = self._translator.condition(given[index], (*path, index), depth + 1)
            both = " && ".join(each for each in (condition, asked) if each)
            yield from self._choices(given[index + 1], (*path, index + 1), both, depth + 1)
        if len(given) % 2:
            last = len(given) - 1
            yield from self._choices(given[last], (*path, last), condition, depth + 1)
        else:
            yield _Choice(condition, None, None, path)


def _value_of(choice: _Choice, variants: Mapping[str, Any], default: Any) -> Any:
    variant = default if choice.variant is None else choice.variant
    if variant is None:
        raise UntranslatableError(
            choice.path, "without a `defaultVariant` only its last choice may be null", "add one"
        )
    if variant not in variants:
        message = f"{variant!r:.40} is none of its variants"
        raise UntranslatableError(choice.path, message, "name one")
    return variants[variant]


def _shares(given: Any, path: KeyPath, condition: str) -> Iterator[_Choice]:
    """Yield the choices of `fractional`. Shares are nested, so each rule has the sum up to it."""
    entries = [*enumerate(given)] if isinstance(given, list) else []
    if entries and not isinstance(entries[0][1], list):
        if entries[0][1] not in _BUCKETS:
            raise UntranslatableError(
                (*path, 0), "shares go by the key of the event here", "delete this expression"
            )
        del entries[0]
    weighed = []
    for index, entry in entries:
        weight = 1 if isinstance(entry, list) and len(entry) == 1 else None
        if isinstance(entry, list) and len(entry) == 2 and type(entry[1]) is int and entry[1] >= 0:
            weight = entry[1]
        if weight is None or not (entry[0] is None or isinstance(entry[0], str | bool)):
            raise UntranslatableError(
                (*path, index), "a share is written as [variant, weight] here", "write both out"
            )
        variant = str(entry[0]).lower() if isinstance(entry[0], bool) else entry[0]
        weighed.append((variant, weight, (*path, index)))
    total = sum(weight for _, weight, _ in weighed)
    if not total:
        raise UntranslatableError(path, "its weights add up to nothing", "write a weight")
    below = 0
    for variant, weight, place in weighed:
        below += weight
        if weight:
            yield _Choice(condition, None if below == total else below / total, variant, place)

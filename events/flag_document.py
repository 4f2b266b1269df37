"""Which value does a flag have, and for which stages, keys and events?"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from farandole.events.control_model import Share, StrictDocument
from farandole.events.feature_flags import FlagSpec, FlagValueError, read_flag_value
from farandole.events.record_time import RowTime

MAX_RULES = 100
MAX_CONDITION_LENGTH = 1000  # characters


def _json_value(value: Any) -> Any:
    """Return a value that JSON has. Raises FlagValueError: a reader of JSON takes NaN, too."""
    return read_flag_value("json", value)


JsonValue = Annotated[Any, AfterValidator(_json_value)]


class _WrittenFields(BaseModel):
    """A model that is written with the fields that were given: no `value` is not `null`."""

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {k: v for k, v in write(self).items() if k in self.model_fields_set or k == "do"}


class FlagRule(_WrittenFields):
    """A value, and what an event must be for functions to read it. What is not given does not
    matter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: JsonValue
    stage: str = ""
    share: Share | None = None
    """The share of the keys, by hash: who is in 5 % is in 10 % too. An event without a key counts
    by its id."""
    when: str = Field(default="", max_length=MAX_CONDITION_LENGTH)
    """A CEL expression over `attributes`."""


class FlagDocument(StrictDocument, _WrittenFields):
    """A flag has another value than the default of the file.

    Short: one `value`, with `stage`, `share` and `when` of its one rule. Long: `rules`, of which
    the first that fits counts, and perhaps a `value` for all the rest. `clear`: the default of the
    file, whatever older documents say."""

    do: Literal["flag"] = "flag"
    pipeline: str = Field(min_length=1)
    flag: str = Field(min_length=1)
    value: JsonValue = None
    stage: str = ""
    share: Share | None = None
    when: str = Field(default="", max_length=MAX_CONDITION_LENGTH)
    rules: tuple[FlagRule, ...] = Field(default=(), max_length=MAX_RULES)
    clear: bool = Field(default=False, strict=True)
    until: RowTime | None = None

    @model_validator(mode="after")
    def _check_form(self) -> Self:
        has_value = "value" in self.model_fields_set
        has_conditions = bool(self.stage or self.when or self.share is not None)
        if self.clear:
            if has_value or has_conditions or self.rules:
                raise ValueError("clear has no value, stage, share, when or rules")
        elif self.rules:
            if has_conditions:
                raise ValueError("beside rules there is no stage, share or when")
        elif not has_value:
            raise ValueError("a flag needs a value, or rules, or clear: true")
        return self

    @property
    def key(self) -> bytes:
        return f"flag/{self.pipeline}/{self.flag}".encode()

    @property
    def subject(self) -> tuple[str, ...]:
        """What it decides: the newest document of a subject counts, under whatever key."""
        return "flag", self.pipeline, self.flag

    @property
    def all_rules(self) -> tuple[FlagRule, ...]:
        """The rules in their order; the first one that fits counts, and if none does, the default
        of the file."""
        if "value" not in self.model_fields_set:
            return self.rules
        rest = FlagRule(value=self.value, stage=self.stage, share=self.share, when=self.when)
        return (*self.rules, rest)


def flag_misfit(
    document: FlagDocument,
    spec: FlagSpec | None,
    stages: Collection[str] | None = None,
    check_condition: Callable[[str], object] | None = None,
) -> str | None:
    """Return why a document does not fit its flag, as the newest version declares it; None if it
    does. A document that does not fit is as if it were not there.

    A rule of a stage that is gone fits no event; that is a misfit if all rules are such ones, and
    `stages`, those of the pipeline, is given. `check_condition` raises ValueError for an expression
    that is no condition; without it expressions are not looked at."""
    if spec is None:
        return f"the file has no flag {document.flag!r}"
    named = [rule.stage for rule in document.all_rules]
    if stages is not None and named and all(each and each not in stages for each in named):
        return f"the flag {document.flag!r} is for the stage {named[0]!r}, and there is none"
    for number, rule in enumerate(document.all_rules, 1):
        place = f"the flag {document.flag!r}: {f'rule {number}: ' if document.rules else ''}"
        try:
            read_flag_value(spec.type, rule.value)
            if rule.when and check_condition is not None:
                check_condition(rule.when)
        except FlagValueError as error:
            return f"{place}{error}"
        except ValueError as error:
            return f"{place}`{rule.when:.60}` cannot be a condition: {error}"
    return None

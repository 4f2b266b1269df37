"""Is a key of the file declared once, and known everywhere?"""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import Field, ValidationError

from farandole.events.file_keys import FileKey, StageField, file_keys, restarting_fields
from farandole.events.topology_version import (
    AlertPolicy,
    BreakerPolicy,
    QualityPolicy,
    RetryPolicy,
    RunExpectation,
    StageSpec,
)
from farandole.router import file_model, file_problems
from farandole.router.editor_schema import key_descriptions
from farandole.router.file_model import DefaultsSection, RetrySection, StageSection, with_keys_of

POLICIES = (RetryPolicy, BreakerPolicy, AlertPolicy, RunExpectation, QualityPolicy)


class QuotaSpec(StageSpec):
    """A stage with one more key: this entry is all that it needs."""

    quota: Annotated[
        int, Field(ge=1, le=9), FileKey("How many.", inherited=True, restarts_lanes=False)
    ] = 5


@with_keys_of(QuotaSpec)
class QuotaSection(file_model.FileSection):
    pass


@with_keys_of(QuotaSpec, only_inherited=True)
class QuotaDefaults(file_model.FileSection):
    pass


def test_a_new_key_is_one_entry() -> None:
    assert QuotaSection.model_validate({"quota": 3}).value("quota") == 3
    assert QuotaSection.model_validate({}).value("quota") is None
    assert QuotaDefaults.model_validate({}).value("quota") == 5
    with pytest.raises(ValidationError, match="less than or equal to 9"):
        QuotaSection.model_validate({"quota": 10})
    assert key_descriptions(QuotaSection)["quota"] == "How many."
    assert "quota" in file_problems.known_keys(QuotaSection, ())
    assert "quota" not in restarting_fields(QuotaSpec)


def test_each_field_of_a_stage_says_whether_its_change_restarts_the_lanes() -> None:
    for name, field in StageSpec.model_fields.items():
        assert any(isinstance(item, StageField) for item in field.metadata), name


def test_each_field_of_a_policy_is_a_key() -> None:
    keys = {model: set(file_keys(model)) for model in POLICIES}
    fields = {model: set(model.model_fields) for model in POLICIES}
    # Written in the file as sections of their own.
    fields[AlertPolicy] -= {"routes", "severity"}
    assert keys == fields


def test_a_default_in_the_file_is_the_published_default() -> None:
    published = StageSpec(run="m:f", subscribes=("a",))
    for name, key in file_keys(StageSpec).items():
        if key.inherited:
            assert DefaultsSection().value(name) == getattr(published, name)
        assert name in StageSection.model_fields


@pytest.mark.parametrize(
    ("path", "known"),
    [
        (("stages", "load", "subscribes", "line.read"), ["when"]),
        (("stages", "load", "subscribes", 0, "line.read"), ["when"]),
        (
            ("events", "line.read"),
            ["partitions", "key", "retention", "schema", "profile", "checks"],
        ),
        (
            ("alerts", "routes", 0),
            [
                "email",
                "webhook",
                "stages",
                "errors",
                "kinds",
                "severity",
                "quiet",
                "escalate",
                "repeat",
            ],
        ),
        (("defaults", "retry"), list(RetrySection.model_fields)),
        (("stages", "load", "retry"), list(RetrySection.model_fields)),
        (("stages",), []),
    ],
)
def test_the_keys_of_each_section_are_known(path: tuple[str | int, ...], known: list[str]) -> None:
    assert file_problems.known_keys(file_model.TopologyFile, path) == known


@pytest.mark.parametrize(
    ("emits", "effects", "has_effects"),
    [((), None, True), (("b",), None, False), ((), False, False), (("b",), True, True)],
)
def test_a_stage_that_emits_nothing_has_effects_unless_the_file_says_otherwise(
    emits: tuple[str, ...], effects: bool | None, has_effects: bool
) -> None:
    stage = StageSpec(run="m:f", subscribes=("a",), emits=emits, effects=effects)
    assert stage.has_effects is has_effects

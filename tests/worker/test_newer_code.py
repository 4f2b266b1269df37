"""Does a lane leave events of a newer version to a process that has its code?"""

from __future__ import annotations

import pytest

from farandole.events.topology_version import StageSpec, Version
from farandole.lanes.lane_port import OutcomeUnknownError
from farandole.stages.function_signature import read_signature
from farandole.stages.json_schema import schema_digest
from farandole.worker.invoker import Invoker
from farandole.worker.lane_assembly import bind_known_code
from tests.worker.made import In, Out, version


def echo(event: In) -> Out:
    return Out(n=event.n)


SIGNATURE = read_signature(echo)
OWN = schema_digest(SIGNATURE.input_schema, SIGNATURE.output_schemas)


def made_for(number: int, code: str) -> Version:
    return version(number, stages={"stage": stage_with(code)})


def stage_with(code: str) -> StageSpec:
    return StageSpec(run="m:f", subscribes=("in",), emits=("out",), code=code)


def is_taken(of: Version, hosted: str) -> bool:
    """Does a lane that began under version 2, made for the code `hosted`, take events?"""
    invoker = Invoker(
        "p", "stage", stage_with(hosted), echo, SIGNATURE, None, lambda _: None, lambda _: None
    )
    asked: list[str] = []
    try:
        bind_known_code(2, invoker, lambda _, event: asked.append(event), of, "in")
    except OutcomeUnknownError:
        return False
    return asked == ["in"]


@pytest.mark.parametrize(
    ("number", "code", "hosted", "taken"),
    [
        (3, "newer", OWN, False),
        (3, OWN, "older", True),  # the process has imported the newer code already
        (3, "other", "other", True),  # it differs as it did when the process began
        (1, "older", OWN, True),
        (3, "", OWN, True),  # of a release that said nothing of code
    ],
)
def test_only_events_of_a_later_version_for_other_code_wait(
    number: int, code: str, hosted: str, *, taken: bool
) -> None:
    assert is_taken(made_for(number, code), hosted) == taken


def test_a_version_without_the_stage_is_bound_to_nothing_else() -> None:
    assert is_taken(version(3), OWN)

"""Which candidates can take the place of a stage's function?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from farandole.events.topology_version import EventSpec, StageSpec, Version
from farandole.stages.json_schema import accepted_schema, written_schema
from farandole.worker.candidates.candidate_fit import UnfitCandidateError, load_candidate
from tests.worker.made import In, Other, Out, version


class Wide(BaseModel):
    n: int | str


class Narrow(BaseModel):
    n: int
    must: str


class Params(BaseModel):
    rate: float


def fits(event: In) -> Out:
    return Out(n=event.n)


def wider(event: Wide) -> Iterator[Out]:
    yield Out(n=0)


def narrower(event: Narrow) -> Out:
    return Out(n=event.n)


def batch(events: list[In]) -> list[Out]:
    return []


def nothing(event: In) -> None:
    pass


def other(event: In) -> Other:
    return Other(said="")


def parametrized(event: In, params: Params) -> Out:
    return Out(n=event.n)


def unannotated(event):  # type: ignore[no-untyped-def]
    return event


def newest(takes_list: bool = False) -> Version:
    stage = StageSpec(run="m:f", subscribes=("in",), emits=("out",))
    after = StageSpec(run="m:g", subscribes=("out",), accepts=dict(accepted_schema(Out)))
    events = {
        "in": EventSpec(topic="p.in", partitions=4, data_schema=dict(written_schema(In))),
        "out": EventSpec(topic="p.out", partitions=4, data_schema=dict(written_schema(Out))),
    }
    return version(stages={"stage": stage, "after": after}, events=events)


def load(function: str, **more: bool) -> None:
    more.setdefault("takes_batch", False)
    load_candidate(f"{__name__}:{function}", "stage", newest(), **more)


def test_it_may_read_more_and_return_one_or_several() -> None:
    load("fits")
    load("wider")
    load("batch", takes_batch=True)


@pytest.mark.parametrize(
    ("function", "why"),
    [
        ("narrower", "cannot read in: it takes Narrow: field 'must' is missing"),
        ("batch", "takes a list of events, and the stage's function takes one"),
        ("nothing", "gives 0 kinds of events, and the stage emits 1"),
        ("other", "after could not read the out of .*: field 'n' is missing"),
        ("parametrized", "rate"),
        ("unannotated", "annotate `event`"),
        ("fit", "did you mean 'fits'"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(function: str, why: str) -> None:
    with pytest.raises(UnfitCandidateError, match=why):
        load(function)


def test_one_event_is_no_list() -> None:
    with pytest.raises(UnfitCandidateError, match=r"takes one event, and the stage's .* a list"):
        load("fits", takes_batch=True)

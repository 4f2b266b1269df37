"""Are the names of objects valid in a cluster, and each that of one thing alone?"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.kafka_names import NAMESPACE_PATTERN, PIPELINE_PATTERN, STAGE_PATTERN
from farandole.operations.kubernetes.object_names import MAX_NAME_LENGTH, ObjectNames
from farandole.operations.kubernetes.parts import SERVICES

LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")  # RFC 1035, as names of Services must be
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
COMPONENTS = (*SERVICES, "topology", "settings", "metrics", "kafka")

words = st.sampled_from(["a", "b", "1", "stage", "web", "router"])
"""What names are made of, so that different parts often make the same text."""


def joined(separators: str, pattern: re.Pattern[str]) -> st.SearchStrategy[str]:
    def join(parts: list[str], between: list[str]) -> str:
        return parts[0] + "".join(s + p for s, p in zip(between, parts[1:], strict=False))

    texts = st.builds(
        join,
        st.lists(words, min_size=1, max_size=12),
        st.lists(st.sampled_from(separators), min_size=12, max_size=12),
    )
    return texts.filter(lambda text: pattern.fullmatch(text) is not None)


pipelines = joined("-", PIPELINE_PATTERN)
installations = st.just("") | joined("-", NAMESPACE_PATTERN)
stages = joined("_-", STAGE_PATTERN)
things = st.tuples(
    installations, pipelines, st.sampled_from(COMPONENTS) | st.tuples(st.just("stage"), stages)
)


def name_of(thing: tuple[str, str, str | tuple[str, str]]) -> str:
    installation, pipeline, what = thing
    names = ObjectNames(installation, pipeline)
    return names.part(what) if isinstance(what, str) else names.stage(what[1])


def labels_of(thing: tuple[str, str, str | tuple[str, str]]) -> Iterator[str]:
    installation, pipeline, what = thing
    component, stage = (what, None) if isinstance(what, str) else ("worker", what[1])
    yield from ObjectNames(installation, pipeline).labels(component, stage).values()


@given(things)
def test_every_name_is_a_label_of_dns(thing: tuple[str, str, str | tuple[str, str]]) -> None:
    name = name_of(thing)
    assert LABEL.fullmatch(name)
    assert len(name) <= MAX_NAME_LENGTH


@given(things)
def test_every_label_has_a_valid_value(thing: tuple[str, str, str | tuple[str, str]]) -> None:
    assert [value for value in labels_of(thing) if not LABEL_VALUE.fullmatch(value)] == []


@given(st.lists(things, unique=True, min_size=2, max_size=20))
def test_two_things_have_two_names(things: list[tuple[str, str, str | tuple[str, str]]]) -> None:
    assert len({name_of(thing) for thing in things}) == len(things)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("", "a", ("stage", "b_c")), ("", "a", ("stage", "b-c"))),
        (("", "a", ("stage", "web")), ("", "a-stage", "web")),
        (("", "a", ("stage", "b-stage-c")), ("", "a-stage-b", ("stage", "c"))),
        (("a", "b-c", "web"), ("a-b", "c", "web")),
        (("a", "b", "web"), ("", "a-b", "web")),
        (("", "p-1", "web"), ("", "1", "web")),
        (("", "a", ("stage", "b" * 60)), ("", "a", ("stage", "b" * 61))),
    ],
)
def test_what_reads_the_same_is_told_apart(
    one: tuple[str, str, str | tuple[str, str]], other: tuple[str, str, str | tuple[str, str]]
) -> None:
    assert name_of(one) != name_of(other)


def test_an_ordinary_name_says_what_it_is() -> None:
    assert name_of(("", "order-lines", ("stage", "validate"))) == "order-lines-stage-validate"
    assert name_of(("blue", "order-lines", "web")) == "blue--order-lines-web"

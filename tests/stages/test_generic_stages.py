"""Do the generic stages work for any event?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import pytest
from pydantic import ValidationError

from farandole.stages.cel_expression import Undecided
from farandole.stages.contract import EventInfo, Reject
from farandole.stages.function_signature import read_signature
from farandole.stages.generic.filter import FilterParams, filter  # noqa: A004 -- its name in a topology
from farandole.stages.generic.log import LogParams, log
from farandole.stages.generic.mask import MaskParams, mask
from farandole.stages.generic.sample import SampleParams, sample

PERSON = {"name": "Ada", "card": "4111111111111111", "age": 36, "mails": ["a@x", "b@x"], "no": None}
SECRET = "MASKING_SECRET"

T = TypeVar("T")


@dataclass
class Said:
    lines: list[tuple[str, str, Any]] = field(default_factory=list)

    def debug(self, event: str, **fields: Any) -> None:
        self.lines.append(("debug", event, fields))

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append(("info", event, fields))

    def warning(self, event: str, **fields: Any) -> None:
        self.lines.append(("warning", event, fields))


@dataclass
class Named:
    """An EventInfo."""

    id: str
    type: str = "t"
    key: str | None = None
    time: datetime | None = None
    run: str = "r"
    attributes: Mapping[str, str] = field(default_factory=dict)

    def flag(self, name: str, default: T) -> T:
        return default

    async def limit(self, name: str) -> None:
        """Let every call pass."""


@dataclass
class Asked:
    """A Context."""

    attributes: Mapping[str, str] = field(default_factory=dict)
    run: str | None = "r"
    pipeline: str = "p"
    stage: str = "s"
    attempt: int = 1
    deadline: float = 0.0
    events: Sequence[EventInfo] = ()
    log: Said = field(default_factory=Said)

    def flag(self, name: str, default: T) -> T:
        return default

    async def limit(self, name: str) -> None:
        """Let every call pass."""


def position(n: int) -> Asked:
    name = f"in/0/{n}/0"
    return Asked({"source": "s", "id": name}, events=[Named(name)])


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(SECRET, "0123456789abcdef")
    return SECRET


@pytest.mark.parametrize("function", [filter, log, mask, sample])
def test_each_passes_on_any_event_and_takes_parameters(function: Any) -> None:
    signature = read_signature(function)
    assert signature.is_passthrough
    assert signature.parameter_model is not None


# -- filter


def test_a_filter_passes_on_what_its_expression_is_true_of() -> None:
    params = FilterParams(when="data.age > 30 && attributes.id.startsWith('in/')")
    assert filter(PERSON, position(1), params) is PERSON
    assert filter({"age": 3}, position(1), params) is None


def test_an_undecided_filter_raises() -> None:
    with pytest.raises(Undecided, match="there is no 'age'"):
        filter({}, position(1), FilterParams(when="data.age > 30"))


def test_a_filter_without_an_expression_cannot_be_made() -> None:
    with pytest.raises(ValidationError, match="it names 'age'"):
        FilterParams(when="age > 30")


# -- sample


def test_a_sample_has_about_its_share() -> None:
    kept = [n for n in range(10_000) if sample(n, position(n), SampleParams(share=0.1)) is not None]
    assert 850 < len(kept) < 1_150


@pytest.mark.parametrize(("share", "count"), [(0, 0), (1, 100)])
def test_shares_of_zero_and_one_work(share: float, count: int) -> None:
    params = SampleParams(share=share)
    assert sum(sample({}, position(n), params) is not None for n in range(100)) == count


def test_the_result_for_an_event_is_always_the_same() -> None:
    params = SampleParams(share=0.5)
    first = [sample({"n": n}, position(n), params) for n in range(200)]
    assert first == [sample({"n": n}, position(n), params) for n in range(200)]


def test_records_without_attributes_are_sampled_by_their_runs() -> None:
    params = SampleParams(share=0.5)
    kept = sum(sample({}, Asked(run=f"run{n}"), params) is not None for n in range(1_000))
    assert 400 < kept < 600


def test_a_sample_by_key_keeps_keys_whole() -> None:
    params = SampleParams(share=0.5, key="household")
    kept = [
        household
        for n, household in enumerate([h for h in range(100) for _ in range(5)])
        if sample({"household": household}, position(n), params)
    ]
    assert 25 < len(set(kept)) < 75
    assert all(kept.count(household) == 5 for household in set(kept))


def test_a_sample_by_key_rejects_events_without_the_key() -> None:
    with pytest.raises(Reject, match="no field 'household'"):
        sample({}, position(1), SampleParams(share=0.5, key="household"))


# -- log


def test_logged_events_are_passed_on() -> None:
    context = position(7)
    assert log(PERSON, context, LogParams(fields=("name", "nowhere"), level="warning")) is PERSON
    assert context.log.lines == [
        ("warning", "event.seen", {"id": "in/0/7/0", "data": {"name": "Ada"}})
    ]


def test_without_fields_all_are_logged() -> None:
    context = position(7)
    log([1, 2], context, LogParams(message="numbers.seen"))
    assert context.log.lines == [("info", "numbers.seen", {"id": "in/0/7/0", "data": [1, 2]})]


# -- mask


def masked(event: Any = PERSON, **params: Any) -> Any:
    return mask(event, MaskParams.model_validate(params))


def test_a_redacted_field_shows_nothing() -> None:
    before = dict(PERSON)
    assert masked(fields={"name": "redact", "no": "redact"}) == {**PERSON, "name": "***"}
    assert before == PERSON


@pytest.mark.parametrize(
    ("card", "shown"),
    [("4111111111111111", "***1111"), ("12345678", "***5678"), ("1234567", "***")],
)
def test_the_last_characters_stay_only_of_what_is_long_enough(card: str, shown: str) -> None:
    assert masked({"card": card}, fields={"card": {"keep_last": 4}}) == {"card": shown}


def test_a_hash_is_the_same_for_the_same_value_and_secret(
    secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = {"fields": {"name": "hash", "age": "hash"}, "secret": secret}
    once, again = masked(**params), masked({**PERSON, "card": "other"}, **params)
    assert once["name"] == again["name"] != masked({**PERSON, "name": "Bo"}, **params)["name"]
    assert len(once["age"]) == 64
    monkeypatch.setenv(SECRET, "another secret that is long enough")
    assert masked(**params)["name"] != once["name"]


def test_a_hash_without_a_secret_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError, match="NAME_OF_AN_ENVIRONMENT_VARIABLE"):
        MaskParams.model_validate({"fields": {"name": "hash"}})
    monkeypatch.setenv(SECRET, "short")
    with pytest.raises(Reject, match=f"{SECRET} holds no secret of at least 16 bytes"):
        masked(fields={"name": "hash"}, secret=SECRET)


def test_fields_within_fields_and_lists_are_masked() -> None:
    event = {"people": [{"name": "Ada", "n": 1}, {"name": "Bo", "n": 2}], "mails": ["a", None]}
    assert masked(event, fields={"people.name": "redact", "mails": "redact"}) == {
        "people": [{"name": "***", "n": 1}, {"name": "***", "n": 2}],
        "mails": ["***", None],
    }


def test_an_event_without_the_field_is_rejected_unless_allowed() -> None:
    with pytest.raises(Reject, match="no field 'nmae' to mask"):
        masked(fields={"nmae": "redact"})
    assert masked(fields={"nmae": "redact"}, absent="pass") == PERSON

"""What may a person write into a topology file?"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from farandole.events.incident import Channel
from farandole.router.document import Document, Path
from farandole.router.finding import Finding, did_you_mean, nearest

DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
PACKAGE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
SHARE = re.compile(r"(100(?:\.0+)?|[0-9]{1,2}(?:\.[0-9]+)?)%")
RUN = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def _refusal(message: str, remedy: str) -> PydanticCustomError:
    return PydanticCustomError("ours", "{message}", {"message": message, "remedy": remedy})


def seconds(written: object) -> float:
    """`200ms`, `30s`, `5m`, `2h`, `7d` in seconds. Raises PydanticCustomError."""
    match = DURATION.fullmatch(written) if isinstance(written, str) else None
    if match is None:
        shown = written if isinstance(written, str | int | float) else type(written).__name__
        raise _refusal(f"{shown!r} is no duration", "write for example 200ms, 30s, 5m, 2h or 7d")
    return round(float(match[1]) * _SECONDS[match[2]], 6)


def longer_than_nothing(duration: object) -> float:
    length = seconds(duration)
    if length <= 0:
        raise _refusal("the duration is 0", "write one that is longer, for example 30s")
    return length


def share(written: object) -> float:
    """`1%`, `0.5%` as a part of 1. Raises PydanticCustomError."""
    match = SHARE.fullmatch(written) if isinstance(written, str) else None
    if match is None:
        shown = written if isinstance(written, str | int | float) else type(written).__name__
        raise _refusal(f"{shown!r} is no share", "write for example 1%, 0.5% or 0%")
    return round(float(match[1]) / 100, 9)


def _several(written: object) -> object:
    if isinstance(written, str):
        return (written,)
    return tuple(written) if isinstance(written, list) else written


def _settings(written: object) -> object:
    return {} if written is None else written  # `feed.requested:` alone is a declaration


def _subscriptions(written: object) -> object:
    """A name, a list of names and of `{name: settings}`, or a mapping `name: settings`, as pairs
    of a name and its settings."""
    if isinstance(written, str):
        return ((written, {}),)
    if isinstance(written, dict):
        return tuple(written.items())
    if isinstance(written, list):
        return tuple(_pair(item) for item in written)
    return written


def _pair(item: object) -> tuple[object, object]:
    if isinstance(item, dict) and len(item) == 1:
        return next(iter(item.items()))
    return item, {}


def _subscribed(written: object) -> object:
    if isinstance(written, dict):
        raise _refusal(
            f"one item of the list is a mapping of {len(written)} keys",
            "write an item for each event type: `- line.read: {when: ...}`",
        )
    return written


def _condition(written: object) -> object:
    if not isinstance(written, str) or not written.strip():
        raise _refusal(
            "`when:` holds no expression", 'write for example `when: "data.quantity > 0"`'
        )
    return written


def _routes(written: object) -> object:
    if not isinstance(written, list):
        raise _refusal(
            "`routes:` is no list",
            "begin each route with a dash: `- {stages: load, email: dba@example.com}`",
        )
    return tuple(written)


def _package(written: str) -> str:
    if not isinstance(written, str) or not PACKAGE.fullmatch(written):
        raise _refusal(f"{written!r} is no package", "write for example `stages.order_lines`")
    return written


def _function(written: str) -> str:
    if not isinstance(written, str) or not RUN.fullmatch(written):
        raise _refusal(f"{written!r} names no function", "write `package.module:function`")
    return written


Duration = Annotated[float, BeforeValidator(seconds)]
Positive = Annotated[float, BeforeValidator(longer_than_nothing)]
Share = Annotated[float, BeforeValidator(share)]
EventTypes = Annotated[tuple[str, ...], BeforeValidator(_several)]
Words = Annotated[tuple[str, ...], BeforeValidator(_several), Field(min_length=1)]
Subscribed = Annotated[str, BeforeValidator(_subscribed)]
Partitions = Annotated[int, Field(ge=1, le=1000)]
Threads = Annotated[int, Field(ge=0, le=64)]
Processes = Annotated[int, Field(ge=1, le=64)]


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class RetryForm(_Form):
    attempts: Annotated[int, Field(ge=1, le=100)] | None = None
    backoff: Duration | None = None
    max_backoff: Duration | None = None
    jitter: Share | None = None
    within: Duration | None = None
    in_place: Duration | None = None
    only: Words | None = None
    never: Words | None = None
    parked: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


class BreakerForm(_Form):
    share: Share | None = None
    failures: Annotated[int, Field(ge=1)] | None = None
    window: Positive | None = None
    probe: Positive | None = None
    longest: Positive | None = None


class DefaultsForm(_Form):
    partitions: Partitions = 4
    retention: Positive = 7 * 86400.0
    retry: RetryForm = RetryForm()
    breaker: BreakerForm = BreakerForm()
    timeout: Positive = 30.0
    threads: Threads = 0
    processes: Processes = 1
    age: Positive | None = None


class EventForm(_Form):
    partitions: Partitions | None = None
    key: str | None = None
    retention: Positive | None = None


class SubscriptionForm(_Form):
    when: Annotated[str | None, BeforeValidator(_condition)] = None


class StageForm(_Form):
    subscriptions: Annotated[
        tuple[
            tuple[Subscribed, Annotated[SubscriptionForm, BeforeValidator(_settings)]],
            ...,
        ],
        BeforeValidator(_subscriptions),
        Field(min_length=1, alias="subscribes"),
    ]
    emits: EventTypes = ()
    run: Annotated[str, BeforeValidator(_function)] | None = None
    parameters: Annotated[dict[str, Any], BeforeValidator(_settings)] | None = Field(
        None, alias="with"
    )
    retry: RetryForm = RetryForm()
    breaker: BreakerForm = BreakerForm()
    timeout: Positive | None = None
    threads: Threads | None = None
    processes: Processes | None = None
    age: Positive | None = None

    @property
    def subscribes(self) -> tuple[str, ...]:
        return tuple(event_type for event_type, _ in self.subscriptions)

    @property
    def when(self) -> Mapping[str, str]:
        """The conditions, by event type."""
        return {t: s.when for t, s in self.subscriptions if s.when is not None}


_CHANNELS = get_args(Channel)


class _Told(_Form):
    """Whom to tell, in the order in which it stands in the file."""

    email: Words = ()
    webhook: str | None = None
    _channels: tuple[Channel, ...] = PrivateAttr(())

    @model_validator(mode="wrap")
    @classmethod
    def _in_order(cls, written: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        made = handler(written)
        if isinstance(written, dict):  # an instance has its order already
            made._channels = tuple(c for c in written if c in _CHANNELS and written[c] is not None)
        return made

    @property
    def channels(self) -> tuple[Channel, ...]:
        return self._channels


class RouteForm(_Told):
    stages: Words = ()
    errors: Words = ()


class AlertsForm(_Told):
    routes: Annotated[tuple[RouteForm, ...], BeforeValidator(_routes), Field(min_length=1)] = ()
    digests: (
        Annotated[tuple[Positive, ...], BeforeValidator(_several), Field(min_length=1)] | None
    ) = None
    quiet: Positive | None = None
    fingerprints: Annotated[int, Field(ge=1, le=1000)] | None = None
    per_hour: Annotated[int, Field(ge=1)] | None = None


class ExpectForm(_Form):
    complete_within: Positive | None = None
    fail_above: Share | None = None


class Form(_Form):
    """A topology file as written; what it leaves out is not filled in."""

    pipeline: str
    package: Annotated[str, BeforeValidator(_package)] | None = None
    defaults: DefaultsForm = DefaultsForm()
    events: Annotated[
        Mapping[str, Annotated[EventForm, BeforeValidator(_settings)]], BeforeValidator(_settings)
    ] = {}
    stages: Annotated[Mapping[str, StageForm], Field(min_length=1)]
    alerts: AlertsForm = AlertsForm()
    expect: ExpectForm = ExpectForm()

    def event_types(self) -> tuple[str, ...]:
        """Every event type that the file names: the declared ones first."""
        named = [t for stage in self.stages.values() for t in (*stage.subscribes, *stage.emits)]
        return tuple(dict.fromkeys([*self.events, *named]))

    def partitions(self, event_type: str) -> int:
        declared = self.events.get(event_type, EventForm()).partitions
        return self.defaults.partitions if declared is None else declared

    def emitters(self, event_type: str) -> tuple[str, ...]:
        return tuple(name for name, stage in self.stages.items() if event_type in stage.emits)

    def subscribers(self, event_type: str) -> tuple[str, ...]:
        return tuple(name for name, stage in self.stages.items() if event_type in stage.subscribes)

    def function(self, stage: str) -> str | None:
        """`package.module:function`; None where the file names neither `run` nor a package."""
        written = self.stages[stage].run
        if written is not None:
            return written
        name = stage.replace("-", "_")
        return f"{self.package}.{name}:{name}" if self.package else None


def place(document: Document, path: Path) -> Path:
    """Where in a document a path of the form is: `("stages", name, "subscribes", i, ...)` is the
    i-th event type, `(..., i, 1, key)` a setting of it."""
    if len(path) < 4 or path[0] != "stages" or path[2] != "subscribes":
        return path
    stage, index = path[1], path[3]
    written = document.data["stages"][stage].get("subscribes")  # None: misspelled, and repaired
    above: Path = ("stages", stage, "subscribes")
    inside: Path = path[5:] if path[4:5] == (1,) else ()
    if isinstance(written, dict) and isinstance(index, int):
        return (*above, list(written)[index], *inside)
    if isinstance(written, list) and isinstance(index, int):
        item = written[index]
        if isinstance(item, dict) and len(item) == 1:
            return (*above, index, next(iter(item)), *inside)
        return (*above, index)
    return above


def read(document: Document) -> tuple[Form | None, list[Finding]]:
    """The form in a document and all that is wrong with it; None where too little can be read.

    A key that is unknown or has a wrong value is repaired by guess or left out, so that the checks
    that follow can report what else is wrong: a form that comes with errors is never to be applied.
    """
    try:
        return Form.model_validate(document.data), []
    except ValidationError as error:
        problems = [
            {**problem, "loc": place(document, problem["loc"])}
            for problem in _unexplained(error.errors(include_url=False))
        ]
    findings = [_finding(document, problem) for problem in problems]
    repaired = copy.deepcopy(document.data)
    for problem in problems:
        if not _repair(repaired, problem):
            return None, findings
    try:
        return Form.model_validate(repaired), findings
    except ValidationError:
        return None, findings


def _unexplained(problems: Sequence[Any]) -> list[Any]:
    """Without the keys that are missing because they are misspelled beside it."""
    meant = {
        (*p["loc"][:-1], nearest(str(p["loc"][-1]), _fields(p["loc"][:-1])))
        for p in problems
        if p["type"] == "extra_forbidden"
    }
    return [p for p in problems if p["type"] != "missing" or p["loc"] not in meant]


def _fields(path: Path) -> list[str]:
    """The keys that are known where `path` is."""
    forms: dict[Path, type[BaseModel]] = {
        (): Form,
        ("defaults",): DefaultsForm,
        ("alerts",): AlertsForm,
        ("expect",): ExpectForm,
    }
    form = forms.get(path)
    if path[-1:] in (("retry",), ("breaker",)):
        form = RetryForm if path[-1] == "retry" else BreakerForm
    if form is None and path[:2] == ("alerts", "routes"):
        form = RouteForm
    if form is None and len(path) == 2:
        form = StageForm if path[0] == "stages" else EventForm
    if form is None and "subscribes" in path:
        form = SubscriptionForm
    return [field.alias or name for name, field in (form or RetryForm).model_fields.items()]


def _finding(document: Document, problem: Any) -> Finding:
    path: Path = problem["loc"]
    key = next((step for step in reversed(path) if isinstance(step, str)), "")
    kind = problem["type"]
    if kind == "extra_forbidden":
        known = _fields(path[:-1])
        remedy = did_you_mean(str(key), known, f"known here are {', '.join(known)}")
        if key == "when" and len(path) == 3:
            remedy = "write it beside an event type: `subscribes: {line.read: {when: ...}}`"
        return document.finding(path, f"unknown key {key!r}", remedy, on_key=True)
    if kind == "missing":
        return document.finding(
            path[:-1],
            f"{_called(path[:-1])} has no {key!r}",
            f"add `{key}:`",
            on_key=len(path) > 1,
        )
    if kind == "ours":
        return document.finding(path, problem["ctx"]["message"], problem["ctx"]["remedy"])
    if kind == "too_short":
        return document.finding(path, f"{key!r} is empty", "name at least one")
    return document.finding(path, f"{key!r}: {_said(problem)}", _wanted(kind, key))


def _said(problem: Any) -> str:
    given = problem["input"]
    wanted = str(problem["msg"]).removeprefix("Input should be ")
    if problem["type"] in _MAPPINGS:
        wanted = "a mapping"
    elif problem["type"] == "tuple_type":
        several = _SEVERAL.get(problem["loc"][-1], _EVENT_TYPES)
        wanted = f"{several[0]} or a list of them"
    if given is None:
        return f"should be {wanted}, not empty"
    if isinstance(given, str | int | float):
        return f"should be {wanted}, not {given!r:.60}"
    return f"should be {wanted}, not a {'list' if isinstance(given, list | tuple) else 'mapping'}"


_MAPPINGS = ("model_type", "mapping_type", "dict_type")
_EVENT_TYPES = ("an event type", "[line.read, line.validated]")
_SEVERAL = {
    "email": ("an address", "[ops@example.com]"),
    "stages": ("a stage", "[validate, load]"),
    "errors": ("the name of an exception", "[ConnectionError, TimeoutError]"),
    "digests": ("a duration", "[10m, 1h, 6h, 24h]"),
}


def _wanted(kind: str, key: str) -> str:
    if kind in _MAPPINGS:
        return "write `name: value` pairs, in braces or indented below it"
    return {
        "int_type": "write a whole number without quotes",
        "string_type": "write a word, in quotes if it looks like a number",
        "tuple_type": f"write for example {_SEVERAL.get(key, _EVENT_TYPES)[1]}",
    }.get(kind, "write a value in that range")


def _called(path: Path) -> str:
    return f"{path[0][:-1]} {path[1]!r}" if len(path) == 2 else "the file"  # type: ignore[index]


def _repair(data: Any, problem: Any) -> bool:
    *above, key = problem["loc"] or (None,)
    kind = problem["type"]
    if problem["loc"][:1] == ("alerts",):
        data.pop("alerts", None)  # nothing else depends on it
        return True
    if isinstance(key, int) or kind == "missing" or key in ("subscribes", "emits", "stages"):
        return False
    owner = data
    for step in above:
        owner = owner[step] if isinstance(owner, dict | list) else None
    if not isinstance(owner, dict) or key not in owner:
        return False
    if "subscribes" in above[-2:] and kind in _MAPPINGS:
        owner[key] = {}  # it is subscribed to, whatever else is meant
        return True
    if kind in _MAPPINGS and above == ["stages"]:
        return False
    if above == ["events"]:
        owner[key] = {}  # its name still counts as declared
        return True
    value = owner.pop(key)
    meant = nearest(str(key), _fields(tuple(above))) if kind == "extra_forbidden" else None
    if meant is not None and meant not in owner:
        owner[meant] = value
    return True

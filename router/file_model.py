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

from farandole.events.incident_record import NoticeChannel
from farandole.router.lint_finding import Finding, did_you_mean, nearest_name
from farandole.router.yaml_source import KeyPath, YamlDocument

DURATION_PATTERN = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
PACKAGE_PATTERN = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
SHARE_PATTERN = re.compile(r"(100(?:\.0+)?|[0-9]{1,2}(?:\.[0-9]+)?)%")
FUNCTION_PATTERN = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def _file_value_error(message: str, remedy: str) -> PydanticCustomError:
    return PydanticCustomError("ours", "{message}", {"message": message, "remedy": remedy})


def parse_duration(written: object) -> float:
    """`200ms`, `30s`, `5m`, `2h`, `7d` in seconds. Raises PydanticCustomError."""
    match = DURATION_PATTERN.fullmatch(written) if isinstance(written, str) else None
    if match is None:
        shown = written if isinstance(written, str | int | float) else type(written).__name__
        raise _file_value_error(
            f"{shown!r} is no duration", "write for example 200ms, 30s, 5m, 2h or 7d"
        )
    return round(float(match[1]) * _SECONDS[match[2]], 6)


def parse_positive_duration(duration: object) -> float:
    length = parse_duration(duration)
    if length <= 0:
        raise _file_value_error("the duration is 0", "write one that is longer, for example 30s")
    return length


def parse_share(written: object) -> float:
    """`1%`, `0.5%` as a part of 1. Raises PydanticCustomError."""
    match = SHARE_PATTERN.fullmatch(written) if isinstance(written, str) else None
    if match is None:
        shown = written if isinstance(written, str | int | float) else type(written).__name__
        raise _file_value_error(f"{shown!r} is no share", "write for example 1%, 0.5% or 0%")
    return round(float(match[1]) / 100, 9)


def _as_tuple(written: object) -> object:
    if isinstance(written, str):
        return (written,)
    return tuple(written) if isinstance(written, list) else written


def _empty_if_none(written: object) -> object:
    return {} if written is None else written  # `feed.requested:` alone is a declaration


def _normalize_subscriptions(written: object) -> object:
    """A name, a list of names and of `{name: settings}`, or a mapping `name: settings`, as pairs
    of a name and its settings."""
    if isinstance(written, str):
        return ((written, {}),)
    if isinstance(written, dict):
        return tuple(written.items())
    if isinstance(written, list):
        return tuple(_subscription_pair(item) for item in written)
    return written


def _subscription_pair(item: object) -> tuple[object, object]:
    if isinstance(item, dict) and len(item) == 1:
        return next(iter(item.items()))
    return item, {}


def _check_subscribed_type(written: object) -> object:
    if isinstance(written, dict):
        raise _file_value_error(
            f"one item of the list is a mapping of {len(written)} keys",
            "write an item for each event type: `- line.read: {when: ...}`",
        )
    return written


def _check_condition(written: object) -> object:
    if not isinstance(written, str) or not written.strip():
        raise _file_value_error(
            "`when:` holds no expression", 'write for example `when: "data.quantity > 0"`'
        )
    return written


def _check_routes(written: object) -> object:
    if not isinstance(written, list):
        raise _file_value_error(
            "`routes:` is no list",
            "begin each route with a dash: `- {stages: load, email: dba@example.com}`",
        )
    return tuple(written)


def _check_package(written: str) -> str:
    if not isinstance(written, str) or not PACKAGE_PATTERN.fullmatch(written):
        raise _file_value_error(
            f"{written!r} is no package", "write for example `stages.order_lines`"
        )
    return written


def _check_function(written: str) -> str:
    if not isinstance(written, str) or not FUNCTION_PATTERN.fullmatch(written):
        raise _file_value_error(f"{written!r} names no function", "write `package.module:function`")
    return written


Duration = Annotated[float, BeforeValidator(parse_duration)]
PositiveDuration = Annotated[float, BeforeValidator(parse_positive_duration)]
Share = Annotated[float, BeforeValidator(parse_share)]
EventTypeList = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
WordList = Annotated[tuple[str, ...], BeforeValidator(_as_tuple), Field(min_length=1)]
SubscribedType = Annotated[str, BeforeValidator(_check_subscribed_type)]
Partitions = Annotated[int, Field(ge=1, le=1000)]
Threads = Annotated[int, Field(ge=0, le=64)]
Processes = Annotated[int, Field(ge=1, le=64)]


class _FileSection(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class RetrySection(_FileSection):
    attempts: Annotated[int, Field(ge=1, le=100)] | None = None
    backoff: Duration | None = None
    max_backoff: Duration | None = None
    jitter: Share | None = None
    within: Duration | None = None
    in_place: Duration | None = None
    only: WordList | None = None
    never: WordList | None = None
    parked: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


class BreakerSection(_FileSection):
    share: Share | None = None
    failures: Annotated[int, Field(ge=1)] | None = None
    window: PositiveDuration | None = None
    probe: PositiveDuration | None = None
    longest: PositiveDuration | None = None


class DefaultsSection(_FileSection):
    partitions: Partitions = 4
    retention: PositiveDuration = 7 * 86400.0
    retry: RetrySection = RetrySection()
    breaker: BreakerSection = BreakerSection()
    timeout: PositiveDuration = 30.0
    threads: Threads = 0
    processes: Processes = 1
    age: PositiveDuration | None = None


class EventSection(_FileSection):
    partitions: Partitions | None = None
    key: str | None = None
    retention: PositiveDuration | None = None


class SubscriptionSection(_FileSection):
    when: Annotated[str | None, BeforeValidator(_check_condition)] = None


class StageSection(_FileSection):
    subscriptions: Annotated[
        tuple[
            tuple[SubscribedType, Annotated[SubscriptionSection, BeforeValidator(_empty_if_none)]],
            ...,
        ],
        BeforeValidator(_normalize_subscriptions),
        Field(min_length=1, alias="subscribes"),
    ]
    emits: EventTypeList = ()
    run: Annotated[str, BeforeValidator(_check_function)] | None = None
    parameters: Annotated[dict[str, Any], BeforeValidator(_empty_if_none)] | None = Field(
        None, alias="with"
    )
    retry: RetrySection = RetrySection()
    breaker: BreakerSection = BreakerSection()
    timeout: PositiveDuration | None = None
    threads: Threads | None = None
    processes: Processes | None = None
    age: PositiveDuration | None = None

    @property
    def subscribes(self) -> tuple[str, ...]:
        return tuple(event_type for event_type, _ in self.subscriptions)

    @property
    def when(self) -> Mapping[str, str]:
        """The conditions, by event type."""
        return {t: s.when for t, s in self.subscriptions if s.when is not None}


_CHANNELS = get_args(NoticeChannel)


class _Recipients(_FileSection):
    """Whom to tell, in the order in which it stands in the file."""

    email: WordList = ()
    webhook: str | None = None
    _channels: tuple[NoticeChannel, ...] = PrivateAttr(())

    @model_validator(mode="wrap")
    @classmethod
    def _in_order(cls, written: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        made = handler(written)
        if isinstance(written, dict):  # an instance has its order already
            made._channels = tuple(c for c in written if c in _CHANNELS and written[c] is not None)
        return made

    @property
    def channels(self) -> tuple[NoticeChannel, ...]:
        return self._channels


class RouteSection(_Recipients):
    stages: WordList = ()
    errors: WordList = ()


class AlertsSection(_Recipients):
    routes: Annotated[
        tuple[RouteSection, ...], BeforeValidator(_check_routes), Field(min_length=1)
    ] = ()
    digests: (
        Annotated[tuple[PositiveDuration, ...], BeforeValidator(_as_tuple), Field(min_length=1)]
        | None
    ) = None
    quiet: PositiveDuration | None = None
    fingerprints: Annotated[int, Field(ge=1, le=1000)] | None = None
    per_hour: Annotated[int, Field(ge=1)] | None = None


class ExpectSection(_FileSection):
    complete_within: PositiveDuration | None = None
    fail_above: Share | None = None


class TopologyFile(_FileSection):
    """A topology file as written; what it leaves out is not filled in."""

    pipeline: str
    package: Annotated[str, BeforeValidator(_check_package)] | None = None
    defaults: DefaultsSection = DefaultsSection()
    events: Annotated[
        Mapping[str, Annotated[EventSection, BeforeValidator(_empty_if_none)]],
        BeforeValidator(_empty_if_none),
    ] = {}
    stages: Annotated[Mapping[str, StageSection], Field(min_length=1)]
    alerts: AlertsSection = AlertsSection()
    expect: ExpectSection = ExpectSection()

    def event_types(self) -> tuple[str, ...]:
        """Every event type that the file names: the declared ones first."""
        named = [t for stage in self.stages.values() for t in (*stage.subscribes, *stage.emits)]
        return tuple(dict.fromkeys([*self.events, *named]))

    def partitions(self, event_type: str) -> int:
        declared = self.events.get(event_type, EventSection()).partitions
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


def yaml_path(document: YamlDocument, path: KeyPath) -> KeyPath:
    """Where in a document a path of the form is: `("stages", name, "subscribes", i, ...)` is the
    i-th event type, `(..., i, 1, key)` a setting of it."""
    if len(path) < 4 or path[0] != "stages" or path[2] != "subscribes":
        return path
    stage, index = path[1], path[3]
    written = document.data["stages"][stage].get("subscribes")  # None: misspelled, and repaired
    above: KeyPath = ("stages", stage, "subscribes")
    inside: KeyPath = path[5:] if path[4:5] == (1,) else ()
    if isinstance(written, dict) and isinstance(index, int):
        return (*above, list(written)[index], *inside)
    if isinstance(written, list) and isinstance(index, int):
        item = written[index]
        if isinstance(item, dict) and len(item) == 1:
            return (*above, index, next(iter(item)), *inside)
        return (*above, index)
    return above


def read_topology_file(document: YamlDocument) -> tuple[TopologyFile | None, list[Finding]]:
    """The form in a document and all that is wrong with it; None where too little can be read.

    A key that is unknown or has a wrong value is repaired by guess or left out, so that the checks
    that follow can report what else is wrong: a form that comes with errors is never to be applied.
    """
    try:
        return TopologyFile.model_validate(document.data), []
    except ValidationError as error:
        problems = [
            {**problem, "loc": yaml_path(document, problem["loc"])}
            for problem in _without_consequences(error.errors(include_url=False))
        ]
    findings = [_problem_finding(document, problem) for problem in problems]
    repaired = copy.deepcopy(document.data)
    for problem in problems:
        if not _repair_value(repaired, problem):
            return None, findings
    try:
        return TopologyFile.model_validate(repaired), findings
    except ValidationError:
        return None, findings


def _without_consequences(problems: Sequence[Any]) -> list[Any]:
    """Without the keys that are missing because they are misspelled beside it."""
    meant = {
        (*p["loc"][:-1], nearest_name(str(p["loc"][-1]), _known_keys(p["loc"][:-1])))
        for p in problems
        if p["type"] == "extra_forbidden"
    }
    return [p for p in problems if p["type"] != "missing" or p["loc"] not in meant]


def _known_keys(path: KeyPath) -> list[str]:
    """The keys that are known where `path` is."""
    forms: dict[KeyPath, type[BaseModel]] = {
        (): TopologyFile,
        ("defaults",): DefaultsSection,
        ("alerts",): AlertsSection,
        ("expect",): ExpectSection,
    }
    form = forms.get(path)
    if path[-1:] in (("retry",), ("breaker",)):
        form = RetrySection if path[-1] == "retry" else BreakerSection
    if form is None and path[:2] == ("alerts", "routes"):
        form = RouteSection
    if form is None and len(path) == 2:
        form = StageSection if path[0] == "stages" else EventSection
    if form is None and "subscribes" in path:
        form = SubscriptionSection
    return [field.alias or name for name, field in (form or RetrySection).model_fields.items()]


def _problem_finding(document: YamlDocument, problem: Any) -> Finding:
    path: KeyPath = problem["loc"]
    key = next((step for step in reversed(path) if isinstance(step, str)), "")
    kind = problem["type"]
    if kind == "extra_forbidden":
        known = _known_keys(path[:-1])
        remedy = did_you_mean(str(key), known, f"known here are {', '.join(known)}")
        if key == "when" and len(path) == 3:
            remedy = "write it beside an event type: `subscribes: {line.read: {when: ...}}`"
        return document.finding(path, f"unknown key {key!r}", remedy, on_key=True)
    if kind == "missing":
        return document.finding(
            path[:-1],
            f"{_section_label(path[:-1])} has no {key!r}",
            f"add `{key}:`",
            on_key=len(path) > 1,
        )
    if kind == "ours":
        return document.finding(path, problem["ctx"]["message"], problem["ctx"]["remedy"])
    if kind == "too_short":
        return document.finding(path, f"{key!r} is empty", "name at least one")
    return document.finding(path, f"{key!r}: {_problem_text(problem)}", _problem_remedy(kind, key))


def _problem_text(problem: Any) -> str:
    given = problem["input"]
    wanted = str(problem["msg"]).removeprefix("Input should be ")
    if problem["type"] in _MAPPING_ERRORS:
        wanted = "a mapping"
    elif problem["type"] == "tuple_type":
        several = _LIST_EXAMPLES.get(problem["loc"][-1], _EVENT_TYPE_EXAMPLES)
        wanted = f"{several[0]} or a list of them"
    if given is None:
        return f"should be {wanted}, not empty"
    if isinstance(given, str | int | float):
        return f"should be {wanted}, not {given!r:.60}"
    return f"should be {wanted}, not a {'list' if isinstance(given, list | tuple) else 'mapping'}"


_MAPPING_ERRORS = ("model_type", "mapping_type", "dict_type")
_EVENT_TYPE_EXAMPLES = ("an event type", "[line.read, line.validated]")
_LIST_EXAMPLES = {
    "email": ("an address", "[ops@example.com]"),
    "stages": ("a stage", "[validate, load]"),
    "errors": ("the name of an exception", "[ConnectionError, TimeoutError]"),
    "digests": ("a duration", "[10m, 1h, 6h, 24h]"),
}


def _problem_remedy(kind: str, key: str) -> str:
    if kind in _MAPPING_ERRORS:
        return "write `name: value` pairs, in braces or indented below it"
    return {
        "int_type": "write a whole number without quotes",
        "string_type": "write a word, in quotes if it looks like a number",
        "tuple_type": f"write for example {_LIST_EXAMPLES.get(key, _EVENT_TYPE_EXAMPLES)[1]}",
    }.get(kind, "write a value in that range")


def _section_label(path: KeyPath) -> str:
    return f"{path[0][:-1]} {path[1]!r}" if len(path) == 2 else "the file"  # type: ignore[index]


def _repair_value(data: Any, problem: Any) -> bool:
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
    if "subscribes" in above[-2:] and kind in _MAPPING_ERRORS:
        owner[key] = {}  # it is subscribed to, whatever else is meant
        return True
    if kind in _MAPPING_ERRORS and above == ["stages"]:
        return False
    if above == ["events"]:
        owner[key] = {}  # its name still counts as declared
        return True
    value = owner.pop(key)
    meant = nearest_name(str(key), _known_keys(tuple(above))) if kind == "extra_forbidden" else None
    if meant is not None and meant not in owner:
        owner[meant] = value
    return True

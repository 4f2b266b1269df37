"""What may a person write into a topology file?"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Optional, Self, TypeVar, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    create_model,
    model_validator,
)

from farandole.events.check_spec import COMPARING_RULES, Rule, Severity
from farandole.events.feature_flags import FlagType
from farandole.events.file_keys import file_keys
from farandole.events.incident_record import NoticeChannel
from farandole.events.incident_severity import IncidentSeverity
from farandole.events.topology_version import (
    AT_LEAST_ONCE,
    AlertPolicy,
    BreakerPolicy,
    QualityPolicy,
    RetryPolicy,
    RunExpectation,
    StageSpec,
)
from farandole.router.file_problems import problem_finding, repair_value, without_consequences
from farandole.router.file_values import (
    Bound,
    CallRateText,
    CheckValues,
    EventTypeList,
    KeyRateText,
    Partitions,
    PositiveDuration,
    ProfilePeriod,
    QuietHoursText,
    RateRuleText,
    SeverityList,
    Share,
    SubscribedType,
    WordList,
    check_condition,
    check_declared_schema,
    check_external,
    check_function,
    check_holds,
    check_package,
    check_routes,
    check_steps,
    empty_if_none,
    key_type,
    normalize_profile,
    normalize_subscriptions,
    normalize_throttle,
)
from farandole.router.lint_finding import Finding
from farandole.router.schedule_values import (
    CatchUpWord,
    DateList,
    Interval,
    OtherwiseWord,
    Overlap,
    PositiveSpan,
    Span,
    StatusList,
    TimeText,
    TimeTexts,
    UnknownWord,
    WeekdayList,
    as_items,
    normalize_catch_up,
)
from farandole.router.yaml_source import KeyPath, YamlDocument


class FileSection(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def value(self, key: str) -> Any:
        """Return the value of a key that the registry declares; None if the file does not give
        it and `defaults:` has no value for it."""
        return getattr(self, key)


Section = TypeVar("Section", bound=FileSection)


def with_keys_of(
    published: type[BaseModel], *, only_inherited: bool = False
) -> Callable[[type[Section]], type[Section]]:
    """Return a decorator that adds to a section the keys that `published` declares (see
    `farandole.events.file_keys`), each of them optional. With `only_inherited`, those that
    `defaults:` may have, with the published defaults. Read them with `value`."""

    def add(section: type[Section]) -> type[Section]:
        fields: dict[str, Any] = {}
        for name, key in file_keys(published).items():
            field = published.model_fields[name]
            annotation = key_type(key, field)
            default = field.default if only_inherited else None
            if default is None:
                annotation = Optional[annotation]  # noqa: UP045 -- an annotation made at run time
            if key.inherited or not only_inherited:
                fields[name] = (Annotated[annotation, key], default)
        extended = create_model(
            section.__name__, __base__=section, __module__=section.__module__, **fields
        )
        extended.__doc__ = section.__doc__
        return extended

    return add


@with_keys_of(RetryPolicy)
class RetrySection(FileSection):
    pass


@with_keys_of(BreakerPolicy)
class BreakerSection(FileSection):
    pass


class ThrottleSection(FileSection):
    rate: RateRuleText | None = None
    per_key: KeyRateText | None = None


class ProfileSection(FileSection):
    per: ProfilePeriod = None


Profile = Annotated[ProfileSection | None, BeforeValidator(normalize_profile)]
"""Without a value of its own, an event type has that of `defaults:`; `false` means none."""


class CheckSection(FileSection):
    rule: Rule
    severity: Severity | None = None
    column: str | None = None
    share: Share | None = None
    min: Bound | None = None
    max: Bound | None = None
    values: CheckValues | None = None
    matches: str | None = None
    holds: Annotated[str, BeforeValidator(check_holds)] | None = None
    within: PositiveDuration | None = None
    against: str | None = None
    field: str | None = None
    measure: Literal["psi", "ks"] | None = None
    run: Annotated[str, BeforeValidator(check_function)] | None = None
    description: str | None = None


@with_keys_of(StageSpec, only_inherited=True)
class DefaultsSection(FileSection):
    partitions: Partitions = 4
    retention: PositiveDuration = 7 * 86400.0
    retry: RetrySection = RetrySection()
    breaker: BreakerSection = BreakerSection()
    profile: Profile = None


DeclaredSchema = Annotated[dict[str, Any] | str, BeforeValidator(check_declared_schema)]
"""A JSON Schema, or the path of a file with one, relative to the pipeline's folder."""


class EventSection(FileSection):
    partitions: Partitions | None = None
    key: str | None = None
    retention: PositiveDuration | None = None
    declared_schema: DeclaredSchema | None = Field(default=None, alias="schema")
    profile: Profile = None
    checks: Annotated[Mapping[str, CheckSection], BeforeValidator(empty_if_none)] = {}


class SubscriptionSection(FileSection):
    when: Annotated[str | None, BeforeValidator(check_condition)] = None


@with_keys_of(StageSpec)
class StageSection(FileSection):
    subscriptions: Annotated[
        tuple[
            tuple[SubscribedType, Annotated[SubscriptionSection, BeforeValidator(empty_if_none)]],
            ...,
        ],
        BeforeValidator(normalize_subscriptions),
        Field(min_length=1, alias="subscribes"),
    ]
    emits: EventTypeList = ()
    run: Annotated[str, BeforeValidator(check_function)] | None = None
    parameters: Annotated[dict[str, Any], BeforeValidator(empty_if_none)] | None = Field(
        None, alias="with"
    )
    retry: RetrySection = RetrySection()
    breaker: BreakerSection = BreakerSection()
    throttle: Annotated[ThrottleSection | None, BeforeValidator(normalize_throttle)] = None
    external: Annotated[bool | Literal["at-least-once"], BeforeValidator(check_external)] = False
    accepts: DeclaredSchema | None = None

    @property
    def is_relayed(self) -> bool:
        """True if its program has no transactions."""
        return self.external == AT_LEAST_ONCE

    @property
    def subscribes(self) -> tuple[str, ...]:
        return tuple(event_type for event_type, _ in self.subscriptions)

    @property
    def when(self) -> Mapping[str, str]:
        """The conditions, by event type; an event type without one is left out."""
        return {t: s.when for t, s in self.subscriptions if s.when is not None}


_CHANNELS = get_args(NoticeChannel)


class _Recipients(FileSection):
    """Who gets notices about failures; `channels` are in the order of the file."""

    email: WordList = ()
    webhook: str | None = None
    _channels: tuple[NoticeChannel, ...] = PrivateAttr(())

    @model_validator(mode="wrap")
    @classmethod
    def _in_order(cls, written: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        section = handler(written)
        if isinstance(written, dict):  # an instance has its order already
            section._channels = tuple(
                c for c in written if c in _CHANNELS and written[c] is not None
            )
        return section

    @property
    def channels(self) -> tuple[NoticeChannel, ...]:
        return self._channels


class EscalationSection(_Recipients):
    after: PositiveDuration


class RouteSection(_Recipients):
    stages: WordList = ()
    errors: WordList = ()
    kinds: WordList = ()
    severity: SeverityList = ()
    quiet: QuietHoursText | None = None
    escalate: Annotated[
        tuple[EscalationSection, ...], BeforeValidator(check_steps), Field(min_length=1)
    ] = ()
    repeat: PositiveDuration | None = None


@with_keys_of(AlertPolicy)
class AlertsSection(_Recipients):
    severity: Annotated[Mapping[str, IncidentSeverity], BeforeValidator(empty_if_none)] = {}
    routes: Annotated[
        tuple[RouteSection, ...], BeforeValidator(check_routes), Field(min_length=1)
    ] = ()


@with_keys_of(RunExpectation)
class ExpectSection(FileSection):
    pass


@with_keys_of(QualityPolicy)
class QualitySection(FileSection):
    pass


class FlagSection(FileSection):
    type: FlagType
    default: Any
    description: str = ""


class CalendarSection(FileSection):
    dates: DateList | None = None
    weekdays: WeekdayList | None = None
    holidays: str | None = None
    schedule: str | None = None


class CatchUpSection(FileSection):
    runs: CatchUpWord | None = None
    within: PositiveSpan | None = None
    per_minute: Annotated[int, Field(ge=1, le=100_000)] | None = None


class DependencySection(FileSection):
    pipeline: str | None = None
    event: str | None = None
    status: StatusList | None = None
    file: str | None = None
    every: Interval | None = None
    existing: bool | None = None


Calendars = Annotated[tuple[CalendarSection, ...], BeforeValidator(as_items), Field(min_length=1)]
Dependencies = Annotated[
    tuple[DependencySection, ...], BeforeValidator(as_items), Field(min_length=1)
]


class ScheduleSection(FileSection):
    triggers: str
    data: Any = None
    cron: str | None = None
    every: Interval | None = None
    at: TimeTexts | None = None
    after: Dependencies | None = None
    zone: str | None = None
    jitter: Span | None = None
    start: TimeText | None = None
    end: TimeText | None = None
    exclude: Calendars | None = None
    include: Calendars | None = None
    overlap: Overlap | None = None
    unknown: UnknownWord | None = None
    catch_up: Annotated[CatchUpSection, BeforeValidator(normalize_catch_up)] = CatchUpSection()
    within: PositiveSpan | None = None
    otherwise: OtherwiseWord | None = None
    paused: bool | None = None
    description: str | None = None


class TopologyFile(FileSection):
    """A topology file as written: what it leaves out is not filled in."""

    pipeline: str
    package: Annotated[str, BeforeValidator(check_package)] | None = None
    defaults: DefaultsSection = DefaultsSection()
    events: Annotated[
        Mapping[str, Annotated[EventSection, BeforeValidator(empty_if_none)]],
        BeforeValidator(empty_if_none),
    ] = {}
    stages: Annotated[Mapping[str, StageSection], Field(min_length=1)]
    alerts: AlertsSection = AlertsSection()
    expect: ExpectSection = ExpectSection()
    quality: QualitySection = QualitySection()
    flags: Annotated[Mapping[str, FlagSection], BeforeValidator(empty_if_none)] = {}
    throttle: RateRuleText | None = None
    limits: Annotated[Mapping[str, CallRateText], BeforeValidator(empty_if_none)] = {}
    schedules: Annotated[Mapping[str, ScheduleSection], BeforeValidator(empty_if_none)] = {}

    def event_types(self) -> tuple[str, ...]:
        """Return every event type that the file names, the declared ones first."""
        named = [t for stage in self.stages.values() for t in (*stage.subscribes, *stage.emits)]
        return tuple(dict.fromkeys([*self.events, *named]))

    def partitions(self, event_type: str) -> int:
        declared = self.events.get(event_type, EventSection()).partitions
        return self.defaults.partitions if declared is None else declared

    def profile(self, event_type: str) -> ProfileSection | None:
        """Return for what a profile of an event type is kept; None for nothing."""
        declared = self.events.get(event_type, EventSection())
        return declared.profile if "profile" in declared.model_fields_set else self.defaults.profile

    def compared_with(self) -> frozenset[str]:
        """Return the event types with which checks of others compare."""
        checks = [check for event in self.events.values() for check in event.checks.values()]
        return frozenset(
            each.against for each in checks if each.rule in COMPARING_RULES and each.against
        )

    def emitters(self, event_type: str) -> tuple[str, ...]:
        return tuple(name for name, stage in self.stages.items() if event_type in stage.emits)

    def subscribers(self, event_type: str) -> tuple[str, ...]:
        return tuple(name for name, stage in self.stages.items() if event_type in stage.subscribes)

    def function(self, stage: str) -> str | None:
        """Return `package.module:function`; None if the file names neither `run` nor a package,
        and for an external stage."""
        if self.stages[stage].external:
            return None
        written = self.stages[stage].run
        if written is not None:
            return written
        name = stage.replace("-", "_")
        return f"{self.package}.{name}:{name}" if self.package else None


def yaml_path(document: YamlDocument, path: KeyPath) -> KeyPath:
    """Return the path in the document for a path in the model. In the model, `("stages", name,
    "subscribes", i, ...)` is the i-th event type, and `(..., i, 1, key)` a setting of it. Calendars
    and dependencies of a schedule are lists, also where the document has one without a list."""
    if path[:1] == ("schedules",) and len(path) > 3 and isinstance(path[3], int):
        schedule, key = path[1:3]
        written = document.data["schedules"][schedule].get(key)
        return path if isinstance(written, list) else (*path[:3], *path[4:])
    if len(path) < 4 or path[0] != "stages" or path[2] != "subscribes":
        return path
    stage, index = path[1], path[3]
    # None if the key is misspelled, and was repaired.
    written = document.data["stages"][stage].get("subscribes")
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
    """Return the model of a document, None if too little can be read, and all that is wrong with
    it.

    A key that is unknown or has a wrong value is corrected by guess or left out, so that later
    checks can report what else is wrong. A model that comes with errors must never be applied.
    """
    try:
        return TopologyFile.model_validate(document.data), []
    except ValidationError as error:
        problems = [
            {**problem, "loc": yaml_path(document, problem["loc"])}
            for problem in without_consequences(TopologyFile, error.errors(include_url=False))
        ]
    findings = [problem_finding(document, TopologyFile, problem) for problem in problems]
    repaired = copy.deepcopy(document.data)
    for problem in problems:
        if not repair_value(repaired, TopologyFile, problem):
            return None, findings
    try:
        return TopologyFile.model_validate(repaired), findings
    except ValidationError:
        return None, findings

"""What is one published version of a pipeline's topology?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, TypeAdapter

from farandole.events.check_spec import CheckSpec, ProfileSpec
from farandole.events.feature_flags import FlagSpec
from farandole.events.file_keys import FileKey, StageField
from farandole.events.incident_severity import IncidentSeverity
from farandole.events.record_time import RowTime
from farandole.events.row_format import KNOWN_FORMATS, check_json_format
from farandole.events.row_model import RowModel
from farandole.events.schedule_spec import ScheduleSpec
from farandole.events.throttle_spec import RateRuleText, ThrottleSpec

Seconds = Annotated[float, Field(ge=0)]

INSTALLATION_KEY = b"installation"
"""The key of the row in `farandole.topology` with the id of this installation."""

VERSION_FORMAT = 3
RELAY_FORMAT = 4
QUALITY_FORMAT = KNOWN_FORMATS["version"]
"""The formats of the versions that this release publishes (`version_format`). What depends on them
is the same for all subscribers, also of different releases:

1. versions of release 0.1
2. keys are those in the JSON (`events/event_key.py`), the results of a list of events have no key
   of their causes, and a `Decimal` is written as a JSON number, not as text; the life of a topic
   is part of the ids of runs and events
3. a run's ledger entries and its row are where Kafka's default partitioner puts its id as a key,
   and its id says so (`events/run_ids.py`)
4. the same, and a program without transactions handles a stage (`StageSpec.is_relayed`)
5. the same, and the data of an event type are profiled or checked
"""


class Installation(RowModel):
    """Written once by the first router of a cluster and namespace."""

    id: UUID
    created: RowTime
    deleted: Mapping[str, int] = {}
    """By deleted pipeline, the number of its last version. A pipeline of that name that is applied
    again begins with the next one, so that no number ever names two versions."""


class RetryPolicy(RowModel):
    """How often a failing event is tried: `attempts` in all, waits doubled from `backoff` up to
    `max_backoff` seconds."""

    attempts: Annotated[
        int, Field(ge=1, le=100), FileKey("How often an event is tried in all.")
    ] = 3
    backoff: Annotated[
        Seconds,
        FileKey(
            "The wait before the second try, for example 200ms; doubled each time.", "duration"
        ),
    ] = 0.2
    max_backoff: Annotated[
        Seconds,
        FileKey("The longest wait between two tries, for example 10s.", "duration"),
    ] = 10.0
    jitter: Annotated[
        float,
        Field(ge=0, le=1),
        FileKey(
            "The share of each wait that is left to chance, for example 50%.", "share", plain=True
        ),
    ] = 1.0
    """The share of each wait that is left to chance."""
    within: Annotated[
        Seconds | None,
        FileKey("How long an event may wait in all, for example 5m.", "duration"),
    ] = None
    """How long an event may wait in all; None for any time."""
    in_place: Annotated[
        Seconds,
        FileKey("A longer wait does not hold up the lane: the event is parked.", "duration"),
    ] = 0.05
    """The longest wait for which the lane pauses; for a longer one the event is parked."""
    only: Annotated[
        tuple[str, ...],
        FileKey(
            "The exception that is worth another try, or several; by default all.", "error_names"
        ),
    ] = ()
    """Names of exception classes or their bases: only these are tried again. Empty for all."""
    never: Annotated[
        tuple[str, ...],
        FileKey("The exception that is worth no other try, or several.", "error_names"),
    ] = ()
    """Names of exception classes or their bases that are not tried again."""
    parked: Annotated[
        int,
        Field(ge=1),
        FileKey(
            "Events that may wait in one lane; at so many it takes no further input.",
            maximum=1_000_000,
        ),
    ] = 10_000
    """How many events may wait in one lane; at this number it takes no further input."""


class BreakerPolicy(RowModel):
    """When the breaker of a stage opens because what the stage depends on is down."""

    share: Annotated[
        float,
        Field(ge=0, le=1),
        FileKey(
            "The share of failed tries at which a lane opens its breaker, for example 50%.", "share"
        ),
    ] = 0.5
    """The share of the tries within `window` that must fail for it to open."""
    failures: Annotated[
        int, Field(ge=1), FileKey("Fewer failures than these never open the breaker.")
    ] = 20
    """Fewer failures never open it."""
    window: Annotated[
        Seconds,
        FileKey("The time over which tries are counted, for example 10s.", "positive_duration"),
    ] = 10.0
    probe: Annotated[
        Seconds,
        FileKey(
            "The wait before an open breaker lets a try through; doubled each time.",
            "positive_duration",
        ),
    ] = 1.0
    """Seconds between two probes while it is open; doubled up to `longest`."""
    longest: Annotated[
        Seconds,
        FileKey("The longest wait between two such tries.", "positive_duration"),
    ] = 30.0


class StageTopic(RowModel):
    """A topic that belongs to the lanes of one stage."""

    topic: str
    partitions: int
    """As many as the stage has lanes."""


AT_LEAST_ONCE: Literal["at-least-once"] = "at-least-once"
"""The `external` of a stage whose program has no transactions."""


class EventSpec(RowModel):
    """One event type: its topic, how many partitions, which field is its key."""

    topic: str
    partitions: int
    key: str | None = None
    data_schema: dict[str, Any] | None = None
    """JSON Schema (2020-12) of the data, inferred from the functions' annotations."""
    boundaries: tuple[int, ...] = ()
    """Per partition, the end offset when this version was published: a record without a version
    belongs to the newest version whose boundary is at or below its offset."""
    topic_id: str | None = None
    """Kafka's id of the topic when this version was published; None if it was not known."""
    life: Annotated[int, Field(ge=1)] = 1
    """How many topics of this name the pipeline has had, this one included. From the second one on
    it is part of the ids of runs and events (`router/topic_lives.py`)."""
    profile: ProfileSpec | None = None
    """For what a profile of its data is kept; None for nothing."""
    checks: Mapping[str, CheckSpec] = {}
    """By name."""

    @property
    def is_profiled(self) -> bool:
        """True if lanes have to look at its data: for a profile, or for checks."""
        return self.profile is not None or bool(self.checks)

    @property
    def is_by_run(self) -> bool:
        """True if its data are profiled and judged for each run, and not for windows."""
        return self.profile is None or self.profile.per is None

    @property
    def as_described(self) -> EventSpec:
        """The event type as a file describes it: without what publishing adds."""
        return self.model_copy(update={"boundaries": (), "topic_id": None, "life": 1})


class StageSpec(RowModel):
    """One stage, fully resolved."""

    run: Annotated[str, StageField()]
    """`package.module:function`."""
    subscribes: Annotated[tuple[str, ...], StageField(restarts_lanes=False)]
    emits: Annotated[tuple[str, ...], StageField(restarts_lanes=False)] = ()
    retry: Annotated[RetryPolicy, StageField()] = RetryPolicy()
    breaker: Annotated[BreakerPolicy, StageField()] = BreakerPolicy()
    parking: Annotated[StageTopic | None, StageField()] = None
    """Where events wait for another try; None for an external stage, and in a version that was
    published before events could be parked."""
    state: Annotated[StageTopic | None, StageField()] = None
    """Where the lanes keep their state (`worker/lane_state.py`); None for an external stage, and in
    a version that was published before there was such a topic. Then the lanes keep their state
    there if it exists."""
    raw: Annotated[StageTopic | None, StageField()] = None
    """Where the program of a relayed stage writes its outputs; None for every other stage."""
    timeout: Annotated[
        Seconds,
        FileKey(
            "How long an awaited function, or one in a thread, may take for one event.",
            "positive_duration",
            inherited=True,
        ),
    ] = 30.0
    threads: Annotated[
        int,
        Field(ge=0, le=64),
        FileKey("Threads that a `def` runs in; 0: it runs in the event loop.", inherited=True),
    ] = 0
    """0: the function runs in the event loop; N: a `def` runs in a pool of N threads."""
    processes: Annotated[
        int,
        Field(ge=1, le=64),
        FileKey(
            "Processes that share the partitions of a stage under `farandole up`.", inherited=True
        ),
    ] = 1
    age: Annotated[
        Seconds | None,
        FileKey(
            "How old an unread event may be before an alert is sent, for example 30s.",
            "positive_duration",
            inherited=True,
            restarts_lanes=False,
        ),
    ] = None
    """How old an unsettled event may become before an alert fires; None for no limit."""
    effects: Annotated[
        bool | None,
        FileKey(
            "Whether the function writes to the outside: then farandole try does not call it. By "
            "default a stage without emits does.",
            "flag",
            restarts_lanes=False,
        ),
    ] = None
    """Whether the function writes to the outside, as the file says it; None if it does not say.
    `has_effects` is what counts."""
    when: Annotated[Mapping[str, str], StageField(restarts_lanes=False)] = {}
    """By subscribed event type, a CEL expression over `data` and `attributes`: an event for which
    it is false is filtered, not handled."""
    parameters: Annotated[Mapping[str, Any], StageField(restarts_lanes=False)] = {}
    """`with:` in the file; the parameter model of the function reads it."""
    accepts: Annotated[dict[str, Any] | None, StageField(restarts_lanes=False)] = None
    """JSON Schema (2020-12) of what the function reads; None if it takes anything."""
    throttle: Annotated[ThrottleSpec | None, StageField(restarts_lanes=False)] = None
    """How fast the stage takes events; None for no limit. A control document may say otherwise."""
    external: Annotated[bool | Literal["at-least-once"], StageField()] = False
    """A program of somebody else handles the events of this stage by the contract of docs/wire.md:
    `run` is empty, and it has no topics of parked events and of state. No worker hosts it, unless
    it is relayed."""
    takes_batch: Annotated[bool | None, StageField(restarts_lanes=False)] = None
    """Whether the function takes a list of events; None in a version of an earlier release."""
    code: Annotated[str, StageField(restarts_lanes=False)] = ""
    """A digest of the schemas of the function. A worker compares it with the code that it has
    imported, which may not be the code that this version was made for."""

    gate: Annotated[
        bool,
        FileKey(
            "Whether the events of a run wait until all that is upstream is worked and the checks"
            " with the severity gate have passed.",
            "flag",
            restarts_lanes=False,
        ),
    ] = False
    """Whether the events of a run wait before the stage for the verdict of its checks."""

    @property
    def has_effects(self) -> bool:
        """True if the function writes to the outside, so that calling it changes more than what the
        stage emits. By default it does if the stage emits nothing: what else would it be for?"""
        return not self.emits if self.effects is None else self.effects

    @property
    def is_relayed(self) -> bool:
        """True if the program of this stage has no transactions: lanes of ours relay what it writes
        to the raw topic, and nobody can prove that it is all."""
        return self.external == AT_LEAST_ONCE


def version_format(stages: Collection[StageSpec], events: Iterable[EventSpec] = ()) -> int:
    """Return the format of a version with these stages and event types: the oldest that can say
    what they are, so that older releases can read it if possible."""
    if any(event.is_profiled for event in events) or any(stage.gate for stage in stages):
        return QUALITY_FORMAT
    return RELAY_FORMAT if any(stage.is_relayed for stage in stages) else VERSION_FORMAT


class EscalationStep(RowModel):
    """Who is told next, unless somebody has acknowledged the incident by then."""

    after: Seconds
    """Seconds since the first notice of the incident."""
    email: tuple[str, ...] = ()
    webhook: str | None = None
    channels: tuple[Literal["email", "webhook"], ...] = ()


class AlertRoute(RowModel):
    """Who gets notices of which failures, through which channels."""

    stages: tuple[str, ...] = ()
    """Stages whose failures it takes; empty for all."""
    errors: tuple[str, ...] = ()
    """Names of exception classes, as in dead letters; empty for all."""
    kinds: tuple[str, ...] = ()
    """Kinds of incidents, `dead` for failures; empty for all."""
    severity: tuple[IncidentSeverity, ...] = ()
    """Severities of incidents; empty for all."""
    quiet: str | None = None
    """When only pages are told, `22:00-06:00 Europe/Berlin`; None for never."""
    email: tuple[str, ...] = ()
    """Mailboxes, `local@domain`."""
    webhook: str | None = None
    """A URL of http or https."""
    channels: tuple[Literal["email", "webhook"], ...] = ()
    """The channels that are given, in the order in which they are tried until one delivers."""
    escalate: tuple[EscalationStep, ...] = ()
    """The further steps of its chain, in their order."""
    repeat: Seconds | None = None
    """Seconds between the repetitions of the last step; None for none."""


class AlertPolicy(RowModel):
    """How people are notified of a pipeline's failures."""

    routes: tuple[AlertRoute, ...] = ()
    """The first route that matches a failure is used; if none matches, nobody is notified."""
    # These and the durations below are seconds.
    digests: Annotated[
        tuple[Seconds, ...],
        Field(min_length=1),
        FileKey(
            "The waits between the mails of a failure that goes on; the last one repeats.",
            "positive_durations",
        ),
    ] = (600, 3600, 21600, 86400)
    """Seconds between the notices of an incident that grows; the last value repeats."""
    quiet: Annotated[
        Seconds,
        FileKey(
            "Without a failure for so long it is resolved, for example 30m.", "positive_duration"
        ),
    ] = 1800
    """Seconds without a failure after which an incident is resolved."""
    fingerprints: Annotated[
        int,
        Field(ge=1, le=1000),
        FileKey("How many failures are told apart in a stage."),
    ] = 20
    """How many open incidents a stage may have; all further failures are one more."""
    per_hour: Annotated[int, Field(ge=1), FileKey("The most mails in any hour.")] = 60
    """How many notices are sent in any hour; further ones wait and are sent as one."""
    severity: Mapping[str, IncidentSeverity] = {}
    """By kind of incident, where it is not the default."""
    digest_at: Annotated[
        tuple[str, ...],
        Field(min_length=1),
        FileKey(
            "When digests are sent, for example 09:00 Europe/Berlin, or several times.",
            "daily_times",
        ),
    ] = ("09:00 UTC",)
    """Times of day, each with its time zone, at which incidents of the severity `digest` are
    told."""


class RunExpectation(RowModel):
    """What is expected of a pipeline's runs; an alert fires if they do not do it."""

    complete_within: Annotated[
        Seconds | None,
        FileKey(
            "How long a run may take before an alert is sent, for example 10m.", "positive_duration"
        ),
    ] = None
    fail_above: Annotated[
        Annotated[float, Field(ge=0, le=1)] | None,
        FileKey("The share of its events that may die before a run has failed: 1%.", "share"),
    ] = None
    """The share of a run's events that may die before the run has failed."""


Sensitivity = Literal["low", "normal", "high"]
"""How soon an unusual number is told: how many false alarms a pipeline may have."""


class QualityPolicy(RowModel):
    """How the data of a pipeline's runs are compared with those before."""

    sensitivity: Annotated[
        Sensitivity,
        FileKey(
            "How soon unusual numbers about runs are told: low, normal or high.", "sensitivity"
        ),
    ] = "normal"


class Version(RowModel):
    """The row in `farandole.topology` under the key `pipeline@version`."""

    pipeline: str
    version: Annotated[int, Field(ge=1)]
    installation: UUID
    published: RowTime
    published_by: str
    events: Mapping[str, EventSpec]
    stages: Mapping[str, StageSpec]
    alerts: AlertPolicy = AlertPolicy()
    expect: RunExpectation = RunExpectation()
    flags: Mapping[str, FlagSpec] = {}
    """By name. What functions read is decided by the newest version, not by that of an event: a
    control document is about now."""
    throttle: RateRuleText | None = None
    """How fast the stages that subscribe to roots together take roots; None for no limit."""
    limits: Mapping[str, RateRuleText] = {}
    """By name, how often functions together may call what they depend on (`context.limit`)."""
    quality: QualityPolicy = QualityPolicy()
    """That of a run's version counts."""
    schedules: Mapping[str, ScheduleSpec] = {}
    """By name. Planned times are those of the version in force at that instant."""
    ledger: Annotated[int, Field(ge=0)] = 0
    """Partitions of `farandole.ledger`; 0 in a version that was published before the ledger
    existed."""
    retired: RowTime | None = None
    """When its last event was settled: its stages need no longer be hosted for it."""
    rollback_of: int | None = None
    """The version whose content this one repeats, if it was published by a rollback."""
    format: Annotated[int, Field(ge=1)] = 1
    """See QUALITY_FORMAT. A row keeps its format when it is written again."""
    kind: Literal["version"] = "version"

    @property
    def name(self) -> str:
        """The value of `ce_topologyversion`, for example `order-lines@7`."""
        return f"{self.pipeline}@{self.version}"

    @property
    def key(self) -> bytes:
        return self.name.encode()

    def source(self, stage: str) -> str:
        """Return the `ce_source` of the events of a stage: installation, pipeline and stage."""
        return f"farandole://{self.installation}/{self.pipeline}/{stage}"

    def subscribers(self, event_type: str) -> tuple[str, ...]:
        return tuple(name for name, s in self.stages.items() if event_type in s.subscribes)

    def emitters(self, event_type: str) -> tuple[str, ...]:
        return tuple(name for name, s in self.stages.items() if event_type in s.emits)

    def roots(self) -> tuple[str, ...]:
        """Return the event types that no stage emits: only triggers publish them."""
        return tuple(name for name in self.events if not self.emitters(name))


REPORT_SUFFIX = b"@router"
"""The end of the key of a router's report; a version's ends with its number."""


class RouterReport(RowModel):
    """The row in `farandole.topology` under the key `pipeline@router`: the judgement of the last
    router that watched the file."""

    pipeline: str
    reported: RowTime
    reported_by: str
    file: str
    findings: tuple[str, ...] = ()
    """Why the file as saved cannot be applied, `FILE:LINE:COLUMN: ...` each."""
    waiting: tuple[str, ...] = ()
    """Dangerous changes that wait until a person allows them."""
    kind: Literal["report"] = "report"

    @property
    def key(self) -> bytes:
        return self.pipeline.encode() + REPORT_SUFFIX


_ROW_ADAPTER: TypeAdapter[Version | RouterReport] = TypeAdapter(
    Annotated[Version | RouterReport, Field(discriminator="kind")]
)


def parse_topology_row(key: bytes, value: bytes) -> Installation | Version | RouterReport:
    """Return the model of one record of `farandole.topology`.

    Raises NewerFormatError if this release does not know its format, and ValueError (pydantic's
    ValidationError is one) if no router of ours wrote it.
    """
    # The format comes first, because the rest of a newer one may look like no row at all.
    if key == INSTALLATION_KEY:
        check_json_format("installation", value)
        return Installation.model_validate_json(value)
    kind = "router report" if key.endswith(REPORT_SUFFIX) else "version"
    check_json_format(kind, value, key.decode(errors="backslashreplace"))
    found = _ROW_ADAPTER.validate_json(value)
    if found.key != key:
        raise ValueError(f"its key is not {found.key.decode()}")
    if isinstance(found, Version):
        _check_references(found)
    return found


def _check_references(version: Version) -> None:
    """Raise ValueError if a stage of a version names an event type that the version lacks."""
    for name, stage in version.stages.items():
        for event_type in (*stage.subscribes, *stage.emits):
            if event_type not in version.events:
                raise ValueError(f"its stage {name} names {event_type}, which is no event of it")

"""Which mistakes can an editor find while a topology file is written?

A JSON Schema, made from the model of the file. It checks one value at a time. Whether names match,
functions exist and schemas fit is checked by `farandole lint` (docs/topology.md lists what no JSON
Schema can say).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from farandole.events.check_spec import (
    CHECK_NAME_PATTERN,
    MAX_CHECK_NAME_LENGTH,
    Rule,
    Severity,
)
from farandole.events.daily_window import DAILY_TIME_FORM, WINDOW_FORM
from farandole.events.feature_flags import (
    FLAG_NAME_PATTERN,
    MAX_FLAG_NAME_LENGTH,
    RESERVED_FLAG_NAMES,
    FlagType,
)
from farandole.events.file_keys import file_keys
from farandole.events.incident_severity import INCIDENT_KINDS, IncidentSeverity
from farandole.events.kafka_names import (
    EVENT_TYPE_PATTERN,
    PIPELINE_PATTERN,
    RESERVED_PIPELINE,
    RESERVED_SUFFIXES,
    STAGE_PATTERN,
)
from farandole.events.rate import RATE_FORM, RATE_RULE_FORM
from farandole.events.schedule_spec import (
    RUN_STATUS_WORDS,
    CatchUpRuns,
    DeadlinePolicy,
    OverlapPolicy,
    UnknownPolicy,
)
from farandole.events.throttle_spec import LIMIT_NAME_PATTERN, MAX_LIMIT_NAME_LENGTH
from farandole.events.topology_version import AT_LEAST_ONCE
from farandole.router import alert_lint, file_values, schedule_values
from farandole.router.file_model import (
    AlertsSection,
    BreakerSection,
    CalendarSection,
    CatchUpSection,
    CheckSection,
    DefaultsSection,
    DependencySection,
    EscalationSection,
    EventSection,
    ExpectSection,
    FlagSection,
    ProfileSection,
    QualitySection,
    RetrySection,
    RouteSection,
    ScheduleSection,
    StageSection,
    SubscriptionSection,
    ThrottleSection,
    TopologyFile,
)

JSON_SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"

SECTIONS: tuple[type[BaseModel], ...] = (
    TopologyFile,
    DefaultsSection,
    EventSection,
    ProfileSection,
    CheckSection,
    StageSection,
    SubscriptionSection,
    RetrySection,
    BreakerSection,
    AlertsSection,
    ExpectSection,
    QualitySection,
    FlagSection,
    ThrottleSection,
    RouteSection,
    EscalationSection,
    ScheduleSection,
    CalendarSection,
    CatchUpSection,
    DependencySection,
)

KEY_DESCRIPTIONS: Mapping[type[BaseModel], Mapping[str, str]] = {
    TopologyFile: {
        "pipeline": "The name of the pipeline: lowercase letters, digits and single dashes.",
        "package": "The package of the functions: that of stage `price` is package.price:price.",
        "defaults": "The settings of every stage and event that has none of its own.",
        "events": "The events with settings of their own, and the events that no stage emits.",
        "stages": "The stages: the events that each one subscribes to and emits.",
        "alerts": "Who is told of failures, and how often.",
        "expect": "What runs are expected to do; an alert is sent if they do not.",
        "quality": "How soon unusual numbers about runs are told; see docs/quality.md.",
        "throttle": "How fast the stages at the beginning together take roots: 1000/s, a ramp or a"
        " rate with a window; see docs/throttles.md.",
        "limits": "By name, how often functions together may call what they depend on, for example"
        " 50/s; they await context.limit(name).",
        "flags": "The flags that functions read by context.flag, and farandole flag sets.",
        "schedules": "By name, when which roots are triggered; see docs/topology.md.",
    },
    DefaultsSection: {
        "partitions": "Partitions of each topic: the most lanes that can work on one stage.",
        "retention": "How long an event is kept, for example 7d.",
        "retry": "How often a failing event is tried before it becomes a dead letter.",
        "breaker": "When a lane stops taking input, because a service that it depends on is down.",
        "profile": "Whether the data of every event type are profiled: true, or {per: 10m}.",
    },
    ProfileSection: {
        "per": "For what a profile is kept: run, or a window such as 10m.",
    },
    CheckSection: {
        "rule": "What it looks at; see docs/quality.md.",
        "severity": "What follows if it is broken: warn, reject or park a row; warn, fail or gate"
        " a run.",
        "column": "The field that it looks at, for example address.city.",
        "share": "The share of rows that must keep the rule, for example 99.5%.",
        "min": "The least value, length or number of rows.",
        "max": "The greatest value, length, number of rows, distance or difference.",
        "values": "The values that one-of allows.",
        "matches": "The regular expression that the whole text matches.",
        "holds": "The CEL expression over data that is true for a good row.",
        "within": "How old the time in the column, or the event, may be, for example 1h; for known,"
        " how long ago a run may have had the value.",
        "against": "The event type that it is compared with; history for the runs before.",
        "field": "The column of that event type; by default the same.",
        "measure": "How the distance of two distributions is measured: psi or ks.",
        "run": "The function of the profile, package.module:function.",
        "description": "What it is for, in one sentence.",
    },
    EventSection: {
        "profile": "Whether its data are profiled: true, false, or {per: 10m}.",
        "checks": "By name, what its data must look like; see docs/quality.md.",
        "partitions": "Partitions of this event's topic.",
        "key": "The field whose value is the key: events of one key keep their order.",
        "retention": "How long this event is kept, for example 2d.",
        "schema": "The JSON Schema of an external stage's event, or a .json file that contains it.",
    },
    StageSection: {
        "subscribes": "The event type that the stage handles, or several, each with its filter.",
        "emits": "The event types of its results, in the order of the function's return union.",
        "run": "The function, `package.module:function`, if it is not package.<stage>:<stage>.",
        "with": "The parameters of the function, as its parameter `params` declares them.",
        "retry": "How often a failing event is tried before it becomes a dead letter.",
        "breaker": "When a lane stops taking input, because a service that it depends on is down.",
        "external": "A program of your own works the stage: true, or at-least-once if it has no"
        " transactions; see docs/wire.md.",
        "throttle": "How fast the lanes of the stage together take events: 1000/s, 1000 lines/s, a"
        " ramp or a rate with a window, or rate and per_key; see docs/throttles.md.",
        "accepts": "The JSON Schema of what an external stage reads, or a .json file with it.",
    },
    SubscriptionSection: {
        "when": "A CEL expression over data and attributes: if it is false, the event is filtered.",
    },
    AlertsSection: {
        "email": "The address for failures that no route takes, or several.",
        "webhook": "The URL for those failures; the first of email and webhook is tried first.",
        "severity": "By kind of incident (dead, or that of an alert): page, notify or digest.",
        "routes": "Who is told of which failures: the first route that matches is used.",
    },
    FlagSection: {
        "type": "The type of its values: bool, int, float, text or json.",
        "default": "The value while no control document says another one.",
        "description": "What the flag decides, in one sentence.",
    },
    ThrottleSection: {
        "rate": "The rate of all lanes together: 1000/s, 1000 lines/s, a ramp, or with a window.",
        "per_key": "The rate for each key, for example 10/s: an event above it is parked.",
    },
    RouteSection: {
        "stages": "The stage whose failures this route takes, or several; by default all.",
        "errors": "The exception that this route takes, or several; by default all.",
        "kinds": "The kind of incident that it takes, such as dead or run.late, or several.",
        "severity": "The severity that this route takes: page, notify, digest, or several.",
        "quiet": "When only pages are told, for example 22:00-06:00 Europe/Berlin.",
        "email": "The address of the route, or several.",
        "webhook": "The URL of the route; the first of email and webhook is tried first.",
        "escalate": "Who else is told unless somebody acknowledges the incident, step by step.",
        "repeat": "How often the last step is told again, for example 15m; by default never.",
    },
    EscalationSection: {
        "after": "How long after the first notice this step is told, for example 5m.",
        "email": "The address of the step, or several.",
        "webhook": "The URL of the step; the first of email and webhook is tried first.",
    },
    ScheduleSection: {
        "triggers": "The event type of the root that each firing publishes.",
        "data": "The data of that event; texts may have templates such as ${planned - 1d:%Y-%m-%d}"
        " or ${run}.",
        "cron": "The planned times: minute, hour, day of the month, month, weekday, for example"
        " '30 2 * * mon-fri', or a name such as '@daily'.",
        "every": "The planned times: one each so often, for example 15m, counted from start.",
        "at": "The planned times: one, or several, for example 2026-12-24T18:00.",
        "after": "What each firing waits for: the run of a pipeline, or a file, or several of"
        " them; without planned times it fires when that comes.",
        "zone": "The time zone of all times and days here, for example Europe/Paris; UTC if there"
        " is none.",
        "jitter": "Each firing is later than planned by less than this, always by the same.",
        "start": "The first possible planned time, for example 2026-01-01.",
        "end": "No planned time is at or after this one, for example 2027-01-01T00:00.",
        "exclude": "Days on which nothing fires.",
        "include": "The only days on which it fires.",
        "overlap": "What happens while the run of an earlier planned time has not ended: skip,"
        " buffer-one, buffer-all or {buffer-all: 500}, cancel-other or allow-all.",
        "unknown": "What happens while the books lag, so that nobody knows whether it has ended:"
        " wait, fire or skip.",
        "catch_up": "Which planned times fire late, after an outage or a pause: latest, all or"
        " none; or {runs: all, within: 2d, per_minute: 10}.",
        "within": "How long after the planned time, or the first of several, what it waits for may"
        " come.",
        "otherwise": "What happens if not all has come by then: miss or fire.",
        "paused": "Whether it stands until farandole schedules resume starts it.",
        "description": "What it is for, in one sentence.",
    },
    CalendarSection: {
        "dates": "A day, or several, for example 2026-12-24.",
        "weekdays": "A weekday, or several: mon to sun.",
        "holidays": "The public holidays of a country, or of a part of it: FR, DE-BY.",
        "schedule": "The days on which this other schedule has a planned time.",
    },
    CatchUpSection: {
        "runs": "Which planned times fire late: latest, all or none.",
        "within": "A planned time that is longer ago does not fire any more.",
        "per_minute": "How many late ones fire in a minute, at most.",
    },
    DependencySection: {
        "pipeline": "The pipeline whose runs it waits for.",
        "event": "The event type of the root of those runs; by default any.",
        "status": "How they must have ended: completed (the default), dead-letters, failed,"
        " cancelled, any; or several.",
        "file": "The file or object that it waits for, for example s3://bucket/in/*.csv.",
        "every": "How often it looks for the file, for example 30s.",
        "existing": "Whether files count that were there before: true or false.",
    },
}


def key_descriptions(section: type[BaseModel]) -> dict[str, str]:
    """Return the description of each key of a section of the file: those above, and those that
    the registry of keys has (`farandole.events.file_keys`)."""
    registered = {name: key.description for name, key in file_keys(section).items()}
    return {**KEY_DESCRIPTIONS.get(section, {}), **registered}


def _whole_text_pattern(pattern: str, *, but: str = "") -> str:
    """Return a pattern for the whole text, in the dialect that editors and Python share."""
    ascii_only = pattern.replace(r"\w", "[A-Za-z0-9_\\u0080-\\uffff]")
    return f"^{f'(?!{but})' if but else ''}(?:{ascii_only})$(?!\\n)"


def _text(pattern: str, message: str) -> dict[str, Any]:
    """Return the schema of a text, with what an editor says of another one: without it, the YAML
    language server shows the pattern."""
    return {"type": "string", "pattern": pattern, "errorMessage": message}


_RESERVED_ENDINGS = "|".join(suffix.removeprefix(".") for suffix in RESERVED_SUFFIXES)
_PIPELINE_PATTERN = _whole_text_pattern(PIPELINE_PATTERN.pattern, but=f"{RESERVED_PIPELINE}$")
_EVENT_TYPE_PATTERN = _whole_text_pattern(
    EVENT_TYPE_PATTERN.pattern, but=rf"(?:.*\.)?(?:{_RESERVED_ENDINGS})$"
)
_EVENT_TYPE_SCHEMA = _text(
    _EVENT_TYPE_PATTERN,
    "An event type is lowercase words with dots or dashes between them, for example line.priced; "
    f"none ends in {', '.join(RESERVED_SUFFIXES)}.",
)
_STAGE_SCHEMA = _text(
    _whole_text_pattern(STAGE_PATTERN.pattern),
    "A stage's name is lowercase letters, digits, underscores and dashes; it begins with a letter.",
)
_FLAG_NAME_SCHEMA = {
    **_text(
        _whole_text_pattern(FLAG_NAME_PATTERN.pattern, but=f"(?:{'|'.join(RESERVED_FLAG_NAMES)})$"),
        "A flag's name is words of letters and digits, with - _ . between them; it begins with a "
        "letter.",
    ),
    "maxLength": MAX_FLAG_NAME_LENGTH,
}
_FLAG_DEFAULTS: Mapping[FlagType, Mapping[str, Any]] = {
    "bool": {"type": "boolean"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "text": {"type": "string"},
}
_LIMIT_NAME_SCHEMA = {
    **_text(
        _whole_text_pattern(LIMIT_NAME_PATTERN.pattern),
        "A limit's name is words of lowercase letters and digits, with - _ . between them; it"
        " begins with a letter.",
    ),
    "maxLength": MAX_LIMIT_NAME_LENGTH,
}
_SCHEDULE_NAME_SCHEMA = _text(
    _whole_text_pattern(STAGE_PATTERN.pattern),
    "A schedule's name is lowercase letters, digits, underscores and dashes; it begins with a"
    " letter.",
)
_TIME_SCHEMA = _text(
    _whole_text_pattern(schedule_values.TIME_PATTERN.pattern),
    "A time is written as 2026-12-24T18:00, in the schedule's zone, or as 2026-12-24T17:00Z.",
)
_DATE_SCHEMA = _text(
    _whole_text_pattern(schedule_values.DATE_PATTERN.pattern), "A day is written as 2026-12-24."
)
_WEEKDAY_SCHEMA = _text(
    _whole_text_pattern("|".join(schedule_values.WEEKDAYS)), "A weekday is one of mon to sun."
)
_NULL_SCHEMA = {"type": "null"}
_MAILBOX_SCHEMA = {
    **_text(
        _whole_text_pattern(alert_lint.MAILBOX_PATTERN.pattern),
        "A mail address is written without a name: ops@example.com.",
    ),
    "maxLength": alert_lint.MAX_MAILBOX_LENGTH,
}
_WEBHOOK_SCHEMA = {
    **_text(
        _whole_text_pattern(alert_lint.WEBHOOK_PATTERN.pattern),
        "A webhook is a URL that begins with http:// or https://, without user and password.",
    ),
    "type": ["string", "null"],
}


def _one_or_several(one: Mapping[str, Any], *other_types: str, at_least: int = 1) -> dict[str, Any]:
    # Not `anyOf`: editors would show each of its schemas in a hover.
    items = {"items": one, "minItems": at_least, "uniqueItems": True}
    return {**one, "type": ["string", "array", *other_types], **items}


def _sections(model: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of one section, or of a list of them."""
    section = {"$ref": f"#/$defs/{model.__name__}"}
    return {"anyOf": [section, {"type": "array", "items": section, "minItems": 1}, _NULL_SCHEMA]}


def _words(known: Iterable[str], *other_types: str) -> dict[str, Any]:
    """Return the schema of one of these words, or of nothing."""
    words = list(known)
    listed = f"{', '.join(words[:-1])} or {words[-1]}"
    pattern = _whole_text_pattern("|".join(words))
    return {**_text(pattern, f"Write {listed}."), "type": ["string", "null", *other_types]}


_SUBSCRIPTION_SCHEMA = {
    **_EVENT_TYPE_SCHEMA,
    "type": ["string", "object"],
    "propertyNames": _EVENT_TYPE_SCHEMA,
    "additionalProperties": {
        "anyOf": [{"$ref": f"#/$defs/{SubscriptionSection.__name__}"}, _NULL_SCHEMA]
    },
    "minProperties": 1,
}
_EVENT_SCHEMA = {"anyOf": [{"$ref": f"#/$defs/{EventSection.__name__}"}, _NULL_SCHEMA]}

# The values that the file's validators accept: pydantic cannot derive a schema from their code.
VALIDATOR_PATTERNS: Mapping[Callable[..., Any], str] = {
    file_values.parse_duration: _whole_text_pattern(file_values.DURATION_PATTERN.pattern),
    file_values.parse_positive_duration: _whole_text_pattern(
        file_values.DURATION_PATTERN.pattern, but="[0.]+[a-z]"
    ),
    file_values.parse_share: _whole_text_pattern(file_values.SHARE_PATTERN.pattern),
    file_values.parse_rule_text: _whole_text_pattern(RATE_RULE_FORM),
    file_values.check_call_rate: _whole_text_pattern(RATE_RULE_FORM, but=".*lines"),
    schedule_values.parse_span: _whole_text_pattern(file_values.DURATION_PATTERN.pattern),
    schedule_values.parse_positive_span: _whole_text_pattern(
        file_values.DURATION_PATTERN.pattern, but="[0.]+[a-z]"
    ),
    schedule_values.parse_interval: _whole_text_pattern(
        file_values.DURATION_PATTERN.pattern, but=r"(?:[0-9]{1,3}ms|[0.]+[a-z]|0\.[0-9]+s)$"
    ),
    file_values.check_key_rate: _whole_text_pattern(RATE_FORM, but="[0.]+(?:$|[ /el])"),
}

_DURATION = "A duration is a number with its unit: 200ms, 10s, 5m, 2h or 7d"
_RATE = (
    "A rate is for example 1000/s, 50/m, from 100/s to 5000/s over 10m,"
    " or 1000/s between 22:00 and 06:00 Europe/Berlin."
)
VALIDATOR_MESSAGES: Mapping[Callable[..., Any], str] = {
    file_values.parse_duration: f"{_DURATION}.",
    file_values.parse_positive_duration: f"{_DURATION}, and more than 0.",
    file_values.parse_share: "A share is a percentage with its sign: 50%.",
    file_values.parse_rule_text: _RATE,
    file_values.check_call_rate: _RATE,
    schedule_values.parse_span: f"{_DURATION}.",
    schedule_values.parse_positive_span: f"{_DURATION}, and more than 0.",
    schedule_values.parse_interval: f"{_DURATION}, and at least 1s.",
    file_values.check_key_rate: "A rate for each key is more than 0, for example 10/s or 5/m.",
}


def _validated_text(validator: Callable[..., Any]) -> dict[str, Any]:
    return _text(VALIDATOR_PATTERNS[validator], VALIDATOR_MESSAGES[validator])


def _rate(validator: Callable[..., Any], *other_types: str) -> dict[str, Any]:
    """Return the schema of a rate: a text, or the number 0."""
    types = ["string", "number", *other_types]
    return {**_validated_text(validator), "type": types, "minimum": 0, "maximum": 0}


_DAILY_TIME_SCHEMA = _text(
    _whole_text_pattern(DAILY_TIME_FORM),
    "A time of day is written with its zone: 09:00 Europe/Berlin, or 09:00 UTC.",
)
_DURATION_SCHEMA = _validated_text(file_values.parse_positive_duration)

_DECLARED_SCHEMA = {
    "anyOf": [
        {"type": "object", "minProperties": 1},
        _text(r"\.json$", "A schema is written here, or in a file whose name ends in .json."),
    ]
}

_CHECK_NAME_SCHEMA = {
    **_text(
        _whole_text_pattern(CHECK_NAME_PATTERN.pattern),
        "A check's name is words of lowercase letters and digits, with - _ . between them; it"
        " begins with a letter.",
    ),
    "maxLength": MAX_CHECK_NAME_LENGTH,
}
# Not `anyOf`: editors would show each of its schemas in a hover.
_PROFILE_SCHEMA = {
    "type": ["boolean", "object", "null"],
    "properties": {
        "per": {
            "description": KEY_DESCRIPTIONS[ProfileSection]["per"],
            **_text(
                _whole_text_pattern(rf"run|{file_values.DURATION_PATTERN.pattern}"),
                "Write run, or a window from 1m on, such as 10m.",
            ),
        }
    },
    "additionalProperties": False,
}

KEY_SHAPES: Mapping[tuple[type[BaseModel], str], Mapping[str, Any]] = {
    (TopologyFile, "pipeline"): _text(
        _PIPELINE_PATTERN,
        "A pipeline's name is lowercase letters, digits and single dashes, for example order-lines;"
        f" {RESERVED_PIPELINE} is taken.",
    ),
    (TopologyFile, "package"): {
        **_text(
            _whole_text_pattern(file_values.PACKAGE_PATTERN.pattern),
            "A package is written as Python imports it: stages.shop.",
        ),
        "type": ["string", "null"],
    },
    (TopologyFile, "events"): {
        "type": ["object", "null"],
        "propertyNames": _EVENT_TYPE_SCHEMA,
        "additionalProperties": _EVENT_SCHEMA,
    },
    (TopologyFile, "stages"): {
        "type": "object",
        "propertyNames": _STAGE_SCHEMA,
        "additionalProperties": {"$ref": f"#/$defs/{StageSection.__name__}"},
        "minProperties": 1,
    },
    (TopologyFile, "flags"): {
        "type": ["object", "null"],
        "propertyNames": _FLAG_NAME_SCHEMA,
        "additionalProperties": {"$ref": f"#/$defs/{FlagSection.__name__}"},
    },
    (StageSection, "subscribes"): {
        **_SUBSCRIPTION_SCHEMA,
        "type": ["string", "array", "object"],
        "items": {**_SUBSCRIPTION_SCHEMA, "maxProperties": 1},
        "minItems": 1,
        "uniqueItems": True,
    },
    (TopologyFile, "throttle"): _rate(file_values.parse_rule_text, "null"),
    (TopologyFile, "limits"): {
        "type": ["object", "null"],
        "propertyNames": _LIMIT_NAME_SCHEMA,
        "additionalProperties": _rate(file_values.check_call_rate),
    },
    # Not `anyOf`: editors would show each of its schemas in a hover.
    (StageSection, "throttle"): {
        **_rate(file_values.parse_rule_text, "object", "null"),
        "additionalProperties": False,
        "minProperties": 1,
    },
    (ThrottleSection, "rate"): _rate(file_values.parse_rule_text, "null"),
    (StageSection, "with"): {"type": ["object", "null"]},
    (EventSection, "schema"): _DECLARED_SCHEMA,
    (EventSection, "profile"): _PROFILE_SCHEMA,
    (DefaultsSection, "profile"): _PROFILE_SCHEMA,
    (EventSection, "checks"): {
        "type": ["object", "null"],
        "propertyNames": _CHECK_NAME_SCHEMA,
        "additionalProperties": {"$ref": f"#/$defs/{CheckSection.__name__}"},
    },
    (CheckSection, "rule"): _words(get_args(Rule)) | {"type": "string"},
    (CheckSection, "severity"): _words(get_args(Severity)),
    (CheckSection, "measure"): _words(["psi", "ks"]),
    (CheckSection, "holds"): _text(
        r"\S", "A condition is an expression, for example data.quantity > 0."
    )
    | {"type": ["string", "null"]},
    (CheckSection, "run"): {
        **_text(
            _whole_text_pattern(file_values.FUNCTION_PATTERN.pattern),
            "A function is written as package.module:function.",
        ),
        "type": ["string", "null"],
    },
    (CheckSection, "values"): {
        "type": ["array", "null"],
        "items": {"type": ["string", "number", "boolean", "null"]},
        "minItems": 1,
    },
    (StageSection, "accepts"): _DECLARED_SCHEMA,
    (SubscriptionSection, "when"): _text(
        r"\S", "A condition is an expression, for example data.quantity > 0."
    ),
    (StageSection, "emits"): _one_or_several(_EVENT_TYPE_SCHEMA, at_least=0),
    (StageSection, "run"): {
        **_text(
            _whole_text_pattern(file_values.FUNCTION_PATTERN.pattern),
            "A function is written as package.module:function.",
        ),
        "type": ["string", "null"],
    },
    (AlertsSection, "email"): _one_or_several(_MAILBOX_SCHEMA),
    (AlertsSection, "webhook"): _WEBHOOK_SCHEMA,
    (AlertsSection, "routes"): {
        "type": "array",
        "items": {"$ref": f"#/$defs/{RouteSection.__name__}"},
        "minItems": 1,
    },
    (AlertsSection, "digests"): {
        **_DURATION_SCHEMA,
        "type": ["string", "array", "null"],
        "items": _DURATION_SCHEMA,
        "minItems": 1,
    },
    (AlertsSection, "severity"): {
        "type": ["object", "null"],
        "propertyNames": _words(INCIDENT_KINDS) | {"type": "string"},
        "additionalProperties": _words(get_args(IncidentSeverity)) | {"type": "string"},
    },
    (AlertsSection, "digest_at"): {
        **_one_or_several(_DAILY_TIME_SCHEMA, "null"),
        "uniqueItems": False,
    },
    (RouteSection, "stages"): _one_or_several(_STAGE_SCHEMA),
    (RouteSection, "errors"): _one_or_several(
        _text(
            _whole_text_pattern(alert_lint.ERROR_NAME_PATTERN.pattern),
            "An exception is named by its class, for example ConnectionError.",
        )
    ),
    (RouteSection, "kinds"): _one_or_several(_words(INCIDENT_KINDS) | {"type": "string"}),
    (RouteSection, "severity"): _one_or_several(
        _words(get_args(IncidentSeverity)) | {"type": "string"}
    ),
    (RouteSection, "quiet"): {
        **_text(
            _whole_text_pattern(WINDOW_FORM),
            "Quiet hours are written with their zone: 22:00-06:00 Europe/Berlin.",
        ),
        "type": ["string", "null"],
    },
    (EscalationSection, "email"): _one_or_several(_MAILBOX_SCHEMA),
    (EscalationSection, "webhook"): _WEBHOOK_SCHEMA,
    (RouteSection, "escalate"): {
        "type": "array",
        "items": {"$ref": f"#/$defs/{EscalationSection.__name__}"},
        "minItems": 1,
    },
    (RouteSection, "email"): _one_or_several(_MAILBOX_SCHEMA),
    (RouteSection, "webhook"): _WEBHOOK_SCHEMA,
    (TopologyFile, "schedules"): {
        "type": ["object", "null"],
        "propertyNames": _SCHEDULE_NAME_SCHEMA,
        "additionalProperties": {"$ref": f"#/$defs/{ScheduleSection.__name__}"},
    },
    (ScheduleSection, "triggers"): _EVENT_TYPE_SCHEMA,
    (ScheduleSection, "data"): {},
    (ScheduleSection, "cron"): _text(
        r"\S", "Write five fields in quotes, for example '30 2 * * mon-fri', or '@daily'."
    )
    | {"type": ["string", "null"]},
    (ScheduleSection, "at"): _one_or_several(_TIME_SCHEMA, "null"),
    (ScheduleSection, "start"): {**_TIME_SCHEMA, "type": ["string", "null"]},
    (ScheduleSection, "end"): {**_TIME_SCHEMA, "type": ["string", "null"]},
    (ScheduleSection, "after"): _sections(DependencySection),
    (ScheduleSection, "exclude"): _sections(CalendarSection),
    (ScheduleSection, "include"): _sections(CalendarSection),
    (ScheduleSection, "overlap"): {
        **_words(get_args(OverlapPolicy), "object"),
        "properties": {
            "buffer-all": {
                "type": "integer",
                "minimum": 1,
                "maximum": schedule_values.MAX_BUFFER,
            }
        },
        "required": ["buffer-all"],
        "additionalProperties": False,
    },
    (ScheduleSection, "unknown"): _words(get_args(UnknownPolicy)),
    (ScheduleSection, "otherwise"): _words(get_args(DeadlinePolicy)),
    # Not `anyOf`: editors would show each of its schemas in a hover.
    (ScheduleSection, "catch_up"): {
        **_words(get_args(CatchUpRuns), "object"),
        "additionalProperties": False,
    },
    (CatchUpSection, "runs"): _words(get_args(CatchUpRuns)),
    (CalendarSection, "dates"): _one_or_several(_DATE_SCHEMA, "null"),
    (CalendarSection, "weekdays"): _one_or_several(_WEEKDAY_SCHEMA, "null"),
    (DependencySection, "status"): _one_or_several(
        {**_words([*RUN_STATUS_WORDS, schedule_values.ANY_STATUS]), "type": "string"}, "null"
    ),
}
"""By section and key, the schema of a value that a validator or the linter checks. Every other key
has the schema of its annotation in the model."""


class _EditorSchemaGenerator(GenerateJsonSchema):
    def function_before_schema(self, schema: Any) -> dict[str, Any]:
        validator = schema["function"]["function"]
        if validator in VALIDATOR_PATTERNS:
            return _validated_text(validator)
        return super().function_before_schema(schema)

    def nullable_schema(self, schema: Any) -> dict[str, Any]:
        """Return one schema of a text or null, so that its message is shown for any other type."""
        nullable = super().nullable_schema(schema)
        text = next((one for one in nullable.get("anyOf", ()) if "errorMessage" in one), None)
        return nullable if text is None else {**text, "type": ["string", "null"]}


def topology_json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a topology file."""
    generated = TopologyFile.model_json_schema(
        mode="validation", schema_generator=_EditorSchemaGenerator
    )
    definitions = generated.pop("$defs")
    for model in SECTIONS:
        described = generated if model is TopologyFile else definitions[model.__name__]
        described.pop("title", None)
        described.pop("description", None)
        properties = described["properties"]
        descriptions = key_descriptions(model)
        described["properties"] = {
            key: {
                "description": descriptions[key],
                **KEY_SHAPES.get((model, key), _without_titles(schema)),
            }
            for key, schema in properties.items()
        }
    catch_up = definitions[ScheduleSection.__name__]["properties"]["catch_up"]
    catch_up["properties"] = definitions.pop(CatchUpSection.__name__)["properties"]
    throttle = definitions[StageSection.__name__]["properties"]["throttle"]
    throttle["properties"] = definitions.pop(ThrottleSection.__name__)["properties"]
    definitions[AlertsSection.__name__]["anyOf"] = _at_least_one("email", "webhook", "routes")
    definitions[EscalationSection.__name__]["anyOf"] = _at_least_one("email", "webhook")
    definitions[RouteSection.__name__]["anyOf"] = _at_least_one("email", "webhook")
    definitions[ScheduleSection.__name__]["anyOf"] = _at_least_one("cron", "every", "at", "after")
    definitions[CalendarSection.__name__]["oneOf"] = _at_least_one(*CalendarSection.model_fields)
    definitions[DependencySection.__name__]["oneOf"] = _at_least_one("pipeline", "file")
    definitions[FlagSection.__name__]["allOf"] = [
        {
            "if": {"properties": {"type": {"const": kind}}},
            "then": {"properties": {"default": default}},
        }
        for kind, default in _FLAG_DEFAULTS.items()
    ]
    whole = {
        "$schema": JSON_SCHEMA_DIALECT,
        # No title: the YAML language server would show it in the hover of every key. It takes the
        # name for a completion from the id.
        "$id": "topology",
        **generated,
        # Without `package:`, each stage of ours must name its function.
        "anyOf": [
            {"required": ["package"], "properties": {"package": {"type": "string"}}},
            {"properties": {"stages": {"additionalProperties": _HAS_FUNCTION}}},
        ],
        "$defs": {_section_name(name): section for name, section in definitions.items()},
    }
    named: dict[str, Any] = _with_section_names(whole)
    return named


_HAS_FUNCTION = {
    "anyOf": [
        {"required": ["run"], "properties": {"run": {"type": "string"}}},
        {"required": ["external"], "properties": {"external": {"enum": [True, AT_LEAST_ONCE]}}},
    ]
}


def _section_name(model: str) -> str:
    """Return what a person calls the section of this model: editors offer it as a completion."""
    return model.removesuffix("Section").lower()


def _with_section_names(part: Any) -> Any:
    """Return a part of the schema whose references name sections as people do."""
    if isinstance(part, list):
        return [_with_section_names(each) for each in part]
    if not isinstance(part, dict):
        return part
    renamed = {key: _with_section_names(value) for key, value in part.items()}
    if isinstance(part.get("$ref"), str):
        path, _, model = part["$ref"].rpartition("/")
        renamed["$ref"] = f"{path}/{_section_name(model)}"
    return renamed


def _at_least_one(*keys: str) -> list[dict[str, Any]]:
    """Return schemas, one of which is fulfilled if at least one of these keys has a value."""
    return [{"required": [key], "properties": {key: {"not": _NULL_SCHEMA}}} for key in keys]


def _without_titles(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema without titles, which repeat the key, and without defaults that are not in
    the form of the file."""
    kept = {key: value for key, value in schema.items() if key != "title"}
    if not isinstance(kept.get("default"), int):
        kept.pop("default", None)
    return kept

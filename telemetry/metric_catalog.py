"""Which metrics are there, with which labels?

Names follow OpenTelemetry's conventions for messaging where it has one, in the form that Prometheus
gives them; durations are in seconds.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

MetricKind = Literal["counter", "gauge", "histogram"]


class Metric(NamedTuple):
    """One metric, as it is named in a scrape."""

    name: str
    """Without the `_total` that Prometheus appends to a counter."""
    kind: MetricKind
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    """The upper bounds of a histogram's buckets, without the infinite one."""


_GROUP = ("pipeline", "stage", "messaging_consumer_group_name")
_LANE = (*_GROUP, "partition")
_STAGE = ("pipeline", "stage")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_EVENTS = (1, 3, 10, 30, 100, 300, 1000, 3000)

CONSUMED = Metric(
    "messaging_client_consumed_messages", "counter", "Events that were settled.", _GROUP
)
SENT = Metric("messaging_client_sent_messages", "counter", "Events that were emitted.", _STAGE)
PROCESS_SECONDS = Metric(
    "messaging_process_duration_seconds", "histogram",
    "From the time a lane begins with a batch until it has committed it.", _GROUP, _SECONDS,
)  # fmt: skip
BATCH_EVENTS = Metric(
    "farandole_batch_events", "histogram", "Events that one transaction has settled.",
    _GROUP, _EVENTS,
)  # fmt: skip
TRANSACTION_SECONDS = Metric(
    "farandole_transaction_duration_seconds", "histogram",
    "From the beginning of a transaction until Kafka has committed it.", _GROUP, _SECONDS,
)  # fmt: skip
LANES = Metric(
    "farandole_lanes", "gauge", "Lanes that this process has been assigned.", (*_GROUP, "state")
)
LAG_EVENTS = Metric(
    "farandole_lane_lag_events", "gauge",
    "Offsets that a lane has fetched and not settled, or not fetched.", _LANE,
)  # fmt: skip
LAG_SECONDS = Metric(
    "farandole_lane_lag_seconds", "gauge",
    "Age of the oldest event that a lane has fetched and not settled; 0 where nothing is left.",
    _LANE,
)  # fmt: skip
BIRTHS = Metric("farandole_lane_births", "counter", "Times that a lane has opened.", _GROUP)
FAILURES = Metric(
    "farandole_lane_failures", "counter", "Times that a lane has failed, to open again.",
    (*_GROUP, "error_type"),
)  # fmt: skip
REBALANCES = Metric(
    "farandole_rebalances", "counter", "Times that the group has assigned partitions.", _GROUP
)
OUTCOMES = Metric(
    "farandole_outcomes", "counter", "What became of the events that a stage has consumed.",
    (*_STAGE, "outcome"),
)  # fmt: skip
PARKED = Metric("farandole_parked_events", "gauge", "Events that wait in the stage.", _STAGE)
OPEN_BREAKERS = Metric(
    "farandole_open_breakers", "gauge", "Lanes whose circuit breaker is open.", _STAGE
)
MODE = Metric(
    "farandole_stage_mode", "gauge", "1 for the mode that the stage's switch gives it.",
    (*_STAGE, "mode"),
)  # fmt: skip
OPEN_RUNS = Metric(
    "farandole_open_runs", "gauge", "Runs that the books have and that are not over."
)
RUN_CHANGES = Metric(
    "farandole_run_changes", "counter",
    "Runs that were opened, completed, settled (complete, and not proven) or amended.",
    ("transition",),
)  # fmt: skip
LATE_RUNS = Metric(
    "farandole_late_runs", "counter", "Runs that did not complete within their time.", ("pipeline",)
)
FIRINGS = Metric(
    "farandole_firings", "counter", "What became of planned times of schedules.",
    ("pipeline", "schedule", "outcome"),
)  # fmt: skip
FIRING_LATENESS = Metric(
    "farandole_firing_lateness_seconds", "histogram",
    "From the planned time until it was fired, jitter included.", ("pipeline", "schedule"),
    (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0),
)  # fmt: skip
OPEN_INCIDENTS = Metric(
    "farandole_open_incidents", "gauge", "Incidents that are not resolved.",
    ("pipeline", "acknowledged"),
)  # fmt: skip
WAITING_NOTICES = Metric(
    "farandole_waiting_notices", "gauge", "Notices that are not delivered.", ("pipeline",)
)
DELIVERIES = Metric(
    "farandole_deliveries", "counter", "Attempts to deliver a notice.", ("outcome",)
)
PROCESS_CPU = Metric(
    "process_cpu_seconds", "counter", "Processor time of the process, user and system."
)
PROCESS_MEMORY = Metric("process_resident_memory_bytes", "gauge", "Resident memory of the process.")
PROCESS_FILES = Metric("process_open_fds", "gauge", "Open file descriptors of the process.")
PROCESS_STARTS = Metric(
    "farandole_process_starts", "counter", "Times that the supervisor has started the process."
)
PROCESS_UP = Metric(
    "farandole_process_up", "gauge", "1 while the process writes heartbeats, else 0."
)
BUILD = Metric("farandole_build_info", "gauge", "1; the release is a label.", ("version",))

METRICS: dict[str, Metric] = {
    each.name: each
    for each in (
        CONSUMED, SENT, PROCESS_SECONDS, BATCH_EVENTS, TRANSACTION_SECONDS, LANES, LAG_EVENTS,
        LAG_SECONDS, BIRTHS, FAILURES, REBALANCES, OUTCOMES, PARKED, OPEN_BREAKERS, MODE,
        OPEN_RUNS, RUN_CHANGES, LATE_RUNS, FIRINGS, FIRING_LATENESS, OPEN_INCIDENTS,
        WAITING_NOTICES, DELIVERIES, PROCESS_CPU, PROCESS_MEMORY, PROCESS_FILES,
        PROCESS_STARTS, PROCESS_UP, BUILD,
    )
}  # fmt: skip
"""By name, in the order in which a scrape lists them."""

"""What is known of the data of a pipeline in memory, and what do its checks say?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from farandole.events.check_verdict import CheckVerdicts, check_key
from farandole.events.kafka_names import KafkaNames
from farandole.events.quality_row import QualityKey, parse_quality_key
from farandole.events.record import Partition
from farandole.events.record_time import known_time
from farandole.events.run_row import RunRow
from farandole.events.topology_version import Version
from farandole.lanes.simulated_kafka import SimulatedKafka
from farandole.ledger.data_verdicts import judge_window
from farandole.ledger.edge_data import EdgeData, parse_edge_data
from farandole.ledger.function_questions import function_questions
from farandole.ledger.profile_store import PROFILE_PREFIX
from farandole.quality.checks.function_answers import FunctionAnswer
from farandole.testing.results import Verdict


def known_data(
    version: Version, names: KafkaNames, kafka: SimulatedKafka
) -> dict[QualityKey, EdgeData]:
    """Return what the bookkeeper knows of the data of each event type in each run or window, also
    of those that have not ended."""
    found: dict[QualityKey, EdgeData] = {}
    for topic, prefix in (
        (names.bookkeeper_state_topic, PROFILE_PREFIX),
        (names.quality_topic, b""),
    ):
        for name, value in _table(kafka, topic, version.ledger).items():
            key = parse_quality_key(name.removeprefix(prefix)) if name.startswith(prefix) else None
            if key is None:
                continue
            whole = key._replace(amended=None)
            data = parse_edge_data(whole, value)
            if data is not None:
                found.setdefault(whole, EdgeData(whole, data.version, data.stage, data.until))
                found[whole].merge(data)
    return found


def _table(kafka: SimulatedKafka, topic: str, partitions: int) -> dict[bytes, bytes]:
    """Return the newest value of each key."""
    rows: dict[bytes, bytes] = {}
    for number in range(partitions):
        for record in kafka.read_committed(Partition(topic, number)):
            if record.value is None:
                rows.pop(record.key or b"", None)
            else:
                rows[record.key or b""] = record.value
    return rows


def verdicts_of(
    version: Version, runs: Iterable[RunRow], known: Mapping[QualityKey, EdgeData]
) -> Iterator[Verdict]:
    """Yield the verdicts over runs that have ended, and over the windows that there are: as they
    would be if they were over now."""
    for run in runs:
        yield from _verdicts(version, run.get("checks", {}), QualityKey("", "", run["run"], None))
    for key, data in sorted(known.items(), key=lambda each: each[0].window or 0):
        if key.window is not None:
            yield from _verdicts(version, judge_window(version, data, _answers(version, data)), key)


def _answers(version: Version, data: EdgeData) -> dict[str, FunctionAnswer]:
    from farandole.ledger.function_call import call_check_function  # on demand: numpy is slow

    return {
        each.check: call_check_function(each.run, each.profile)
        for each in function_questions(version, "", [data])
    }


def _verdicts(version: Version, found: CheckVerdicts, key: QualityKey) -> Iterator[Verdict]:
    for event_type, event in version.events.items():
        for name in event.checks:
            verdict = found.get(check_key(event_type, name))
            if verdict is not None:
                yield Verdict(
                    event_type=event_type,
                    check=name,
                    run=key.run,
                    window=None if key.window is None else known_time(key.window),
                    verdict=verdict["verdict"],
                    severity=verdict["severity"],
                    why=verdict.get("why", ""),
                    value=verdict.get("value"),
                    rows=verdict.get("rows"),
                    failed=verdict.get("failed"),
                )

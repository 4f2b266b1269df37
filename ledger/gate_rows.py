"""What is written about the gates of the runs that one transaction of the bookkeeper changes?"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from farandole.catalog.gates import Gate, gates_of
from farandole.events.alert_record import Alert
from farandole.events.check_verdict import CheckVerdicts
from farandole.events.gate_row import gate_key, gate_row
from farandole.events.kafka_names import KafkaNames
from farandole.events.next_step import CommandLine
from farandole.events.record import OutgoingRecord, Partition
from farandole.events.run_row import RunRow
from farandole.events.topology_version import Version
from farandole.ledger import gate_alerts
from farandole.ledger.data_verdicts import judge_open_run
from farandole.ledger.edge_data import EdgeData
from farandole.ledger.run_gates import needs_verdicts, update_gates

if TYPE_CHECKING:
    from farandole.ledger.data_verdicts import Answers


class GateRows:
    """The rows of `farandole.gates` and the alerts of one transaction. A run of a version that is
    not published has no gates."""

    def __init__(
        self,
        names: KafkaNames,
        version_of: Callable[[str, int], Version | None],
        data_of: Callable[[str], Collection[EdgeData]],
        command_line: CommandLine,
        answers: Mapping[str, Answers] = MappingProxyType({}),
    ) -> None:
        """`data_of` returns what is known of the data of an open run; `answers` are those of the
        functions of checks, by run."""
        self._topic = Partition(names.gates_topic, 0)
        self._version_of = version_of
        self._data_of = data_of
        self._command_line = command_line
        self._answers = answers
        self._gates: dict[str, Mapping[str, Gate]] = {}
        self.written: dict[Partition, list[OutgoingRecord]] = {}
        self.alerts: list[Alert] = []

    def update(self, run: RunRow, at: int) -> None:
        """Note in the row of a run that has changed what becomes of its gates. `at`: milliseconds
        of the epoch."""
        version = self._version_of(run["pipeline"], run["version"])
        if version is None or not (gates := self._gates_of(version)):
            return
        answers = self._answers.get(run["run"], {})
        judge = partial(_judge, version, run, self._data_of, at, answers)
        for change in update_gates(run, gates, judge, at):
            if change.opens is not None:
                key = gate_key(run["pipeline"], change.stage, run["run"].encode())
                value = gate_row(run["version"], at) if change.opens else None
                self.written.setdefault(self._topic, []).append(OutgoingRecord(key, value))
            if change.failed:
                self.alerts.append(
                    gate_alerts.firing_alert(run, change.stage, change.failed, self._command_line)
                )
            elif change.decided:
                self.alerts.append(gate_alerts.resolved_alert(run, change.stage, at))

    def asked_checks(self, version: Version, run: RunRow) -> frozenset[str]:
        """Return the checks whose verdicts decide about the gates of a run now, by `event
        type/check`."""
        gates = self._gates_of(version)
        if not gates or not needs_verdicts(run, gates):
            return frozenset()
        return frozenset().union(*(gate.checks for gate in gates.values()))

    def _gates_of(self, version: Version) -> Mapping[str, Gate]:
        if version.name not in self._gates:
            self._gates[version.name] = gates_of(version)
        return self._gates[version.name]


def _judge(
    version: Version,
    run: RunRow,
    data_of: Callable[[str], Collection[EdgeData]],
    at: int,
    answers: Answers,
) -> CheckVerdicts:
    return judge_open_run(version, run, data_of(run["run"]), at, answers)

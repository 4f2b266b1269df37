"""How do the alerts that are firing stand in the state of a lane?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from farandole.events.alert_record import Alert, parse_alert
from farandole.events.record import OutgoingRecord


class FiringAlerts(NamedTuple):
    """What the state of a lane says about alerts."""

    alerts: tuple[Alert, ...]
    foreign: tuple[bytes, ...]
    """The keys of rows that no lane wrote."""


def firing_alert_row(prefix: bytes, alert: Alert) -> OutgoingRecord:
    """Return the row of an alert in a lane's state, whose keys of alerts begin with `prefix`; a
    tombstone once it is resolved."""
    firing = alert.model_dump_json().encode() if alert.state == "firing" else None
    return OutgoingRecord(prefix + alert.key.encode(), firing)


def parse_firing_alerts(prefix: bytes, state: Mapping[bytes, bytes]) -> FiringAlerts:
    """Return the alerts among the rows of a lane's state."""
    alerts, foreign = list[Alert](), list[bytes]()
    for key, value in state.items():
        if not key.startswith(prefix):
            continue
        try:
            alert = parse_alert(value)
        except ValueError:  # pydantic's ValidationError is one
            foreign.append(key)
            continue
        if key == prefix + alert.key.encode():
            alerts.append(alert)
        else:
            foreign.append(key)
    return FiringAlerts(tuple(alerts), tuple(foreign))

"""Which alerts do the verdicts over a run raise, and which do they resolve?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from farandole.events.alert_record import Alert, AlertKind
from farandole.events.anomaly_document import ExpectDocument, IgnoreDocument
from farandole.events.check_verdict import CheckVerdict, CheckVerdicts
from farandole.events.controls_in_force import TimedDocument, is_expired, newest_of_each
from farandole.events.quality_history import HistoryRow
from farandole.events.safe_text import short_line
from farandole.ledger.anomaly_text import (
    incident_facts,
    incident_text,
    silence_text,
    window_text,
)

if TYPE_CHECKING:
    from farandole.ledger.anomaly_explanation import Explanation
    from farandole.ledger.steering_rows import TakenAsNormal
    from farandole.ledger.watched_pipeline import WatchedPipeline
    from farandole.quality.anomalies.incidents import Incident
    from farandole.quality.anomalies.pipeline_anomalies import Changes

UNFIT_AFTER_SECONDS = 60.0
"""How long a document may fit nothing before it is told: the run that it names may be read yet."""
_MAX_KEY = 100  # characters of a record's key in a text


def check_alerts(
    row: HistoryRow, verdicts: CheckVerdicts, firing: Mapping[str, Alert]
) -> Iterator[Alert]:
    """Yield an alert for each check that has failed, or whose function has not answered, and that
    is not told yet; resolve that of each that has passed again. A verdict that is not there changes
    nothing."""
    for name, verdict in verdicts.items():
        key = f"{row['pipeline']}/check/{name}"
        known = firing.get(key)
        is_bad = verdict["verdict"] == "failed" or verdict.get("broken", False)
        if is_bad and known is None:
            text = _failed_text(row, name, verdict)
            alert = _alert("check.failed", key, row["pipeline"], row["at"], text, row)
            yield alert.model_copy(update={"event": name.partition("/")[0]})
        elif verdict["verdict"] in ("passed", "warned") and known is not None:
            yield _resolved(known, f"the check `{name}` passes again, in {_of(row)}")


def anomaly_alerts(
    row: HistoryRow,
    changes: Changes,
    explained: Sequence[Explanation],
    firing: Mapping[str, Alert],
) -> Iterator[Alert]:
    """Yield an alert for each incident that a run has opened; `explained`: what explains each.
    Resolve those of the ones that are over, and the one that its feed should have come."""
    pipeline = row["pipeline"]
    for incident, why in zip(changes.opened, explained, strict=True):
        text = incident_text(incident, _of(row))
        key = _unusual_key(pipeline, incident)
        alert = _alert("data.unusual", key, pipeline, row["at"], text, row)
        yield _explained(alert, incident, why)
    over = {_unusual_key(pipeline, incident): "no longer so" for incident in changes.over}
    if "root" in row:
        over[silence_key(pipeline, row["root"])] = "it has come"
    for key, how in over.items():
        if (known := firing.get(key)) is not None:
            yield _resolved(known, f"{how}: {known.text}")


def silence_alerts(
    pipeline: str,
    changes: Changes,
    explained: Sequence[Explanation],
    at: int,
    firing: Mapping[str, Alert],
) -> Iterator[Alert]:
    """Yield an alert for each feed that should have come by `at`, in milliseconds of the epoch, and
    is not told yet; `explained`: what explains each."""
    for incident, why in zip(changes.opened, explained, strict=True):
        key = silence_key(pipeline, incident.main.key.edge)
        if key not in firing:
            alert = _alert("data.unusual", key, pipeline, at, silence_text(incident))
            yield _explained(alert, incident, why)


def expected_alerts(
    pipeline: str, incident: Incident, taken: TakenAsNormal, firing: Mapping[str, Alert]
) -> Iterator[Alert]:
    """Resolve the alert of an incident that a person has taken as normal."""
    by = f" by {taken.by}" if taken.by else ""
    why = f" ({taken.comment})" if taken.comment else ""
    for key in (
        _unusual_key(pipeline, incident),
        silence_key(pipeline, incident.main.key.edge) if taken.feed else "",
    ):
        if (known := firing.get(key)) is not None:
            yield _resolved(known, short_line(f"taken as normal{by}{why}: {known.text}", 1_000))


def lost_alerts(known: WatchedPipeline, firing: Mapping[str, Alert]) -> Iterator[Alert]:
    """Resolve the alerts of incidents that are not followed any more: what is known of the runs is
    another since the history was read anew."""
    followed = {_unusual_key(known.name, each) for each in known.anomalies.log.open}
    for key, alert in firing.items():
        if key.startswith(f"{known.name}/unusual/") and key not in followed:
            yield _resolved(alert, f"followed no more: {alert.text}")


def unfit_alerts(
    known: WatchedPipeline,
    documents: Sequence[TimedDocument],
    now: float,
    firing: Mapping[str, Alert],
) -> Iterator[Alert]:
    """Yield an alert for each document about the anomalies of a pipeline that changes nothing, and
    resolve those that fit or are gone. `now`: seconds of the epoch."""
    unfit = dict(_unfit_texts(known, documents, now))
    for key, text in unfit.items():
        if key not in firing:
            yield _alert("control.unfit", key, known.name, int(now * 1000), text)
    for key, alert in firing.items():
        if key.startswith(f"{known.name}/unfit/") and key not in unfit:
            yield _resolved(alert, f"no longer so: {alert.text}")


def _unfit_texts(
    known: WatchedPipeline, documents: Sequence[TimedDocument], now: float
) -> Iterator[tuple[str, str]]:
    moment = datetime.fromtimestamp(now, UTC)
    for each in newest_of_each(documents, ExpectDocument, IgnoreDocument):
        control = each.control
        assert isinstance(control, ExpectDocument | IgnoreDocument)
        if (
            control.pipeline != known.name
            or is_expired(control, moment)
            or now - each.at.timestamp() < UNFIT_AFTER_SECONDS
        ):
            continue
        if isinstance(control, ExpectDocument):
            if control.anomaly in known.expected or known.anomalies.find(control.anomaly):
                continue
            why = f"no anomaly {control.anomaly} of {known.name} is known, or is known any more"
        else:
            if known.has_numbers(control.numbers):
                continue
            why = f"no number about the runs of {known.name} is {control.numbers}"
        key = short_line(each.key.decode(errors="backslashreplace"), _MAX_KEY)
        yield (
            f"{known.name}/unfit/{control.key.decode()}",
            f"the control document {key} (generation {each.generation}) changes nothing: {why}",
        )


def silence_key(pipeline: str, feed: str) -> str:
    """Return the key of the alert that a feed should have come."""
    return f"{pipeline}/silent/{feed}"


def _unusual_key(pipeline: str, incident: Incident) -> str:
    return f"{pipeline}/unusual/{incident.id}"


def _explained(alert: Alert, incident: Incident, why: Explanation) -> Alert:
    usual = None if why.before is None else datetime.fromtimestamp(why.before.at / 1000, UTC)
    return alert.model_copy(
        update={
            "event": incident.main.key.edge.partition(">")[0] or None,
            "facts": incident_facts(incident, why),
            "usual_until": usual,
        }
    )


def _resolved(alert: Alert, text: str) -> Alert:
    return alert.model_copy(update={"text": text, "state": "resolved"})


def _failed_text(row: HistoryRow, name: str, verdict: CheckVerdict) -> str:
    why = verdict.get("why", "it is broken")
    if verdict.get("broken", False):
        return f"the check `{name}` could not be judged in {_of(row)}: {why}"
    return f"the check `{name}` has failed in {_of(row)}: {why}"


def _of(row: HistoryRow) -> str:
    if "run" in row:
        return f"run {row['run']}"
    return window_text(row.get("window", 0))


def _alert(
    kind: AlertKind, key: str, pipeline: str, at: int, text: str, row: HistoryRow | None = None
) -> Alert:
    """Return an alert that fires; `at`: milliseconds of the epoch."""
    return Alert(
        kind=kind,
        key=key,
        pipeline=pipeline,
        run=None if row is None else row.get("run"),
        schedule=None if row is None else row.get("schedule"),
        text=text,
        since=datetime.fromtimestamp(at / 1000, UTC),
        state="firing",
    )

"""Which JSON is posted to a webhook for a notice?"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from farandole.events.incident_record import Incident, NoticeKind
from farandole.notifier.incident_text import incident_headline
from farandole.notifier.text_format import clip_line, clip_text

MAX_POSTED_ALERTS = 20
"""The most incidents in one post; the number of further ones is part of the post."""
_NOT_ENDED = "0001-01-01T00:00:00Z"  # Alertmanager's `endsAt` of an alert that has not ended


def webhook_payload(
    incident: Incident,
    kind: NoticeKind,
    *,
    commands: Sequence[tuple[str, str]] = (),
    others: Sequence[Incident] = (),
    note: str = "",
    now: datetime,
    receiver: str = "farandole",
    url: str = "",
) -> str:
    """Return JSON in the form of Alertmanager's webhooks (version 4), which pagers and chat
    programs read: one alert for the incident, and one for each of `others`.

    `commands` are pairs (purpose, command line); `note` says why these people get it;
    `url` is a page that shows more."""
    posted = [incident, *others][:MAX_POSTED_ALERTS]
    alerts = [_alert_json(incident, kind, now, url, commands)]
    if note:
        alerts[0]["annotations"]["escalation"] = clip_line(note)
    alerts += [
        _alert_json(o, "resolved" if o.resolved else "growing", now, url) for o in posted[1:]
    ]
    status = "firing" if any(alert["status"] == "firing" for alert in alerts) else "resolved"
    grouped = {name: alerts[0]["labels"][name] for name in ("pipeline", "stage", "incident")}
    return orjson.dumps(
        {
            "version": "4",
            "groupKey": "{}:{" + ", ".join(f'{n}="{v}"' for n, v in grouped.items()) + "}",
            "truncatedAlerts": 1 + len(others) - len(posted),
            "status": status,
            "receiver": receiver,
            "groupLabels": grouped,
            "commonLabels": _common_items([alert["labels"] for alert in alerts]),
            "commonAnnotations": _common_items([alert["annotations"] for alert in alerts]),
            "externalURL": url,
            "alerts": alerts,
        }
    ).decode()


def _alert_json(
    incident: Incident,
    kind: NoticeKind,
    now: datetime,
    url: str,
    commands: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    labels = {
        "alertname": clip_line(incident.error),
        "pipeline": clip_line(incident.pipeline),
        "stage": clip_line(incident.stage),
        "incident": clip_line(incident.id),
        "severity": incident.effective_severity,
    }
    return {
        "status": "resolved" if kind == "resolved" else "firing",
        "labels": labels,
        "annotations": _alert_annotations(incident, kind, now, commands),
        "startsAt": _rfc3339(incident.opened),
        "endsAt": _rfc3339(incident.resolved or incident.last)
        if kind == "resolved"
        else _NOT_ENDED,
        "generatorURL": url,
        # Receivers identify an alert by this hash of its labels, as in Alertmanager.
        "fingerprint": hashlib.sha256(repr(sorted(labels.items())).encode()).hexdigest()[:16],
    }


def _alert_annotations(
    incident: Incident, kind: NoticeKind, now: datetime, commands: Sequence[tuple[str, str]]
) -> dict[str, str]:
    annotations = {
        "summary": incident_headline(incident, kind, now),
        "description": clip_line(incident.title, 300),
        "version": clip_line(incident.version),
        "count": str(incident.count),
    }
    if kind != "resolved" and incident.facts:
        annotations["facts"] = "\n".join(
            f"{clip_line(name)}: {clip_line(text, 500)}" for name, text in incident.facts
        )
    if kind != "resolved" and incident.samples:
        newest = incident.samples[-1]
        annotations["message"] = clip_text(newest.message, 600)
        annotations["event"] = f"{clip_line(newest.topic, 160)}/{newest.partition}/{newest.offset}"
    shown = [(purpose, text) for purpose, text in commands[:10] if len(text) <= 900]
    if shown:
        annotations["commands"] = "\n".join(
            f"{clip_line(purpose)}: {clip_text(text, 4000)}" for purpose, text in shown
        )
    return annotations


def _common_items(objects: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return the items that all objects have."""
    first = objects[0].items()
    return {name: value for name, value in first if all(o.get(name) == value for o in objects)}


def _rfc3339(when: datetime) -> str:
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")

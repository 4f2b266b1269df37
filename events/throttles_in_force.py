"""Which rate is in force now: that of the file, or that of a control document?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from farandole.events.controls_in_force import TimedDocument, is_expired, newest_of_each
from farandole.events.rate import Rate, RateRule, parse_rate, parse_rate_rule
from farandole.events.throttle_document import AS_FILE, OFF, RateTarget, ThrottleDocument
from farandole.events.throttle_spec import ThrottleSpec
from farandole.events.topology_version import Version

Versions = Mapping[int, Version]
"""The published versions of one pipeline, by number."""


class RateInForce(NamedTuple):
    """The rates of one target, and where they come from."""

    rule: RateRule | None = None
    """The rate of all lanes together; None for no limit."""
    per_key: Rate | None = None
    """The rate for each key; None for no limit."""
    begun: float = 0.0
    """When `rule` came into force, in seconds of the epoch: a ramp begins then."""
    generation: int | None = None
    """The offset of the control document that decides; None if the file does."""
    since: datetime | None = None
    """When that document was written."""
    until: datetime | None = None
    by: str = ""
    comment: str = ""

    @property
    def is_limited(self) -> bool:
        """True if there is any rate."""
        return self.rule is not None or self.per_key is not None


UNLIMITED = RateInForce()


def rate_in_force(
    documents: Iterable[TimedDocument],
    pipeline: str,
    target: RateTarget,
    versions: Versions,
    now: datetime,
) -> RateInForce:
    """Return the rates of a target now.

    The newest document of exactly this target decides, under whatever key it stands; what it does
    not name, and all if it has expired, is as in the newest version.
    """
    from_file = _rate_of_file(target, versions)
    newest = newest_throttle(documents, pipeline, target)
    if newest is None or is_expired(newest.control, now):
        return from_file
    document = newest.control
    assert isinstance(document, ThrottleDocument)
    found = from_file._replace(
        generation=newest.generation,
        since=newest.at,
        until=document.until,
        by=document.by,
        comment=document.comment,
    )
    if document.rate not in (None, AS_FILE):
        found = found._replace(rule=_rule(document.rate), begun=newest.at.timestamp())
    if document.per_key not in (None, AS_FILE):
        found = found._replace(per_key=_key_rate(document.per_key))
    return found


def newest_throttle(
    documents: Iterable[TimedDocument], pipeline: str, target: RateTarget
) -> TimedDocument | None:
    """Return the newest throttle document of exactly this target; None if there is none. It may
    have expired. `documents`: in the order of the log."""
    found = None
    for each in documents:
        control = each.control
        if (
            isinstance(control, ThrottleDocument)
            and control.pipeline == pipeline
            and control.target == target
        ):
            found = each
    return found


def newest_throttles(documents: Iterable[TimedDocument]) -> list[TimedDocument]:
    """Return the newest throttle document of each target of each pipeline, in the order of the
    log."""
    return newest_of_each(documents, ThrottleDocument)


def _rate_of_file(target: RateTarget, versions: Versions) -> RateInForce:
    """Return the rates of the newest version that has the target. They have begun with the first
    of the versions that say the same: a new version with the same rates begins no ramp."""
    newest, *older = [
        (_spec(target, version), version.published.timestamp())
        for _, version in sorted(versions.items(), reverse=True)
        if not target.stage or target.stage in version.stages
    ] or [(None, 0.0)]
    spec, begun = newest
    for was, published in older:
        if was != spec:
            break
        begun = published
    if spec is None:
        return UNLIMITED
    return RateInForce(_rule(spec.rate), _key_rate(spec.per_key), begun)


def _spec(target: RateTarget, version: Version) -> ThrottleSpec | None:
    if target.stage:
        return version.stages[target.stage].throttle
    rate = version.limits.get(target.limit) if target.limit else version.throttle
    return None if rate is None else ThrottleSpec(rate=rate)


def _rule(text: str | None) -> RateRule | None:
    return None if text in (None, OFF) else parse_rate_rule(text)


def _key_rate(text: str | None) -> Rate | None:
    return None if text in (None, OFF) else parse_rate(text)

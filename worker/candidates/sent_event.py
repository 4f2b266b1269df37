"""What is sent to a candidate of an event that a lane has?"""

from __future__ import annotations

from farandole.events.record import Record
from farandole.worker.candidates.candidate_messages import CandidateEvent
from farandole.worker.input_edge import InputEdge, Lineage


def candidate_event(
    record: Record, lineage: Lineage, edge: InputEdge, *, takes_context: bool
) -> CandidateEvent:
    """Return the event in a record, which `edge` handles; with its headers only if the candidate
    `takes_context`."""
    return CandidateEvent(
        edge.version.version,
        edge.event_type,
        edge.id_name,
        record.topic,
        record.partition,
        record.offset,
        record.timestamp,
        lineage.run,
        lineage.is_root,
        record.key,
        record.value if lineage.data is None else lineage.data,
        record.headers if takes_context else (),
        lineage.attributes,
    )

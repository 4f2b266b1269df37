"""Does a topic of this pipeline belong to another installation on the cluster?

Names are joined by dots, so `order-lines.line.validated` may be the event `line.validated` of the
pipeline `order-lines` without a namespace, or the event `validated` of the pipeline `line` in the
namespace `order-lines`. Neither pipelines nor namespaces contain dots: no other pair can meet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from farandole.broker.broker_errors import AccessDeniedError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table
from farandole.catalog.pipeline_footprint import pipeline_footprint
from farandole.catalog.topology_table import TopologyDecoder
from farandole.events.kafka_names import KafkaNames
from farandole.events.topology_version import Version
from farandole.router.system_topics import system_topic_specs
from farandole.router.topology_derivation import DerivedTopology
from farandole.router.topology_store import NotAppliedError


async def require_own_topics(
    settings: Settings,
    derived: DerivedTopology,
    versions: Iterable[Version],
    admin: ClusterAdmin,
) -> None:
    """Raise NotAppliedError if a topic that the file adds belongs to another installation.
    `versions` are those that the pipeline has published: what they share already stays as it is.
    An installation that we may not read is not seen."""
    other = neighbour(settings.names, derived.pipeline)
    known = {event.topic for version in versions for event in version.events.values()}
    added = derived.topics.keys() - known - system_topic_specs(settings.names).keys()
    owners = dict.fromkeys(system_topic_specs(other), "the installation itself")
    if await admin.find_topics([other.topology_topic]):  # not if we may not describe it
        try:
            rows = await read_table(settings, other.topology_topic)
        except AccessDeniedError:
            rows = {}
        owners |= _owners(other, rows, settings.names.namespace)
    for topic in sorted(added & owners.keys()):
        place = f"the namespace {other.namespace!r}" if other.namespace else "no namespace"
        raise NotAppliedError(
            f"the topic {topic} belongs to {owners[topic]} with {place} on this cluster; "
            "rename the pipeline, or use another namespace"
        )


def neighbour(names: KafkaNames, pipeline: str) -> KafkaNames:
    """Return the only other namespace whose topics can have the names of this pipeline's."""
    return KafkaNames() if names.namespace else KafkaNames(pipeline)


def _owners(
    other: KafkaNames, rows: Mapping[bytes, bytes], our_namespace: str
) -> Mapping[str, str]:
    """Return the topics of the other installation, each with the pipeline that it belongs to."""
    table = TopologyDecoder().decode(rows)
    pipelines = {version.pipeline for version in table.versions}
    if our_namespace:
        pipelines &= {our_namespace}  # only its topics begin like ours
    return {
        topic: f"the pipeline {pipeline!r}"
        for pipeline in sorted(pipelines)
        for topic in pipeline_footprint(
            other, [v for v in table.versions if v.pipeline == pipeline]
        ).topics
    }

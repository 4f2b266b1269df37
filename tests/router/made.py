"""The files that the tests of publishing publish."""

from __future__ import annotations

from farandole.events.kafka_names import KafkaNames
from farandole.router import file_model, yaml_source
from farandole.router.topology_derivation import DerivedTopology, derive_topology

FILE = """\
pipeline: p
package: work
defaults: {partitions: 2}
events: {asked: {partitions: 1}}
stages:
  read: {subscribes: asked, emits: line.read}
  load: {subscribes: line.read}
"""
MORE = FILE + "  count: {subscribes: line.read}\n  mask: {subscribes: asked, emits: asked.masked}\n"


def derived(names: KafkaNames, topology: str = FILE) -> DerivedTopology:
    found, _ = yaml_source.read_yaml(topology.encode(), "topology.yaml")
    assert found is not None
    written, findings = file_model.read_topology_file(found)
    assert written is not None
    assert findings == []
    return derive_topology(written, {}, names)

"""Which consumer groups are those of other programs?"""

from __future__ import annotations

from farandole.catalog.foreign_readers import foreign_groups
from farandole.events.kafka_names import KafkaNames
from farandole.events.topology_version import EventSpec, StageSpec
from tests.catalog.made import version

NAMES = KafkaNames("ns")


def test_stages_of_every_version_and_our_services_are_not_foreign() -> None:
    events = {"a": EventSpec(topic="ns.p.a", partitions=1)}
    old = version(1, events, {"s": StageSpec(run="m:f", subscribes=("a",))})
    stages = {
        "t": StageSpec(run="", external=True, subscribes=("a",)),
        "u": StageSpec(run="", external="at-least-once", subscribes=("a",)),
    }
    new = version(2, events, stages)
    ours = {
        "ns.p.s", "ns.p.t", "ns.p.u", "ns.p.u.outside",
        NAMES.bookkeeper_group, NAMES.notifier_group, NAMES.monitor_group,
        NAMES.scheduler_group,
    }  # fmt: skip
    others = ["billing", "ns.p.billing", "ns.p.t.outside", "ns.q.s", "p.s"]
    assert foreign_groups(NAMES, [old, new], [*ours, *others]) == others

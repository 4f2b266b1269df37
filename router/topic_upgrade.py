"""How do the topics of an older release become what this release creates?

A router calls this at its start. Each step can be repeated, and none is needed for events to flow:
what Kafka refuses is logged, and waits for a person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from farandole.broker.broker_errors import BrokerError, DeadlineExceededError, UnreachableError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.events.kafka_names import KafkaNames
from farandole.router.system_topics import BROKER_TIME, system_topic_specs

log = structlog.get_logger()


async def upgrade_topics(admin: ClusterAdmin, names: KafkaNames) -> None:
    """Bring the topics of an installation up to date. Raises UnreachableError and
    DeadlineExceededError."""
    control = names.control_topic
    try:
        configs = (await admin.topic_configs([control])).get(control)
        if configs is None:
            return  # there is no installation yet: `apply` creates its topics
        await _let_broker_stamp_controls(admin, control, configs)
    except (UnreachableError, DeadlineExceededError):
        raise
    except BrokerError as error:
        log.warning(
            "topic.outdated",
            topic=control,
            why=f"it should have {_shown(BROKER_TIME)}: {error}",
            remedy="set it with kafka-configs.sh; until then the times of control documents are"
            " those of whoever writes them",
        )
    await _create(
        admin,
        names,
        [names.shares_topic],
        "create it, compacted and with one partition; until then each lane of a throttled stage"
        " has the same share of its rate",
    )
    await _create(
        admin,
        names,
        [names.schedules_topic, names.firings_topic],
        "allow it, and start the router again; until then no schedule fires",
    )
    await _create(
        admin,
        names,
        [names.quality_topic, names.quality_history_topic, names.quality_state_topic],
        "create them, compacted and with as many partitions as farandole.ledger; until then the"
        " profiles and the checks of data are not kept",
    )
    await _create(
        admin,
        names,
        [names.gates_topic],
        "create it, compacted and with one partition; until then no run enters a stage with a gate",
    )
    await _create(
        admin,
        names,
        [names.actions_topic],
        "allow it, and start the router again; until then nothing says who has done what",
    )


async def _create(
    admin: ClusterAdmin, names: KafkaNames, topics: Sequence[str], remedy: str
) -> None:
    """Create those of these topics that an older release has not."""
    specs = system_topic_specs(names)
    try:
        await admin.create_topics({topic: specs[topic] for topic in topics})
    except (UnreachableError, DeadlineExceededError):
        raise
    except BrokerError as error:
        log.warning("topic.missing", topic=", ".join(topics), why=str(error), remedy=remedy)


async def _let_broker_stamp_controls(
    admin: ClusterAdmin, topic: str, configs: Mapping[str, str]
) -> None:
    """Let the broker's clock say when a control document was written."""
    if not configs.items() >= BROKER_TIME.items():
        await admin.configure_topics({topic: BROKER_TIME})
        log.info("topic.upgraded", topic=topic, configs=_shown(BROKER_TIME))


def _shown(configs: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in configs.items())

"""How does KEDA decide how many workers a stage has?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from farandole.broker.settings import ENV_PREFIX
from farandole.events.kafka_names import KafkaNames
from farandole.operations.kubernetes.cluster_settings import file_key
from farandole.operations.kubernetes.object_names import Manifest
from farandole.operations.kubernetes.parts import WORKER, Part, lane_count
from farandole.operations.kubernetes.workloads import CONTAINER, PodSource
from farandole.router.topology_derivation import DerivedTopology

API_VERSION = "keda.sh/v1alpha1"
EVENTS_PER_WORKER = 1000
"""Unread events for which one worker more is started."""
_AUTHENTICATION = "kafka"
_SASL_WORDS: Mapping[str, str] = {
    "PLAIN": "plaintext", "SCRAM-SHA-256": "scram_sha256", "SCRAM-SHA-512": "scram_sha512",
}  # fmt: skip
_FILE_PARAMETERS: Mapping[str, str] = {
    "password": "SASL_PASSWORD_FILE", "ca": "TLS_CA", "cert": "TLS_CERT", "key": "TLS_KEY",
}  # fmt: skip


def scaling_objects(
    source: PodSource,
    parts: list[Part],
    derived: DerivedTopology,
    kafka: KafkaNames,
    least: Mapping[str, int],
) -> Iterator[Manifest]:
    """Yield a ScaledObject for each stage, from one worker (or as many as `least` says) to one for
    each lane; and, if Kafka asks who reads, how KEDA answers."""
    authentication = _trigger_authentication(source)
    if authentication is not None:
        yield authentication
    for part in parts:
        if part.stage is not None:
            yield _scaled_object(
                source, part.stage, derived, kafka, least, has_rights=authentication is not None
            )


def _scaled_object(
    source: PodSource,
    stage: str,
    derived: DerivedTopology,
    kafka: KafkaNames,
    least: Mapping[str, int],
    *,
    has_rights: bool,
) -> Manifest:
    names, name = source.names, source.names.stage(stage)
    lanes = lane_count(derived, stage)
    reference = {"authenticationRef": {"name": names.part(_AUTHENTICATION)}} if has_rights else {}
    return {
        "apiVersion": API_VERSION,
        "kind": "ScaledObject",
        "metadata": names.metadata(name, names.labels(WORKER, stage)),
        "spec": {
            "scaleTargetRef": {"name": name},
            "minReplicaCount": min(least.get(stage, 1), lanes),
            "maxReplicaCount": lanes,
            "triggers": [
                {
                    "type": "kafka",
                    "metadata": {
                        "bootstrapServers": source.environment[f"{ENV_PREFIX}BOOTSTRAP"],
                        "consumerGroup": kafka.stage_group(derived.pipeline, stage),
                        "topic": derived.events[event_type].topic,
                        "lagThreshold": str(EVENTS_PER_WORKER),
                        "offsetResetPolicy": "earliest",
                        **_connection(source.environment),
                    },
                    **reference,
                }
                for event_type in derived.stages[stage].subscribes
            ],
        },
    }


def _connection(environment: Mapping[str, str]) -> dict[str, str]:
    """Return how KEDA connects to Kafka."""
    mechanism = environment.get(f"{ENV_PREFIX}SASL_MECHANISM")
    return {
        **({"sasl": _SASL_WORDS[mechanism]} if mechanism else {}),
        **({"tls": "enable"} if environment.get(f"{ENV_PREFIX}TLS") == "true" else {}),
    }


def _trigger_authentication(source: PodSource) -> Manifest | None:
    """Return where KEDA finds user, password and certificates; None if Kafka asks for none."""
    environment, names = source.environment, source.names
    from_environment = []
    if f"{ENV_PREFIX}SASL_USERNAME" in environment:
        from_environment = [
            {
                "parameter": "username",
                "name": f"{ENV_PREFIX}SASL_USERNAME",
                "containerName": CONTAINER,
            }
        ]
    from_secrets = [
        {"parameter": parameter, "name": source.secret_files, "key": key}
        for parameter, variable in _FILE_PARAMETERS.items()
        if (key := file_key(f"{ENV_PREFIX}{variable}", environment)) is not None
    ]
    password_in_file = f"{ENV_PREFIX}SASL_PASSWORD_FILE" in environment
    if from_environment and not password_in_file and source.secret is not None:
        variable = f"{ENV_PREFIX}SASL_PASSWORD"
        from_secrets.insert(0, {"parameter": "password", "name": source.secret, "key": variable})
    if not from_environment and not from_secrets:
        return None
    return {
        "apiVersion": API_VERSION,
        "kind": "TriggerAuthentication",
        "metadata": names.metadata(names.part(_AUTHENTICATION), names.labels(_AUTHENTICATION)),
        "spec": {
            **({"env": from_environment} if from_environment else {}),
            **({"secretTargetRef": from_secrets} if from_secrets else {}),
        },
    }

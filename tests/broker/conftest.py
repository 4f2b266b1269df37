"""A Kafka that trusts nobody, for the tests of this room."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from farandole.broker import embedded_kafka
from farandole.broker.settings import Settings

USERS = (
    "org.apache.kafka.common.security.plain.PlainLoginModule required "
    'username="broker" password="secret" user_broker="secret" user_ann="right" user_bob="poor";'
)

SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
"""Its users are those that `kafka-configs.sh` adds."""


@contextmanager
def guarded_kafka(folder: Path, mechanisms: str = "PLAIN") -> Iterator[Settings]:
    """Yield how ann reaches a Kafka that wants TLS and a password. She may do everything, all
    others nothing."""
    folder.mkdir(exist_ok=True)
    ca = trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    issued = ca.issue_cert("localhost", "127.0.0.1")
    key = load_pem_private_key(issued.private_key_pem.bytes(), None)
    # The one format of keys that Kafka reads.
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain = b"".join(certificate.bytes() for certificate in issued.cert_chain_pems)
    (folder / "server.pem").write_bytes(pem + chain)
    ann = Settings(
        tls=True,
        tls_ca=folder / "ca.pem",
        sasl_mechanism="PLAIN",
        sasl_username="ann",
        sasl_password="right",  # type: ignore[arg-type]  # pydantic makes it secret
        replication_factor=1,
        deadline=5,
    )
    properties = {
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:SASL_SSL",
        "sasl.enabled.mechanisms": mechanisms,
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.plaintext.plain.sasl.jaas.config": USERS,
        "listener.name.plaintext.scram-sha-512.sasl.jaas.config": SCRAM,
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "server.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(folder / "ca.pem"),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:broker;User:ann;User:ANONYMOUS",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.num.partitions": "4",
    }
    try:
        running = asyncio.run(
            embedded_kafka.start_embedded(
                folder, progress=lambda _: None, properties=properties, settings=ann
            )
        )
        yield ann.model_copy(update={"bootstrap": running.address})
    finally:
        asyncio.run(embedded_kafka.stop_embedded(folder))


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """How ann reaches a Kafka that wants TLS and a password. She may do everything, bob nothing."""
    with guarded_kafka(tmp_path_factory.mktemp("guarded")) as ann:
        yield ann

"""A Kafka that trusts nobody, for the tests of this room."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

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


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """How ann reaches a Kafka that wants TLS and a password. She may do everything, bob nothing."""
    folder = tmp_path_factory.mktemp("guarded")
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
        "sasl.enabled.mechanisms": "PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.plaintext.plain.sasl.jaas.config": USERS,
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

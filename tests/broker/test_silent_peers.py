"""Do clients give up a connection whose other machine is silent?"""

from __future__ import annotations

import socket
import sys

import pytest
from aiokafka import client as network

from farandole.broker.aiokafka_internals import gate_connections
from farandole.broker.settings import Settings
from farandole.broker.silent_peers import SILENCE


@pytest.mark.kafka
@pytest.mark.skipif(sys.platform != "linux", reason="the options are those of Linux")
async def test_every_connection_of_a_client_has_its_limit(kafka: Settings) -> None:
    gate_connections()
    host, _, port = (kafka.bootstrap or "").rpartition(":")
    connection = await network.create_conn(host, int(port))
    try:
        link = connection._writer.get_extra_info("socket")
        limit = link.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert limit == SILENCE * 1000
        assert link.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    finally:
        connection.close()

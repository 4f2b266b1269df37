"""Is a network of ours gone at the end, whatever has ended it?"""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.soak.network import refusal

pytestmark = pytest.mark.soak

WAITING = """
import signal
from tests.soak.network import network

with network(2) as made:
    print(made.name, flush=True)
    signal.pause()
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=lambda how: how.name)
def test_a_signal_leaves_neither_devices_nor_namespaces(how: signal.Signals) -> None:
    why = refusal()
    if why is not None:
        pytest.skip(why)
    command = [sys.executable, "-c", WAITING]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        name = process.stdout.readline().decode().strip()
        assert name in existing()
        process.send_signal(how)
    assert name not in existing()


def existing() -> str:
    """Return the names of all devices and namespaces of this machine."""
    listings = (["ip", "-brief", "link"], ["ip", "netns"])
    return "".join(subprocess.check_output(each, text=True) for each in listings)

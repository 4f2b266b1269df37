"""A network of our own, of hosts that can be cut off from each other.

Each host is a network namespace. They are joined by a bridge, to which this machine belongs as
well. Needs the right to administrate networks.
"""

from __future__ import annotations

import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

NOBODY = "02:00:00:00:00:01"  # a hardware address that no host has
MACHINE = 254  # the number of this machine, as a host of the network


def ip(*words: str) -> None:
    """Run `ip`. Raises subprocess.CalledProcessError with what it says."""
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def refusal() -> str | None:
    """Return why no namespaces can be made here; None if they can."""
    if shutil.which("ip") is None:
        return "there is no `ip` (iproute2)"
    name = f"farandole-{secrets.token_hex(3)}"
    try:
        ip("netns", "add", name)
        ip("netns", "del", name)
    except subprocess.CalledProcessError as error:
        return f"`ip netns` is not permitted: {error.stderr.strip()}"
    return None


@dataclass(frozen=True)
class Network:
    """Hosts by their numbers, from 1."""

    name: str
    subnet: str
    hosts: Sequence[int]

    def namespace(self, host: int) -> str:
        return f"{self.name}-{host}"

    def port(self, host: int) -> str:
        """The bridge's end of the host's cable."""
        return f"{self.name}p{host}"

    def address(self, host: int) -> str:
        return f"{self.subnet}.{host}"

    def inside(self, host: int) -> list[str]:
        """What goes before a command that is to run on a host."""
        return ["ip", "netns", "exec", self.namespace(host)]

    def cut(self, one: int, others: Sequence[int]) -> None:
        """Lose, without a word, whatever a host and these others send to each other."""
        for other in others:
            for here, there in ((one, other), (other, one)):
                self._neighbour(here, "replace", there, "lladdr", NOBODY, "nud", "permanent")

    def heal(self, one: int, others: Sequence[int]) -> None:
        for other in others:
            for here, there in ((one, other), (other, one)):
                self._neighbour(here, "del", there)

    def unplug(self, host: int) -> None:
        """Cut a host off from everybody, this machine included."""
        ip("link", "set", self.port(host), "down")

    def plug(self, host: int) -> None:
        ip("link", "set", self.port(host), "up")

    def _neighbour(self, here: int, action: str, there: int, *words: str) -> None:
        """Change what a host knows of the hardware address of another one."""
        inside = [] if here == MACHINE else ["-n", self.namespace(here)]
        device = self.name if here == MACHINE else "eth0"
        ip(*inside, "neigh", action, self.address(there), "dev", device, *words)


@contextmanager
def network(hosts: int) -> Iterator[Network]:
    """Make a network of so many hosts, and take it away at the end, whatever happens."""
    name = f"fd{secrets.token_hex(3)}"
    # 198.18.0.0/15 is set aside for tests of networks (RFC 2544).
    made = Network(name, f"198.18.{secrets.randbelow(256)}", range(1, hosts + 1))
    with ExitStack() as undo:
        # As Ctrl-C does: otherwise SIGTERM would end pytest at once, and leave the network behind.
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        undo.callback(signal.signal, signal.SIGTERM, before)
        ip("link", "add", name, "type", "bridge")
        undo.callback(ip, "link", "del", name)
        ip("addr", "add", f"{made.address(MACHINE)}/24", "dev", name)
        ip("link", "set", name, "up")
        for host in made.hosts:
            namespace, port = made.namespace(host), made.port(host)
            ip("netns", "add", namespace)
            undo.callback(ip, "netns", "del", namespace)
            ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", namespace)
            undo.callback(ip, "link", "del", port)
            ip("link", "set", port, "master", name, "up")
            ip("-n", namespace, "addr", "add", f"{made.address(host)}/24", "dev", "eth0")
            ip("-n", namespace, "link", "set", "eth0", "up")
            ip("-n", namespace, "link", "set", "lo", "up")
        yield made

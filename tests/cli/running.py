"""A command at work, and all that it says."""

from __future__ import annotations

import re
import subprocess
import threading

_STARTED = re.compile(r'"pid": (\d+), "event": "service.started"')


class Running:
    """A command at work, and all that it says."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self.child = child
        self.out: list[str] = []
        self.err: list[str] = []
        self._readers = [
            threading.Thread(target=lambda: self.out.extend(child.stdout or ())),
            threading.Thread(target=lambda: self.err.extend(child.stderr or ())),
        ]
        for reader in self._readers:
            reader.start()

    def ended(self, seconds: float) -> int:
        code = self.child.wait(seconds)
        for reader in self._readers:
            reader.join()
        return code

    def pids(self) -> list[int]:
        """Of the worker processes that it started."""
        # Not line by line: the log is shared by several processes.
        return [int(pid) for pid in _STARTED.findall("".join(self.err))]

"""A process of a test, which writes what it is into the file that it is given, and ends as its
argument says."""

from __future__ import annotations

import gc
import json
import os
import random
import signal
import sys
import time
from pathlib import Path


def describe() -> dict[str, object]:
    """What a program can see of the way in which it was started."""
    return {
        "argv": sys.argv,
        "command line": Path("/proc/self/cmdline").read_text().replace("\0", " ").strip(),
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "path": sys.path,
        "leads a session": os.getsid(0) == os.getpid(),
        "files": sorted(os.listdir("/proc/self/fd")),
        "input": sys.stdin.read(),
        "blocked signals": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "signals": [str(signal.getsignal(number)) for number in (2, 15, 17)],
        "threads": len(os.listdir("/proc/self/task")),
        "collects garbage": gc.isenabled(),
        "module": __name__,
        "daylight": time.tzname,
        "safe path": sys.flags.safe_path,
    }


def main(file: str, how: str) -> None:
    place = Path(file)
    found = {**describe(), "random": random.random(), "pid": os.getpid()}
    place.with_suffix(".part").write_text(json.dumps(found))
    place.with_suffix(".part").rename(place)
    match how:
        case "raises":
            raise RuntimeError("as it should")
        case "kills itself":
            os.kill(os.getpid(), signal.SIGKILL)
        case "forks":
            if os.fork() == 0:
                signal.alarm(3)  # the child of a child that lives longer
                signal.pause()
            os._exit(7)
        case "stays":
            signal.pause()
        case _:
            sys.exit(int(how))


if __name__ == "__main__":
    main(*sys.argv[1:])

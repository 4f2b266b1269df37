"""What can a plain function do to the process that calls it?"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import threading

from stages.hostile.asked import Asked, Done

from farandole import Reject


class Unsayable(Exception):
    def __str__(self) -> str:
        raise SystemExit("not even this")


def act(asked: Asked) -> Done:
    """As it is told."""
    match asked.do:
        case "raise":
            raise ValueError("I will not")
        case "raise what cannot be said":
            raise Unsayable
        case "raise at length":
            raise ValueError("far too long " * 1_000_000)
        case "raise a lone surrogate":
            raise ValueError("\ud800")
        case "reject":
            raise Reject("never")
        case "give the wrong type":
            return 42
        case "give two megabytes":
            return Done(n=asked.n, said="x" * 2_000_000)
        case "give a lone surrogate":
            return Done(n=asked.n, said="\ud800")
        case "give no n":
            return Done.model_construct(said="no n")
        case "sys.exit":
            sys.exit(3)
        case "interrupt":
            raise KeyboardInterrupt
        case "cancel":
            raise asyncio.CancelledError
        case "recurse":
            return act(asked)
        case "allocate":
            held: list[object] = []
            while True:
                held.append(bytearray(2**20))
        case "close the loop":
            asyncio.get_running_loop().close()
        case "os._exit":
            os._exit(0)
        case "kill -9":
            os.kill(os.getpid(), signal.SIGKILL)
        case "crash":
            ctypes.string_at(0)
        case "hang":
            threading.Event().wait()
    return Done(n=asked.n)

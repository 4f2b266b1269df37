"""How does a process that reads much from Kafka spend little time on its memory?

Both functions change the whole process: only the entry point of a process calls them.
"""

from __future__ import annotations

import ctypes
import gc

_MIB = 2**20
_M_TRIM_THRESHOLD = -1  # of glibc's malloc.h
_M_MMAP_THRESHOLD = -3
_KEPT_BYTES = 64 * _MIB
_LARGEST_KEPT_BYTES = 32 * _MIB  # the largest that glibc allows


def collect_seldom() -> None:
    """Run the garbage collector once for 50,000 new objects instead of 700, and never look at what
    is there now: imported modules stay. While 100,000 runs are loaded, the default takes a fifth of
    the CPU time and finds nothing."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)


def keep_freed_memory() -> None:
    """Let malloc keep up to 64 MiB that were freed, for what is allocated next. By default it
    returns the memory of each fetch to the system, which clears its pages anew for the next one.
    Does nothing where malloc cannot be told (it is not that of glibc)."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)

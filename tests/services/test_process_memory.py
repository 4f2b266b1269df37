"""Does a process spend little time on its memory?"""

from __future__ import annotations

import subprocess
import sys

import pytest

FETCHES = """
import gc, resource, sys
from farandole.services.process_memory import collect_seldom, keep_freed_memory

def read():
    for _ in range(10):
        records = [bytes(1_500) for _ in range(20_000)]

def pages_cleared():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
"""


def told_by(code: str) -> str:
    """Run code in a process of its own, and return what it prints."""
    done = subprocess.run([sys.executable, "-c", FETCHES + code], stdout=-1, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.skipif(sys.platform != "linux", reason="only malloc of glibc is told")
def test_memory_of_one_fetch_is_used_for_the_next() -> None:
    pages = told_by(
        "keep_freed_memory(); read(); before = pages_cleared(); read()\n"
        "print(pages_cleared() - before)"
    )
    assert int(pages) < 1_000  # 10 times 30 MB are 70,000


def test_objects_of_the_start_are_never_looked_at_again() -> None:
    assert int(told_by("collect_seldom(); print(gc.get_freeze_count())")) > 1_000


def test_garbage_is_still_collected() -> None:
    left = told_by(
        "import weakref\n"
        "class Node: pass\n"
        "collect_seldom()\n"
        "lost = Node(); lost.itself = lost; seen = weakref.ref(lost); del lost\n"
        "kept = [[] for _ in range(200_000)]\n"
        "print(seen())"
    )
    assert left == "None"

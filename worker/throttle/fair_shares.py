"""How is a rate divided between lanes of which each can use a different part?

Max-min fairness (Bertsekas and Gallager, Data Networks): nobody gets more than it can use while
somebody else gets less than that and wants more.
"""

from __future__ import annotations

from collections.abc import Sequence

LEAST_SHARE = 0.01
"""The part of the rate that is divided equally whatever the demands are: a lane that had no event
takes its first ones at once, and says then what it needs."""


def fair_shares(demands: Sequence[float], rate: float) -> list[float]:
    """Return the fair parts of `rate`, one for each demand; their sum is 1. `demands` and `rate`:
    events a second. What nobody needs is divided equally."""
    if not demands:
        return []
    least = LEAST_SHARE / len(demands)
    wanted = [max(least, demand / rate) if rate > 0 else 1.0 for demand in demands]
    shares = [0.0] * len(wanted)
    left, waiting = 1.0, len(wanted)
    for index in sorted(range(len(wanted)), key=wanted.__getitem__):
        shares[index] = min(wanted[index], left / waiting)
        left -= shares[index]
        waiting -= 1
    return [share + left / len(wanted) for share in shares]

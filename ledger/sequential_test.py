"""Is the candidate of a canary worse than the stable function?

The answer may be asked for after each observation, for as long as the switch stands: the
probability that it is ever yes for a candidate that is no worse is at most ALPHA (Ville's
inequality). *Worse* is: it fails more often; or its times, divided by TIME_MARGIN, are longer.

The test is an e-process of universal inference (Wasserman, Ramdas & Balakrishnan, "Universal
inference", PNAS 117, 2020): the likelihood of all observations, averaged over what the rates of the
two variants may be (the method of mixtures: Robbins 1970), divided by the largest likelihood that
they can have if the candidate is no worse. It depends on the sums alone, not on the order in which
they came or on how often somebody looked, and it assumes nothing about the share.

Times are compared as rates, too: how often the stable function takes longer than a bound, and the
candidate longer than TIME_MARGIN times that bound. An average of e-processes is an e-process: so
the bounds are averaged to one, and this and that of the failures to one whose evidence decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from math import exp, lgamma, log
from typing import NamedTuple

from farandole.events.canary_counts import STEPS_PER_MARGIN, THRESHOLDS, VariantCounts

ALPHA = 0.01
"""The largest probability that a candidate that is no worse is ever found to be worse."""

_A, _B = 0.2, 1.0
"""The beta prior of each rate: most rates of failures are small. Any prior keeps ALPHA; this one
finds rates between 0.1 % and 20 % with the fewest observations."""
_PRIOR = lgamma(_A) + lgamma(_B) - lgamma(_A + _B)


class Evidence(NamedTuple):
    """The evidence that a candidate is worse, as natural logarithms of e-values."""

    failures: float
    times: float

    @property
    def total(self) -> float:
        """The evidence of both together."""
        return _log_mean([(self.failures, 1), (self.times, 1)])

    @property
    def is_enough(self) -> bool:
        """True if the candidate is worse, so that its switch must end."""
        return self.total >= log(1 / ALPHA)


def weigh(candidate: VariantCounts, stable: VariantCounts) -> Evidence:
    """Return the evidence in all observations so far."""
    return Evidence(
        failures=_log_e_value(candidate["failed"], candidate["n"], stable["failed"], stable["n"]),
        times=_log_e_value_of_times(candidate["times"], stable["times"]),
    )


def _log_e_value_of_times(candidate: dict[str, int], stable: dict[str, int]) -> float:
    """Return the evidence that the candidate is slower, averaged over all bounds."""
    of_candidate, of_stable = sum(candidate.values()), sum(stable.values())
    slow = zip(_slow(candidate, STEPS_PER_MARGIN), _slow(stable, 0), strict=True)
    # Most bounds lie where there is no time: they have the same counts.
    return _log_mean(
        [
            (_log_e_value(bad, of_candidate, bad_stable, of_stable), bounds)
            for (bad, bad_stable), bounds in Counter(slow).items()
        ]
    )


def _slow(times: dict[str, int], steps: int) -> Iterator[int]:
    """Yield for each bound how many times lie `steps` buckets above it or more."""
    above = sum(number for bucket, number in times.items() if int(bucket) > steps)
    for bound in range(steps, steps + THRESHOLDS):
        yield above
        above -= times.get(str(bound + 1), 0)


def _log_e_value(bad: int, of: int, bad_stable: int, of_stable: int) -> float:
    """Return the evidence that the rate `bad` / `of` is larger than `bad_stable` / `of_stable`, as
    a natural logarithm."""
    if bad * of_stable > bad_stable * of:  # then both rates are the same, if it is no larger
        largest = _log_likelihood(bad + bad_stable, of + of_stable)
    else:
        largest = _log_likelihood(bad, of) + _log_likelihood(bad_stable, of_stable)
    return _log_average(bad, of) + _log_average(bad_stable, of_stable) - largest


def _log_likelihood(bad: int, of: int) -> float:
    """Return the logarithm of the largest likelihood of so many bad ones."""
    good = of - bad
    return (bad * log(bad / of) if bad else 0.0) + (good * log(good / of) if good else 0.0)


def _log_average(bad: int, of: int) -> float:
    """Return the logarithm of the likelihood of so many bad ones, averaged over the prior."""
    return lgamma(_A + bad) + lgamma(_B + of - bad) - lgamma(_A + _B + of) - _PRIOR


def _log_mean(logarithms: Collection[tuple[float, int]]) -> float:
    """Return the logarithm of the mean of numbers, of which each is there so many times, by their
    logarithms."""
    largest = max(each for each, _ in logarithms)
    total = sum(times * exp(each - largest) for each, times in logarithms)
    return largest + log(total / sum(times for _, times in logarithms))

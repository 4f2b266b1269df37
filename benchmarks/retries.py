"""What do failing events cost other events, and what happens if all events fail?

First one key always fails beside 999 that do not. Then every event fails, either until the
dependency of the stage works again, or always.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from aiokafka import TopicPartition
from pydantic import BaseModel

from benchmarks import pipelines
from benchmarks.peers.lines import fill
from benchmarks.pipelines import Line
from benchmarks.settled import read_settled_lines
from benchmarks.watched import Job, WorkerSample, watch
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.router.topology_derivation import derive_topology
from farandole.router.topology_file_check import check_topology_file
from farandole.router.version_publisher import publish_version

MIB = 2**20
_NEVER = 10**9  # failures that open a breaker that shall stay closed


class Ill(BaseModel):
    """The range of households whose events fail."""

    first: int
    last: int


class Needs(BaseModel):
    down: Path
    """While this file exists, the dependency does not work."""


def price_unless_ill(line: Line, params: Ill) -> Line:
    if params.first <= line.household_id <= params.last:
        raise ConnectionError("nobody answers for this household")
    return pipelines.price(line)


def price_when_up(line: Line, params: Needs) -> Line:
    if params.down.exists():
        raise ConnectionError("nobody answers")
    return pipelines.price(line)


# -- one key that always fails

ILL = {
    "nobody": (-1, -1),
    "one event in 1,000": (1, 1),
    "one event in 100": (0, 0),
    "one event in 100, a key each": (1000, 10**9),
}
"""The households whose events fail. The second and third entry are one key each."""


def of_a_thousand(number: int) -> bytes:
    """Return a line: one in 100 is of household 0, one in 100 is of a household that has no other
    line, and the rest are of 999 households."""
    within = number % 100
    return pipelines.line(
        number, 0 if within == 0 else 1000 + number if within == 50 else 1 + number % 999
    )


def of_its_own(number: int) -> bytes:
    """Return a line of a household that has no other line."""
    return pipelines.line(number, number)


async def one_key(settings: Settings, lines: int, rounds: int, limit: float) -> dict[str, Any]:
    """Return rate and CPU of the lines of healthy keys, with and without keys that always fail."""
    stages = {
        f"ill{n}": f"with: {{first: {first}, last: {last}}}"
        for n, (first, last) in enumerate(ILL.values())
    }
    source = await _publish_stages(settings, stages, "price_unless_ill")
    await fill(settings, source, lines, of_a_thousand)
    of = [int(Line.model_validate_json(of_a_thousand(n)).household_id) for n in range(lines)]
    costs: dict[str, list[float]] = {who: [] for who in ILL}
    rates: dict[str, list[float]] = {who: [] for who in ILL}
    marks: dict[str, list[str]] = {}
    for turn in range(rounds):
        contestants = list(enumerate(ILL))
        for n, who in contestants[turn % 4 :] + contestants[: turn % 4]:
            first, last = ILL[who]
            ill = sum(first <= household <= last for household in of)
            found, faults = await _run(
                settings, Job(f"ill{n}", source, lines, limit), emitted=lines - ill, dead=ill
            )
            if faults:
                marks.setdefault(who, []).extend(faults)
                print(f"  round {turn + 1}: {who:28} {'; '.join(faults)}")
            passed = measure_passed(found, lines - ill)
            if passed is None:
                continue
            rates[who].append(passed.lines / passed.seconds)
            costs[who].append(passed.cpu / passed.lines * 1e6)
            print(f"  round {turn + 1}: fails {who:28} {rates[who][-1]:8,.0f} other lines/s "
                  f"{costs[who][-1]:6.2f} us of CPU")  # fmt: skip
    results: dict[str, Any] = {"rates": rates, "us of CPU a line": costs, "marks": marks}
    healthy, *ailing = ILL
    for who in ailing:
        if costs[who] and costs[healthy]:
            cpu, rate = (
                statistics.median(by[who]) / statistics.median(by[healthy]) for by in (costs, rates)
            )
            results[f"CPU of the others, {who} fails / nobody"] = cpu
            results[f"lines/s of the others, {who} fails / nobody"] = rate
    return results


class Passed(NamedTuple):
    lines: int
    seconds: float
    cpu: float


def measure_passed(samples: Sequence[WorkerSample], emitted: int) -> Passed | None:
    """Return what `emitted` results took, from the moment when the worker had all lanes. So neither
    the start of the process counts, nor events that die after the last result. None if there are
    fewer results."""
    last = next((sample for sample in samples if sample.emitted >= emitted), None)
    if last is None:
        return None
    first = _first_working_sample(samples)
    return Passed(last.emitted, last.seconds - first.seconds, last.cpu - first.cpu)


def _first_working_sample(samples: Sequence[WorkerSample]) -> WorkerSample:
    return next((sample for sample in samples if sample.lanes == pipelines.PARTITIONS), samples[-1])


# -- a flood

_PATIENCE = "attempts: 100, backoff: 5s, max_backoff: 30s, in_place: 0ms"
_PATIENT = f"retry: {{{_PATIENCE}}}, breaker: {{failures: {_NEVER}}}"
_SHORT = f"retry: {{in_place: 0ms}}, breaker: {{failures: {_NEVER}}}"


class Flood(NamedTuple):
    line: Callable[[int], bytes]
    options: str = ""
    """Settings of the stage, as the topology file has them."""
    down: bool = False
    """True if the dependency fails for a while."""
    for_good: bool = False
    """True if the dependency always fails."""


FLOODS = {
    "a key each, never down": Flood(of_its_own),
    "a key each, down, a breaker": Flood(of_its_own, "retry: {in_place: 0ms}", down=True),
    "a key each, down, no breaker": Flood(of_its_own, _PATIENT, down=True),
    "1,000 keys, never down": Flood(of_a_thousand),
    "1,000 keys, down, a breaker": Flood(of_a_thousand, "retry: {in_place: 0ms}", down=True),
    "1,000 keys, down, a breaker, as shipped": Flood(of_a_thousand, down=True),
    "1,000 keys, down, no breaker": Flood(of_a_thousand, _PATIENT, down=True),
    "a key each, failing for good": Flood(of_its_own, _SHORT, for_good=True),
}


async def flood(
    settings: Settings, which: str, lines: int, down: float, limit: float
) -> dict[str, Any]:
    """Send all lines through a stage whose dependency fails for the first `down` seconds of work;
    return the figures."""
    line, options, away, for_good = FLOODS[which]
    with tempfile.TemporaryDirectory(prefix="farandole-bench-") as folder:
        switch = Path(folder) / "down"
        if away or for_good:
            switch.touch()
        named = settings.model_copy(
            update={"namespace": f"{settings.namespace}f{[*FLOODS].index(which)}"}
        )
        options_text = ", ".join(each for each in (f"with: {{down: {switch}}}", options) if each)
        source = await _publish_stages(named, {"stage": options_text}, "price_when_up")
        await fill(named, source, lines, line)
        job = Job("stage", source, lines, limit, str(switch) if away else "", down)
        dead = lines if for_good else 0
        samples, faults = await _run(named, job, emitted=lines - dead, dead=dead)
    return {**flood_figures(samples), "marks": faults}


def flood_figures(samples: Sequence[WorkerSample]) -> dict[str, Any]:
    """Return the figures of a flood: memory, waiting events, seconds and CPU."""
    first = _first_working_sample(samples)
    away = [sample for sample in samples if sample.down and sample.seconds >= first.seconds]
    up, last = away[-1] if away else first, samples[-1]
    settled_after = last.emitted + last.dead - up.emitted - up.dead
    found: dict[str, Any] = {
        "MiB at the start": first.memory / MIB,
        "MiB at most": max(sample.memory for sample in samples) / MIB,
        "most that waited in a lane": max(sample.waiting for sample in samples),
    }
    if away:
        resumed = next((sample for sample in samples if sample.emitted > up.emitted), None)
        half = (first.seconds + up.seconds) / 2
        found |= {
            "seconds down": up.seconds - first.seconds,
            "made to wait while down": up.parked,
            "share of a core while down, second half": _busy(
                [sample for sample in away if sample.seconds >= half]
            ),
            "MiB in the middle of it": next(x for x in away if x.seconds >= half).memory / MIB,
            "MiB at its end": up.memory / MIB,
            "seconds until the first result": resumed and resumed.seconds - up.seconds,
        }
    return found | {
        "seconds until all was through": last.seconds - up.seconds,
        "us of CPU a line from then on": (last.cpu - up.cpu) / max(1, settled_after) * 1e6,
        "us of CPU a line in all": (last.cpu - first.cpu) / max(1, last.emitted + last.dead) * 1e6,
    }


def _busy(samples: Sequence[WorkerSample]) -> float:
    took = samples[-1].seconds - samples[0].seconds
    return (samples[-1].cpu - samples[0].cpu) / took if took else 0.0


# -- both


async def measure(
    settings: Settings,
    lines: int,
    rounds: int,
    limit: float,
    down: float,
    floods: Sequence[str] = (),
) -> dict[str, Any]:
    """Measure one failing key, then floods. If `floods` names some, only these are measured. If
    `down` is 0, no flood is."""
    results: dict[str, Any] = {
        "what": "one exactly-once hop with the books, 4 partitions, one process",
        "lines": lines,
    }
    if not floods:
        results |= await one_key(settings, lines, rounds, limit)
    results["floods"] = {}
    for which in (floods or FLOODS) if down else ():
        found = await flood(settings, which, lines, down, limit)
        results["floods"][which] = found
        print(f"  {which}")
        for name, value in found.items():
            print(
                f"    {name}: {value:,.1f}" if isinstance(value, float) else f"    {name}: {value}"
            )
    return results


async def _run(
    settings: Settings, job: Job, *, emitted: int, dead: int
) -> tuple[list[WorkerSample], list[str]]:
    """Run a job; return the samples of it, and what is wrong with the records that it wrote."""
    results = settings.names.event_topic("bench", f"{job.stage}.done")
    letters = settings.names.dead_topic("bench", job.stage)
    partitions = [TopicPartition(results, p) for p in range(pipelines.PARTITIONS)]
    async with ClusterAdmin.open(settings) as admin:
        ends = await admin.end_offsets([*partitions, TopicPartition(letters, 0)])
    samples = watch(settings, job)
    faults = []
    last = samples[-1]
    unfinished = last.emitted + last.dead < job.lines
    if unfinished:
        done = f"{last.emitted + last.dead:,} of {job.lines:,} lines"
        faults.append(f"unfinished: {done} in {last.seconds:.0f} s")
    for topic, number in ((results, emitted), (letters, dead)):
        found = await read_settled_lines(
            settings, job.lines, {tp: end for tp, end in ends.items() if tp.topic == topic}
        )
        topic_faults = found.find_faults(None if unfinished else number)
        faults += [f"{topic.rpartition('.')[2]}: {wrong}" for wrong in topic_faults]
    return samples, faults


async def _publish_stages(settings: Settings, stages: dict[str, str], function: str) -> str:
    """Publish stages, given as settings by name, which all read one topic; return the name of this
    topic."""
    written = "\n".join(
        f"  {name}: {{subscribes: line, emits: {name}.done, "
        f"run: 'benchmarks.retries:{function}', {options_text}}}"
        for name, options_text in stages.items()
    )
    with tempfile.TemporaryDirectory(prefix="farandole-bench-") as folder:
        file = Path(folder) / "topology.yaml"
        file.write_text(
            f"pipeline: bench\ndefaults: {{partitions: {pipelines.PARTITIONS}}}\n"
            f"events:\n  line: {{key: household_id}}\nstages:\n{written}\n"
        )
        checked = check_topology_file(file, settings.names)
    if checked.topology is None or not checked.is_fit:
        raise RuntimeError(f"{checked.findings}")
    derived = derive_topology(checked.topology, checked.signatures, settings.names)
    version = (await publish_version(settings, derived, "bench")).version
    return version.events["line"].topic

"""How many lines a second pass the same hop, with Farandole and with its peers?

In each round, each contestant runs once and alone. All read the same topic, and each run writes to
a new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import pipelines
from benchmarks.peers import lines, verdict
from benchmarks.peers.contestants import CONTESTANTS, Contestant
from benchmarks.peers.installed import Home, MissingPeerError
from benchmarks.peers.run import Source, run
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_spec import TopicSpec

HOMES = Path(__file__).parent.parent.parent / ".venv-peers"


async def measure(
    settings: Settings,
    count: int,
    rounds: int,
    limit: float,
    names: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the rows of the table. `names` holds parts of names of contestants; all run if it is
    empty. A run is stopped after `limit` seconds."""
    chosen = [c for c in CONTESTANTS if not names or any(n in c.name.lower() for n in names)]
    homes, missing = _install_contestants(chosen)
    source = Source(settings.names.event_topic("bench", "peers"), count)
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({source.topic: TopicSpec(pipelines.PARTITIONS)})
    await lines.fill(settings, source.topic, count)
    present = [c for c in chosen if c.name in homes]
    runs: dict[str, list[verdict.Run]] = {c.name: [] for c in chosen}
    for turn in range(rounds):
        # Each round starts with another contestant, so that a drift of the machine favours none.
        start = turn * len(present) // rounds
        for contestant in present[start:] + present[:start]:
            cut = min(limit, contestant.limit or limit)
            done = await run(settings, contestant, homes[contestant.name], source, cut)
            runs[contestant.name].append(done)
            print(f"  round {turn + 1}: {contestant.name:24} {_run_line(done)}", flush=True)
    return {
        "what": f"one hop, JSON lines of 130 bytes, {pipelines.PARTITIONS} partitions",
        "lines": count,
        "rounds": rounds,
        "limit": limit,
        "versions": {c.home: homes[c.name].versions for c in present if c.home},
        "rows": [
            verdict.row(c.name, c.guarantee, runs[c.name], missing.get(c.name, "")) for c in chosen
        ],
    }


def _install_contestants(chosen: Sequence[Contestant]) -> tuple[dict[str, Home], dict[str, str]]:
    """Install the contestants. Return where each is, and for the others why they are missing, by
    name."""
    homes: dict[str, Home] = {}
    missing: dict[str, str] = {}
    for contestant in chosen:
        if contestant.install is None:
            homes[contestant.name] = Home((), {})
            continue
        try:
            homes[contestant.name] = contestant.install(HOMES / contestant.home)
        except MissingPeerError as error:
            missing[contestant.name] = str(error)
            print(f"  missing: {contestant.name}: {error}", flush=True)
    return homes, missing


def _run_line(run: verdict.Run) -> str:
    rate = "no" if run.rate is None else f"{run.rate:,.0f}"
    cost = "" if run.cpu_us is None else f"{run.cpu_us:7.2f} us of CPU"
    return f"{rate:>9} lines/s {cost} {run.memory >> 20:5} MiB  {'; '.join(run.marks)}"

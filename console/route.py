"""How does a running pipeline follow its file?"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from console.output import say
from console.wiring import Here, run, who

if TYPE_CHECKING:
    from broker.settings import Settings
    from router.fresh import Judged, Judges


@click.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@click.pass_obj
def route(here: Here, paths: tuple[Path, ...]) -> None:
    """Watch topology.yaml, and apply at each save what is safe, until Ctrl-C.

    A PATH is another file, or a folder whose *.yaml and *.yml are pipelines side by side; their
    functions are imported from the pipeline's folder. A file with mistakes changes nothing; what is
    dangerous waits for `farandole apply --allow`. `farandole status` shows both.
    """
    here.logs("info")
    run(_route(here, paths))


async def _route(here: Here, paths: Sequence[Path]) -> None:
    from router.watch import route as watch
    from worker.beat import Beat

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    edge = Around.of(here)
    # Under a supervisor it shows that it lives, and ends when nobody supervises any more.
    beating = asyncio.create_task(Beat.of_environment().run({}, stopping))
    try:
        await watch(paths or [here.file], edge, stopping)
    finally:
        beating.cancel()
        await edge.judges.close()
    say("the files are watched no more; what is in force stays")


@dataclass(frozen=True, slots=True)
class Around:
    """What a router of one pipeline's folder needs of the world."""

    here: Here
    judges: Judges
    by: str

    @classmethod
    def of(cls, here: Here) -> Around:
        """Raises BadSettings."""
        from router.fresh import Judges

        return cls(here, Judges(here.folder, here.settings().namespace), who())

    async def reach(self) -> Settings:
        return await self.here.reached()

    async def judge(self, file: Path) -> Judged:
        return await self.judges.judge(file)

    async def rest(self) -> None:
        await self.judges.prepare()

    def allowing(self, file: Path, dangers: Sequence[str]) -> str:
        from console.hints import farandole

        own = file.resolve() == (self.here.folder / "topology.yaml").resolve()
        here = replace(self.here, chosen=None if own else file)
        return farandole(here, "apply", *(f"--allow {danger}" for danger in dangers))

"""How does a running pipeline follow its file?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
import structlog

from farandole.console.output import say
from farandole.console.processes.serving import serving
from farandole.console.wiring import Here, run, who

_RETIRING = 15.0  # seconds between two looks at what is over

if TYPE_CHECKING:
    from farandole.broker.settings import Settings
    from farandole.router.fresh import Judged, Judges


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
    from farandole.router.watch import route as watch

    edge = Around.of(here)
    retiring = asyncio.create_task(_retire(here))
    try:
        async with serving() as stopping:
            await watch(paths or [here.file], edge, stopping)
    finally:
        retiring.cancel()
        await edge.judges.close()
    say("the files are watched no more; what is in force stays")


async def _retire(here: Here) -> None:
    """Retire, from time to time, the versions that are over, until cancelled."""
    from farandole.broker.errors import BrokerError
    from farandole.router.retire import retire
    from farandole.router.table import NotApplied, read

    while True:
        await asyncio.sleep(_RETIRING)
        try:
            settings = await here.reached()
            for pipeline in (await read(settings)).pipelines():
                await retire(settings, pipeline)
        except (BrokerError, NotApplied) as error:
            structlog.get_logger().warning("route.unretired", why=str(error))


@dataclass(frozen=True, slots=True)
class Around:
    """What a router of one pipeline's folder needs of the world."""

    here: Here
    judges: Judges
    by: str

    @classmethod
    def of(cls, here: Here) -> Around:
        """Raises BadSettings."""
        from farandole.router.fresh import Judges

        return cls(here, Judges(here.folder, here.settings().namespace), who())

    async def reach(self) -> Settings:
        return await self.here.reached()

    async def judge(self, file: Path) -> Judged:
        return await self.judges.judge(file)

    async def rest(self) -> None:
        await self.judges.prepare()

    def allowing(self, file: Path, dangers: Sequence[str]) -> str:
        from farandole.console.hints import farandole

        own = file.resolve() == (self.here.folder / "topology.yaml").resolve()
        here = replace(self.here, chosen=None if own else file)
        return farandole(here, "apply", *(f"--allow {danger}" for danger in dangers))

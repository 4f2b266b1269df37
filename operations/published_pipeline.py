"""Which published pipeline does a request mean?"""

from __future__ import annotations

from dataclasses import replace

from farandole.events.topology_version import Version
from farandole.operations.errors import NotFoundError
from farandole.operations.installation import Installation
from farandole.router.topology_store import read_topology


async def require_published(installation: Installation, name: str | None) -> str:
    """Return the name of the pipeline that is meant: None for that of the file. Raises
    NotFoundError (`nothing_applied`, `pipeline_unknown`) if no version of it was ever published."""
    if name is None:
        await installation.versions()  # raises an error that says what to do
        return await installation.require_pipeline()
    known = (await read_topology(installation.settings)).pipelines()
    if name not in known:
        raise NotFoundError(
            "pipeline_unknown",
            f"no version of a pipeline {name!r} was published: {', '.join(known) or 'none was'}",
            pipeline=name,
        )
    return name


async def newest_published(installation: Installation, name: str | None) -> Version:
    """Return the version in force of the pipeline that is meant. Raises as `require_published`."""
    if name is not None:
        pipeline = await require_published(installation, name)
        installation = replace(installation, pipeline=pipeline)
    return await installation.newest_version()


async def require_version(
    installation: Installation, number: int, pipeline: str | None = None
) -> Version:
    """Return a published version of a pipeline; None for that of the installation. Raises
    NotFoundError (`nothing_applied`, `unknown_version`)."""
    if pipeline is not None:
        installation = replace(installation, pipeline=pipeline)
    found = (await installation.versions()).get(number)
    if found is None:
        of = await installation.require_pipeline()
        raise NotFoundError(
            "unknown_version",
            f"version {number} of {of} is not published any more",
            version=number,
        )
    return found

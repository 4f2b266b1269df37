"""What may every request of the console use?"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated

from fastapi import Depends, Request

from farandole.operations.dead_letters.letter_index import LetterIndex
from farandole.operations.graph.figures_cache import FiguresCache
from farandole.operations.installation import Installation
from farandole.operations.read_model.read_model import ReadModel
from farandole.operations.setup.web_settings import WebSettings
from farandole.web.access import Principal
from farandole.web.access_token import AccessToken
from farandole.web.jobs import Jobs
from farandole.web.open_streams import OpenStreams
from farandole.web.recent_answers import RecentAnswers

MAX_STREAMS = 500
MAX_TAILS = 12
"""Each has a consumer of Kafka's and, with an expression, a process."""


@dataclass(frozen=True, slots=True)
class Console:
    """What lives as long as the console does."""

    installation: Installation
    """The installation as the folder and the command line name it."""
    web: WebSettings
    token: AccessToken
    model: ReadModel = field(init=False)
    """What is known without asking Kafka, while it runs."""
    jobs: Jobs = field(default_factory=Jobs)
    letters: LetterIndex = field(init=False)
    answers: RecentAnswers = field(default_factory=RecentAnswers)
    """What several people who look at a page share."""
    streams: OpenStreams = field(default_factory=lambda: OpenStreams("browsers", MAX_STREAMS))
    tails: OpenStreams = field(default_factory=lambda: OpenStreams("tails of events", MAX_TAILS))

    def __post_init__(self) -> None:
        object.__setattr__(self, "letters", LetterIndex(self.installation.settings))
        object.__setattr__(self, "model", ReadModel(self.installation))

    @property
    def figures(self) -> FiguresCache:
        """What is on the stages and edges of the pipelines that somebody looks at."""
        return self.model.figures

    def close(self) -> None:
        """End all streams, which would keep the server alive."""
        self.model.close()
        self.tails.close()

    def installation_for(self, principal: Principal, pipeline: str | None = None) -> Installation:
        """Return the first argument of an operation that `principal` calls, about one pipeline;
        None for the one of the folder, or the only one that is published."""
        base = self.installation
        return replace(base, pipeline=pipeline or base.pipeline, actor=principal.actor)


def _current_console(request: Request) -> Console:
    console: Console = request.app.state.console
    return console


CurrentConsole = Annotated[Console, Depends(_current_console)]
"""The console as a parameter of a route."""

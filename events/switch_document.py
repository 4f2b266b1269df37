"""Which mode is a stage switched to, and which switch is over?"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from farandole.events.control_model import Share, StrictDocument
from farandole.events.record_time import RowTime

Mode = Literal["on", "hold", "bypass", "shadow", "canary"]
CANDIDATE_MODES = frozenset({"shadow", "canary"})
"""The modes in which a second function, the candidate, is called."""
PIPELINE_MODES = frozenset({"on", "hold"})
"""The modes that a whole pipeline can be switched to."""
_RUN = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"


def mode_subject(pipeline: str, stage: str) -> tuple[str, ...]:
    """Return the subject of the documents about the mode of a stage, or of a whole pipeline."""
    return "mode", pipeline, stage


class SwitchDocument(StrictDocument):
    """A stage has this mode, until another document says otherwise."""

    do: Literal["switch"] = "switch"
    pipeline: str = Field(min_length=1)
    stage: str = ""
    """Empty for all stages of the pipeline."""
    mode: Mode
    run: str = Field(default="", pattern=rf"^$|{_RUN}")
    """`package.module:function` of the candidate."""
    share: Share | None = None
    """The share of the events or keys for which the candidate is called."""
    allow_effects: bool = Field(default=False, strict=True)
    """True if the candidate may be called although the stage has `effects: true`."""
    until: RowTime | None = None

    @model_validator(mode="after")
    def _check_mode(self) -> Self:
        if not self.stage and self.mode not in PIPELINE_MODES:
            raise ValueError(f"{self.mode} needs a stage: a whole pipeline can be on or hold")
        if self.mode not in CANDIDATE_MODES:
            if self.run or self.share is not None or self.allow_effects:
                raise ValueError(f"{self.mode} has no run, share or allow_effects")
        elif not self.run:
            raise ValueError(f"{self.mode} needs run, the candidate: package.module:function")
        elif self.mode == "canary" and self.share is None:
            raise ValueError("canary needs a share, such as 10%")
        return self

    @property
    def key(self) -> bytes:
        return f"switch/{self.pipeline}/{self.stage}".encode()

    @property
    def subject(self) -> tuple[str, ...]:
        """What it decides: the newest document of a subject counts, under whatever key."""
        return mode_subject(self.pipeline, self.stage)


class EndSwitchDocument(StrictDocument):
    """The switch of a stage with this generation is over, for ever."""

    do: Literal["end-switch"] = "end-switch"
    pipeline: str = Field(min_length=1)
    stage: str = ""
    generation: int = Field(ge=0, strict=True)
    """The offset of the switch document in the control topic."""
    why: str = ""

    @property
    def key(self) -> bytes:
        # With the generation: a late end of an older switch must not replace that of a newer one.
        return f"end-switch/{self.pipeline}/{self.stage}/{self.generation}".encode()

    @property
    def subject(self) -> tuple[str, ...]:
        """That of the switch: who writes the next one deletes this."""
        return mode_subject(self.pipeline, self.stage)

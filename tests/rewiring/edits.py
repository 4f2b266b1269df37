"""Which edits does a pipeline go through, as texts of its file?"""

from __future__ import annotations

from collections.abc import Mapping

Stages = Mapping[str, tuple[str, str]]
"""By stage: what it subscribes to, and what it emits."""

PLAIN: Stages = {
    "take": ("asked", "taken"),
    "make": ("taken", "made"),
    "give": ("made", "given"),
}
INSERTED: Stages = {**PLAIN, "check": ("taken", "checked"), "make": ("checked", "made")}
SPLIT: Stages = {
    "take": ("asked", "taken"),
    "half": ("taken", "halved"),
    "rest": ("halved", "made"),
    "give": ("made", "given"),
}
RECONNECTED: Stages = {**SPLIT, "give": ("halved", "given")}
FORKED: Stages = {**PLAIN, "also": ("asked", "noted"), "tell": ("made", "told")}

EDITS: Mapping[str, Stages] = {
    "insert a stage between two": INSERTED,
    "remove it": PLAIN,
    "split one into two": SPLIT,
    "connect one elsewhere": RECONNECTED,
    "add subscribers, one of them to the root": FORKED,
    "remove them": PLAIN,
    "add again what was removed": FORKED,
    "and what was inserted": INSERTED,
}


FUNCTION = "stages.rewired.step:step"


ROOT_PARTITIONS = 3


def text(stages: Stages, partitions: int = 3) -> str:
    """The file; `partitions` are those of what stages emit."""
    root = f", partitions: {ROOT_PARTITIONS}"
    keyed = dict.fromkeys(event for wired in stages.values() for event in wired)
    return "\n".join(
        [
            "pipeline: rewired",
            "package: stages.rewired",
            f"defaults: {{partitions: {partitions}}}",
            "events:",
            *(
                f"  {event}: {{key: household{root if event == 'asked' else ''}}}"
                for event in keyed
            ),
            "stages:",
            *(
                f"  {name}: {{subscribes: {takes}, emits: {gives}, run: '{FUNCTION}'}}"
                for name, (takes, gives) in stages.items()
            ),
            "",
        ]
    )

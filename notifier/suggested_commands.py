"""Which commands does a notice suggest for an incident?"""

from __future__ import annotations

import shlex
from urllib.parse import quote

from farandole.events.incident_record import Incident, IncidentSample
from farandole.events.next_step import NextStep, command_line_with
from farandole.notifier.incident_lifecycle import OTHERS_FINGERPRINT


def next_steps(incident: Incident, *, over: bool = False) -> list[NextStep]:
    """Return the commands that help with an incident, the first one to type first. `over` is
    True if the incident ends now."""
    if incident.firing is not None:
        return _alert_steps(incident)
    steps = [NextStep("all about it", ("incidents", incident.id))]
    selection = dead_selection_words(incident)
    if incident.samples:
        letter = f"{shlex.quote(incident.stage)}/{incident.samples[-1].dead_offset}"
        steps.append(NextStep("the newest one, whole", ("dead", "show", letter)))
    steps.append(NextStep("how many are open, and since when", ("dead", *selection)))
    steps.append(NextStep("once it is mended: try them again", ("dead", "replay", *selection)))
    if incident.resolved is None and not over:
        steps.append(NextStep("take care of it: no more digests", ("ack", incident.id)))
        steps.append(_mute_step(incident))
    return steps


def suggested_commands(
    incident: Incident, bootstrap: str, options: str = "", *, over: bool = False
) -> list[tuple[str, str]]:
    """Return the commands as pairs (purpose, command line), as mails and webhook posts show them.

    `options` are the command-line options that reach the same installation, with a space before
    them. `over` is True if the incident ends now."""
    command_line = command_line_with(options)
    rows = [(step.lead, command_line(*step.words)) for step in next_steps(incident, over=over)]
    if incident.firing is None and incident.samples:
        rows.insert(2, ("the same by kcat", _kcat_command(incident.samples[-1], bootstrap)))
    return rows


def console_links(incident: Incident, console: str) -> list[tuple[str, str]]:
    """Return where the web console, which is at `console`, shows the incident and its run, as pairs
    (purpose, address)."""
    links = [("see it in the console", f"{console}incidents?id={quote(incident.id)}")]
    if incident.run:
        links.append(("its run there", f"{console}runs/{quote(incident.run, safe='')}"))
    return links


def dead_selection_words(incident: Incident) -> tuple[str, ...]:
    """Return the options with which `farandole dead` and `dead replay` select the dead letters of
    an incident, quoted for a shell."""
    stage = ("--stage", shlex.quote(incident.stage))
    if incident.fingerprint == OTHERS_FINGERPRINT:
        return stage  # this incident collects failures of many fingerprints
    return (*stage, "--fingerprint", shlex.quote(incident.fingerprint))


def dead_selection_options(incident: Incident) -> str:
    """Return `dead_selection_words` as one text."""
    return " ".join(dead_selection_words(incident))


def _alert_steps(incident: Incident) -> list[NextStep]:
    steps = [NextStep("all about it", ("incidents", incident.id))]
    if incident.run:
        steps.append(NextStep("what the run did, and what it waits for", ("run", incident.run)))
    if incident.schedule:
        history = ("schedules", "show", shlex.quote(incident.schedule), "--history")
        steps.append(NextStep("what became of its planned times, and why", history))
    if incident.error == "data.unusual" and incident.firing:
        expect = ("quality", "expect", incident.id, "--reason", "TEXT")
        steps.append(NextStep("if it is normal: learn it, and end this", expect))
        steps.append(NextStep("what else was unusual, and what is ignored", ("quality",)))
    if incident.error == "data.unusual" and incident.run:
        against = ("profile", incident.run, "--against", "previous")
        steps.append(NextStep("what has changed since the run before", against))
    if incident.error == "check.failed" and incident.run:
        steps.append(NextStep("what the checks found, with rows", ("checks", incident.run)))
    if incident.error == "stage.unworked" and incident.firing:
        steps.append(NextStep("start a worker", ("work", incident.stage)))
    if incident.error == "stage.lost" and incident.firing:
        words = ("seek", shlex.quote(incident.stage), "--to earliest|latest|OFFSET")
        steps.append(NextStep("decide where it goes on", words))
    if incident.error == "topic.changed" and incident.firing:
        steps.append(NextStep("see what applying the file would change", ("plan",)))
    if incident.error == "switch.ended" and incident.firing:
        target = shlex.quote(incident.stage) if incident.stage else "--all"
        steps.append(NextStep("clear the switch that is over", ("switch", target, "on")))
    if incident.error in ("control.unread", "control.unfit", "switch.ended"):
        steps.append(NextStep("see every switch, and what is wrong with it", ("switches",)))
    steps.append(NextStep("how far every stage is", ("status",)))
    if incident.firing:
        steps.append(_mute_step(incident))
    return steps


def _mute_step(incident: Incident) -> NextStep:
    return NextStep("hear nothing of it for a while", ("mute", incident.id, "--for", "2h"))


def _kcat_command(sample: IncidentSample, bootstrap: str) -> str:
    return (
        f"kcat -C -b {bootstrap} -t {sample.dead_topic} -o {sample.dead_offset} -c 1"
        " -f '%h\\n%s\\n'"
    )

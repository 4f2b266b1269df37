"""Do the books agree with the events in the topics?"""

from __future__ import annotations

import click

from farandole.cli import shell_completion
from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.progress import ProgressLine

_EXIT_CODES = {"agree": 0, "differ": 1, "unverifiable": 2}
"""Exit codes by verdict."""


@click.command()
@click.argument(
    "run_id", metavar="[RUN]", required=False, shell_complete=shell_completion.complete_runs
)
@json_option
@click.pass_obj
def audit(context: CliContext, run_id: str | None, as_json: bool) -> None:
    """Compare the books with the events in the topics.

    All runs are compared, or only RUN; the rows of the runs are compared with their ledger entries
    too. All topics are read again, at read_committed: the events that were emitted of each type,
    and those that each stage has consumed up to its committed offset. Profiles of data are added up
    anew, from the entries and from the events, and compared with those that are kept. Exit code 1:
    something differs. Exit code 2: retention has deleted what is needed to decide.
    """
    from farandole.cli.rendering.audit_view import audit_lines
    from farandole.operations.audit.topic_audit import AuditRequest, audit_topics

    context.configure_logs()
    request = AuditRequest(run_id)
    with ProgressLine() as progress:
        result = context.run(
            lambda installation: audit_topics(installation, request, progress.show)
        )
    if as_json:
        print_json(result.to_data())
    else:
        for line in audit_lines(result, context.command_line):
            print_line(line)
    if _EXIT_CODES[result.verdict]:
        raise click.exceptions.Exit(_EXIT_CODES[result.verdict])

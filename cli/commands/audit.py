"""Do the books say what the topics hold?"""

from __future__ import annotations

import click

from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line

_EXIT_CODES = {"agree": 0, "differ": 1, "unverifiable": 2}
"""By verdict."""


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False)
@json_option
@click.pass_obj
def audit(context: CliContext, run_id: str | None, as_json: bool) -> None:
    """Compare the entries of the books with what the topics hold, of all runs or of RUN, and the
    rows of the runs with what their entries fold into.

    All is read anew, at read_committed: of each event type what was emitted, and of each stage
    what it has consumed up to its committed offset. Exit 1: something differs. Exit 2: retention
    has taken what would tell.
    """
    from farandole.cli.rendering.audit_view import audit_lines
    from farandole.operations.audit.topic_audit import AuditRequest, audit_topics

    context.configure_logs()
    result = context.run(lambda installation: audit_topics(installation, AuditRequest(run_id)))
    if as_json:
        print_json(result.to_data())
    else:
        for line in audit_lines(result, context.command_line):
            print_line(line)
    if _EXIT_CODES[result.verdict]:
        raise click.exceptions.Exit(_EXIT_CODES[result.verdict])

"""How does a function of a running pipeline read another value?"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import click

from farandole.cli import shell_completion
from farandole.cli.context import CliContext
from farandole.cli.options import by_option, comment_option, json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.parameters import DurationParameter, UntilParameter
from farandole.operations.current_user import current_user

_IMPORT = "import"


@click.command(context_settings={"ignore_unknown_options": True})  # a value may be -5
@click.argument(
    "words",
    nargs=-1,
    metavar="NAME VALUE | import FILE",
    shell_complete=shell_completion.complete_flags,
)
@click.option("--clear", is_flag=True, help="Let functions read the default of the file again.")
@click.option(
    "--stage",
    metavar="STAGE",
    default="",
    help="Only for functions of this stage.",
    shell_complete=shell_completion.complete_stages,
)
@click.option("--share", metavar="5%", help="Only for so many of the keys.")
@click.option(
    "--when", metavar="EXPRESSION", default="", help="Only for events for which this is true."
)
@click.option("--for", "length", type=DurationParameter(), metavar="2h", help="For so long.")
@click.option("--until", type=UntilParameter(), metavar="TIME", help="Until then, in UTC.")
@click.option("--dry-run", is_flag=True, help="With import: write nothing.")
@by_option
@comment_option
@json_option
@click.pass_obj
def flag(
    context: CliContext,
    words: tuple[str, ...],
    clear: bool,
    stage: str,
    share: str | None,
    when: str,
    length: timedelta | None,
    until: datetime | None,
    dry_run: bool,
    by: str | None,
    comment: str,
    as_json: bool,
) -> None:
    """Let functions read VALUE as the flag NAME.

    They do from their next batch on. VALUE is JSON or, for a flag of type text, the text itself.
    With import, every flag of FILE is set, which has flagd's format; what cannot be said here is
    refused with its line. `farandole switches` shows the flags that are set.
    """
    from farandole.cli.rendering.flag_text import set_flag_text
    from farandole.operations.control.flag import FlagRequest, set_flag

    for word in words:
        if word.startswith("--"):
            raise click.UsageError(f"no such option: {word}")
    context.configure_logs()
    has_conditions = bool(stage or when or share is not None)
    if words[:1] == (_IMPORT,):
        if len(words) != 2 or clear or has_conditions or length or until or comment:
            raise click.UsageError("say `import FILE`, and nothing of a single flag")
        _import(context, Path(words[1]), by or current_user(), dry_run, as_json)
        return
    if dry_run:
        raise click.UsageError("--dry-run goes with `import FILE`")
    if len(words) != (1 if clear else 2):
        raise click.UsageError("say NAME and VALUE, or NAME and --clear, or import and FILE")
    if clear and has_conditions:
        raise click.UsageError("--clear is for all events: leave --stage, --share, --when out")
    request = FlagRequest(
        words[0],
        None if clear else words[1],
        by or current_user(),
        stage=stage,
        share=share,
        when=when,
        duration=length,
        until=until,
        comment=comment,
    )
    result = context.run(lambda installation: set_flag(installation, request))
    if as_json:
        print_json(result.to_data())
        return
    print_line(set_flag_text(result))
    if result.list_stages:
        print_line(
            f"in {', '.join(result.list_stages)}, whose functions take lists, only"
            " context.events[i].flag reads it"
        )


def _import(context: CliContext, file: Path, by: str, dry_run: bool, as_json: bool) -> None:
    from farandole.cli.rendering.flag_text import import_lines
    from farandole.operations.control.flag_import import ImportFlagsRequest, import_flags

    request = ImportFlagsRequest(file, by, dry_run)
    result = context.run(lambda installation: import_flags(installation, request))
    if as_json:
        print_json(result.to_data())
        return
    for line in import_lines(result.documents, written=result.written):
        print_line(line)

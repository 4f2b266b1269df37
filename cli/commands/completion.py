"""How does a shell complete commands, stages and event types?"""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from farandole.cli.output import print_line

_STARTUP_FILES = {
    "bash": "~/.bashrc",
    "zsh": "~/.zshrc",
    "fish": "~/.config/fish/completions/farandole.fish",
}


@click.command()
@click.argument("shell", type=click.Choice(list(_STARTUP_FILES)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    For example: farandole completion bash >> ~/.bashrc
    """
    completion_class = get_completion_class(shell)
    assert completion_class is not None
    print_line(f"# belongs into {_STARTUP_FILES[shell]}")
    root = context.find_root().command
    script = completion_class(root, {}, "farandole", "_FARANDOLE_COMPLETE").source()
    print_line(script)

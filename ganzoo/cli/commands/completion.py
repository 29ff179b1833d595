"""``ganzoo completion``: the script that makes a shell complete our words."""

from __future__ import annotations

import click

from ganzoo.cli.app import Command


@click.command(
    cls=Command,
    examples=[
        'bash:  eval "$(ganzoo completion bash)"        in ~/.bashrc',
        'zsh:   eval "$(ganzoo completion zsh)"         in ~/.zshrc',
        "fish:  ganzoo completion fish > ~/.config/fish/completions/ganzoo.fish",
    ],
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(*, shell: str) -> None:
    """Print the shell completion script for SHELL."""
    from click.shell_completion import get_completion_class

    from ganzoo.cli.app import ganzoo

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(ganzoo, {}, "ganzoo", "_GANZOO_COMPLETE").source())

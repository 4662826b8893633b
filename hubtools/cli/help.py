"""`hubtools help`."""

from __future__ import annotations

import click

from hubtools.cli.mistyped import meant


@click.command("help")
@click.argument("words", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def command(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Show all commands, or the options of one: the same as `--help` behind it."""
    parent = ctx.parent
    assert parent is not None
    found: click.Command = parent.command
    for word in words:
        below = found.get_command(parent, word) if isinstance(found, click.Group) else None
        if below is None:
            known = found.list_commands(parent) if isinstance(found, click.Group) else []
            said = f"There is no command {' '.join(words)!r}.{meant(word, known)}"
            raise click.UsageError(said, parent)
        parent, found = click.Context(below, info_name=word, parent=parent), below
    click.echo(found.get_help(parent))

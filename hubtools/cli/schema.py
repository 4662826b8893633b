"""`hubtools schema`."""

from __future__ import annotations

from typing import Literal

import click


@click.command("schema")
@click.argument("what", type=click.Choice(["settings", "report"]), default="settings")
def command(what: Literal["settings", "report"]) -> None:
    """Print the JSON schema of hubtools.toml (settings) or of --format json (report), for editors
    and checks."""
    import json

    from hubtools.commands.journeys import schema

    click.echo(json.dumps(schema(what), indent=2))

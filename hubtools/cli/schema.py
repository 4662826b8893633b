"""`hubtools schema`."""

from __future__ import annotations

import click


@click.command("schema")
def command() -> None:
    """Print the JSON schema of hubtools.toml, for editors and checks."""
    import json

    from hubtools.project import schema

    click.echo(json.dumps(schema(), indent=2))

"""`hubtools schema`."""

from __future__ import annotations

import click


@click.command("schema")
@click.argument("what", type=click.Choice(["settings", "report"]), default="settings")
def command(what: str) -> None:
    """Print the JSON schema of hubtools.toml (settings) or of --format json (report), for editors
    and checks."""
    import json

    if what == "report":
        from hubtools.findings import report_schema

        click.echo(json.dumps(report_schema(), indent=2))
        return
    from hubtools.project import schema

    click.echo(json.dumps(schema(), indent=2))

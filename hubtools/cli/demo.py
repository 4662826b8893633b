"""`hubtools demo`."""

from __future__ import annotations

from pathlib import Path

import click

from hubtools.cli.output import Output, output_options
from hubtools.cli.rehearse import keep_serving, serve_option
from hubtools.errors import ExitCode


@click.command("demo")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("hubtools-demo"),
    show_default=True,
    help="Project folder to make or continue.",
)
@serve_option
@output_options()
def command(folder: Path, serve: bool | None, out: Output) -> int:
    """Rehearse on the built-in example: 21 drawn pictures become a LoRA on an embedded Hub.

    Run it again and it skips what is done. Nothing is downloaded, nothing leaves the machine.
    """
    from hubtools.commands.journeys import demo

    rehearsal = demo(folder, note=out.note, meanwhile=keep_serving(out, serve))
    out.hint("the same with your pictures: hubtools init NAME --from PICTURES --trigger WORD")
    return ExitCode.DONE if rehearsal.ok else ExitCode.CHECKS_FAILED

"""`hubtools watch`."""

from __future__ import annotations

import shlex
import sys
import webbrowser
from pathlib import Path

import click

from hubtools.cli.options import SettingsCommand, project_options
from hubtools.cli.output import Output, output_options
from hubtools.errors import ExitCode
from hubtools.manifest import runs_below
from hubtools.project import Project


@click.command("watch", cls=SettingsCommand)
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0,
    help="Port of the page  [default: any free one]",
)  # fmt: skip
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
@project_options("train.price_per_hour")
@output_options()
def command(
    run: Path | None,
    port: int,
    opens: bool,
    project: Project,
    out: Output,
) -> int:
    """Look at a training on a page in the browser, while it goes on or when it is over.

    RUN is a run folder, which need not be there yet, or a project folder (default: the project's
    run). Loss, learning rate, samples and the time that is left follow the run; nothing is written.
    The page is for this machine only. Ctrl-C stops the page, not the training.
    """
    from hubtools.commands.watching import watch

    with watch(run, project, port=port) as page:
        out.result(
            f"The page is at {page.url}", essential=page.url, url=page.url,
            run=str(page.folder), status=page.status,
        )  # fmt: skip
        out.answer.say()  # whoever reads our pipe waits for the address
        sys.stdout.flush()
        if page.status == "waiting":
            out.note(f"There is no run in {page.folder} yet; the page waits for it.")
            if below := runs_below(page.folder):
                out.hint(f"it holds runs: `hubtools watch {shlex.quote(str(below[0]))}` shows one")
        out.note("Open it in a browser. Ctrl-C stops it.")
        if opens and not webbrowser.open(page.url):
            out.note("No browser could be opened here.")
        page.wait()
        out.note("The page has stopped; a training that is under way goes on.")
    return ExitCode.DONE

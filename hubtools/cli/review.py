"""`hubtools review`."""

from __future__ import annotations

import sys
import webbrowser
from contextlib import ExitStack
from pathlib import Path

import click

from hubtools.cli.options import SettingsCommand, crop_options, project_options
from hubtools.cli.output import Output, output_options
from hubtools.cli.trust import trust_option, with_trust
from hubtools.errors import ExitCode
from hubtools.findings import plural
from hubtools.project import Project


@click.command("review", cls=SettingsCommand)
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0,
    help="Port of the page  [default: any free one]",
)  # fmt: skip
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
@crop_options
@trust_option()
@project_options("dataset")
@output_options()
def command(
    path: Path | None,
    port: int,
    opens: bool,
    resolution: int | None,
    aspect_ratio_buckets: bool | None,
    trust_state: bool,
    project: Project,
    out: Output,
) -> int:
    """Look at pictures and captions on a page in the browser, and change them.

    PATH is a folder of pictures or a project folder (default: the project's dataset). The page is
    for this machine only. Nothing is written before you press Apply; what you changed until then
    is kept, also if this command is killed. `hubtools fix --undo` takes back what was applied.
    Ctrl-C stops it.
    """
    from hubtools.commands.reviews import review

    with ExitStack() as stack:
        with out.following("reading pictures") as tell:
            page = with_trust(
                out,
                trust_state,
                lambda trusted: stack.enter_context(
                    review(
                        path,
                        project,
                        resolution=resolution,
                        aspect_ratio_buckets=aspect_ratio_buckets,
                        port=port,
                        trust_state=trusted,
                        note=out.note,
                        on_picture=tell,
                    )
                ),
            )
        pictures = len(page.session.names)
        out.result(
            f"The page is at {page.url}", url=page.url, pictures=pictures, pending=page.pending
        )
        out.answer.say()  # whoever reads our pipe waits for the address
        sys.stdout.flush()
        if page.pending:
            out.note(f"{plural(page.pending, 'change')} of last time not applied yet.")
        out.note("Open it in a browser. Ctrl-C stops it.")
        if opens and not webbrowser.open(page.url):
            out.note("No browser could be opened here.")
        page.wait()
        left = page.pending
        kept = f" {plural(left, 'change')} not applied yet, kept for the next time." if left else ""
        out.note(f"Stopped.{kept}")
    return ExitCode.DONE

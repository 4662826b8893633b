"""`hubtools preview`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from hubtools.cli.kinds import kind_option
from hubtools.cli.options import SettingsCommand, project_options
from hubtools.cli.output import Output, output_options
from hubtools.errors import ExitCode, require_extra
from hubtools.findings import plural

if TYPE_CHECKING:
    from hubtools.project import Project


@click.command("preview", cls=SettingsCommand)
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.argument("repo", required=False)
@kind_option("--type")
@click.option("--port", type=int, default=0, help="Port of the pages  [default: any free one]")
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
@project_options("prune")
@output_options()
def command(
    folder: Path | None,
    repo: str | None,
    kind: Literal["auto", "model", "dataset"],
    port: int,
    opens: bool,
    project: Project,
    out: Output,
) -> int:
    """Show the pages that a run folder or a dataset folder would have on the Hub, with what the
    checks find, until Ctrl-C.

    FOLDER defaults to the project's dataset and run folders, REPO to the names in hubtools.toml.
    Only what would be pushed is shown, and where there is no card yet, the one that `hubtools card`
    would write; nothing is written or published, and no Hub is asked. The
    pages follow the folder: reload to see a change. They are served to this machine alone, and only
    to who has the address with its key.
    """
    require_extra("hub", "The embedded Hub")
    from hubtools.commands.serving import preview

    with preview(folder, repo, project, type=kind, port=port) as served:
        for one in served.shown:
            out.note(f"{one.repo} ({one.repo_type}): {plural(one.files, 'file')} would be pushed")
            if one.draft is not None:
                out.warn(f"{one.repo} has no card yet: shown is the one that it would get")
                for note in one.draft:
                    out.note(note)
            elif not one.card:
                why = f"; {one.why}" if one.why else ""
                out.warn(f"{one.repo} has no card yet, which is most of its page{why}")
            if not one.card:
                out.hint("`hubtools card` writes it; reload the page then")
        out.result(
            f"The pages are at {served.url}", essential=served.url, url=served.url,
            repos=[one.repo for one in served.shown],
        )  # fmt: skip
        out.answer.say()  # whoever reads our pipe waits for the address
        sys.stdout.flush()
        out.note("Ctrl-C stops it.")
        if opens:
            import webbrowser

            webbrowser.open(served.url)
        served.wait()
    return ExitCode.DONE

"""`hubtools card`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from hubtools.cli.following import repairing, tell_push
from hubtools.cli.kinds import kind_option
from hubtools.cli.options import SettingsCommand, project_options
from hubtools.cli.output import REPORT_FORMATS, Output, output_options, shown_path
from hubtools.errors import ExitCode

if TYPE_CHECKING:
    from hubtools.commands.releasing import Card
    from hubtools.project import Project


@click.command("card", cls=SettingsCommand)
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@kind_option("--kind", "--type")
@click.option("--template", type=click.Path(path_type=Path), help="Folder with your own templates.")
@click.option("--check", is_flag=True, help="Check the card instead of writing it.")
@click.option(
    "--renew",
    is_flag=True,
    help="Write hubtools' keys and blocks anew, also where you changed them.",
)
@click.option("--dry-run", is_flag=True, help="Show what would change.")
@click.option(
    "--write-baseline", is_flag=True,
    help="Add the findings to the baseline file  [default: hubtools-baseline.json]",
)  # fmt: skip
@project_options(
    "model", "dataset", "prune.drop", "train.pretrained_model_name_or_path", "train.base_model_repo"
)
@output_options(*REPORT_FORMATS, report=True)
def command(
    folder: Path | None,
    kind: Literal["auto", "model", "dataset"],
    template: Path | None,
    check: bool,
    renew: bool,
    dry_run: bool,
    write_baseline: bool,
    project: Project,
    out: Output,
) -> int:
    """Write the card of a run folder or a dataset folder, or of both of a project; of a folder with
    a LoRA from elsewhere what its file, its own card and these options tell.

    What people wrote into it stays: hubtools renews its own blocks and keys only, and leaves those
    that a person has changed (--renew writes them anew). Exit code 3 if
    the card breaks a rule (see `hubtools explain C101`).
    """
    from hubtools.commands.releasing import card

    def tell(one: Card) -> None:
        for note in one.written.notes if one.written is not None else ():
            out.note(note)
        if one.written is not None and not dry_run:
            out.note(f"{'Wrote' if one.written.changed else 'Nothing new for'} {one.written.path}")
        if one.of_project and kind == "auto":
            out.answer.several()
        if one.report is not None:
            out.report(one.report, prefix=shown_path(one.folder), whole=True)

    done = card(
        folder,
        project,
        kind=kind,
        template=template,
        check=check,
        renew=renew,
        dry_run=dry_run,
        write_baseline=write_baseline,
        one=bool(out.report_files) or out.format in ("sarif", "html"),
        on_card=tell,
    )
    mends = [one.written.command for one in done if one.written and one.written.command]
    if out.human and mends and not check:
        out.hint(f"next: {mends[0]}")
    elif out.human and (wrong := next((one.report for one in done if not one.ok), None)):
        if (command := repairing(wrong)) is not None:
            out.hint(f"next: {command}")
    elif out.human and not (check or dry_run) and done[-1].ok:
        last = done[-1]
        text = last.written.text if last.written is not None else ""
        tell_push(out, last.folder, last.kind, project, text)
    if dry_run and not check:
        _show_drafts(done, out)
    return ExitCode.DONE if all(one.ok for one in done) else ExitCode.CHECKS_FAILED


def _show_drafts(cards: list[Card], out: Output) -> None:
    drafts = [(one.kind, one.written) for one in cards if one.written is not None]
    if out.format == "json":
        out.answer.put(
            {
                "cards": [
                    {"path": str(w.path), "kind": kind, "changes": w.changed, "diff": w.diff}
                    for kind, w in drafts
                ]
            }
        )
        return
    for _, written in drafts:
        out.data(written.diff.rstrip() or f"{written.path}: nothing would change")

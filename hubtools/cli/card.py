"""`hubtools card`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from hubtools.cli.options import SettingsCommand, project_in, project_options
from hubtools.cli.output import REPORT_FORMATS, Output, output_options, shown_path
from hubtools.errors import ExitCode, HubtoolsError, UsageError

if TYPE_CHECKING:
    from hubtools.project import Project


@click.command("card", cls=SettingsCommand)
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--kind", type=click.Choice(["auto", "model", "dataset"]), default="auto")
@click.option("--template", type=click.Path(path_type=Path), help="Folder with your own templates.")
@click.option("--check", is_flag=True, help="Check the card instead of writing it.")
@click.option("--dry-run", is_flag=True, help="Show what would change.")
@project_options("model", "dataset")
@output_options(*REPORT_FORMATS, report=True)
def command(
    folder: Path | None,
    kind: Literal["auto", "model", "dataset"],
    template: Path | None,
    check: bool,
    dry_run: bool,
    project: Project,
    out: Output,
) -> int:
    """Write the card of a run folder or a dataset folder, or of both of a project.

    What people wrote into it stays: hubtools renews its own blocks and keys only. Exit code 3 if
    the card breaks a rule (see `hubtools explain C101`).
    """
    from hubtools.cards.render import write_dataset_card, write_model_card
    from hubtools.cards.rules import check_card
    from hubtools.layout import PROJECT_FILE, RUN_MANIFEST
    from hubtools.publish.release import kind_of

    # a run folder has a hubtools.toml as well, the settings it was started with
    is_run = folder is not None and (folder / RUN_MANIFEST).is_file()
    if folder is not None and not is_run and (folder / PROJECT_FILE).is_file():
        project, folder = project_in(folder), None
    todo: list[tuple[Path, Literal["model", "dataset"]]] = []
    if folder is not None:
        todo.append((folder, kind_of(folder) if kind == "auto" else kind))
    else:
        if kind in ("auto", "dataset") and project.dataset_dir.is_dir():
            place = project.dataset_dir if check or dry_run else project.dataset_to_change
            todo.append((place, "dataset"))
        if kind in ("auto", "model") and (project.run_dir / RUN_MANIFEST).is_file():
            place = project.run_dir if check or dry_run else project.run_to_change
            todo.append((place, "model"))
    if not todo:
        raise HubtoolsError(
            "There is neither a dataset folder nor a run folder here.",
            hint="give the folder",
            code="nothing-there",
        )
    if len(todo) > 1 and (out.report_files or out.format in ("sarif", "html")):
        raise UsageError(
            "There is a dataset card and a model card, and one report is of one card.",
            hint="say --kind dataset or --kind model",
        )
    if folder is None and kind == "auto":
        out.answer.several()
    code = ExitCode.DONE
    drafts: list[dict[str, Any]] = []
    for place, what in todo:
        if not check:
            write = write_model_card if what == "model" else write_dataset_card
            written = write(place, project, template=template, dry_run=dry_run)
            if dry_run:
                drafts.append(
                    {
                        "path": str(written.path),
                        "kind": what,
                        "changes": written.changed,
                        "diff": written.diff,
                    }
                )
                if out.format != "json":
                    out.data(written.diff.rstrip() or f"{written.path}: nothing would change")
                continue
            verb = "Wrote" if written.changed else "Nothing new for"
            out.note(f"{verb} {written.path}")
        report = check_card(place, what, **project.rules_of("C"))
        out.report(report, prefix=shown_path(place))
        if not report.ok:
            code = ExitCode.CHECKS_FAILED
    if drafts:
        out.answer.put({"cards": drafts})
    return code

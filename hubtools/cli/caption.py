"""`hubtools caption`."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hubtools.cli.options import SettingsCommand, dataset_folder, project_options
from hubtools.cli.output import Output, output_options, typed_place
from hubtools.cli.recovery import recover
from hubtools.cli.trust import trust_option, with_trust
from hubtools.errors import ExitCode, UsageError
from hubtools.findings import plural

if TYPE_CHECKING:
    from hubtools.dataset.caption.exchange import Source, Trainer
    from hubtools.dataset.caption.planner import CaptionPlan
    from hubtools.project import Project

# Pictures that are shown before asking.
_SHOWN = 20
_TRAINER = click.Choice(["kohya", "ai-toolkit"])
_SOURCE = click.Choice(["kohya", "ai-toolkit", "embedded"])


@click.command("caption", cls=SettingsCommand)
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option(
    "--template",
    metavar="TEXT",
    help='Caption for all, with columns in braces: "photo of {trigger}, {view}".',
)
@click.option(
    "--model", metavar="ID|FOLDER", help="Caption with a vision-language model of transformers."
)
@click.option("--prompt", metavar="TEXT", help="Prompt for the captioning model.")
@click.option(
    "--max-new-tokens", type=click.IntRange(1, 2000), default=60, show_default=True,
    help="Longest caption in tokens.",
)  # fmt: skip
@click.option(
    "--device", help="Device of the model: cuda, mps or cpu  [default: cuda if available]"
)
@click.option(
    "--import", "source", type=_SOURCE,
    help="Import captions from text files beside the pictures, or from their metadata.",
)  # fmt: skip
@click.option(
    "--from", "source_dir", type=click.Path(path_type=Path), metavar="DIR",
    help="Folder of the text files to import.",
)  # fmt: skip
@click.option(
    "--export", "export", type=(_TRAINER, click.Path(path_type=Path)), metavar="TRAINER DIR",
    help="Export pictures and captions to DIR in the layout of kohya or ai-toolkit.",
)  # fmt: skip
@click.option("--replace", multiple=True, metavar="OLD=NEW", help="Replace in all captions.")
@click.option("--regex", is_flag=True, help="OLD of --replace is a regular expression.")
@click.option(
    "--trigger-insert", is_flag=True, help="Insert the trigger at the start of captions without it."
)
@click.option(
    "--trigger-rename", multiple=True, metavar="OLD=NEW", help="Rename a trigger in all captions."
)
@click.option("--overwrite", is_flag=True, help="Also write captions that exist already.")
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
@click.option("--yes", is_flag=True, help="Apply without asking.")
@click.option("--undo", is_flag=True, help="Undo the last caption or fix.")
@trust_option()
@project_options("dataset")
@output_options()
def command(
    path: Path | None,
    template: str | None,
    model: str | None,
    prompt: str | None,
    max_new_tokens: int,
    device: str | None,
    source: Source | None,
    source_dir: Path | None,
    export: tuple[Trainer, Path] | None,
    replace: tuple[str, ...],
    regex: bool,
    trigger_insert: bool,
    trigger_rename: tuple[str, ...],
    overwrite: bool,
    dry_run: bool,
    yes: bool,
    undo: bool,
    trust_state: bool,
    project: Project,
    out: Output,
) -> int:
    """Caption pictures and edit captions: shows each before and after, asks, can undo it all.

    PATH is a folder of pictures or a project folder (default: the project's dataset). A caption
    that is there stays unless --overwrite; --replace and the --trigger options edit all of them.
    Originals are kept in .hubtools/fixes, as `hubtools fix` does. Exit code 3 if there is
    something to do and nobody said yes.
    """
    from hubtools.commands.edits import caption, check_import
    from hubtools.dataset.fix.run import undo_fix

    folder, its = dataset_folder(path, project, out, change=not dry_run and export is None)
    if dry_run and undo:
        raise UsageError("--dry-run and --undo exclude each other.")
    check_import(source, source_dir)
    edits = (template, model, source, replace, trigger_insert, trigger_rename)
    if undo:
        undone = with_trust(out, trust_state, lambda trusted: undo_fix(folder, trust_state=trusted))
        count = sum(step.path is not None for step in undone.steps)
        out.result(f"{folder} is as it was before {undone.id}", id=undone.id, restored=count)
        return ExitCode.DONE
    if export is not None:
        if any(edits):
            raise UsageError("--export stands alone.", hint="caption first, then export")
        return _export(folder, its, *export, out=out)
    recover(folder, out, yes=yes, dry_run=dry_run, trust_state=trust_state, command="caption")
    run = partial(
        caption, path, project, template=template, source=source, source_dir=source_dir,
        model=model, prompt=prompt, max_new_tokens=max_new_tokens, device=device,
        replace=replace, regex=regex, trigger_rename=trigger_rename,
        trigger_insert=trigger_insert, overwrite=overwrite,
    )  # fmt: skip
    with out.following("captioning", at_once=model is not None) as tell:
        plan = run(dry_run=True, on_picture=tell).plan
    yes = yes and not dry_run  # who says both looks first
    asks = not dry_run and not yes
    if out.format != "json" and plan.changes:
        _show(plan, out, limit=_SHOWN if asks else None)
    if asks and plan.changes and out.human and sys.stdin.isatty():
        yes = click.confirm(f"Write {_count(plan)}?", default=False, err=True)
    if not yes or not plan.changes:
        if out.format == "json":
            _json(plan, None, out)
        elif not plan.changes:
            out.result("No caption to change", essential="", changes=0, kept=plan.kept)
            if not (plan.kept or plan.without or plan.unreadable):
                _say_where_pictures_are(folder, out)
        _left(plan, out)
        if not plan.changes or dry_run:
            return ExitCode.DONE
        out.hint("nothing was changed; add --yes to write this, --dry-run to see all of it")
        return ExitCode.CHECKS_FAILED
    done = run(plan=plan)
    id = done.journal.id if done.journal else None
    if out.format == "json":
        _json(plan, id, out)
    elif out.format != "quiet":
        out.result(
            f"{_count(plan)} written", essential=id, journal=id, changes=len(plan.changes),
            kept=plan.kept,
        )  # fmt: skip
    _left(plan, out)
    if trigger_rename:
        out.hint("set dataset.trigger in hubtools.toml to the new name")
    out.hint(f"`hubtools caption{typed_place()} --undo` takes this back")
    out.hint(f"next: hubtools validate{typed_place()}")
    return ExitCode.DONE


def _count(plan: CaptionPlan) -> str:
    return plural(len(plan.changes), "caption")


def _show(plan: CaptionPlan, out: Output, limit: int | None) -> None:
    if out.format in ("agent", "quiet"):
        rows = [(c.picture, c.before, c.after, c.how) for c in plan.changes]
        out.table(("picture", "before", "after", "how"), rows)
        return
    shown = 0
    for line in plan.diff():
        shown += line.startswith("@")
        if limit is not None and shown > limit:
            out.note(f"... and {len(plan.changes) - limit} more; --dry-run shows all")
            return
        out.diff_line(line)


def _say_where_pictures_are(folder: Path, out: Output) -> None:
    from hubtools.dataset.folder.listing import walk
    from hubtools.dataset.sources.names import where_pictures_are

    said, hint = where_pictures_are(folder, walk(folder))
    out.warn(f"{said}.")
    out.hint(hint)


def _left(plan: CaptionPlan, out: Output) -> None:
    if out.human and plan.kept:
        kept, it = (
            ("keeps its caption", "it") if plan.kept == 1 else ("keep their captions", "them")
        )
        out.note(f"{plural(plan.kept, 'picture')} {kept} (--overwrite replaces {it}).")
    for name, reason in list(plan.unreadable.items())[:_SHOWN]:
        out.warn(f"{name} gets no caption: {reason}.")
    if len(plan.unreadable) > _SHOWN:
        look = f"`hubtools validate{typed_place()}`"
        out.warn(f"{len(plan.unreadable) - _SHOWN} more get none; {look} names them.")
    without = [name for name in plan.without if name not in plan.unreadable]
    if out.human and without:
        more = ", ..." if len(without) > 3 else ""
        out.note(
            f"{plural(len(without), 'picture')} {'has' if len(without) == 1 else 'have'}"
            f" no caption: {', '.join(without[:3])}{more}"
        )


def _json(plan: CaptionPlan, id: str | None, out: Output) -> None:
    out.answer.put(plan.to_dict() | {"applied": id is not None, "journal": id})


def _export(folder: Path, project: Project, trainer: Trainer, to: Path, *, out: Output) -> int:
    from hubtools.dataset.caption.exchange import export_captions

    done = export_captions(folder, to, trainer, project.dataset, repeats=project.train.repeats)
    if done.blank:
        out.warn(f"An empty caption: {plural(done.blank, 'picture')}.")
    if done.foreign:
        out.warn(
            f"Neither .jpg nor .png, so that ai-toolkit may not read it:"
            f" {plural(done.foreign, 'picture')}."
        )
    out.result(
        f"{plural(done.pictures, 'picture')} with captions in {to}",
        essential=str(to), folder=str(to), pictures=done.pictures, trigger_word=done.trigger,
    )  # fmt: skip
    return ExitCode.DONE

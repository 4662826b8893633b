"""`hubtools prune`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from hubtools.cli.options import SettingsCommand, project_options
from hubtools.cli.output import Output, output_options
from hubtools.cli.plans import check_plan_options, opened, plan_options
from hubtools.cli.trust import trust_option, with_trust
from hubtools.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from hubtools.project import Project
    from hubtools.publish.classify import PrunePlan


@click.command("prune", cls=SettingsCommand)
@click.argument("run_dir", required=False, type=click.Path(path_type=Path))
@click.option("--apply", "do_apply", is_flag=True, help="Move dropped files to the trash.")
@click.option("--undo", "do_undo", is_flag=True, help="Restore the last trash.")
@click.option(
    "--purge", "do_purge", is_flag=True, help="Delete the trash permanently (with --yes)."
)
@click.option("--yes", is_flag=True, help="Confirm --purge.")
@click.option("--dry-run", is_flag=True, help="Show the plan and stop (the default).")
@click.option(
    "--keep-snapshots",
    type=click.Choice(["none", "last", "all"]),
    default="none",
    show_default=True,
    help="LoRA files of earlier steps to keep.",
)
@click.option("--keep", multiple=True, metavar="PATTERN", help="Keep matching files.")
@click.option("--drop", multiple=True, metavar="PATTERN", help="Drop matching files.")
@plan_options()
@trust_option()
@project_options()
@output_options()
def command(
    run_dir: Path | None,
    do_apply: bool,
    do_undo: bool,
    do_purge: bool,
    yes: bool,
    dry_run: bool,
    keep_snapshots: Literal["none", "last", "all"],
    keep: tuple[str, ...],
    drop: tuple[str, ...],
    plan_file: Path | None,
    from_plan: Path | None,
    trust_state: bool,
    project: Project,
    out: Output,
) -> int:
    """Show what of a run folder is worth publishing, what is not, why, and how many bytes.

    Nothing changes without --apply, which moves files to a trash that --undo brings back. Only
    files that a trainer writes are moved: what hubtools does not know stays, unless --drop names
    it. --from-plan shows what a plan says, and does it with --apply. Exit code 3 if there are large
    files that no rule knows.
    """
    from hubtools.files import human_bytes
    from hubtools.plans import state_of
    from hubtools.publish import trash
    from hubtools.publish.classify import classify
    from hubtools.publish.prune_plan import save_plan
    from hubtools.publish.trainers import recognise

    acting = ("do_apply", "do_undo", "do_purge")
    check_plan_options(plan_file, from_plan, ("run_dir", "do_apply"), acting)
    if from_plan is not None:
        return _replay(from_plan, run_dir, do_apply, dry_run, trust_state, out)
    changes = do_apply or do_undo or do_purge
    root = run_dir or (project.run_to_change if changes else project.run_dir)
    if sum((do_apply, do_undo, do_purge, dry_run)) > 1:
        raise UsageError("--apply, --undo, --purge and --dry-run exclude each other.")
    if do_undo:
        count = with_trust(out, trust_state, lambda trust: trash.undo(root, trust=trust))
        out.result(f"{count} files are back in {root}", restored=count)
        return ExitCode.DONE
    if do_purge:
        if not yes:
            raise UsageError(
                "Purging cannot be undone.",
                hint="add --yes if you mean it",
                code="confirmation-needed",
            )
        freed = with_trust(out, trust_state, lambda trust: trash.purge(root, trust=trust))
        out.result(f"Trash of {root} deleted", freed=human_bytes(freed))
        return ExitCode.DONE
    recognise(root)
    # before they are classified: what changes meanwhile is then told apart
    state = state_of(root, plan_file, git=True) if plan_file is not None else {}
    plan = classify(root, keep_snapshots=keep_snapshots, keep=keep, drop=drop)
    if plan_file is not None:
        options = {"keep_snapshots": keep_snapshots, "keep": list(keep), "drop": list(drop)}
        code = _show(plan, out, table=out.format not in ("json", "quiet"))
        save_plan(plan, plan_file, state, options)
        out.result(f"Plan written to {plan_file}", plan=str(plan_file), moves=len(plan.moved))
        return code
    return _apply(plan, out) if do_apply else _show(plan, out)


def _replay(
    path: Path,
    run_dir: Path | None,
    do_apply: bool,
    dry_run: bool,
    trust_state: bool,
    out: Output,
) -> int:
    """Show or do what the plan of a file says, on the folder as it was when the plan was made."""
    from hubtools.publish.prune_plan import lines_of, load_plan, would
    from hubtools.publish.trainers import recognise

    looks = dry_run or not do_apply
    saved, _ = opened(path, "prune", out, trust_state, would, lines_of, dry_run=looks)
    root = saved.folder(run_dir)
    recognise(root)
    replay = load_plan(root, saved)
    if replay.done:
        out.result(f"This plan is done already; nothing to do in {root}", moves=0)
        return ExitCode.DONE
    return _show(replay.plan, out) if looks else _apply(replay.plan, out)


def _apply(plan: PrunePlan, out: Output) -> int:
    from hubtools.files import human_bytes
    from hubtools.publish import trash

    place = trash.apply(plan)
    out.result(
        f"{len(plan.moved)} files ({human_bytes(plan.bytes_moved)}) moved aside"
        if place
        else "Nothing to move",
        trash=str(place) if place else None,
        kept=len(plan.kept),
        stayed=len(plan.left),
    )
    return ExitCode.DONE


def _show(plan: PrunePlan, out: Output, *, table: bool = True) -> int:
    from hubtools.files import human_bytes

    columns = ["path", "verdict", "bytes" if not out.human else "size", "why"]
    rows = [
        (
            item.path,
            item.word,
            human_bytes(item.bytes) if out.human else item.bytes,
            item.reason,
        )
        for item in plan.items
    ]
    if table:
        out.table(columns, sorted(rows, key=lambda row: (row[1], row[0])), right=(2,))
    out.note(
        f"{len(plan.kept)} files ({human_bytes(plan.bytes_kept)}) are worth publishing,"
        f" {len(plan.dropped)} ({human_bytes(plan.bytes_dropped)}) are not."
    )
    if plan.left:
        out.note(
            f"{len(plan.left)} of these stay where they are: no trainer that hubtools knows writes"
            " them (--drop PATTERN moves them)."
        )
    if plan.asks:
        out.warn(f"{len(plan.asks)} files are undecided: use --keep PATTERN or --drop PATTERN.")
        return ExitCode.CHECKS_FAILED
    return ExitCode.DONE

"""`hubtools prune`."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, Literal

import click

from hubtools.cli import prune_remote
from hubtools.cli.folding import folded
from hubtools.cli.following import WORTH_HALVING, push_words, tell_half_size
from hubtools.cli.options import SettingsCommand, project_options
from hubtools.cli.output import Output, output_options
from hubtools.cli.plans import check_plan_options, opened, plan_options
from hubtools.cli.trust import trust_option, with_trust
from hubtools.errors import ExitCode, UsageError
from hubtools.findings import plural
from hubtools.layout import CARD
from hubtools.whereabouts import from_here

if TYPE_CHECKING:
    from hubtools.commands.releasing import Pruned
    from hubtools.project import Project
    from hubtools.publish.classify import PrunePlan


@click.command("prune", cls=SettingsCommand)
@click.argument("run_dir", required=False, type=click.Path(path_type=Path))
@click.option("--apply", "do_apply", is_flag=True, help="Move dropped files to the trash.")
@click.option(
    "--undo",
    "do_undo",
    is_flag=True,
    help="Restore the last trash, and those of stopped prunes before it.",
)
@click.option(
    "--purge", "do_purge", is_flag=True, help="Delete the trash permanently (with --yes)."
)
@click.option("--yes", is_flag=True, help="Confirm --purge.")
@click.option("--dry-run", is_flag=True, help="Show the plan and stop (the default).")
@click.option(
    "--remote", metavar="REPO",
    help="Judge a repository on the Hub instead: --apply opens a pull request, --purge deletes for"
    " good what is in its history or pull requests alone.",
)  # fmt: skip
@click.option(
    "--type", "kind", type=click.Choice(["model", "dataset"]), default="model",
    help="Of the repository that --remote names  [default: model]",
)  # fmt: skip
@click.option(
    "--snapshot", type=click.Path(path_type=Path), metavar="FOLDER",
    help="Save what --remote --purge deletes here first.",
)  # fmt: skip
@click.option("--no-snapshot", is_flag=True, help="Delete it unsaved.")
@click.option("--confirm", metavar="REPO", help="The repository's name, to confirm --purge.")
@plan_options()
@trust_option()
@project_options("prune", "model.adapters")
@output_options()
def command(
    run_dir: Path | None,
    do_apply: bool,
    do_undo: bool,
    do_purge: bool,
    yes: bool,
    dry_run: bool,
    remote: str | None,
    kind: Literal["model", "dataset"],
    snapshot: Path | None,
    no_snapshot: bool,
    confirm: str | None,
    plan_file: Path | None,
    from_plan: Path | None,
    trust_state: bool,
    project: Project,
    out: Output,
) -> int:
    """Show what of a run folder is worth publishing, what is not, why, and how many bytes.

    Nothing changes without --apply, which moves files to a trash that --undo brings back. --dtype
    writes the LoRA in half precision; what that changes is measured. Only
    files that a trainer writes are moved: what hubtools does not know stays, unless --drop names
    it. --from-plan shows what a plan says, and does it with --apply. Exit code 3 if there are large
    files that no rule knows.
    """
    from hubtools.commands.releasing import prune
    from hubtools.commands.undoing import purge_prune, undo_prune
    from hubtools.files import human_bytes

    acting = ("do_apply", "do_undo", "do_purge")
    check_plan_options(plan_file, from_plan, ("run_dir", "do_apply"), acting)
    if from_plan is not None:
        return _replay(from_plan, run_dir, project, do_apply and not dry_run, trust_state, out)
    if sum((do_apply, do_undo, do_purge, dry_run)) > 1:
        raise UsageError("--apply, --undo, --purge and --dry-run exclude each other.")
    if remote is not None:
        if run_dir is not None or do_undo or plan_file is not None:
            raise UsageError(
                "--remote judges a repository: give no folder, --undo or --plan beside it.",
                hint="a merged pull request is taken back on its page; a file of an earlier commit"
                " is in --snapshot",
            )
        return prune_remote.run(
            remote, kind, project, out, apply=do_apply, purge=do_purge,
            snapshot=snapshot, no_snapshot=no_snapshot, confirm=confirm,
        )  # fmt: skip
    if snapshot is not None or no_snapshot or confirm is not None:
        raise UsageError("--snapshot, --no-snapshot and --confirm belong to --remote --purge.")
    if do_undo or do_purge:
        root = run_dir or project.run_to_change
    if do_undo:
        count = with_trust(out, trust_state, lambda trust: undo_prune(root, trust_state=trust))
        out.result(f"{plural(count, 'file')} back in {root}", restored=count)
        _tell_older(Path(root), out)
        return ExitCode.DONE
    if do_purge:
        if not yes:
            raise UsageError(
                "Purging cannot be undone.",
                hint="add --yes if you mean it",
                code="confirmation-needed",
            )
        freed = with_trust(out, trust_state, lambda trust: purge_prune(root, trust_state=trust))
        out.result(f"Trash of {root} deleted", freed=human_bytes(freed))
        return ExitCode.DONE
    with out.following("looking at the files"):
        done = prune(run_dir, project, apply=do_apply, plan_file=plan_file)
    if do_apply:
        return _applied(done, project, out)
    code = _show(
        done.plan, project, out, table=plan_file is None or out.format not in ("json", "quiet")
    )
    if plan_file is not None:
        moves = len(done.plan.moved)
        out.result(f"Plan written to {plan_file}", plan=str(plan_file), moves=moves)
    return code


def _tell_older(root: Path, out: Output) -> None:
    """That what an earlier prune has moved is still in the trash."""
    from hubtools.publish.trash import trashes

    if left := len(trashes(root)):
        what = "an earlier prune" if left == 1 else f"{left} earlier prunes"
        out.hint(
            f"what {what} moved is still in the trash:"
            f" `hubtools prune {quote(from_here(root))} --undo` brings it back"
            + (", the newest first" if left > 1 else "")
        )


def _replay(
    path: Path,
    run_dir: Path | None,
    project: Project,
    do_apply: bool,
    trust_state: bool,
    out: Output,
) -> int:
    """Show or do what the plan of a file says, on the folder as it was when the plan was made."""
    from hubtools.commands.releasing import prune
    from hubtools.publish.prune_plan import lines_of, would

    saved, trust = opened(path, "prune", out, trust_state, would, lines_of, dry_run=not do_apply)
    done = prune(run_dir, project, apply=do_apply, from_plan=saved, trust_state=trust)
    if done.done:
        out.result(f"This plan is done already; nothing to do in {done.plan.root}", moves=0)
        return ExitCode.DONE
    return _applied(done, project, out) if do_apply else _show(done.plan, project, out)


def _applied(done: Pruned, project: Project, out: Output) -> int:
    from hubtools.files import human_bytes

    plan = done.plan
    said = [f"{plural(len(plan.moved), 'file')} ({human_bytes(plan.bytes_moved)}) moved aside"]
    said = said if plan.moved or not plan.halved else []
    halved: dict[str, Any] = {}
    if plan.halved:
        said.append(f"{plural(len(plan.halved), 'LoRA file')} written in half precision")
        halved["halved"] = _halved(plan, out)
    out.result(
        "; ".join(said) if done.trash else "Nothing to move",
        trash=str(done.trash) if done.trash else None,
        kept=len(plan.kept),
        stayed=len(plan.left),
        **halved,
    )
    if done.trash:
        out.hint(f"`hubtools prune {quote(from_here(plan.root))} --undo` takes this back")
    _tell_next(plan, project, out)
    return ExitCode.DONE


def _tell_next(plan: PrunePlan, project: Project, out: Output) -> None:
    """The card if there is none yet, else the push."""
    if not (plan.root / CARD).is_file():
        out.hint(f"next: hubtools card {quote(from_here(plan.root))}")
    else:
        out.hint(f"next: {push_words(plan.root, 'model', project)} --dry-run")


def _halved(plan: PrunePlan, out: Output) -> list[Any]:
    """What was written in half precision: words for people, else figures."""
    found: list[Any] = []
    for item in plan.halved:
        half, name = item.half, item.target or item.path
        assert half is not None
        if out.human:
            found.append(f"{name} in {half.dtype}; {half.made_of.words}")
        else:
            figures: dict[str, Any] = {"whole": half.made_of.whole, "worst": half.made_of.worst}
            figures["worst_layer"] = half.made_of.worst_layer
            facts = {"path": name, "dtype": half.dtype, "bytes": half.bytes, "sha256": half.sha256}
            found.append(facts | {"difference": figures})
    return found


def _show(plan: PrunePlan, project: Project, out: Output, *, table: bool = True) -> int:
    from hubtools.files import human_bytes

    columns = ["path", "verdict", "bytes" if not out.human else "size", "why"]
    halved = {item.path: one for item, one in zip(plan.halved, _halved(plan, out), strict=True)}
    facts = [(item.path, item.word, item.bytes, item.reason) for item in plan.items]
    facts = folded(facts, ("keep", "ask")) if out.human else facts
    rows: list[tuple[Any, ...]] = [
        (path, word, human_bytes(size) if out.human else size, reason)
        for path, word, size, reason in facts
    ]
    if out.format == "json" and halved:
        columns.append("half")
        rows = [(*row, halved.get(row[0])) for row in rows]
    if table:
        out.table(columns, sorted(rows, key=lambda row: (row[1], row[0])), right=(2,))
    out.note(
        f"Worth publishing: {plural(len(plan.kept), 'file')} ({human_bytes(plan.bytes_kept)});"
        f" not: {len(plan.dropped)} ({human_bytes(plan.bytes_dropped)})."
    )
    if plan.left:
        out.note(
            f"Not moved, since no trainer that hubtools knows writes such files:"
            f" {plural(len(plan.left), 'file')} (--drop PATTERN moves them)."
        )
    if plan.asks:
        out.warn(
            f"{plural(len(plan.asks), 'file')} undecided: use --keep PATTERN or --drop PATTERN."
        )
        return ExitCode.CHECKS_FAILED
    if out.human and plan.halved and table:
        place, half = quote(from_here(plan.root)), plan.halved[0].half
        assert half is not None
        out.hint(f"next: hubtools prune {place} --dtype {half.dtype} --apply")
    elif out.human:
        _tell_halves(plan, out)
        if plan.moved:
            out.hint(
                "`hubtools push` leaves the others out by itself; `hubtools prune"
                f" {quote(from_here(plan.root))} --apply` moves them out of the folder"
            )
        if table:
            _tell_next(plan, project, out)
    return ExitCode.DONE


def _tell_halves(plan: PrunePlan, out: Output) -> None:
    """How the published LoRA can be half as large, if its numbers take 32 bits."""
    from hubtools.lorafile.look import Weights
    from hubtools.rooted import Root
    from hubtools.weights import read_header

    size = next((item.bytes for item in plan.kept if item.path == plan.weights), 0)
    if size < WORTH_HALVING:
        return
    with Root(plan.root) as root:
        held = Weights(read_header(root.opened(plan.weights)), size, None)
    if held.kind is not None and held.dtypes == ("F32",):
        tell_half_size(out, plan.root, size)

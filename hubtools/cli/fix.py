"""`hubtools fix`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hubtools.cli.options import SettingsCommand, dataset_folder, project_options
from hubtools.cli.output import Output, output_options, typed_place
from hubtools.cli.plans import check_plan_options, opened, plan_options
from hubtools.cli.recovery import recover
from hubtools.cli.trust import trust_option, with_trust
from hubtools.errors import ExitCode, UsageError
from hubtools.findings import plural
from hubtools.printable import visible

if TYPE_CHECKING:
    from hubtools.dataset.edits.plan import FixPlan
    from hubtools.dataset.fix.run import Fixed
    from hubtools.project import Project

# Lines of one text's diff that are shown before asking.
_SHOWN = 60


class FixCommand(SettingsCommand):
    """Its `--help` lists the names that --unsafe takes."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list below the options."""
        from hubtools.dataset.fix.remedies import UNSAFE

        with formatter.section("Unsafe fixes"):
            formatter.write_dl(list(UNSAFE.items()), col_max=34)
        formatter.write_paragraph()


@click.command("fix", cls=FixCommand)
# first, so that it sees which names the others have taken: --plan is a file here
@project_options("dataset")
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
@click.option("--yes", is_flag=True, help="Apply without asking.")
@click.option(
    "--select", multiple=True, metavar="ID", help="Apply only rules whose ids start with ID."
)
@click.option("--ignore", multiple=True, metavar="ID", help="Ignore rules whose ids start with ID.")
@click.option(
    "--unsafe",
    multiple=True,
    metavar="NAME",
    help="Also apply this unsafe fix (listed below); repeat for several.",
)
@click.option(
    "--only",
    multiple=True,
    metavar="GLOB",
    help="Repair only these pictures and files, for example 'old/*'; repeat for several.",
)
@plan_options()
@click.option("--undo", is_flag=True, help="Undo the last fix, or the one that --id names.")
@click.option("--id", metavar="ID", help="Id of the fix to undo.")
@click.option("--journal", is_flag=True, help="List the applied fixes.")
@click.option(
    "--purge", is_flag=True, help="Delete the originals in the journal permanently (with --yes)."
)
@click.option(
    "--resolution",
    type=click.IntRange(32, 4096),
    help="Training resolution to check sizes against.",
)
@trust_option()
@click.option(
    "-v", "--verbose", is_flag=True, help="List every file, also where many are changed alike."
)
@output_options()
def command(
    path: Path | None,
    dry_run: bool,
    yes: bool,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    unsafe: tuple[str, ...],
    only: tuple[str, ...],
    plan_file: Path | None,
    from_plan: Path | None,
    undo: bool,
    id: str | None,
    journal: bool,
    purge: bool,
    resolution: int | None,
    trust_state: bool,
    project: Project,
    out: Output,
) -> int:
    """Repair a folder of pictures: shows a diff, asks, applies, and can undo it all.

    PATH is a folder of pictures or a project folder (default: the project's dataset). Everything
    that is changed or removed is kept in .hubtools/fixes inside the folder until --purge. A fix
    that was interrupted is carried on with --yes, or taken back with --undo. Exit code 3 if there
    is something to fix and nobody said yes.
    """
    from hubtools.commands.edits import fix
    from hubtools.dataset.fix.run import undo_fix

    check_plan_options(plan_file, from_plan, ("path", "yes"), ("yes", "undo", "journal", "purge"))
    if sum((dry_run, undo, journal, purge)) > 1:
        raise UsageError("--dry-run, --undo, --journal and --purge exclude each other.")
    if id is not None and not undo:
        raise UsageError("--id says which fix to --undo.")
    if from_plan is not None:
        return _replay(from_plan, path, project, dry_run, yes, trust_state, out)
    changes = not (dry_run or journal or plan_file)
    folder, _ = dataset_folder(path, project, out, change=changes)
    if undo:
        undone = with_trust(
            out, trust_state, lambda trusted: undo_fix(folder, id, trust_state=trusted)
        )
        count = sum(step.path is not None for step in undone.steps)
        out.result(f"{folder} is as it was before {undone.id}", id=undone.id, restored=count)
        return ExitCode.DONE
    if journal:
        _list(path, project, folder, out)
        return ExitCode.DONE
    if purge:
        return _purge(path, project, folder, yes, trust_state, out)
    only_looks = dry_run or plan_file is not None
    recover(folder, out, yes=yes, dry_run=only_looks, trust_state=trust_state, command="fix")
    run = partial(
        fix, path, project, select=select, ignore=ignore, unsafe=unsafe, only=only,
        resolution=resolution,        counted=out.human,
    )  # fmt: skip
    as_json = out.format == "json"
    with out.following("reading pictures", then="making the plan") as tell:
        plan = run(dry_run=True, plan_file=plan_file, replayable=as_json, on_picture=tell).plan
    if plan_file is not None:
        if out.format not in ("json", "quiet"):
            _show(plan, out, _SHOWN)
        changes_in = len(plan.operations)
        out.result(f"Plan written to {plan_file}", plan=str(plan_file), changes=changes_in)
        return ExitCode.DONE
    return _carry_out(plan, run, dry_run, yes, out)


def _replay(
    path: Path,
    given: Path | None,
    project: Project,
    dry_run: bool,
    yes: bool,
    trust_state: bool,
    out: Output,
) -> int:
    """Do what the plan of a file says, on the folder as it was when the plan was made."""
    from hubtools.commands.edits import fix
    from hubtools.dataset.edits.replay import BESIDE, lines_of, would

    saved, trust = opened(
        path, "fix", out, trust_state, would, lines_of, dry_run=dry_run, beside=BESIDE
    )
    if given is None:
        folder = saved.folder()
    else:
        folder, _ = dataset_folder(given, project, out, change=not dry_run)
        folder = saved.folder(folder)
    recover(folder, out, yes=yes, dry_run=dry_run, trust_state=trust, command="fix")
    run = partial(fix, given, project, trust_state=trust)
    plan = run(dry_run=True, from_plan=saved).plan
    if plan.done:
        if out.format == "json":
            _as_json(plan, {"applied": False}, out)
        else:
            out.result(f"This plan is done already; nothing to do in {folder}", changes=0)
        return ExitCode.DONE
    return _carry_out(plan, run, dry_run, yes, out)


def _carry_out(
    plan: FixPlan,
    run: Callable[..., Fixed],
    dry_run: bool,
    yes: bool,
    out: Output,
) -> int:
    """Show the plan, ask, and let `run` do it."""
    if not plan.operations:
        _nothing(plan, out)
        return ExitCode.DONE
    yes = yes and not dry_run  # who says both looks first
    if out.format != "json":
        _show(plan, out, _SHOWN if not dry_run and not yes else None)
    if not dry_run and not yes:
        yes = _asked(plan, out)
    if not yes:
        if out.format == "json":
            _as_json(plan, {"applied": False}, out)
        if dry_run:
            _left(plan, out)
            return ExitCode.DONE
        out.hint("nothing was changed; add --yes to apply this, --dry-run to see all of it")
        return ExitCode.CHECKS_FAILED
    return _apply(plan, run, out)


def _asked(plan: FixPlan, out: Output) -> bool:
    """True if somebody at a terminal says yes."""
    if not (out.human and sys.stdin.isatty()):
        return False
    return click.confirm(f"Apply {_count(plan)}?", default=False, err=True)


def _count(plan: FixPlan) -> str:
    return plural(len(plan.operations), "change")


def _show(plan: FixPlan, out: Output, limit: int | None) -> None:
    if out.format == "quiet":
        for op in plan.operations:
            out.data(visible(op.path or str(op.target)))
        return
    if out.format == "agent":
        columns = ("action", "path", "target", "rules", "why")
        out.table(
            columns,
            [(op.action.value, op.path, op.target, op.rules, op.why) for op in plan.operations],
        )
        return
    for line in plan.diff(limit, grouped=out.human and not out.verbose):
        out.diff_line(line)


def _as_json(plan: FixPlan, facts: dict[str, Any], out: Output) -> None:
    out.answer.put(plan.to_dict() | facts, exact=True)


def _nothing(plan: FixPlan, out: Output) -> None:
    if out.format == "json":
        _as_json(plan, {"applied": False}, out)
        return
    out.result("Nothing to fix", essential="", changes=0)
    _left(plan, out)


def _apply(plan: FixPlan, run: Callable[..., Fixed], out: Output) -> int:
    with out.following("reading pictures", at_once=False) as tell:
        fixed = run(plan=plan, on_picture=tell)
    id = fixed.journal.id if fixed.journal else None
    if out.format == "json":
        facts = {"applied": True, "journal": id}
        _as_json(fixed.plan, facts, out)
        return ExitCode.DONE
    out.result(
        f"{_count(fixed.plan)} applied",
        essential=id,
        journal=id,
        changes=len(fixed.plan.operations),
        rules=fixed.plan.rules,
    )
    _left(fixed.plan, out)
    out.hint(f"`hubtools fix{typed_place()} --undo` takes this back")
    out.hint(f"next: hubtools validate{typed_place()}")
    return ExitCode.DONE


def _left(plan: FixPlan, out: Output) -> None:
    """What stays: files, and findings that a person (or a name for --unsafe) has to see to."""
    from hubtools.dataset.fix.remedies import Remedy
    from hubtools.dataset.fix.steps import REMEDIES
    from hubtools.findings import Severity

    touched = {op.path for op in plan.operations}
    for name, why in sorted(plan.left.items()):
        out.note(f"{'repaired in part' if name in touched else 'left as it is'}: {name}: {why}")
    told = [f for f in plan.remaining if f.severity is not Severity.INFO]
    if not told:
        return
    errors = sum(finding.severity is Severity.ERROR for finding in told)
    said = [plural(errors, "error")] if errors else []
    if len(told) > errors:
        said.append(plural(len(told) - errors, "warning"))
    out.note(f"What remains: {', '.join(said)} (`hubtools validate{typed_place()}`).")
    rules = sorted({finding.rule for finding in told})
    for name, count in plan.offers.items():
        named = ", ".join(rule for rule in rules if name in REMEDIES.get(rule, Remedy()).unsafe)
        if named:
            does = "may repair some" if count is None else f"repairs {count}"
            out.note(f"  {named}: --unsafe {name} {does}")


def _list(path: Path | None, project: Project, folder: Path, out: Output) -> None:
    from hubtools.commands.undoing import fix_journal
    from hubtools.dataset.edits.journal_files import lost
    from hubtools.files import human_bytes

    found = fix_journal(path, project)
    rows = [
        (j.id, j.state, len(j.steps), sorted({r for step in j.steps for r in step.rules}),
         human_bytes(j.bytes) if out.human else j.bytes, "" if j.ours else "copied, or not yours")
        for j in found
    ]  # fmt: skip
    out.table(("id", "state", "changes", "rules", "kept", "whose"), rows, right=(2, 4))
    for name in lost(folder):
        out.warn(f"{folder / name} holds originals, but their journal is gone; they are kept.")


def _purge(
    path: Path | None, project: Project, folder: Path, yes: bool, trust_state: bool, out: Output
) -> int:
    from hubtools.commands.undoing import purge_fix
    from hubtools.dataset.edits.journal_files import lost
    from hubtools.files import human_bytes

    if not yes:
        raise UsageError(
            "Purging cannot be undone.", hint="add --yes if you mean it", code="confirmation-needed"
        )
    freed = with_trust(
        out, trust_state, lambda trusted: purge_fix(path, project, trust_state=trusted)
    )
    out.result(f"Journal of {folder} deleted", freed=human_bytes(freed))
    for name in lost(folder):
        out.warn(f"{folder / name} holds originals, but their journal is gone; it was kept.")
    return ExitCode.DONE

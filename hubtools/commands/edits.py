"""`fix` and `caption` as functions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.commands.asked import Note, Progress, ProjectLike, folder_of, project_of, quiet
from hubtools.errors import UsageError
from hubtools.files import StrPath
from hubtools.project import Project

if TYPE_CHECKING:
    from hubtools.dataset.caption.planner import CaptionPlan
    from hubtools.dataset.caption.run import Captioned
    from hubtools.dataset.edits.plan import FixPlan
    from hubtools.dataset.fix.run import Fixed
    from hubtools.plans import SavedPlan


def fix(
    path: StrPath | None = None,
    project: ProjectLike = None,
    *,
    dry_run: bool = False,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    unsafe: Sequence[str] = (),
    only: Sequence[str] = (),
    resolution: int | None = None,
    plan: FixPlan | None = None,
    plan_file: StrPath | None = None,
    from_plan: StrPath | SavedPlan | None = None,
    replayable: bool = False,
    counted: bool = False,
    trust_state: bool = False,
    note: Note = quiet,
    on_picture: Progress | None = None,
    **settings: Any,
) -> Fixed:
    """Repair a folder of pictures; calling it is the yes. Originals are kept in a journal that
    `undo_fix` brings back. `dry_run`: only the plan, and its journal is None. A fix that was
    interrupted is finished first. `only`: globs of the files in which something is repaired.

    `plan`: do what this one says, which the same arguments made with `dry_run`; files that it
    cannot change as it promised are left. `plan_file` is --plan: the plan is written there, and
    nothing else is done. `from_plan`: do what the plan in this file says, or refuse. `replayable`:
    a plan that can be saved later, which takes reading all files once more; `counted`: tell what
    further unsafe fixes would repair (`FixPlan.offers`).
    """
    from hubtools.dataset.edits.replay import settled
    from hubtools.dataset.fix.planner import fix_options, plan_fix
    from hubtools.dataset.fix.run import Fixed, apply_saved, planned
    from hubtools.dataset.fix.run import fix as run
    from hubtools.plans import check_plan_file, state_of

    project = project_of(fix, project, settings)
    looks = dry_run or plan_file is not None
    if from_plan is not None:
        if any((select, ignore, unsafe, only, resolution, plan, plan_file)):
            raise UsageError("A plan in a file says what to fix: give nothing else beside it.")
        plan = _saved_fix(from_plan, path, project, looks, trust_state, note)
        return Fixed(plan, None) if looks else apply_saved(plan, trust_state=trust_state)
    if plan is not None and plan.saved is not None:
        return apply_saved(plan, trust_state=trust_state)
    if plan_file is not None:
        check_plan_file(plan_file)
    folder, project = folder_of(path, project, change=not looks, note=note)
    options = fix_options(project, select=select, ignore=ignore, resolution=resolution)
    options |= {"unsafe": unsafe, "only": only, "on_picture": on_picture, "counted": counted}
    if not looks:
        return run(folder, plan=plan, trust_state=trust_state, **options)
    file = None if plan_file is None else Path(plan_file)
    # before the pictures are read: what changes meanwhile is then told apart
    state = state_of(folder, file) if file is not None or replayable else None
    again = partial(planned, partial(plan_fix, folder, **options), state)
    made = again({})
    if file is not None:
        made = settled(made, again)
        made.save(file)
    return Fixed(made, None)


def _saved_fix(
    file: StrPath | SavedPlan,
    path: StrPath | None,
    project: Project,
    looks: bool,
    trust_state: bool,
    note: Note,
) -> FixPlan:
    """What a plan in a file says, on the folder as it was when the plan was made."""
    from hubtools.dataset.edits.journal import finish
    from hubtools.dataset.edits.replay import BESIDE, load_plan, would
    from hubtools.plans import read_plan

    saved = read_plan(file, "fix", BESIDE)
    if not looks:
        saved.check_own(trust_state, would(saved))
    if path is not None:
        path, _ = folder_of(path, project, change=not looks, note=note)
    folder = saved.folder(path)
    if not looks:
        finish(folder, trust_state=trust_state)
    return load_plan(folder, saved)


def caption(
    path: StrPath | None = None,
    project: ProjectLike = None,
    *,
    template: str | None = None,
    model: str | None = None,
    prompt: str | None = None,
    max_new_tokens: int = 60,
    device: str | None = None,
    source: str | None = None,
    source_dir: StrPath | None = None,
    replace: Sequence[str] = (),
    regex: bool = False,
    trigger_insert: bool = False,
    trigger_rename: Sequence[str] = (),
    overwrite: bool = False,
    dry_run: bool = False,
    plan: CaptionPlan | None = None,
    trust_state: bool = False,
    note: Note = quiet,
    on_picture: Progress | None = None,
    **settings: Any,
) -> Captioned:
    """Caption pictures and edit captions; calling it is the yes, and `undo_fix` takes it back.
    `source` and `source_dir` are --import and --from. `dry_run`: only the plan. `plan`: write what
    this one says."""
    from hubtools.dataset.caption.planner import plan_captions
    from hubtools.dataset.caption.run import Captioned
    from hubtools.dataset.caption.run import caption as run

    project = project_of(caption, project, settings)
    check_import(source, source_dir)
    folder, project = folder_of(path, project, change=not dry_run, note=note)
    options: dict[str, Any] = {
        "template": template,
        "source": source,
        "source_dir": None if source_dir is None else Path(source_dir),
        "model": model,
        "prompt": prompt,
        "max_new_tokens": max_new_tokens,
        "device": device,
        "replace": tuple(replace),
        "regex": regex,
        "trigger_rename": tuple(trigger_rename),
        "trigger_insert": trigger_insert,
        "overwrite": overwrite,
        "on_picture": on_picture,
    }
    if dry_run:
        return Captioned(plan_captions(folder, project.dataset, **options), None)
    return run(folder, project.dataset, plan=plan, trust_state=trust_state, **options)


def check_import(source: str | None, source_dir: StrPath | None) -> None:
    """Raises `UsageError` for a folder to import from where nothing is imported."""
    if source_dir is not None and source is None:
        raise UsageError("--from says where to --import from.")

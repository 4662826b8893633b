"""`validate`, `merge-parts`, `fix`, `inspect`, `caption`, `shard` and `unshard` as functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.commands.asked import (
    Note,
    Progress,
    ProjectLike,
    baseline_to_write,
    folder_of,
    project_of,
    quiet,
)
from hubtools.errors import UsageError
from hubtools.files import StrPath
from hubtools.layout import PROJECT_FILE

if TYPE_CHECKING:
    from hubtools.dataset.caption.run import Captioned
    from hubtools.dataset.fix.run import Fixed
    from hubtools.dataset.inspect.look import Inspection
    from hubtools.dataset.packing.plan import Format
    from hubtools.dataset.packing.unpack import Unsharded
    from hubtools.dataset.packing.write import Shards
    from hubtools.findings import Report
    from hubtools.project import Project
    from hubtools.publish.inspection import WeightInspection


def validate(
    source: StrPath | None = None,
    project: ProjectLike = None,
    *,
    strict: bool = False,
    resolution: int | None = None,
    write_baseline: bool = False,
    engine: str = "local",
    merge: Sequence[StrPath] = (),
    exhibits: bool = False,
    repairs: bool = False,
    on_picture: Progress | None = None,
    **settings: Any,
) -> Report:
    """Check pictures (default: the project's dataset) by the dataset rules.

    `source`: a folder, a project folder, an archive, shards, `hf://...` or another address.
    `resolution`: that of the training to come, in pixels. `exhibits`: gather what the HTML page
    shows. `repairs`: count what `fix` would repair. `write_baseline`: what is found is known from
    now on. `merge`: as `merge_parts`.
    """
    project = project_of(validate, project, settings)
    options: dict[str, Any] = {"strict": strict, "exhibits": exhibits, "repairs": repairs}
    options |= {"resolution": resolution, "on_picture": on_picture}
    return _report(source, project, write_baseline, merge, engine, options)


def merge_parts(
    partials: Sequence[StrPath],
    source: StrPath | None = None,
    project: ProjectLike = None,
    *,
    strict: bool = False,
    resolution: int | None = None,
    write_baseline: bool = False,
    exhibits: bool = False,
    repairs: bool = False,
    on_picture: Progress | None = None,
    **settings: Any,
) -> Report:
    """The report that `validate` gives, from the partial results of all shares.

    `partials`: what `validate_part` wrote. `source` is where the pictures lie now; default where
    the first of them found it. The other arguments are those of `validate`. Raises `HubtoolsError`
    if a share is missing, comes twice, or is of other data.
    """
    if not partials:
        raise UsageError("There is nothing to merge.", hint="give the files of all shares")
    project = project_of(merge_parts, project, settings)
    options: dict[str, Any] = {"strict": strict, "exhibits": exhibits, "repairs": repairs}
    options |= {"resolution": resolution, "on_picture": on_picture}
    return _report(source, project, write_baseline, partials, "local", options)


def _report(
    source: StrPath | None,
    project: Project,
    write_baseline: bool,
    partials: Sequence[StrPath],
    engine: str,
    options: dict[str, Any],
) -> Report:
    from hubtools.dataset.parts import merge_parts as merge
    from hubtools.dataset.validate import validate as check
    from hubtools.dataset.validate import validate_project
    from hubtools.reporting.baseline import renew_baseline

    if source is not None and "://" not in str(source) and (Path(source) / PROJECT_FILE).is_file():
        project, source = project.elsewhere(Path(source)), None
    if not options["resolution"]:
        del options["resolution"]  # that of the project counts
    # before anything is read
    known = baseline_to_write(project) if write_baseline else None
    if known is not None:
        options["baseline"] = None
    report = validate_project(
        project,
        source,
        (lambda _where, **more: merge(partials, source, **more))
        if partials  # its files say where the pictures lie
        else partial(check, engine=engine),
        **options,
    )
    return report if known is None else renew_baseline(report, known)


def fix(
    path: StrPath | None = None,
    project: ProjectLike = None,
    *,
    dry_run: bool = False,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    unsafe: Sequence[str] = (),
    resolution: int | None = None,
    trust_state: bool = False,
    note: Note = quiet,
    **settings: Any,
) -> Fixed:
    """Repair a folder of pictures; calling it is the yes. Originals are kept in a journal that
    `undo_fix` brings back. `dry_run`: only the plan, and its journal is None. A fix that was
    interrupted is finished first."""
    from hubtools.dataset.fix.planner import fix_options, plan_fix
    from hubtools.dataset.fix.run import Fixed
    from hubtools.dataset.fix.run import fix as run

    project = project_of(fix, project, settings)
    folder, project = folder_of(path, project, change=not dry_run, note=note)
    options = fix_options(project, select=select, ignore=ignore, resolution=resolution)
    if dry_run:
        return Fixed(plan_fix(folder, unsafe=unsafe, **options), None)
    return run(folder, unsafe=unsafe, trust_state=trust_state, **options)


def inspect(
    path: StrPath | None = None,
    project: ProjectLike = None,
    *,
    resolution: int | None = None,
    sheet: StrPath | None = None,
    note: Note = quiet,
    on_picture: Progress | None = None,
    **settings: Any,
) -> Inspection | WeightInspection:
    """What is in a folder of pictures, and what the trainer will see of each; or what a weight file
    (or the LoRA of a Hub repository) is. `sheet`: write a contact sheet there."""
    from hubtools.publish.inspection import inspect_weights, is_weights

    if path is not None and is_weights(path):
        return inspect_weights(path)
    from hubtools.training.preview import inspect as look

    if sheet is not None:
        from hubtools.reporting.sheets import check_sheet

        check_sheet(Path(sheet))  # before anything is done
    project = project_of(inspect, project, settings)
    folder, project = folder_of(path, project, change=False, note=note)
    train = project.train
    if resolution is not None:
        train = train.model_copy(update={"resolution": resolution})
    found = look(folder, project.dataset, train, base=project.base, on_picture=on_picture)
    if sheet is not None and found.seen:
        from hubtools.dataset.inspect.draw import write_sheet

        write_sheet(folder, found.seen, Path(sheet))
    return found


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
    trust_state: bool = False,
    note: Note = quiet,
    on_picture: Progress | None = None,
    **settings: Any,
) -> Captioned:
    """Caption pictures and edit captions; calling it is the yes, and `undo_fix` takes it back.
    `source` and `source_dir` are --import and --from. `dry_run`: only the plan."""
    from hubtools.dataset.caption.planner import plan_captions
    from hubtools.dataset.caption.run import Captioned
    from hubtools.dataset.caption.run import caption as run

    project = project_of(caption, project, settings)
    if source_dir is not None and source is None:
        raise UsageError("--from says where to --import from.")
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
    return run(folder, project.dataset, trust_state=trust_state, **options)


def shard(
    path: StrPath | None = None,
    to: StrPath | None = None,
    project: ProjectLike = None,
    *,
    format: Format = "parquet",
    max_shard_size: int | None = None,
    note: Note = quiet,
    on_row: Callable[[int, int | None], None] | None = None,
    **settings: Any,
) -> Shards:
    """Pack a folder of pictures into parquet or WebDataset shards, each read back and compared by
    hash. `format` is --as; `max_shard_size` in bytes."""
    from hubtools.dataset.packing.write import shard as run

    if to is None:
        raise UsageError("--to DIR says where to write the shards.", hint="add --to DIR")
    project = project_of(shard, project, settings)
    folder, _ = folder_of(path, project, change=False, note=note)
    return run(folder, to, format=format, max_shard_size=max_shard_size, on_row=on_row)


def unshard(
    shards: StrPath, to: StrPath, *, on_row: Callable[[int], None] | None = None
) -> Unsharded:
    """Unpack shards into the folder they were made of."""
    from hubtools.dataset.packing.unpack import unshard as run

    return run(shards, to, on_row=on_row)

"""`validate`, `merge-parts` and `inspect` as functions."""

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
from hubtools.errors import HubtoolsError, UsageError
from hubtools.files import StrPath
from hubtools.layout import PROJECT_FILE

if TYPE_CHECKING:
    from hubtools.dataset.inspect.look import Inspection
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
    from hubtools.dataset.folder.loras import refuse_lora
    from hubtools.dataset.validate import validate as look
    from hubtools.dataset.validate import validate_project
    from hubtools.reporting.baseline import renew_baseline

    if source is not None and "://" not in str(source):
        refuse_lora(Path(source))
    if source is not None and "://" not in str(source) and (Path(source) / PROJECT_FILE).is_file():
        project, source = project.elsewhere(Path(source)), None
    if not options["resolution"]:
        del options["resolution"]  # that of the project counts
    # before anything is read
    known = baseline_to_write(project) if write_baseline else None
    if known is not None:
        options["baseline"] = None
    check: Callable[..., Report] = partial(look, engine=engine)
    if partials:  # its files say where the pictures lie
        from hubtools.dataset.parts import merge_parts as merge

        def check(_where: object, **more: Any) -> Report:
            return merge(partials, source, **more)

    report = validate_project(project, source, check, **options)
    return report if known is None else renew_baseline(report, known)


def inspect(
    path: StrPath | None = None,
    project: ProjectLike = None,
    *,
    resolution: int | None = None,
    aspect_ratio_buckets: bool | None = None,
    sheet: StrPath | None = None,
    note: Note = quiet,
    on_picture: Progress | None = None,
    on_drawn: Progress | None = None,
    **settings: Any,
) -> Inspection | WeightInspection:
    """What is in a folder of pictures, and what the trainer will see of each; or what a weight file
    (or the LoRA of a Hub repository) is. `sheet`: write a contact sheet there, of the first
    pictures if there are many; `on_drawn` is told of each."""
    from hubtools.publish.inspection import inspect_weights, is_weights

    if path is not None and is_weights(path):
        return inspect_weights(path)
    from hubtools.training.preview import inspect as look

    if sheet is not None:
        from hubtools.reporting.sheets import check_sheet

        check_sheet(Path(sheet))  # before anything is done
    if path is not None and Path(path).is_file():
        raise HubtoolsError(
            f"{path} is no .safetensors file.",
            hint="give a folder of pictures, a project folder, a .safetensors file"
            " or the id of a repository with a LoRA",
            code="wrong-kind",
        )
    project = project_of(inspect, project, settings)
    folder, project = folder_of(path, project, change=False, note=note)
    train = project.train
    if resolution is not None:
        train = train.model_copy(update={"resolution": resolution})
    if aspect_ratio_buckets is not None:
        train = train.model_copy(update={"aspect_ratio_buckets": aspect_ratio_buckets})
    found = look(folder, project.dataset, train, base=project.base, on_picture=on_picture)
    if sheet is not None and found.seen:
        from hubtools.dataset.inspect.draw import write_sheet

        write_sheet(folder, found.seen, Path(sheet), on_picture=on_drawn)
    return found

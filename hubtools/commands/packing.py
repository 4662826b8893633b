"""`shard` and `unshard` as functions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.commands.asked import Note, ProjectLike, folder_of, project_of, quiet
from hubtools.errors import UsageError
from hubtools.files import StrPath
from hubtools.project import Project

if TYPE_CHECKING:
    from hubtools.dataset.packing.plan import Format, PackingPlan
    from hubtools.dataset.packing.plan_file import Wanted
    from hubtools.dataset.packing.unpack import Unsharded
    from hubtools.dataset.packing.write import Shards
    from hubtools.plans import SavedPlan


def shard(
    path: StrPath | None = None,
    to: StrPath | None = None,
    project: ProjectLike = None,
    *,
    format: Format = "parquet",
    max_shard_size: int | None = None,
    from_plan: StrPath | SavedPlan | None = None,
    trust_state: bool = False,
    note: Note = quiet,
    on_row: Callable[[int, int | None], None] | None = None,
    **settings: Any,
) -> Shards:
    """Pack a folder of pictures into parquet or WebDataset shards, each read back and compared by
    hash. `format` is --as; `max_shard_size` in bytes. `from_plan`: write the shards that the plan
    in this file names, or refuse; it says the format and the size."""
    from hubtools.dataset.packing.write import shard as run

    check_target(to)
    assert to is not None
    project = project_of(shard, project, settings)
    if from_plan is not None:
        folder, wanted = _saved_shards(from_plan, path, project, trust_state, note)
        return run(
            folder, to, format=wanted.format, max_shard_size=wanted.max_shard_size,
            on_row=on_row, check=wanted.check,
        )  # fmt: skip
    folder, _ = folder_of(path, project, change=False, note=note)
    return run(folder, to, format=format, max_shard_size=max_shard_size, on_row=on_row)


def check_target(to: StrPath | None) -> None:
    """Raises `UsageError` if nobody says where to write shards."""
    if to is None:
        raise UsageError("--to DIR says where to write the shards.", hint="add --to DIR")


def _saved_shards(
    file: StrPath | SavedPlan,
    path: StrPath | None,
    project: Project,
    trust_state: bool,
    note: Note,
) -> tuple[Path, Wanted]:
    """The folder, which is as it was when the plan in a file was made, and what the plan says."""
    from hubtools.dataset.packing.plan_file import load_plan, would
    from hubtools.plans import read_plan

    saved = read_plan(file, "shard")
    saved.check_own(trust_state, would(saved))
    if path is not None:
        path, _ = folder_of(path, project, change=False, note=note)
    folder = saved.folder(path)
    return folder, load_plan(folder, saved)


def plan_shards(
    path: StrPath | None = None,
    project: ProjectLike = None,
    *,
    format: Format = "parquet",
    max_shard_size: int | None = None,
    plan_file: StrPath | None = None,
    note: Note = quiet,
    **settings: Any,
) -> PackingPlan:
    """Which shards `shard` would write. `plan_file`: the plan is written there too."""
    from hubtools.dataset.packing.plan import plan_shards as make
    from hubtools.dataset.packing.plan_file import save_plan
    from hubtools.plans import check_plan_file, state_of

    project = project_of(shard, project, settings)
    folder, _ = folder_of(path, project, change=False, note=note)
    if plan_file is None:
        return make(folder, format, max_shard_size)
    check_plan_file(plan_file)
    # before the rows are read: what changes meanwhile is then told apart
    state = state_of(folder, Path(plan_file))
    plan = make(folder, format, max_shard_size)
    save_plan(plan, Path(plan_file), state, max_shard_size)
    return plan


def unshard(
    shards: StrPath, to: StrPath, *, on_row: Callable[[int], None] | None = None
) -> Unsharded:
    """Unpack shards into the folder they were made of."""
    from hubtools.dataset.packing.unpack import unshard as run

    return run(shards, to, on_row=on_row)

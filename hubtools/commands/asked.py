"""What a command is asked for: its project, and the settings that stand beside its arguments."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from hubtools.files import StrPath
from hubtools.layout import PROJECT_FILE
from hubtools.nearest import nearest
from hubtools.project import Project, load_project
from hubtools.setting_types import lacks_owner
from hubtools.settings import SECTIONS, DatasetSettings, aliases_of

# A project, where one lies (a file or a folder), or the settings of a dataset alone.
ProjectLike = Project | DatasetSettings | StrPath | None
Progress = Callable[[int, int], None]
Note = Callable[[str], None]
T = TypeVar("T")

# Sections of the settings (or one key of a section) that a command takes as options, and its
# function as arguments.
SECTIONS_OF: dict[str, tuple[str, ...]] = {
    "validate": ("rules", "dataset"),
    "merge_parts": ("rules", "dataset"),
    "fix": ("dataset",),
    "inspect": ("dataset",),
    "caption": ("dataset",),
    "review": ("dataset",),
    "shard": (),
    "train": ("train", "dataset", "samples"),
    "launch_slurm": ("train", "dataset", "samples"),
    "watch": ("train.price_per_hour",),
    "generate": ("samples", "train"),
    "grid": ("samples", "train"),
    "evaluate": ("evaluate", "samples", "train", "dataset"),
    "card": (
        "model",
        "dataset",
        "prune.drop",
        "train.pretrained_model_name_or_path",
        "train.base_model_repo",
    ),
    "prune": ("prune", "model.adapters"),
    "plan_prune_remote": ("prune", "model.adapters"),
    "push": ("push", "prune", "model.adapters"),
    "undo_push": (),
    "preview": ("prune",),
    "convert": (),
    "export": (),
    "merge": (),
    "ci_init": (),
    "ci_run": (),
    "ship": ("train", "dataset", "samples", "model", "push", "prune"),
}


def baseline_to_write(project: Project) -> Path:
    """The file that findings are written to as known. Raises `HubtoolsError` if something else is
    there, or a project's file leads out of its folder."""
    from hubtools.reporting.baseline import BASELINE, check_baseline

    given = project.rules.baseline
    path = project.to_change("rules", "baseline") if given else Path(BASELINE)
    check_baseline(path)
    return path


def quiet(sentence: str) -> None:
    """Tells nobody."""


# Dataset and model both have them: with the section in front they mean the same everywhere.
TWOFOLD = SECTIONS["dataset"].model_fields.keys() & SECTIONS["model"].model_fields.keys()
_WHOLE = TWOFOLD | {"plan"}  # an option of another meaning in some commands


def setting_names(
    sections: tuple[str, ...], taken: set[str], *, old: Collection[str] = ()
) -> dict[tuple[str, str], list[str]]:
    """{(section, key): names}, the first of which is its own, with underscores. A name that is
    `taken`, by an option of the command or by a section before, gets the section's in front; so
    does one that is `old` here, which still works and stands last."""
    found: dict[tuple[str, str], list[str]] = {}
    for section, _, only in (section.partition(".") for section in sections):
        for key, field in SECTIONS[section].model_fields.items():
            if only and key != only:
                continue
            names = [key, *aliases_of(field)]
            free = [name for name in names if name not in taken]
            whole = f"{section}_{key}"
            if key not in free:
                free = list(dict.fromkeys([whole, *free]))
            elif section in ("dataset", "model") and key in _WHOLE and whole not in taken:
                rest = [name for name in (*free, whole) if name not in (key, whole)]
                free = [whole, *rest, key] if key in old else [key, *rest, whole]
            taken.update(free)
            found[section, key] = free
    return found


def settings_of(command: Callable[..., Any]) -> dict[str, tuple[str, str]]:
    """{argument: (section, key)} of the settings that the function of a command takes."""
    sections = SECTIONS_OF[command.__name__]
    own = set(inspect.signature(command).parameters)
    found: dict[str, tuple[str, str]] = {}
    for place, names in setting_names(sections, own).items():
        found |= {name: place for name in (*names, "_".join(place)) if name not in found}
    return found


def with_owners(settings: Mapping[tuple[str, str], Any]) -> dict[tuple[str, str], Any]:
    """The settings that were given to a command, {(section, key): value}: of repositories called by
    a name alone with the token's own account in front, as `push` reads them. Raises `UsageError` if
    there is no token for such a name."""
    from hubtools.hub.client import full_repo_id

    return {
        place: full_repo_id(value) if place[1] == "repo" and lacks_owner(value) else value
        for place, value in settings.items()
    }


def project_of(
    command: Callable[..., Any], project: ProjectLike, settings: Mapping[str, Any]
) -> Project:
    """The project that a function was given, with the settings beside it. Raises `UsageError` for
    a value that cannot be, `TypeError` for a name that the command does not have."""
    known = settings_of(command)
    overrides: dict[tuple[str, str], Any] = {}
    for name, value in settings.items():
        if name not in known:
            near = nearest(name, known)
            hint = f"; did you mean {near}?" if near else ""
            raise TypeError(f"{command.__name__}() has no argument {name!r}{hint}")
        overrides[known[name]] = value
    overrides = with_owners(overrides)
    if isinstance(project, DatasetSettings):
        project = Project(dataset=project)
    if isinstance(project, Project):
        return project.with_settings(overrides) if overrides else project
    return load_project(project, overrides)


def takes(
    other: Callable[..., Any], *, but: Sequence[str] = ()
) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """For a function that hands its `**asked` over to `other`: it takes what that takes (but not
    `but`), which is listed once."""

    def decorate(function: Callable[..., T]) -> Callable[..., T]:
        own = inspect.signature(function)
        theirs = inspect.signature(other).parameters
        # positional ones before those that are named, any further ones last
        every = {**theirs, **own.parameters}
        named = [p for p in every.values() if p.kind is not p.VAR_KEYWORD and p.name not in but]
        named.sort(key=lambda parameter: parameter.kind)
        more = [p for p in theirs.values() if p.kind is p.VAR_KEYWORD]
        signature = own.replace(parameters=[*named, *more])

        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> T:
            signature.bind(*args, **kwargs)  # raises `TypeError` for what is missing
            return function(*args, **kwargs)

        called.__signature__ = signature  # type: ignore[attr-defined]
        return called

    return decorate


def folder_of(
    path: StrPath | None, project: Project, *, change: bool, note: Note = quiet
) -> tuple[Path, Project]:
    """(folder of pictures, its project) that a PATH means: that folder, or the dataset of the
    project in it or here. A folder that was not named is told if it is changed, or lies outside the
    project. Raises `UsageError` for the folder of a LoRA, and as `Project.to_change` if it is to
    `change`."""
    from hubtools.dataset.folder.loras import refuse_lora

    named = Path(path or "")
    if path is not None:
        refuse_lora(named)
    if path is not None and (named / PROJECT_FILE).is_file():
        project = project.elsewhere(named)
    elif path is not None:
        return named, project
    folder = project.dataset_to_change if change else project.dataset_dir
    untold = change and folder.resolve() != named.resolve()
    if project.file and (untold or not project.is_own(folder)):
        note(f"The pictures are in {folder.resolve()}.")
    return folder, project

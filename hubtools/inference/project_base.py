"""Which base model a project draws with."""

from __future__ import annotations

from collections.abc import Callable

from hubtools.errors import HubtoolsError, UsageError
from hubtools.manifest import RunManifest
from hubtools.models.base import Base, resolve_base
from hubtools.models.registry import EXAMPLE_BASE, TRY_OFFLINE
from hubtools.models.targets import chosen_target, size_of
from hubtools.project import Project


def name_of_base(project: Project) -> str:
    """What the settings call the base. Raises `UsageError` if none is set."""
    name = project.train.pretrained_model_name_or_path
    if not name:
        hint = "set train.pretrained_model_name_or_path in hubtools.toml, or give --base-model"
        if (known := _base_of_run(project)) is not None:
            hint += f" {known}, on which the run in {project.train.output_dir} was trained"
        else:
            hint += f" OWNER/NAME, e.g. {EXAMPLE_BASE} (`hubtools doctor` lists what can be"
            hint += f" trained); {TRY_OFFLINE}"
        raise UsageError("No base model is set.", hint=hint, code="no-base")
    return name


def _base_of_run(project: Project) -> str | None:
    try:
        return RunManifest.read(project.run_dir).base_model.named
    except (HubtoolsError, OSError):
        return None


def no_base_named(lora: bool = True) -> UsageError:
    """What is said where neither the settings nor a LoRA, if there is one, name a base."""
    return UsageError(
        f"No base model is set{', and the LoRA names none' if lora else ''}.",
        hint=f"give --base-model OWNER/NAME, a folder or a file; {TRY_OFFLINE}",
        code="bad-setting",
    )


def size_on(project: Project, base: Base) -> int:
    """Side of pictures in pixels where none is set: `Project.resolution`, also with a base that a
    LoRA names."""
    if project.train.resolution or project.base:
        return project.resolution
    return size_of(chosen_target(project.dataset.target, base.path_or_id))


def project_base(
    project: Project, name: str, notify: Callable[[str], None] = lambda sentence: None
) -> Base:
    """`resolve_base` with the project's settings of the base; a relative folder or file is relative
    to hubtools.toml."""
    config = project.train.base_config
    return resolve_base(
        project.placed(name),
        revision=project.train.revision,
        variant=project.train.variant,
        known_as=project.train.base_model_repo,
        config=project.placed(config) if config else None,
        notify=notify,
        allow_pickle=project.train.allow_pickle,
    )

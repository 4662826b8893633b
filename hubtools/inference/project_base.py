"""Which base model a project draws with."""

from __future__ import annotations

from collections.abc import Callable

from hubtools.errors import UsageError
from hubtools.models.base import Base, resolve_base
from hubtools.models.registry import EXAMPLE_BASE, TRY_OFFLINE
from hubtools.models.targets import chosen_target, size_of
from hubtools.project import Project


def name_of_base(project: Project) -> str:
    """What the settings call the base. Raises `UsageError` if none is set."""
    name = project.train.pretrained_model_name_or_path
    if not name:
        raise UsageError(
            "No base model is set.",
            hint="set train.pretrained_model_name_or_path in hubtools.toml, or give --base-model"
            f" OWNER/NAME, e.g. {EXAMPLE_BASE} (`hubtools doctor` lists what can be trained);"
            f" {TRY_OFFLINE}",
            code="no-base",
        )
    return name


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

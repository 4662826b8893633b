"""Which base model a project draws with."""

from __future__ import annotations

from collections.abc import Callable

from hubtools.models.base import Base, resolve_base
from hubtools.project import Project


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

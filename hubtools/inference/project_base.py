"""Which base model a project draws with."""

from __future__ import annotations

from collections.abc import Callable

from hubtools.models.base import Base, resolve_base
from hubtools.project import Project


def project_base(
    project: Project, name: str, notify: Callable[[str], None] = lambda sentence: None
) -> Base:
    """`resolve_base` with the project's revision and variant; a relative folder is relative to
    hubtools.toml."""
    folder = project.at(name)
    return resolve_base(
        str(folder) if folder.is_dir() else name,
        revision=project.train.revision,
        variant=project.train.variant,
        known_as=project.train.base_model_repo,
        notify=notify,
        allow_pickle=project.train.allow_pickle,
    )

"""How to push: what the settings of a project, and what was said beside them, ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from hubtools.project import Project
from hubtools.publish.judged import RuleChoice
from hubtools.publish.release import RepoType
from hubtools.setting_types import AllowedSecret, KeepCheckpoints

_OF_RELEASE = (
    "keep_checkpoints", "keep", "drop", "resolve_links", "adapters", "dtype", "allow",
    "allowed_secrets",
)  # fmt: skip


class PushOptions(BaseModel):
    """How to push.

    `private`: a new repository is private, and an existing one must be. `overwrite`: files of the
    repository that others changed are replaced. `resolve_links`: the files that links of a dataset
    folder lead to are sent. `ignore`: id prefixes of P and D rules to leave out, but for those on
    secrets. `collection`: OWNER/SLUG or a title, into which the repository is put after a push to
    main. `rules`: which D rules a dataset must pass. `of_release` goes to `release.collect`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    private: bool = True
    pr: bool = False
    tag: str | None = None
    message: str | None = None
    collection: str | None = None
    overwrite: bool = False
    resolve_links: bool = False
    ignore: tuple[str, ...] = ()
    rules: RuleChoice = RuleChoice()
    keep_checkpoints: KeepCheckpoints = Field(
        "none", validation_alias=AliasChoices("keep_checkpoints", "keep_snapshots")
    )
    keep: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    adapters: tuple[str, ...] = ()
    dtype: Literal["fp16", "bf16"] | None = None
    allow: tuple[str, ...] = ()
    allowed_secrets: tuple[AllowedSecret, ...] = ()

    @property
    def of_release(self) -> dict[str, Any]:
        """What `release.collect` is asked for."""
        return {name: getattr(self, name) for name in _OF_RELEASE}

    @classmethod
    def of(
        cls,
        project: Project,
        repo_type: RepoType,
        *,
        public: bool = False,
        release: str | None = None,
        **said: Any,
    ) -> PushOptions:
        """How the settings of a project, and what was `said` beside them, want to push. Patterns of
        [prune] are of files of a run folder: for a dataset they count only where the command line,
        or the caller, names them."""

        def patterns(key: str, values: Sequence[str]) -> tuple[str, ...]:
            meant = repo_type == "model" or f"prune.{key}" in project.given
            return tuple(values) if meant else ()

        return cls(
            private=project.push.private and not public,
            pr=project.push.pr,
            tag=release or (project.push.tag if repo_type == "model" else None),
            collection=project.push.collection,
            rules=RuleChoice.of(project),
            keep_checkpoints=project.prune.keep_checkpoints,
            keep=patterns("keep", project.prune.keep),
            drop=patterns("drop", project.prune.drop),
            adapters=tuple(project.model.adapters) if repo_type == "model" else (),
            dtype=project.prune.dtype if repo_type == "model" else None,
            allow=tuple(project.push.allow),
            allowed_secrets=tuple(project.push.allowed_secrets),
            **said,
        )
